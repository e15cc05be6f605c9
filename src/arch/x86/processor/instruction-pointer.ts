/** RIP: the engine's `pc` is a linear address, which outside 64-bit mode has the code segment's base in it. */
import type { VcpuInside } from "../../../kvm/inside.js";
import { Segment } from "../engines/layout.js";
import { Efer } from "../engines/registers.js";
import { getField, getMsr, setField } from "./vcpu.js";

/** Of a segment's access: 64-bit code. */
const long = 0x2000n;

export function is64(vcpu: VcpuInside): boolean {
  const active = (getMsr(vcpu, "efer") & BigInt(Efer.longModeActive)) !== 0n;
  return active && (getField(vcpu, "segmentAccess", Segment.cs) & long) !== 0n;
}

/** Undefined in 64-bit mode. */
const codeBase = (vcpu: VcpuInside): bigint | undefined =>
  is64(vcpu) ? undefined : getField(vcpu, "segmentBase", Segment.cs);

export function instructionPointer(vcpu: VcpuInside): bigint {
  const base = codeBase(vcpu);
  const pc = getField(vcpu, "pc");
  return base === undefined ? pc : BigInt.asUintN(32, pc - base);
}

/** After the segment and the mode have been set. */
export function setInstructionPointer(vcpu: VcpuInside, rip: bigint): void {
  const base = codeBase(vcpu);
  setField(vcpu, "pc", base === undefined ? rip : BigInt.asUintN(32, base + rip));
}
