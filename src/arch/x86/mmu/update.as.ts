/** Operands in memory that are read and then written, where the soft TLB has not what they need. */
import { ACCESS_store, S_crossing, S_fault, S_updateAddress, VM_exclusive } from "../engines/runtime/layout.generated";
import { RAX, RBX, RCX, RDX } from "../engines/runtime/general.as";
import { loadBlock, loadSlow, storeBlock, storeSlow } from "../../../engine/runtime/access.as";
import { storedToCode } from "../../../engine/runtime/code-pages.as";
import {
  ADDRESS_FAULT,
  ADDRESS_OUTSIDE,
  dataAddress,
  extentMask,
  physicalAddress,
  watched,
} from "../../../engine/runtime/data-address.as";
import { watchedAccess } from "../../../engine/runtime/debug.as";
import { dropsBeforeAccess } from "../../../engine/runtime/invalidate.as";

/** Behind the buffer: what it had when it was read. */
const S_READ = S_crossing + 8;

/**
 * Host address of the operand if it is memory, of one page, without decoded code; else of the buffer that it has been read
 * into, from which `updateDone` writes it. 0: a fault, or the engine leaves.
 */
export function updateSlow(s: i32, ea: i64, size: i32): i32 {
  if (dropsBeforeAccess(s) || watchedAccess(s, ea, size, ACCESS_store)) return 0;
  const host = dataAddress(s, ea, ACCESS_store);
  if (host == ADDRESS_FAULT) return 0;
  const within = (<i32>ea & extentMask) + size <= extentMask + 1;
  if (within && <u32>host > <u32>ADDRESS_OUTSIDE && !watched) return host;
  if (!within && dataAddress(s, (ea | extentMask) + 1, ACCESS_store) == ADDRESS_FAULT) return 0;
  const old = loadSlow(s, ea, size, 0);
  if (load<i32>(s, S_fault)) return 0;
  store<i64>(s, old, S_crossing);
  store<i64>(s, old, S_READ);
  store<i64>(s, ea, S_updateAddress);
  return s + S_crossing;
}

/** Whether so many bytes there, aligned, were these and are those now: at once, for all processors. */
function exchange(host: i32, size: i32, old: i64, value: i64): bool {
  switch (size) {
    case 1:
      return atomic.cmpxchg<u8>(host, <u8>old, <u8>value) == <u8>old;
    case 2:
      return atomic.cmpxchg<u16>(host, <u16>old, <u16>value) == <u16>old;
    case 4:
      return atomic.cmpxchg<u32>(host, <u32>old, <u32>value) == <u32>old;
    default:
      return atomic.cmpxchg<i64>(host, old, value) == old;
  }
}

/** Likewise the bits of `mask` in 8 bytes, aligned, whatever becomes of the others. */
function exchangeBits(host: i32, mask: i64, old: i64, value: i64): bool {
  let found: i64;
  do {
    found = atomic.load<i64>(host);
    if (((found ^ old) & mask) != 0) return false;
  } while (atomic.cmpxchg<i64>(host, found, (found & ~mask) | (value & mask)) != found);
  return true;
}

/** Until `giveTurn` no other vCPU of the VM does what no operation of the host's does at once. */
function takeTurn(): void {
  while (atomic.cmpxchg<i32>(VM_exclusive, 0, 1) != 0) {}
}

function giveTurn(): void {
  atomic.store<i32>(VM_exclusive, 0);
}

/**
 * Likewise bits of two words of 8 bytes, while this vCPU has its turn: each half is exchanged only for what was there, so that what else
 * writes to a half meanwhile is not lost; it may see one half before the other.
 */
function exchangeHalves(
  first: i32,
  low: i64,
  oldLow: i64,
  newLow: i64,
  second: i32,
  high: i64,
  oldHigh: i64,
  newHigh: i64,
): bool {
  if (!exchangeBits(first, low, oldLow, newLow)) return false;
  if (exchangeBits(second, high, oldHigh, newHigh)) return true;
  // The other half was not what it had to be: this one has not been written either.
  exchangeBits(first, low, newLow, oldLow);
  return false;
}

/** Likewise what lies in two words, one after the other or each in its page. */
function exchangeSplit(first: i32, second: i32, shift: i64, size: i32, old: i64, value: i64): bool {
  const low = (<i64>-1) << shift;
  const above = 64 - shift;
  const high = ((<i64>1) << (8 * size - above)) - 1;
  takeTurn();
  const oldHigh = <i64>(<u64>old >> above);
  const newHigh = <i64>(<u64>value >> above);
  const done = exchangeHalves(first, low, old << shift, value << shift, second, high, oldHigh, newHigh);
  giveTurn();
  return done;
}

