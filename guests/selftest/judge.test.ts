import assert from "node:assert/strict";
import { test } from "node:test";
import type { SelfTest } from "./author.js";
import { buildGuest, RecordKind } from "./guest.js";
import { judge } from "./judge.js";

const subject = (name: string): SelfTest => ({
  name,
  environment: "real",
  source: (t) =>
    `  li r14, 5\n${t.check("five", "r14", 5)}\nhere_${name}:\n${t.check("low byte", "r14", `here_${name}`, 0xffn)}`,
});
const guest = buildGuest([subject("one"), subject("two")], true);

/** What the guest would send. */
function output(
  ...records: readonly (readonly [kind: keyof typeof RecordKind, id: number, value: bigint])[]
): Uint8Array {
  const view = new DataView(new ArrayBuffer(16 * records.length));
  records.forEach(([kind, id, value], i) => {
    view.setBigUint64(16 * i, BigInt((RecordKind[kind] << 16) + id));
    view.setBigUint64(16 * i + 8, value);
  });
  return new Uint8Array(view.buffer);
}

const right = (id: number) => ["check", id, guest.expected[id] ?? 0n] as const;
const whole = [
  ["begin", 0, 0n],
  right(0),
  right(1),
  ["end", 0, 0n],
  ["begin", 1, 1n],
  right(2),
  right(3),
  ["end", 1, 1n],
  ["finished", 0, 0n],
] as const;
const failures = (bytes: Uint8Array) => judge(guest, bytes).tests.map((one) => one.failures);

test("all is right", () => {
  const verdict = judge(guest, output(...whole));
  assert.deepEqual(
    verdict.tests.map((one) => [one.name, one.passed, one.failures]),
    [
      ["one", 2, []],
      ["two", 2, []],
    ],
  );
  assert.ok(verdict.finished);
});

test("a wrong value is told with the right one", () => {
  const wrong = output(...whole.slice(0, 5), ["check", 2, 6n], ...whole.slice(6));
  assert.deepEqual(failures(wrong), [[], ["five: expected 0x5, got 0x6"]]);
});

test("only the bits of the mask count", () => {
  const other = output(...whole.slice(0, 2), ["check", 1, (guest.expected[1] ?? 0n) | 0xff00n], ...whole.slice(3));
  assert.deepEqual(failures(other), [[], []]);
});

test("a check that is missing is missed", () => {
  assert.deepEqual(failures(output(...whole.slice(0, 1), ...whole.slice(2))), [["five: not reported"], []]);
});

test("a guest that stops", () => {
  assert.deepEqual(failures(output(...whole.slice(0, 2))), [["the guest stopped here"], ["never began"]]);
  assert.deepEqual(failures(new Uint8Array(0)), [["never began"], ["never began"]]);
  // Half a record is no record.
  assert.deepEqual(failures(output(...whole).subarray(0, 16 * 9 - 1)), [[], []]);
  assert.equal(judge(guest, output(...whole).subarray(0, 16 * 9 - 1)).finished, false);
});

test("an unexpected interrupt names the place", () => {
  const place = (guest.symbols.get("here_one") ?? 0n) + 8n;
  const interrupt = [0x300n, place, 1n, 2n, 3n].map((value, id) => ["unexpected", id, value] as const);
  const [mine = []] = failures(output(...whole.slice(0, 2), ...interrupt, ...whole.slice(4)));
  assert.equal(mine.length, 1);
  assert.match(
    mine[0] ?? "",
    /^unexpected interrupt 0x300 at 0x[0-9a-f]+ \(here_one \+ 0x8\), SRR1 0x1, DAR 0x2, DSISR 0x3$/,
  );
});

test("what means nothing is told", () => {
  assert.match(failures(output(["begin", 0, 0n], ["check", 999, 0n]))[0]?.[0] ?? "", /sent 0x3e7, which means nothing/);
});
