import assert from "node:assert/strict";
import { test } from "node:test";
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
  const cmos = new Cmos(rtc);
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
  const cmos = new Cmos(new Rtc());
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
