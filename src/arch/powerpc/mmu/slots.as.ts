/**
 * From guest physical addresses to the VM's memory: the memory slots, read under their generation number while the KVM core
 * may be changing them, and the dirty log.
 */
import {
  VM_pageSize,
  VM_slotCount,
  VM_slots,
  VM_slotsGeneration,
  VM_slotSize,
} from "../engines/runtime/layout.generated";

const SLOT_LOG_DIRTY = 1;
const SLOT_READ_ONLY = 2;

// Second results of findSlot, dead at the next call.
let slotBase: u64 = 0;
let slotHost: i32 = 0;
let slotFlags: i32 = 0;
let slotBitmap: i32 = 0;

/** Takes over the slot at `slot` if it holds the address. */
// @ts-ignore: decorator
@inline
function take(slot: i32, physical: u64): bool {
  const base = load<u64>(slot);
  if (physical - base >= load<u64>(slot, 8)) return false;
  slotBase = base;
  slotHost = load<i32>(slot, 16);
  slotFlags = load<i32>(slot, 20);
  slotBitmap = load<i32>(slot, 24);
  return true;
}

function search(physical: u64): bool {
  // The last slot whose base is not above the address.
  let low = 0;
  let high = load<i32>(VM_slotCount);
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (load<u64>(VM_slots + middle * VM_slotSize) <= physical) low = middle;
    else high = middle;
  }
  return high > 0 && take(VM_slots + low * VM_slotSize, physical);
}

/** Finds the slot that holds a guest physical address; hostOf and the predicates below then speak of it. */
export function findSlot(physical: u64): bool {
  let generation: i32;
  let found: bool;
  do {
    generation = atomic.load<i32>(VM_slotsGeneration);
    found = search(physical);
  } while (generation & 1 || atomic.load<i32>(VM_slotsGeneration) != generation);
  return found;
}

/** Host address of an address in the slot found. */
export function hostInSlot(physical: u64): i32 {
  return slotHost + <i32>(physical - slotBase);
}

export function slotIsReadOnly(): bool {
  return (slotFlags & SLOT_READ_ONLY) != 0;
}

/** True if stores to the page need not be noted: its slot is not logged, or they have been. */
export function dirtyNoted(physical: u64): bool {
  if (!(slotFlags & SLOT_LOG_DIRTY) || slotBitmap == 0) return true;
  const page = <u32>((physical - slotBase) / VM_pageSize);
  return ((load<u8>(slotBitmap + (page >> 3)) >> (page & 7)) & 1) != 0;
}

/** Notes a store in the dirty log of the slot found. */
export function noteDirty(physical: u64): void {
  if (!(slotFlags & SLOT_LOG_DIRTY) || slotBitmap == 0) return;
  const page = <u32>((physical - slotBase) / VM_pageSize);
  atomic.or<u8>(slotBitmap + (page >> 3), (<u8>1) << (<u8>(page & 7)));
}

/** Host address of guest physical memory that tables are read from; 0 if there is none. */
export function hostOf(physical: u64): i32 {
  return findSlot(physical) ? hostInSlot(physical) : 0;
}
