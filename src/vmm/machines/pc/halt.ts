/** CPUs that have halted for good: how Linux ends where it cannot turn the power off. */
import { KVM_MP_STATE_HALTED, KVM_MP_STATE_RUNNABLE, type X86Vcpu } from "../../../arch/x86/uapi.js";

const interruptFlag = 0x200n;

/**
 * Whether no CPU runs, nor lets in what could have one run again. Their threads may go on meanwhile: one may be at the beginning of
 * an interrupt's handler when its flags are looked at; one that was found at rest may have been kicked since, by one that rested
 * when it was looked at. So all must have stood still from before to after.
 */
export function allHaltedForGood(vcpus: readonly Pick<X86Vcpu, "getMpState" | "getRegs" | "stats">[]): boolean {
  const states = (): readonly number[] => vcpus.map((vcpu) => vcpu.getMpState());
  const wakes = (): readonly unknown[] => vcpus.map((vcpu) => vcpu.stats()["wakes"]);
  const wakesBefore = wakes();
  const statesBefore = states();
  const atRest = vcpus.every((vcpu, cpu) => {
    const state = statesBefore[cpu];
    if (state !== KVM_MP_STATE_HALTED) return state !== KVM_MP_STATE_RUNNABLE;
    return (vcpu.getRegs().rflags & interruptFlag) === 0n;
  });
  return atRest && isSame(states(), statesBefore) && isSame(wakes(), wakesBefore);
}

const isSame = (now: readonly unknown[], before: readonly unknown[]): boolean =>
  now.every((value, i) => value === before[i]);
