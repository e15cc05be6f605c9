/** CPUs that have halted for good: how Linux ends where it cannot turn the power off. */
import { KVM_MP_STATE_HALTED, KVM_MP_STATE_RUNNABLE, type X86Vcpu } from "../../../arch/x86/uapi.js";

const interruptFlag = 0x200n;

/**
 * Whether a CPU does not run, nor lets in what could have it run again. Its thread may go on meanwhile, and be at the beginning of
 * an interrupt's handler when its flags are looked at: so it must have stood still from before to after.
 */
export function haltedForGood(vcpu: Pick<X86Vcpu, "getMpState" | "getRegs" | "stats">): boolean {
  const wakes = () => vcpu.stats()["wakes"];
  const before = wakes();
  const state = vcpu.getMpState();
  if (state !== KVM_MP_STATE_HALTED) return state !== KVM_MP_STATE_RUNNABLE;
  if (vcpu.getRegs().rflags & interruptFlag) return false;
  return vcpu.getMpState() === KVM_MP_STATE_HALTED && wakes() === before;
}

/**
 * The same of all. One that was found at rest may have been kicked since, by one that rested when it was looked at: it has woken
 * then, or is about to.
 */
export function allHaltedForGood(vcpus: readonly Pick<X86Vcpu, "getMpState" | "getRegs" | "stats">[]): boolean {
  const wakes = (): readonly unknown[] => vcpus.map((vcpu) => vcpu.stats()["wakes"]);
  const before = wakes();
  if (!vcpus.every(haltedForGood) || vcpus.some((vcpu) => vcpu.getMpState() === KVM_MP_STATE_RUNNABLE)) return false;
  return wakes().every((count, i) => count === before[i]);
}
