/** A guest that counts, while its local APIC's timer interrupts it: what goes on where a VM's state is taken over. */
import assert from "node:assert/strict";
import { assemble } from "./isa/assembler.js";
import { type Guest, interrupts, msr, segments } from "./kvm.test-support.js";

export const counterAt = 0x20_0000;
const ticksAt = 0x20_0008;
export const floatAt = 0x20_0010;
const handlerAt = 0x30_0000;

export const word = (one: Guest, at: number): bigint => {
  const ram = one.ram();
  return new DataView(ram.buffer, ram.byteOffset).getBigUint64(at, true);
};

/** Counts, while its local APIC's periodic timer interrupts it; the x87 and XMM3 have something. */
export function startCounting(one: Guest): void {
  const ram = one.ram();
  const view = new DataView(ram.buffer, ram.byteOffset);
  const handler = [
    ...["push rax", "push rcx", "push rdx", `mov eax, ${ticksAt}`, "inc qword ptr [rax]"],
    ...[...msr(0x80b, 0), "pop rdx", "pop rcx", "pop rax", "iretq"],
  ];
  let at = handlerAt;
  for (const line of handler) {
    const bytes = assemble(line, 64, BigInt(at));
    ram.set(bytes, at);
    at += bytes.length;
  }
  // What IRET loads SS with.
  view.setBigUint64(segments + 0x18, 0x00cf93000000ffffn, true);
  const gate = interrupts + 16 * 0x41;
  view.setUint16(gate, handlerAt & 0xffff, true);
  view.setUint16(gate + 6, handlerAt >>> 16, true);
  one.cpu.setSregs({ ...one.cpu.getSregs(), cr4: 0x220n });
  const setUp = [
    ...msr(0x1b, 0xfee00d00),
    ...msr(0x80f, 0x1ff),
    ...msr(0x83e, 11),
    ...msr(0x832, 0x2_0041),
    ...msr(0x838, 500_000),
    ...["fld1", "fldpi", "mov eax, 0x1234567", "movq xmm3, rax", "xor ebx, ebx", `mov esi, ${counterAt}`, "sti"],
  ];
  const bytes = setUp.reduce((sum, line) => sum + assemble(line, 64, 0n).length, 0);
  one.load([...setUp, "inc rbx", "mov qword ptr [rsi], rbx", `jmp 0x${(0x10_0000 + bytes).toString(16)}`]);
}

/** Until it has counted, and been interrupted. */
export function goOn(one: Guest): void {
  const before = [word(one, counterAt), word(one, ticksAt)] as const;
  const end = performance.now() + 60_000;
  const more = () => word(one, counterAt) > before[0] && word(one, ticksAt) > before[1];
  do assert.deepEqual(one.cpu.run({ deadline: performance.now() + 20 }), { reason: "intr" });
  while (!more() && performance.now() < end);
  assert.ok(more(), "the guest does not run, or its timer is lost");
}
