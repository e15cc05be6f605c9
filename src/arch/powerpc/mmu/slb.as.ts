/**
 * The segment look-aside buffer: which virtual segments a program sees, as its kernel writes them.
 * Source: Power ISA v3.0B, Book III "Segment Lookaside Buffer", "SLB Management Instructions".
 */
import { S_hashContext, S_slb } from "../engines/runtime/layout.generated";
import { derive } from "../interrupts/msr.as";
import { effective } from "./effective.as";

const ENTRIES = 32;
/** An entry: RB of slbmte without its index, then RS. */
const ENTRY_SIZE = 16;

export const ESID_VALID: u64 = 0x08000000;
const ESID_BITS: u64 = 0xfffffffff0000000;
const ESID_1T: u64 = ~((1 << 40) - 1);

/** B: 1 for segments of 1 TiB. */
export const VSID_SIZE: u64 = 3 << 62;
export const VSID_1T: u64 = 1 << 62;
export const VSID_KS: u64 = 0x800;
export const VSID_KP: u64 = 0x400;
export const VSID_NO_EXECUTE: u64 = 0x200;
const VSID_CLASS: u64 = 0x80;
/** L and LP: the segment's base page size. */
export const VSID_PAGE_SIZE: u64 = 0x130;
const VSID_BITS: u64 = 0xffffffffffffffb0;

// @ts-ignore: decorator
@inline
function entryAt(s: i32, index: i32): i32 {
  return s + S_slb + index * ENTRY_SIZE;
}

/** No translation of before is used any more. */
export function hashContextChanged(s: i32): void {
  store<i32>(s, load<i32>(s, S_hashContext) + 1, S_hashContext);
  derive(s);
}

/** The entry for an address, or 0. */
export function findSegment(s: i32, ea: u64): i32 {
  const small = (ea & ESID_BITS) | ESID_VALID;
  const large = (ea & ESID_1T) | ESID_VALID;
  const end = entryAt(s, ENTRIES);
  for (let entry = entryAt(s, 0); entry != end; entry += ENTRY_SIZE) {
    const is1T = (load<u64>(entry, 8) & VSID_SIZE) == VSID_1T;
    if (load<u64>(entry) == (is1T ? large : small)) return entry;
  }
  return 0;
}

/** The doubleword of an entry that tells its virtual segment. */
export function segmentVsid(entry: i32): u64 {
  return load<u64>(entry, 8);
}

/** slbmte: RS, RB. What the entry held before may be used until slbie or slbia says otherwise. */
export function slbMoveTo(s: i32, rs: i64, rb: i64): void {
  const index = <i32>rb & 0xfff;
  if (index >= ENTRIES) return;
  const entry = entryAt(s, index);
  const is1T = (<u64>rs & VSID_SIZE) == VSID_1T;
  store<u64>(entry, <u64>rb & ((is1T ? ESID_1T : ESID_BITS) | ESID_VALID));
  store<u64>(entry, <u64>rs & VSID_BITS, 8);
  if (!(<u64>rb & ESID_VALID)) hashContextChanged(s);
}

/** slbie and slbieg of its own process: RB names the segment. */
export function slbInvalidateEntry(s: i32, rb: i64): void {
  const entry = findSegment(s, rb);
  if (entry) store<u64>(entry, load<u64>(entry) & ~ESID_VALID);
  hashContextChanged(s);
}

/** slbia: IH says what is kept. */
export function slbInvalidateAll(s: i32, ih: i32): void {
  if (ih != 7) {
    for (let index = ih == 3 || ih == 4 ? 0 : 1; index < ENTRIES; index++) {
      const entry = entryAt(s, index);
      if (ih == 3 && !(load<u64>(entry, 8) & VSID_CLASS)) continue;
      store<u64>(entry, load<u64>(entry) & ~ESID_VALID);
    }
  }
  hashContextChanged(s);
}

function indexed(s: i32, rb: i64, word: i32): i64 {
  const index = <i32>rb & 0xfff;
  if (index >= ENTRIES || !(load<u64>(entryAt(s, index)) & ESID_VALID)) return 0;
  return load<i64>(entryAt(s, index) + word);
}

/** slbmfee: RB. 0 for an entry that is not valid. */
export function slbMoveFromEsid(s: i32, rb: i64): i64 {
  return indexed(s, rb, 0);
}

/** slbmfev. */
export function slbMoveFromVsid(s: i32, rb: i64): i64 {
  return indexed(s, rb, 8);
}

/** slbfee.: 1 if there is an entry for the address in RB. */
export function slbFound(s: i32, rb: i64): i32 {
  return <i32>(findSegment(s, effective(s, rb)) != 0);
}

/** slbfee.: its second doubleword, or 0. */
export function slbFindVsid(s: i32, rb: i64): i64 {
  const entry = findSegment(s, effective(s, rb));
  return entry ? load<i64>(entry, 8) : 0;
}
