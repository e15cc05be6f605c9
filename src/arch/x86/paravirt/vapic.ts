/**
 * A word of guest memory that stands for the local APIC's task priority, for guests that are patched to read and write it there
 * instead of the register (KVM_SET_VAPIC_ADDR): the priority, the class of what is being handled, and the highest that waits.
 */
import type { VcpuInside } from "../../../kvm/inside.js";
import { placeOf, put } from "../processor/guest-memory.js";
import { recordAt } from "../processor/vcpu.js";
import { x86VcpuOf } from "../vm/x86-vm.js";

const bytes = 4;
const addressOf = (vcpu: VcpuInside): bigint => vcpu.vm.mem.u64(recordAt(vcpu, "vapic"));

/** False: there is no memory that can be written. 0 is none. */
export function setVapic(vcpu: VcpuInside, address: bigint): boolean {
  if (address !== 0n && placeOf(vcpu.vm, address, bytes) === undefined) return false;
  vcpu.vm.mem.setI64(recordAt(vcpu, "vapic"), BigInt.asIntN(64, address));
  return true;
}

function wordOf({ vm }: VcpuInside, address: bigint): number | undefined {
  const place = placeOf(vm, address, bytes);
  return place === undefined ? undefined : new DataView(vm.mem.wasm.buffer, place, bytes).getUint32(0, true);
}

/** Before the guest goes on. */
export function showVapic(vcpu: VcpuInside): void {
  const address = addressOf(vcpu);
  if (address === 0n) return;
  const one = x86VcpuOf(vcpu);
  const { lapic } = one;
  if (!lapic.enabled) return;
  const word = one.vm.irqchip?.locked(() => {
    const { inService, requested } = lapic.highest;
    return (lapic.taskPriority | ((inService & 0xf0) << 8) | (requested << 24)) >>> 0;
  });
  // What is right already makes no page dirty.
  if (word === undefined || wordOf(vcpu, address) === word) return;
  put(vcpu, address, bytes, (view) => view.setUint32(0, word, true));
}

/** After the guest has run: what it has written there is the priority. */
export function takeVapic(vcpu: VcpuInside): void {
  const address = addressOf(vcpu);
  if (address === 0n) return;
  const word = wordOf(vcpu, address);
  const { lapic, vm } = x86VcpuOf(vcpu);
  vm.irqchip?.locked(() => {
    if (word !== undefined && lapic.taskPriority !== (word & 0xff)) lapic.taskPriority = word & 0xff;
  });
}
