/**
 * Loads and stores that missed the soft TLB: refills, pages that are crossed, addresses outside memory.
 * Precise: nothing is stored before every page of the access is known to be writable.
 */
import { ACCESS_load, ACCESS_store, S_crossing, S_steppedAccess, S_steppedAddress } from "./layout.target";
import { effective } from "./arch.target";
import { storedToCode } from "./code-pages.as";
import { ADDRESS_FAULT, ADDRESS_OUTSIDE, dataAddress, extentMask, physicalAddress, watched } from "./data-address.as";
import { watchedAccess } from "./debug.as";
import { dropsBeforeAccess } from "./invalidate.as";
import { mmioAccess, mmioData } from "./mmio.as";
import { SHARED_HINT } from "./shared-hint.as";

/** Between the bytes as they lie in storage, the first the least significant, and the register's value; its own inverse. */
// @ts-ignore: decorator
@inline
export function ordered(bytes: u64, size: i32, bigEndian: i32): u64 {
  return bigEndian ? bswap(bytes) >> <u64>(64 - 8 * size) : bytes;
}

function bytesAt(host: i32, size: i32): u64 {
  switch (size) {
    case 1:
      return load<u8>(host);
    case 2:
      return load<u16>(host, 0, SHARED_HINT);
    case 4:
      return load<u32>(host, 0, SHARED_HINT);
    default:
      return load<u64>(host, 0, SHARED_HINT);
  }
}

function putBytes(host: i32, size: i32, bytes: u64): void {
  switch (size) {
    case 1:
      store<u8>(host, bytes);
      break;
    case 2:
      store<u16>(host, bytes, 0, SHARED_HINT);
      break;
    case 4:
      store<u32>(host, bytes, 0, SHARED_HINT);
      break;
    default:
      store<u64>(host, bytes, 0, SHARED_HINT);
  }
}

