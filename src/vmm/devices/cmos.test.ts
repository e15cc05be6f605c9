import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Cmos } from "./cmos.js";
import { Rtc } from "./rtc.js";

const read = (cmos: Cmos, index: number): number => {
  cmos.write(0, index);
  return cmos.read(1);
};
const write = (cmos: Cmos, index: number, value: number): void => {
  cmos.write(0, index);
  cmos.write(1, value);
};

test("the time in decimal digits, in binary, and set", () => {
  const rtc = new Rtc({ offset: 0 }, () => Date.UTC(2031, 10, 29, 13, 45, 59));
  const cmos = new Cmos(rtc, () => undefined);
  const time = () => [0x32, 9, 8, 7, 4, 2, 0].map((index) => read(cmos, index));
  assert.deepEqual(time(), [0x20, 0x31, 0x11, 0x29, 0x13, 0x45, 0x59]);
  assert.equal(read(cmos, 10) & 0x80, 0, "nothing changes meanwhile");
  assert.equal(read(cmos, 13), 0x80);
  write(cmos, 11, 6);
  assert.deepEqual(time(), [20, 31, 11, 29, 13, 45, 59]);
  write(cmos, 11, 0x82);
  write(cmos, 9, 0x35);
  write(cmos, 0, 0x07);
  write(cmos, 11, 2);
  assert.equal(new Date(rtc.read()).toISOString(), "2035-11-29T13:45:07.000Z");
});

test("any access is answered by a byte", () => {
  const cmos = new Cmos(new Rtc(), () => undefined);
  let seed = Number(process.env["UNIKVM_SEED"] ?? 1);
  const draw = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let i = 0; i < 20_000; i++) {
    if (draw(2)) cmos.write(draw(2), draw(256));
    const byte = cmos.read(draw(2));
    assert.ok(Number.isInteger(byte) && byte >= 0 && byte < 256, `${byte}`);
  }
});

const [statusB, statusC] = [11, 12];

/** A clock whose guest wants an alarm at 13:46:01, on a host where it is 13:45:58.4. */
function withAlarm(t: { after(end: () => void): void }) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  let host = Date.UTC(2031, 10, 29, 13, 45, 58, 400);
  const levels: boolean[] = [];
  const rtc = new Rtc({ offset: 0 }, () => host);
  const cmos = new Cmos(rtc, (level) => void levels.push(level));
  for (const [index, value] of [
    [5, 0x13],
    [3, 0x46],
    [1, 0x01],
  ] as const)
    write(cmos, index, value);
  const pass = (milliseconds: number): void => {
    host += milliseconds;
    mock.timers.tick(milliseconds);
  };
  /** Whether the line is high now. */
  return { rtc, cmos, levels, pass, isHigh: () => levels.at(-1) ?? false };
}

test("an alarm comes at its second if it is let in, and once", (t) => {
  const { cmos, levels, pass, isHigh } = withAlarm(t);
  pass(60_000 * 60 * 24);
  assert.deepEqual([levels, read(cmos, statusC)], [[false], 0], "nobody has let it in");
  write(cmos, statusB, 0x22);
  pass(2599);
  assert.equal(isHigh(), false);
  pass(1);
  assert.equal(isHigh(), true);
  assert.equal(read(cmos, statusC), 0xb0, "the alarm, and the end of a second");
  assert.deepEqual([isHigh(), read(cmos, statusC)], [false, 0], "reading it ends it");
  pass(5000);
  assert.deepEqual([isHigh(), read(cmos, statusC)], [false, 0x10]);
  write(cmos, statusB, 2);
  pass(60_000);
  assert.deepEqual([isHigh(), read(cmos, statusC)], [false, 0]);
});

test("an alarm for any hour and minute, the end of each second, and none while the clock stands", (t) => {
  const { cmos, pass, isHigh } = withAlarm(t);
  write(cmos, 5, 0xff);
  write(cmos, 3, 0xc0);
  write(cmos, statusB, 0x22);
  for (let minute = 0; minute < 3; minute++) {
    pass(2600);
    assert.equal(read(cmos, statusC), 0xb0);
    pass(57_400);
    assert.equal(isHigh(), false);
  }
  write(cmos, statusB, 0x12);
  read(cmos, statusC);
  pass(599);
  assert.equal(isHigh(), false);
  pass(1);
  assert.equal(read(cmos, statusC), 0x90);
  write(cmos, statusB, 0x92);
  pass(5000);
  assert.deepEqual([isHigh(), read(cmos, statusC)], [false, 0]);
});

test("an alarm that a busy host is late for comes all the same, an interrupt that waits is let in, and a closed clock is still", (t) => {
  const { cmos, levels, pass, isHigh } = withAlarm(t);
  write(cmos, statusB, 0x22);
  // Its timer fires once in all of these seconds.
  pass(10_000);
  assert.equal(read(cmos, statusC), 0xb0);
  pass(1000);
  assert.equal(isHigh(), false);
  write(cmos, statusB, 0x32);
  assert.equal(isHigh(), true, "the second's end was there before it was let in");
  cmos.close();
  levels.length = 0;
  pass(60_000);
  assert.deepEqual(levels, []);
});

test("a clock made from a saved one still has its alarm", (t) => {
  const { rtc, cmos, pass } = withAlarm(t);
  write(cmos, statusB, 0x22);
  const state = structuredClone(cmos.save());
  cmos.close();
  const levels: boolean[] = [];
  const other = new Cmos(rtc, (level) => void levels.push(level), state);
  pass(2600);
  assert.deepEqual(levels, [true]);
  pass(1000);
  assert.equal(read(other, statusC), 0xb0);
  other.close();
  assert.throws(() => new Cmos(rtc, () => undefined, { bytes: new Uint8Array(1), index: 0 }), { code: "EINVAL" });
});
