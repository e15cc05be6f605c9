/** Addresses that are not canonical: #SS where SS is what they are reached through, else #GP. Each stepped, interpreted and translated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { base, extent, X86Machine } from "./machine.js";

const nowhere = 0x8000_0000_0000_0000n;
const cases: readonly (readonly [text: string, vector: 12 | 13])[] = [
  ["mov rax, qword ptr [rsp]", 12],
  ["mov rax, qword ptr [rsp+rcx*2+0x10]", 12],
  ["add dword ptr [rbp+0x8], ecx", 12],
  ["movaps xmm1, xmmword ptr [rbp+0x10]", 12],
  ["pshufb xmm1, xmmword ptr [rbp+0x10]", 12],
  ["fld qword ptr [rbp+0x10]", 12],
  ["push rax", 12],
  ["pop r12", 12],
  ["ret", 12],
  ["call 0x20005000", 12],
  ["push fs", 12],
  ["push qword ptr [rdi]", 12],
  ["leave", 12],
  ["mov rax, qword ptr [r12]", 13],
  ["mov rax, qword ptr [r13+0x8]", 13],
  ["mov rax, qword ptr [rcx+rbp*1]", 13],
  ["mov rax, qword ptr fs:[rbp+0x8]", 13],
  ["mov rax, qword ptr [rbx]", 13],
  ["lods al, byte ptr ds:[rsi]", 13],
];

test("an address that is not canonical is #SS through RSP, RBP and the stack, else #GP", () => {
  const machine = new X86Machine();
  const pc = base + 0x4000n;
  for (const [text, vector] of cases) {
    const code = assemble(text, 64, pc);
    const image = new Uint8Array(extent).fill(0xcc);
    image.set(code, 0x4000);
    for (const way of ["stepped", "core", "translated"]) {
      machine.image = image;
      const general = Array.from({ length: 16 }, () => nowhere);
      general[1] = 0n;
      general[7] = base + 0x8000n;
      machine.registers = { general, flags: 2n };
      if (way === "translated") machine.translate([pc]);
      const ours = machine.run(pc, way === "stepped");
      assert.deepEqual([ours.vector, ours.pc], [vector, pc], `${way}: ${text}`);
    }
  }
});

test("a jump or a call to a place that is not canonical faults itself, and nothing is on the stack", () => {
  const machine = new X86Machine();
  const pc = base + 0x4000n;
  const stack = base + 0x7000n;
  // What the code and its data are filled with is no address either.
  for (const text of ["jmp rbx", "call rbx", "jmp qword ptr [rdi]", "call qword ptr [rdi+rcx*8]"]) {
    for (const place of [0x8000_0000_0000_0000n, 0x8000_0000_0000n, 0xffff_7fff_ffff_ffffn]) {
      const image = new Uint8Array(extent).fill(0xcc);
      image.set(assemble(text, 64, pc), 0x4000);
      for (const way of ["stepped", "core", "translated"]) {
        machine.image = image;
        const general = Array.from({ length: 16 }, () => place);
        general[1] = 0n;
        general[4] = stack;
        general[7] = base + 0x8000n;
        machine.registers = { general, flags: 2n };
        if (way === "translated") machine.translate([pc]);
        const { vector, pc: at, general: after } = machine.run(pc, way === "stepped");
        assert.deepEqual([vector, at, after[4]], [13, pc, stack], `${way}: ${text} ${place}`);
      }
    }
  }
});
