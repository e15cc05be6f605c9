/**
 * From guest physical addresses to the VM's memory: the memory slots, read under their generation number while the KVM core
 * may be changing them, and the dirty log.
 */
import {
  EXIT_dirtyRingFull,
  RING_address,
  RING_entries,
  RING_filled,
  RING_reserve,
  RING_taken,
  RINGENTRY_dirty,
  RINGENTRY_flags,
  RINGENTRY_offset,
  RINGENTRY_size,
  RINGENTRY_slot,
  S_dirtyRing,
  S_exitCode,
  S_fault,
  S_mmioReplay,
  SLOT_address,
  SLOT_base,
  SLOT_bitmap,
  SLOT_flags,
  SLOT_logDirty,
  SLOT_readOnly,
  SLOT_size,
  SLOT_slot,
  VM_missingPages,
  VM_pageSize,
  VM_slotCount,
  VM_slots,
  VM_slotsGeneration,
  VM_slotSize,
} from "./layout.target";

/** Has a page of the VM's memory filled that is missing; see kvm/missing-pages.ts. */
@external("env", "pageMissing")
declare function pageMissing(address: i32): void;

// Second results of findSlot, dead at the next call.
let slotBase: u64 = 0;
let slotSize: u64 = 0;
let slotHost: i32 = 0;
let slotFlags: i32 = 0;
let slotBitmap: i32 = 0;
let slotNumber: i32 = 0;

/** Takes over the slot at `slot` if it holds the address. */
// @ts-ignore: decorator
@inline
function take(slot: i32, physical: u64): bool {
  const base = load<u64>(slot, SLOT_base);
  const size = load<u64>(slot, SLOT_size);
  if (physical - base >= size) return false;
  slotBase = base;
  slotSize = size;
  slotHost = load<i32>(slot, SLOT_address);
  slotFlags = load<i32>(slot, SLOT_flags);
  slotBitmap = load<i32>(slot, SLOT_bitmap);
  slotNumber = load<i32>(slot, SLOT_slot);
  return true;
}

function search(physical: u64): bool {
  // The last slot whose base is not above the address.
  let low = 0;
  let high = load<i32>(VM_slotCount);
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (load<u64>(VM_slots + middle * VM_slotSize, SLOT_base) <= physical) low = middle;
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

/** Whether one slot holds all bytes from the first address to the last. */
export function isInOneSlot(first: u64, last: u64): bool {
  return findSlot(first) && last - slotBase < slotSize;
}

/** Host address of an address in the slot found, whose page is there afterwards. */
export function hostInSlot(physical: u64): i32 {
  const host = slotHost + <i32>(physical - slotBase);
  const missing = load<i32>(VM_missingPages);
  if (missing != 0 && atomic.load<i32>(missing + <i32>((<u32>host / VM_pageSize) << 2)) != 0) pageMissing(host);
  return host;
}

export function slotIsReadOnly(): bool {
  return (slotFlags & SLOT_readOnly) != 0;
}

/** True if stores to the page need not be noted: its slot is not logged, or they have been. */
export function dirtyNoted(physical: u64): bool {
  if (!(slotFlags & SLOT_logDirty) || slotBitmap == 0) return true;
  const page = <u32>((physical - slotBase) / VM_pageSize);
  return ((load<u8>(slotBitmap + (page >> 3)) >> (page & 7)) & 1) != 0;
}

/** Notes a store in the dirty log of the slot found, and in the vCPU's dirty ring if it has one. */
export function noteDirty(s: i32, physical: u64): void {
  // Almost always it is: a look costs less than changing a word that all vCPUs share.
  if (dirtyNoted(physical)) return;
  const page = <u32>((physical - slotBase) / VM_pageSize);
  const bit = (<u8>1) << (<u8>(page & 7));
  const before = atomic.or<u8>(slotBitmap + (page >> 3), bit);
  if (load<i32>(s, S_dirtyRing + RING_address) && !(before & bit)) pushDirty(s, page);
}

const RING_ENTRIES = S_dirtyRing + RING_entries;
const RING_FILLED = S_dirtyRing + RING_filled;
const RING_TAKEN = S_dirtyRing + RING_taken;

function ringUsed(s: i32): i32 {
  return load<i32>(s, RING_FILLED) - atomic.load<i32>(s + RING_TAKEN);
}

function pushDirty(s: i32, page: u32): void {
  const entries = load<i32>(s, RING_ENTRIES);
  if (ringUsed(s) >= entries) return;
  const filled = load<i32>(s, RING_FILLED);
  const entry = load<i32>(s, S_dirtyRing + RING_address) + (filled & (entries - 1)) * RINGENTRY_size;
  store<i32>(entry, slotNumber, RINGENTRY_slot);
  store<u64>(entry, page, RINGENTRY_offset);
  atomic.store<i32>(entry, RINGENTRY_dirty, RINGENTRY_flags);
  atomic.store<i32>(s + RING_FILLED, filled + 1);
}

/**
 * True if the vCPU's dirty ring has only its reserve left: the engine leaves, and the instruction has not happened. While
 * one that accesses devices is run again it is finished from the reserve.
 */
export function leaveForDirtyRing(s: i32): bool {
  if (load<i32>(s, S_dirtyRing + RING_address) == 0 || ringUsed(s) < load<i32>(s, RING_ENTRIES) - RING_reserve)
    return false;
  if (load<i32>(s, S_mmioReplay)) return false;
  store<i32>(s, EXIT_dirtyRingFull, S_exitCode);
  store<i32>(s, 1, S_fault);
  return true;
}

/** Host address of guest physical memory that tables are read from; 0 if there is none. */
export function hostOf(physical: u64): i32 {
  return findSlot(physical) ? hostInSlot(physical) : 0;
}
