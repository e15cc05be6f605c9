/**
 * Dirty rings: each vCPU notes the pages that it writes in a ring of its own, which the user side takes from while the
 * guest runs. Linux has them on other architectures only.
 *
 * The bitmap of a slot says which of its pages are noted; a page goes to a ring when its bit becomes 1, and
 * KVM_RESET_DIRTY_RINGS makes it 0 again. The engine notes what the guest writes (engine/runtime/slots.as.ts), and
 * this file what the kernel side writes for it. Source: Documentation/virt/kvm/api.rst, "KVM_CAP_DIRTY_LOG_RING".
 */
import { KvmError } from "../base/errors.js";
import { allocate } from "./heap.js";
import { dirtyRing, dirtyRingEntry, dirtyRingReserve } from "./layout.js";
import { locked } from "./lock.js";
import type { VmMemory } from "./memory.js";
import type { MemorySlots } from "./memory-slots.js";
import { vmState } from "./state.js";
import { type DirtyRing, KVM_DIRTY_GFN_F_DIRTY, KVM_DIRTY_GFN_F_RESET, KVM_DIRTY_RING_MAX_ENTRIES } from "./uapi.js";

const { offset: ring } = dirtyRing;
const { offset: entry, size: entrySize } = dirtyRingEntry;

export const dirtyRingLargest = KVM_DIRTY_RING_MAX_ENTRIES * entrySize;
const dirtyRingSmallest = 2 * dirtyRingReserve * entrySize;

/** KVM_ENABLE_CAP(KVM_CAP_DIRTY_LOG_RING): `bytes` for each vCPU. */
export function enableDirtyRings(memory: VmMemory, bytes: number, vcpus: number): void {
  const refuse = (why: string) => new KvmError("EINVAL", `KVM_CAP_DIRTY_LOG_RING: ${why}`);
  if (bytes > dirtyRingLargest) throw new KvmError("E2BIG", `a dirty ring has at most ${dirtyRingLargest} bytes`);
  if (!Number.isInteger(Math.log2(bytes)) || bytes < dirtyRingSmallest) {
    throw refuse(`${bytes} bytes are no power of two from ${dirtyRingSmallest}`);
  }
  if (memory.i32(vmState.dirtyRingBytes) !== 0) throw refuse("it is enabled already");
  if (vcpus > 0) throw refuse("it is enabled before the first vCPU is created");
  memory.store(vmState.dirtyRingBytes, bytes);
}

/** Gives a new vCPU its ring, if the VM uses them. `at`: the ring's fields in its state. */
export function createDirtyRing(memory: VmMemory, at: number): void {
  const bytes = memory.load(vmState.dirtyRingBytes);
  if (bytes === 0) return;
  memory.setI32(at + ring.entries, bytes / entrySize);
  memory.setI32(at + ring.address, allocate(memory, bytes, 4096));
}

export function dirtyRingOf(memory: VmMemory, at: number): DirtyRing | undefined {
  const address = memory.u32(at + ring.address);
  return address === 0 ? undefined : { address, entries: memory.i32(at + ring.entries) };
}

const used = (memory: VmMemory, at: number): number =>
  (memory.load(at + ring.filled) - memory.load(at + ring.taken)) | 0;

/** Whether only the reserve is left. */
export function dirtyRingFull(memory: VmMemory, at: number): boolean {
  const entries = memory.i32(at + ring.entries);
  return entries !== 0 && used(memory, at) >= entries - dirtyRingReserve;
}

/** Notes a page. On the thread that holds the vCPU. */
export function pushDirty(memory: VmMemory, at: number, slot: number, page: number): void {
  const entries = memory.i32(at + ring.entries);
  if (entries === 0 || used(memory, at) >= entries) return;
  const filled = memory.i32(at + ring.filled);
  const to = memory.u32(at + ring.address) + (filled & (entries - 1)) * entrySize;
  memory.setI32(to + entry.slot, slot);
  memory.setI64(to + entry.offset, BigInt(page));
  memory.store(to + entry.flags, KVM_DIRTY_GFN_F_DIRTY);
  memory.store(at + ring.filled, (filled + 1) | 0);
}

/** KVM_RESET_DIRTY_RINGS of the rings at `rings`. `changed` returns when no vCPU may write unnoticed what it did before. */
export function resetDirtyRings(
  memory: VmMemory,
  rings: readonly number[],
  slots: MemorySlots,
  changed: () => void,
): number {
  if (memory.load(vmState.dirtyRingBytes) === 0) throw new KvmError("EINVAL", "the VM has no dirty rings");
  const count = locked(memory, vmState.lock, () => {
    const known = new Map(slots.list().map((slot) => [slot.slot, slot]));
    const clear = (number: number, page: bigint): void => {
      const slot = known.get(number);
      if (slot) slots.clearDirty(slot, page);
    };
    return rings.reduce((sum, at) => sum + reset(memory, at, clear), 0);
  });
  if (count > 0) changed();
  return count;
}

/** The user side writes the entries: whatever they hold now, only pages of slots that there are can be meant. */
function reset(memory: VmMemory, at: number, clear: (slot: number, page: bigint) => void): number {
  const entries = memory.i32(at + ring.entries);
  let count = 0;
  for (; count < used(memory, at) && count < entries; count++) {
    const from = memory.u32(at + ring.address) + ((memory.i32(at + ring.taken) + count) & (entries - 1)) * entrySize;
    if (!(memory.load(from + entry.flags) & KVM_DIRTY_GFN_F_RESET)) break;
    clear(memory.i32(from + entry.slot), memory.u64(from + entry.offset));
    memory.store(from + entry.flags, 0);
  }
  memory.store(at + ring.taken, (memory.i32(at + ring.taken) + count) | 0);
  return count;
}