/** Likewise bytes of one page that are not aligned. */
export function exchangeUnaligned(host: i32, old: i64, value: i64, size: i32): i32 {
  const first = host & ~7;
  const shift: i64 = (host & 7) << 3;
  if (shift + 8 * size > 64) return exchangeSplit(first, first + 8, shift, size, old, value);
  return exchangeBits(first, (((<i64>1) << (8 * size)) - 1) << shift, old << shift, value << shift);
}

/** Tells of a store to memory that holds decoded code. */
function stored(s: i32, physical: u64, size: i32, code: bool): void {
  if (code) storedToCode(s, physical, size);
}

/**
 * The buffer has been written. It goes to memory only if that has still what was read: with LOCK nothing may come in between, without it
 * nothing need. Else the instruction starts over, of which nothing has happened yet. A device's registers are written as they are.
 */
export function updateDone(s: i32, size: i32): void {
  const bytes = load<i64>(s, S_crossing);
  const value = size == 8 ? bytes : bytes & (((<i64>1) << (8 * size)) - 1);
  const ea = load<i64>(s, S_updateAddress);
  const read = load<i64>(s, S_READ);
  const host = dataAddress(s, ea, ACCESS_store);
  if (host == ADDRESS_FAULT) return;
  const physical = physicalAddress;
  const code = watched;
  const here = extentMask + 1 - (<i32>ea & extentMask);
  if (host == ADDRESS_OUTSIDE) {
    storeSlow(s, ea, size, value, 0);
    return;
  }
  let exchanged: bool;
  if (here < size) {
    const next = dataAddress(s, ea + here, ACCESS_store);
    if (next == ADDRESS_FAULT) return;
    if (next == ADDRESS_OUTSIDE) {
      storeSlow(s, ea, size, value, 0);
      return;
    }
    const nextPhysical = physicalAddress;
    const nextCode = watched;
    exchanged = exchangeSplit(host & ~7, next, (host & 7) << 3, size, read, value);
    if (exchanged) {
      stored(s, physical, here, code);
      stored(s, nextPhysical, size - here, nextCode);
    }
  } else {
    const aligned = (<i32>ea & (size - 1)) == 0;
    exchanged = aligned ? exchange(host, size, read, value) : exchangeUnaligned(host, read, value, size) != 0;
    if (exchanged) stored(s, physical, size, code);
  }
  if (!exchanged) store<i32>(s, 1, S_fault);
}

/**
 * CMPXCHG16B as with LOCK, at an address that is aligned: 1 if RDX:RAX was there. The VM's vCPUs do it one at a time. What else writes to a
 * half meanwhile is not lost, since each half is exchanged only for what was read; it may see one half before the other.
 */
export function exchangePair(s: i32, ea: i64): i32 {
  if (dropsBeforeAccess(s) || watchedAccess(s, ea, 16, ACCESS_store)) return 0;
  const found = dataAddress(s, ea, ACCESS_store);
  if (found == ADDRESS_FAULT) return 0;
  const physical = physicalAddress;
  const code = watched;
  // A device's registers, which are read and written whole.
  const outside = found == ADDRESS_OUTSIDE;
  const host = outside ? s + S_crossing : found;
  if (outside && !loadBlock(s, ea, 16, host)) return 0;
  const wantedLow = load<i64>(s, RAX);
  const wantedHigh = load<i64>(s, RDX);
  const newLow = load<i64>(s, RBX);
  const newHigh = load<i64>(s, RCX);
  let low = wantedLow;
  let high = wantedHigh;
  takeTurn();
  // What is said to have been there was not what was wanted.
  while (!exchangeHalves(host, -1, wantedLow, newLow, host + 8, -1, wantedHigh, newHigh)) {
    low = atomic.load<i64>(host);
    high = atomic.load<i64>(host + 8);
    if (low != wantedLow || high != wantedHigh) break;
  }
  giveTurn();
  if (outside && !storeBlock(s, ea, 16, host)) return 0;
  if (low == wantedLow && high == wantedHigh) {
    if (code) storedToCode(s, physical, 16);
    return 1;
  }
  store<i64>(s, low, RAX);
  store<i64>(s, high, RDX);
  return 0;
}
