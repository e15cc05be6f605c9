/** IA32_APIC_BASE when it comes to have another value. Source: Intel SDM, volume 3, "x2APIC State Transitions". */
import type { VcpuInside } from "../../../kvm/inside.js";
import { x86VmOf } from "../vm/x86-vm.js";
import { apicChanged } from "./cpuid.js";
import { getMsr, setMsr } from "./vcpu.js";

export const apicBits = { first: 0x100n, registers: 0x400n, enabled: 0x800n } as const;

/** Whoever may write it has looked at the value. */
export function setApicBase(vcpu: VcpuInside, value: bigint): void {
  const risen = value & ~getMsr(vcpu, "apicBase") & (apicBits.enabled | apicBits.registers);
  setMsr(vcpu, "apicBase", value);
  apicChanged(vcpu);
  const vm = x86VmOf(vcpu.vm);
  const one = vm.of(vcpu);
  // Where it is off, what the older controllers ask for comes in directly.
  one.request();
  // What the guest has made of its identifier in memory ends where it is turned on: an x2APIC's cannot be written.
  if (risen !== 0n) vm.irqchip?.locked(() => one.lapic.setId(vcpu.id));
}
