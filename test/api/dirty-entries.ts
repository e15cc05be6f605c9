/** A dirty ring as the user side reads it. */
import assert from "node:assert/strict";
import { KVM_DIRTY_GFN_F_DIRTY, KVM_DIRTY_GFN_F_RESET } from "../../src/kvm/constants.js";
import type { Vcpu, Vm } from "../../src/kvm/uapi.js";

/** struct kvm_dirty_gfn. */
export const entrySize = 16;

/** Takes what is in the ring from entry `from` on: slot and page. */
export function take(
  vm: Pick<Vm, "memory">,
  { dirtyRing }: Pick<Vcpu, "dirtyRing">,
  from: number,
): [slot: number, page: number][] {
  assert.ok(dirtyRing);
  const view = new DataView(vm.memory.buffer);
  const taken: [number, number][] = [];
  for (let i = from; i < from + dirtyRing.entries; i++) {
    const at = dirtyRing.address + (i % dirtyRing.entries) * entrySize;
    if (view.getUint32(at, true) !== KVM_DIRTY_GFN_F_DIRTY) break;
    taken.push([view.getUint32(at + 4, true), Number(view.getBigUint64(at + 8, true))]);
    view.setUint32(at, KVM_DIRTY_GFN_F_DIRTY | KVM_DIRTY_GFN_F_RESET, true);
  }
  return taken;
}
