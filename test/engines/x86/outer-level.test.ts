/**
 * What level 3 has of level 0's: segments after a return to it, and the system's tables. Judges: kvm-unit-tests' "ret/iret with a
 * nullified segment", and umip.
 */
import assert from "node:assert/strict";
import { code, inEveryWay, type System, segments, tables } from "./system.test-support.js";

const value = 0x1122_3344_5566_7788n;
const data = 0x18_0000;
const user = code + 0x200;
const task = 0xa000;

/** The lines of level 3 follow an IRETQ. Gives the vector that ends it. */
function runOutside(one: System, before: readonly string[], outside: readonly string[]): number {
  for (let i = 0; i < 8; i++) one.putRam64(tables + 0x2000 + 8 * i, BigInt(i * 0x20_0000) | 0x87n);
  one.putRam64(segments + 0x18, 0x00affb000000ffffn);
  one.putRam64(segments + 0x20, 0x00cff3000000ffffn);
  one.putRam64(task + 4, 0x3_0000n);
  one.putRam64(data, value);
  one.load(outside);
  const bytes = one.ram(code, 64).slice();
  const frame = ["0x23", "0x28000", "0x2", "0x1b", `0x${user.toString(16)}`];
  one.load([...before, ...frame.flatMap((word) => [`mov eax, ${word}`, "push rax"]), "iretq"]);
  one.ram(user, 64).set(bytes);
  one.written(user, 64);
  return one.end();
}

inEveryWay("a segment that is an inner level's names none after IRETQ, and its base stays", (make) => {
  const one = make();
  const setBase = ["mov ecx, 0xc0000101", `mov eax, 0x${data.toString(16)}`, "xor edx, edx", "wrmsr"];
  const before = ["mov eax, 0x10", "mov gs, ax", "mov es, ax", ...setBase];
  assert.equal(runOutside(one, before, ["mov rbx, qword ptr gs:[0x0]", "mov esi, gs", "mov edi, es", "ud2"]), 6);
  assert.deepEqual([one.get64("general", 3), one.get64("general", 6), one.get64("general", 7)], [value, 0n, 0n]);
});

inEveryWay("a segment of the outer level's own stays as it is", (make) => {
  const one = make();
  const before = ["mov eax, 0x23", "mov fs, ax", "mov eax, 0x10", "mov ds, ax"];
  assert.equal(runOutside(one, before, ["mov esi, fs", "mov edi, ds", "ud2"]), 6);
  assert.deepEqual([one.get64("general", 6), one.get64("general", 7)], [0x23n, 0n]);
});

inEveryWay("CR4.UMIP keeps from level 3 what tells of the system's tables, and nothing from level 0", (make) => {
  const memory = "[rsp-0x20]";
  const asked = [`sgdt ${memory}`, `sidt ${memory}`, "sldt eax", "str eax", "smsw eax", "sldt word ptr [rsp-0x20]"];
  const restrict = ["mov rax, cr4", "or eax, 0x800", "mov cr4, rax"];
  for (const line of asked) {
    assert.equal(runOutside(make(), [], [line, "ud2"]), 6, line);
    const one = make();
    assert.equal(runOutside(one, [...restrict, line], [line, "ud2"]), 13, line);
    assert.deepEqual([one.frame(0), one.frame(1)], [0n, BigInt(user)], line);
  }
});
