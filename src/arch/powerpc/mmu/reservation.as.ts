/**
 * Load and reserve, store conditional. The reservation is the host address and the value then found there; the store is an
 * atomic compare and exchange with that value. A value that changed and came back is not noticed, which no program of
 * the load-and-reserve kind can tell.
 * Source: Power ISA v3.0B, Book II "Load And Reserve and Store Conditional Instructions".
 */
import {
  ACCESS_load,
  ACCESS_store,
  ARCH_quadLock,
  CAUSE_reservation,
  CAUSE_store,
  S_reserveAddress,
  S_reserveSize,
  S_reserveValue,
} from "../engines/runtime/layout.generated";
import { storedToCode } from "../../../engine/runtime/code-pages.as";
import { watchedAccess } from "../../../engine/runtime/debug.as";
import { raiseAlignment } from "../interrupts/raise.as";
import { raiseDataStorage } from "../interrupts/storage-interrupts.as";
import { noteAccess, ordered } from "../../../engine/runtime/access.as";
import {
  ADDRESS_FAULT,
  ADDRESS_OUTSIDE,
  dataAddress,
  physicalAddress,
  watched,
} from "../../../engine/runtime/data-address.as";

/** Host address of a reservable operand, or 0 after an interrupt. */
function reservable(s: i32, ea: u64, size: i32, access: i32): i32 {
  noteAccess(s, ea, access);
  if (ea & <u64>(size - 1)) {
    raiseAlignment(s, ea);
    return 0;
  }
  if (watchedAccess(s, ea, size, access)) return 0;
  const host = dataAddress(s, ea, access);
  if (host == ADDRESS_FAULT) return 0;
  if (host == ADDRESS_OUTSIDE) {
    raiseDataStorage(s, ea, access == ACCESS_store ? CAUSE_reservation | CAUSE_store : CAUSE_reservation);
    return 0;
  }
  return host;
}

function atomicBytes(host: i32, size: i32): u64 {
  switch (size) {
    case 1:
      return atomic.load<u8>(host);
    case 2:
      return atomic.load<u16>(host);
    case 4:
      return atomic.load<u32>(host);
    default:
      return atomic.load<u64>(host);
  }
}

function exchange(host: i32, size: i32, expected: u64, bytes: u64): bool {
  switch (size) {
    case 1:
      return atomic.cmpxchg<u8>(host, <u8>expected, <u8>bytes) == <u8>expected;
    case 2:
      return atomic.cmpxchg<u16>(host, <u16>expected, <u16>bytes) == <u16>expected;
    case 4:
      return atomic.cmpxchg<u32>(host, <u32>expected, <u32>bytes) == <u32>expected;
    default:
      return atomic.cmpxchg<u64>(host, expected, bytes) == expected;
  }
}

/** lbarx to ldarx. */
export function loadReserve(s: i32, ea: i64, size: i32, bigEndian: i32): i64 {
  const host = reservable(s, ea, size, ACCESS_load);
  if (host == 0) return 0;
  const bytes = atomicBytes(host, size);
  store<i32>(s, host, S_reserveAddress);
  store<i32>(s, size, S_reserveSize);
  store<u64>(s, bytes, S_reserveValue);
  return ordered(bytes, size, bigEndian);
}

/** stbcx. to stdcx.: 1 if the store was performed. */
export function storeConditional(s: i32, ea: i64, size: i32, value: i64, bigEndian: i32): i32 {
  const reserved = load<i32>(s, S_reserveAddress);
  const host = reservable(s, ea, size, ACCESS_store);
  store<i32>(s, 0, S_reserveAddress);
  if (host == 0 || host != reserved || load<i32>(s, S_reserveSize) != size) return 0;
  if (!exchange(host, size, load<u64>(s, S_reserveValue), ordered(value, size, bigEndian))) return 0;
  if (watched) storedToCode(s, physicalAddress, size);
  return 1;
}

/** WebAssembly has no atomic access of 16 bytes: those of all vCPUs take turns. */
function lockQuad(): void {
  while (atomic.xchg<i32>(ARCH_quadLock, 1)) {}
}

function unlockQuad(): void {
  atomic.store<i32>(ARCH_quadLock, 0);
}

function reversed(value: v128): v128 {
  return v128.shuffle<u8>(value, value, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/** lqarx. */
export function loadReserveQuad(s: i32, ea: i64, bigEndian: i32): v128 {
  const host = reservable(s, ea, 16, ACCESS_load);
  if (host == 0) return i64x2(0, 0);
  lockQuad();
  const bytes = v128.load(host);
  unlockQuad();
  store<i32>(s, host, S_reserveAddress);
  store<i32>(s, 16, S_reserveSize);
  v128.store(s, bytes, S_reserveValue);
  return bigEndian ? reversed(bytes) : bytes;
}

/** stqcx. */
export function storeConditionalQuad(s: i32, ea: i64, value: v128, bigEndian: i32): i32 {
  const reserved = load<i32>(s, S_reserveAddress);
  const host = reservable(s, ea, 16, ACCESS_store);
  store<i32>(s, 0, S_reserveAddress);
  if (host == 0 || host != reserved || load<i32>(s, S_reserveSize) != 16) return 0;
  lockQuad();
  const same =
    load<i64>(host) == load<i64>(s, S_reserveValue) && load<i64>(host, 8) == load<i64>(s, S_reserveValue + 8);
  if (same) v128.store(host, bigEndian ? reversed(value) : value);
  unlockQuad();
  if (!same) return 0;
  if (watched) storedToCode(s, physicalAddress, 16);
  return 1;
}