function reversed(value: v128): v128 {
  return v128.shuffle<u8>(value, value, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/** True if the bytes are contiguous from the address just looked up. */
// @ts-ignore: decorator
@inline
function within(ea: u64, size: i32): bool {
  return (<i32>ea & extentMask) + size <= extentMask + 1;
}

/** True if dataAddress gave a host address. */
// @ts-ignore: decorator
@inline
function isMemory(host: i32): bool {
  return <u32>host > <u32>ADDRESS_OUTSIDE;
}

/** Bytes of an access before the page boundary. */
function firstPart(ea: u64, size: i32): i32 {
  const left = extentMask + 1 - (<i32>ea & extentMask);
  return left < size ? left : size;
}

function nextPage(s: i32, ea: u64, first: i32): u64 {
  return effective(s, ea + first);
}

/** Reads bytes of one page into `to`. False: the engine leaves. */
function readPart(s: i32, host: i32, physical: u64, size: i32, to: i32): bool {
  if (host != ADDRESS_OUTSIDE) {
    memory.copy(to, host, size);
    return true;
  }
  for (let done = 0; done < size; done += 8) {
    const piece = size - done < 8 ? size - done : 8;
    if (!mmioAccess(s, physical + done, piece, false, 0)) return false;
    for (let i = 0; i < piece; i++) store<u8>(to + done + i, mmioData >> (8 * i));
  }
  return true;
}

/** Writes bytes of one page from `from`. False: the engine leaves. */
function writePart(s: i32, host: i32, physical: u64, size: i32, from: i32, code: bool): bool {
  if (host != ADDRESS_OUTSIDE) {
    memory.copy(host, from, size);
    if (code) storedToCode(s, physical, size);
    return true;
  }
  for (let done = 0; done < size; done += 8) {
    const piece = size - done < 8 ? size - done : 8;
    let data: u64 = 0;
    for (let i = 0; i < piece; i++) data |= (<u64>load<u8>(from + done + i)) << (8 * i);
    if (!mmioAccess(s, physical + done, piece, true, data)) return false;
  }
  return true;
}

/** Any load of up to a page's bytes into a buffer. False: an interrupt, or the engine leaves. */
function gather(s: i32, ea: u64, size: i32, buffer: i32): bool {
  const host = dataAddress(s, ea, ACCESS_load);
  if (host == ADDRESS_FAULT) return false;
  const physical = physicalAddress;
  const first = firstPart(ea, size);
  if (first == size) return readPart(s, host, physical, size, buffer);
  const second = dataAddress(s, nextPage(s, ea, first), ACCESS_load);
  if (second == ADDRESS_FAULT) return false;
  const secondPhysical = physicalAddress;
  return (
    readPart(s, host, physical, first, buffer) && readPart(s, second, secondPhysical, size - first, buffer + first)
  );
}

/** Any store of up to a page's bytes from a buffer. False: an interrupt, or the engine leaves. */
function scatter(s: i32, ea: u64, size: i32, buffer: i32): bool {
  const host = dataAddress(s, ea, ACCESS_store);
  if (host == ADDRESS_FAULT) return false;
  const physical = physicalAddress;
  const code = watched;
  const first = firstPart(ea, size);
  if (first == size) return writePart(s, host, physical, size, buffer, code);
  const second = dataAddress(s, nextPage(s, ea, first), ACCESS_store);
  if (second == ADDRESS_FAULT) return false;
  const secondPhysical = physicalAddress;
  const secondCode = watched;
  return (
    writePart(s, host, physical, first, buffer, code) &&
    writePart(s, second, secondPhysical, size - first, buffer + first, secondCode)
  );
}

/** A load of 1, 2, 4 or 8 bytes; zero-extended, in register order. */
export function loadSlow(s: i32, ea: i64, size: i32, bigEndian: i32): i64 {
  if (dropsBeforeAccess(s) || watchedAccess(s, ea, size, ACCESS_load)) return 0;
  const host = dataAddress(s, ea, ACCESS_load);
  if (isMemory(host) && within(ea, size)) return ordered(bytesAt(host, size), size, bigEndian);
  store<i64>(s, 0, S_crossing);
  if (host == ADDRESS_FAULT || !gather(s, ea, size, s + S_crossing)) return 0;
  return ordered(load<u64>(s, S_crossing), size, bigEndian);
}

/** A store of 1, 2, 4 or 8 bytes. */
export function storeSlow(s: i32, ea: i64, size: i32, value: i64, bigEndian: i32): void {
  if (dropsBeforeAccess(s) || watchedAccess(s, ea, size, ACCESS_store)) return;
  const bytes = ordered(value, size, bigEndian);
  const host = dataAddress(s, ea, ACCESS_store);
  if (isMemory(host) && within(ea, size)) {
    putBytes(host, size, bytes);
    if (watched) storedToCode(s, physicalAddress, size);
    return;
  }
  if (host == ADDRESS_FAULT) return;
  store<u64>(s, bytes, S_crossing);
  scatter(s, ea, size, s + S_crossing);
}

/** A load of 16 bytes. */
export function loadQuadSlow(s: i32, ea: i64, bigEndian: i32): v128 {
  if (watchedAccess(s, ea, 16, ACCESS_load)) return i64x2(0, 0);
  const host = dataAddress(s, ea, ACCESS_load);
  if (host == ADDRESS_FAULT) return i64x2(0, 0);
  let value: v128;
  if (isMemory(host) && within(ea, 16)) value = v128.load(host, 0, SHARED_HINT);
  else if (gather(s, ea, 16, s + S_crossing)) value = v128.load(s, S_crossing);
  else return i64x2(0, 0);
  return bigEndian ? reversed(value) : value;
}

/** A store of 16 bytes. */
export function storeQuadSlow(s: i32, ea: i64, value: v128, bigEndian: i32): void {
  if (watchedAccess(s, ea, 16, ACCESS_store)) return;
  const bytes = bigEndian ? reversed(value) : value;
  const host = dataAddress(s, ea, ACCESS_store);
  if (host == ADDRESS_FAULT) return;
  if (isMemory(host) && within(ea, 16)) {
    v128.store(host, bytes, 0, SHARED_HINT);
    if (watched) storedToCode(s, physicalAddress, 16);
    return;
  }
  v128.store(s, bytes, S_crossing);
  scatter(s, ea, 16, s + S_crossing);
}

// Images of more bytes, at most a page's, in their order in storage. False: an interrupt, or the engine leaves.

export function loadBlock(s: i32, ea: i64, size: i32, to: i32): bool {
  if (dropsBeforeAccess(s) || watchedAccess(s, ea, size, ACCESS_load)) return false;
  return gather(s, ea, size, to);
}

export function storeBlock(s: i32, ea: i64, size: i32, from: i32): bool {
  if (dropsBeforeAccess(s) || watchedAccess(s, ea, size, ACCESS_store)) return false;
  return scatter(s, ea, size, from);
}

/** Before several stores of one instruction, of which none is to happen if another cannot: all of these bytes can be stored. */
export function probeStore(s: i32, ea: i64, size: i32): bool {
  if (dropsBeforeAccess(s) || watchedAccess(s, ea, size, ACCESS_store)) return false;
  if (dataAddress(s, ea, ACCESS_store) == ADDRESS_FAULT) return false;
  const first = firstPart(ea, size);
  return first == size || dataAddress(s, nextPage(s, ea, first), ACCESS_store) != ADDRESS_FAULT;
}

/** Notes what a routine accesses, for what follows an instruction that runs alone; loads and stores note theirs themselves. */
export function noteAccess(s: i32, ea: u64, access: i32): void {
  store<i32>(s, access == ACCESS_store ? 2 : 1, S_steppedAccess);
  store<u64>(s, ea, S_steppedAddress);
}
