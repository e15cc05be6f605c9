/** Accesses off one register that are checked together, and the end of a page between them. */
import assert from "node:assert/strict";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { code, inEveryWay } from "./system.test-support.js";

const pages = 0x20_0000;

inEveryWay("a frame over the end of a page costs no way out of its region in each round", (make, way) => {
  const m = make();
  const rounds = way === "stepped" ? 40 : 400_000;
  const frame = pages + 0x1000 - 0x10;
  m.putRam64(frame, 1n);
  m.putRam64(frame + 0x20, 10n);
  const before = [`mov ecx, ${rounds}`, `mov ebx, 0x${frame.toString(16)}`, "xor esi, esi"];
  const start = before.reduce((at, line) => at + assemble(line, 64, BigInt(at)).length, code);
  m.load([
    ...before,
    // Wherever a region begins, its first access is checked together with one on the other page.
    ...Array.from({ length: 4 }, () => ["add rsi, qword ptr [rbx]", "add rsi, qword ptr [rbx+0x20]"]).flat(),
    ...["sub ecx, 0x1", `jne 0x${start.toString(16)}`, "hlt"],
  ]);
  assert.equal(m.end(), -1);
  assert.equal(m.get64("general", 6), BigInt(44 * rounds));
  if (way === "translated") assert.ok(m.regionRuns < rounds / 2, `${m.regionRuns} runs of regions`);
});

inEveryWay("a page fault behind it pushes flags that only the region knew", (make, way) => {
  const m = make();
  const rounds = way === "stepped" ? 40 : 400_000;
  const frame = pages + 0x1000 - 0x10;
  // Behind the pages that there are.
  const end = 8 * 0x20_0000;
  const before = [
    ...[`mov ecx, ${rounds + 1}`, `mov ebx, 0x${frame.toString(16)}`, `mov edi, 0x${(end - 8 * rounds).toString(16)}`],
    ...["mov eax, 0x5", "xor esi, esi"],
  ];
  const start = before.reduce((at, line) => at + assemble(line, 64, BigInt(at)).length, code);
  const pair = ["add rsi, qword ptr [rbx]", "add rsi, qword ptr [rbx+0x20]"];
  m.load([
    ...before,
    ...Array.from({ length: 4 }, () => [...pair, "cmp al, 0x6", "mov rdx, qword ptr [rdi]"]).flat(),
    ...["add rdi, 0x8", "sub ecx, 0x1", `jne 0x${start.toString(16)}`],
  ]);
  assert.equal(m.end(), 14);
  assert.equal(m.get64("control", 2), BigInt(end));
  // CF, AF and SF of 5 - 6; ZF is not set, as it is of nothing else in the loop.
  assert.equal(m.frame(3) & 0x8d5n, 0x95n);
  if (way === "translated") assert.ok(m.regionRuns < rounds / 2, `${m.regionRuns} runs of regions`);
});
