/** Time base, decrementer and the host's clock, as `interrupts/time.as.ts` has them. */
import { hostNow } from "../../../kvm/clock.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { vmLayout } from "../../../kvm/layout.js";
import { addressOf } from "./vcpu.js";

/** Ticks per millisecond: 512 MHz, as every POWER server since POWER5 has it. */
export const clockRate = 512_000;

export function timeBase(vcpu: VcpuInside): bigint {
  return timeBaseAt(vcpu, hostNow());
}

/** The time base at a time of the host's clock (ms). */
export function timeBaseAt(vcpu: VcpuInside, time: number): bigint {
  const { mem } = vcpu.vm;
  const ticks = (time - mem.f64(vmLayout.clockBase)) * mem.f64(vmLayout.clockRate);
  return BigInt(Math.floor(ticks)) + mem.i64(addressOf(vcpu, "tbOffset"));
}

/** When the decrementer passes zero, ms of the host's clock. */
export function decrementerExpiry(vcpu: VcpuInside): number {
  const { mem } = vcpu.vm;
  const ticks = mem.i64(addressOf(vcpu, "decExpiry")) - mem.i64(addressOf(vcpu, "tbOffset"));
  return mem.f64(vmLayout.clockBase) + Number(ticks) / mem.f64(vmLayout.clockRate);
}
