/** Interrupts and instructions as the trace has them. */

import type { VcpuInside } from "../../../kvm/inside.js";
import { traceBit } from "../../../kvm/trace.js";
import { state } from "../engines/layout.js";
import { Vector } from "../interrupts/vectors.js";
import { isPrefix } from "../isa/pattern.js";
import { addressOf, getCr, getField, setField } from "../processor/vcpu.js";

const names = {
  systemReset: "System Reset",
  machineCheck: "Machine Check",
  dataStorage: "Data Storage",
  dataSegment: "Data Segment",
  instructionStorage: "Instruction Storage",
  instructionSegment: "Instruction Segment",
  external: "External",
  alignment: "Alignment",
  program: "Program",
  floatUnavailable: "Floating-Point Unavailable",
  decrementer: "Decrementer",
  doorbell: "Directed Privileged Doorbell",
  systemCall: "System Call",
  trace: "Trace",
  vectorUnavailable: "Vector Unavailable",
  vsxUnavailable: "VSX Unavailable",
  facilityUnavailable: "Facility Unavailable",
  systemCallVectored: "System Call Vectored",
} as const satisfies Record<keyof typeof Vector, string>;
const nameOf = new Map(
  Object.entries(Vector).map(([key, vector]) => [vector as number, names[key as keyof typeof Vector]]),
);

/** Before the engine runs: what it is to tell, and to leave after each interrupt if someone wants to know. */
export function prepareTrace(vcpu: VcpuInside): void {
  setField(vcpu, "traceMmu", vcpu.vm.trace.mask & traceBit.mmu ? 1n : 0n);
  setField(vcpu, "traceInterrupts", vcpu.vm.trace.mask & traceBit.interrupt ? 1n : 0n);
}

/** After the engine left. */
export function emitInterrupt(vcpu: VcpuInside): void {
  const vector = Number(getField(vcpu, "lastInterrupt"));
  if (vector === 0) return;
  setField(vcpu, "lastInterrupt", 0n);
  const hex = (field: "srr0" | "srr1" | "dar" | "dsisr") => `0x${getField(vcpu, field).toString(16)}`;
  const storage =
    vector === Vector.dataStorage || vector === Vector.dataSegment ? { dar: hex("dar"), dsisr: hex("dsisr") } : {};
  vcpu.vm.trace.emit("interrupt", vcpu.id, nameOf.get(Math.min(vector, Vector.systemCallVectored)) ?? "unknown", {
    vector: `0x${vector.toString(16)}`,
    srr0: hex("srr0"),
    srr1: hex("srr1"),
    ...storage,
  });
}

/** No instruction's address. */
const none = -1n;

/** One instruction in the engine: where it stood, its word, and which GPRs and whether CR changed. */
export function traceStep(vcpu: VcpuInside): number {
  const gprs = addressOf(vcpu, "gpr");
  const read = () => Array.from({ length: state.gpr.count }, (_, i) => vcpu.vm.mem.u64(gprs + 8 * i));
  const before = read();
  const cr = getCr(vcpu);
  setField(vcpu, "steppedAt", none);
  const code = vcpu.engineStep();
  const pc = getField(vcpu, "steppedAt");
  // Someone asked the vCPU to leave, and no instruction ran.
  if (pc === BigInt.asUintN(64, none)) return code;
  const word = Number(getField(vcpu, "steppedWord"));
  const values: Record<string, bigint | number> = { pc, word };
  if (isPrefix(word)) values["suffix"] = Number(getField(vcpu, "steppedSuffix"));
  for (const [i, value] of read().entries()) if (value !== before[i]) values[`r${i}`] = value;
  const newCr = getCr(vcpu);
  if (newCr !== cr) values["cr"] = newCr;
  vcpu.vm.trace.emit("insn", vcpu.id, "", values);
  return code;
}
