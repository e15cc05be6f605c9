/** Faults in the midst of translated code: their handlers find the registers and flags that the interpreter would leave. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { base, extent, X86Machine } from "./machine.js";

const stack = base + 0x3000n;

/** A loop that begins with a push, until the last line faults. */
function outcomes(lines: readonly string[], general: Readonly<Record<number, bigint>>) {
  const pc = base + 0x4100n;
  const code: number[] = [];
  for (const line of lines) code.push(...assemble(line, 64, pc + BigInt(code.length)));
  // jmp to the beginning.
  code.push(0xeb, -(code.length + 2) & 0xff);
  const image = new Uint8Array(extent).fill(0xcc);
  image.set(code, Number(pc - base));
  const registers = Array.from({ length: 16 }, (_, i) => general[i] ?? (i === 4 ? stack : 0n));
  return [false, true].map((translate) => {
    const machine = new X86Machine();
    machine.image = image;
    machine.registers = { general: registers, flags: 0x202n };
    if (translate) machine.translate([pc]);
    const { general, flags, pc: end, vector } = machine.run(pc, !translate, true);
    assert.equal(machine.regionRuns > 0, translate);
    return { general, flags: flags & 0x8d5n, end, vector };
  });
}

test("a division by zero in a translated loop", () => {
  const lines = ["push rax", "mov edx, 0x0", "add rbx, r9", "sub rcx, 0x1", "div rcx", "add r8, rax"];
  const [stepped, translated] = outcomes(lines, { 0: 77n, 1: 9n, 3: 5n, 9: 0x7000_0000_0000_0000n });
  assert.equal(stepped?.vector, 0);
  assert.equal(stepped?.general[4], stack - 72n);
  assert.deepEqual(translated, stepped);
});

test("memory that is not there, in a translated loop", () => {
  const lines = ["push rax", "add rbx, r9", "mov rax, qword ptr [rsi]", "add rsi, 0x1000"];
  const [stepped, translated] = outcomes(lines, { 3: 5n, 6: base + 0x100n, 9: 0x7000_0000_0000_0000n });
  assert.equal(stepped?.vector, 14);
  assert.deepEqual(translated, stepped);
});

test("an instruction that is none, in a translated loop", () => {
  const lines = ["push rax", "add rbx, r9", "sub rcx, 0x1", "jne 0x2000410c", "ud2", "nop"];
  const [stepped, translated] = outcomes(lines, { 1: 6n, 3: 5n, 9: 0x7000_0000_0000_0000n });
  assert.equal(stepped?.vector, 6);
  assert.deepEqual(translated, stepped);
});
