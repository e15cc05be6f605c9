/**
 * A word of the guest's by which it ends an interrupt without leaving: it clears the bit that was set for it when the interrupt
 * was taken. Source: Documentation/virt/kvm/x86/msr.rst, "MSR_KVM_EOI_EN".
 */
import type { VcpuInside } from "../../../kvm/inside.js";
import { placeOf, put } from "../processor/guest-memory.js";
import { recordAt } from "../processor/vcpu.js";

export const enabled = 1n;
export const reserved = 2n;
/** The word's bit: the guest need not say that the interrupt ends. */
const need = 1;

/** What the guest wrote into the MSR. */
export const value = (vcpu: VcpuInside): bigint => vcpu.vm.mem.u64(recordAt(vcpu, "endOfInterrupt"));
export const addressOf = (msr: bigint): bigint => msr & ~(reserved | enabled);

/** Tells the guest that it need not end what it is in the middle of. False: it has no word for that. */
export function offerEnd(vcpu: VcpuInside): boolean {
  const msr = value(vcpu);
  if (!(msr & enabled)) return false;
  return put(vcpu, addressOf(msr), 4, (view) => view.setUint8(0, view.getUint8(0) | need));
}

/** Takes it back. True: the guest has ended it meanwhile. */
export function takeEnd(vcpu: VcpuInside): boolean {
  const msr = value(vcpu);
  const place = msr & enabled ? placeOf(vcpu.vm, addressOf(msr), 4) : undefined;
  if (place === undefined) return false;
  const told = (vcpu.vm.mem.and(place, ~need) & need) !== 0;
  if (told) vcpu.vm.guestWritten(addressOf(msr), 4);
  return !told;
}
