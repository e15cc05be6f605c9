/**
 * What goes by a vCPU's Processor Version Register, and by the earlier version that it is compatible with
 * (KVM_REG_PPC_ARCH_COMPAT): whose instructions it has.
 */
import { KvmError } from "../../../base/errors.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { decodeRoot, Request } from "../engines/layout.js";
import { type IsaLevel, isaLevels } from "../isa/levels.js";
import { getField, recordAt, request, setField } from "./vcpu.js";

/** Versions by PVR's upper half, the processor's type: POWER8E, POWER8NVL, POWER8; Power10, Power11. All others: v3.0. */
const levels: ReadonlyMap<bigint, IsaLevel> = new Map<bigint, IsaLevel>([
  [0x4bn, "2.07"],
  [0x4cn, "2.07"],
  [0x4dn, "2.07"],
  [0x80n, "3.1"],
  [0x82n, "3.1"],
]);

/** Logical versions that a vCPU can be compatible with: 2.05 to 3.1. What is before 2.07 does not take away any instruction. */
const logical: ReadonlyMap<number, IsaLevel> = new Map<number, IsaLevel>([
  [0x0f00_0002, "2.07"],
  [0x0f00_0003, "2.07"],
  [0x0f10_0003, "2.07"],
  [0x0f00_0004, "2.07"],
  [0x0f00_0005, "3.0"],
  [0x0f00_0006, "3.1"],
]);

const levelOfPvr = (vcpu: VcpuInside): IsaLevel => levels.get(getField(vcpu, "pvr") >> 16n) ?? "3.0";
const earlier = (a: IsaLevel, b: IsaLevel): IsaLevel => (isaLevels.indexOf(a) < isaLevels.indexOf(b) ? a : b);

/**
 * The vCPU becomes one of an earlier version of the architecture, which is what PCR makes of a processor for its problem
 * state; here its supervisor state loses the instructions, too. 0: of its own version. EINVAL: no logical version, or one
 * that its processor does not have.
 * Source: Power ISA v3.1B, Book III "Processor Compatibility Register".
 */
export function setCompatibility(vcpu: VcpuInside, version: number): void {
  const level = version === 0 ? levelOfPvr(vcpu) : logical.get(version);
  if (level === undefined || earlier(level, levelOfPvr(vcpu)) !== level) {
    const number = `0x${version.toString(16).padStart(8, "0")}`;
    const why =
      level === undefined ? "is no logical processor version" : `is newer than this vCPU, of v${levelOfPvr(vcpu)}`;
    throw new KvmError("EINVAL", `KVM_REG_PPC_ARCH_COMPAT: ${number} ${why}`);
  }
  vcpu.vm.mem.setI32(recordAt(vcpu, "archCompat"), version);
  processorChanged(vcpu);
}

/** PVR was written: decodes by it from now on. */
export function processorChanged(vcpu: VcpuInside): void {
  const own = levelOfPvr(vcpu);
  const level = earlier(own, logical.get(vcpu.vm.mem.u32(recordAt(vcpu, "archCompat"))) ?? own);
  setField(vcpu, "smallDecrementer", level === "2.07" ? 1n : 0n);
  const root = BigInt(decodeRoot(level));
  if (getField(vcpu, "decodeRoot") === root) return;
  setField(vcpu, "decodeRoot", root);
  request(vcpu, Request.flushCode);
}
