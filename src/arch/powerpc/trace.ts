/** Interrupts as the trace has them: which, from where. */
import { traceBit } from "../../kvm/trace.js";
import type { VcpuCore } from "../../kvm/vcpu.js";
import { getField, setField } from "./vcpu.js";

/** By vector. Source: Power ISA v3.0B, Book III "Interrupt Definitions". */
const names: Readonly<Record<number, string>> = {
  256: "System Reset",
  512: "Machine Check",
  768: "Data Storage",
  896: "Data Segment",
  1024: "Instruction Storage",
  1152: "Instruction Segment",
  1280: "External",
  1536: "Alignment",
  1792: "Program",
  2048: "Floating-Point Unavailable",
  2304: "Decrementer",
  2560: "Directed Privileged Doorbell",
  3072: "System Call",
  3328: "Trace",
  3872: "Vector Unavailable",
  3904: "VSX Unavailable",
  3936: "Facility Unavailable",
};
const vectored = 0x17000;

/** Before the engine runs: it is to leave after each interrupt if someone wants to know. */
export function traceInterrupts(vcpu: VcpuCore): void {
  setField(vcpu, "traceInterrupts", vcpu.vm.trace.mask & traceBit.interrupt ? 1n : 0n);
}

/** After the engine left. */
export function emitInterrupt(vcpu: VcpuCore): void {
  const vector = Number(getField(vcpu, "lastInterrupt"));
  if (vector === 0) return;
  setField(vcpu, "lastInterrupt", 0n);
  const hex = (field: "srr0" | "srr1" | "dar" | "dsisr") => `0x${getField(vcpu, field).toString(16)}`;
  const storage = vector === 0x300 || vector === 0x380 ? { dar: hex("dar"), dsisr: hex("dsisr") } : {};
  vcpu.vm.trace.emit("interrupt", vcpu.id, vector >= vectored ? "System Call Vectored" : (names[vector] ?? "unknown"), {
    vector: `0x${vector.toString(16)}`,
    srr0: hex("srr0"),
    srr1: hex("srr1"),
    ...storage,
  });
}
