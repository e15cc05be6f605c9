/** Hands out a VM's memory: never given back before the VM goes, since everything lives as long as it does. */
import { alignUp } from "../base/struct.js";
import { vmLayout } from "./layout.js";
import { locked } from "./lock.js";
import type { VmMemory } from "./memory.js";
import { vmState } from "./state.js";

/** Zeroed bytes at a multiple of `alignment`. ENOMEM. */
export function allocate(memory: VmMemory, bytes: number, alignment = 64): number {
  return locked(memory, vmState.heapLock, () => {
    const address = alignUp(memory.u32(vmLayout.heapNext), alignment);
    const end = address + bytes;
    memory.ensure(end);
    memory.setI32(vmLayout.heapNext, end);
    return address;
  });
}
