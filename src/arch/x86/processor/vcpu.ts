/** An x86 vCPU's registers in the VM's memory, for the slow paths. Only for who holds the vCPU (see kvm/uapi.ts). */
import { vcpuFields } from "../../../engine/vcpu-fields.js";
import { hostNow } from "../../../kvm/clock.js";
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { vmLayout } from "../../../kvm/layout.js";
import { Request, state } from "../engines/layout.js";
import { msrPlaces } from "../engines/msrs.js";
import { x86Vcpu } from "../vm/state.js";

export type StateField = keyof typeof state;
export const { addressOf, getField, setField, request, flushTranslations, dropCode } = vcpuFields<StateField>(state);

export const getMsr = (vcpu: VcpuInside, name: keyof typeof msrPlaces): bigint =>
  getField(vcpu, "msrs", msrPlaces[name]);
export const setMsr = (vcpu: VcpuInside, name: keyof typeof msrPlaces, value: bigint): void =>
  setField(vcpu, "msrs", value, msrPlaces[name]);

/** The engine renews what derives from registers before it goes on. */
export const contextChanged = (vcpu: VcpuInside): void => request(vcpu, Request.context);

/** Something became pending: a running vCPU looks, a halted one wakes. [any thread] */
export function notifyInterrupt(vcpu: VcpuInside): void {
  request(vcpu, Request.interrupt);
  vcpu.wake();
}

/** The architecture's part of the vCPU's record. */
export const recordAt = (vcpu: VcpuInside, field: keyof typeof x86Vcpu.offset): number =>
  vcpu.archRecord + x86Vcpu.offset[field];

/** Ticks of the time-stamp counter a millisecond: 1 GHz, more than any host's clock tells apart. */
export const tscRate = 1e6;

/** The guest's time, ms: it stands still while the VM is paused. */
export const guestNow = (vm: VmInside): number => hostNow() - vm.mem.f64(vmLayout.clockBase);

/** What RDTSC gives now. */
export const timeStamp = (vcpu: VcpuInside): bigint =>
  BigInt.asUintN(64, BigInt(Math.floor(guestNow(vcpu.vm) * tscRate)) + getField(vcpu, "tscOffset"));

/**
 * The guest's time, ms, when the counter stands at this, which has no sign; what is past is now or earlier. No later than what
 * has ticks of 64 bits with a sign.
 */
export const timeOf = (vcpu: VcpuInside, counter: bigint): number =>
  Math.min(guestNow(vcpu.vm) + Number(counter - timeStamp(vcpu)) / tscRate, 9e12);
