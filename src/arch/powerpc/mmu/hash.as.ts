/**
 * Translation by segments and the hashed page table (mmu/hpt.ts).
 * Source: Power ISA v2.07, Book III-S "Virtual Address Generation", "Page Table Search", "Storage Protection".
 */
import {
  ACCESS_fetch,
  ACCESS_store,
  ARCH_hpt,
  CAUSE_key,
  CAUSE_noExecute,
  CAUSE_noTranslation,
  CAUSE_protection,
  ERROR_noHpt,
  HPT_entrySize,
  HPT_groupSize,
  HPTER_changed,
  HPTER_guarded,
  HPTER_keyHigh,
  HPTER_keyLow,
  HPTER_noExecute,
  HPTER_page,
  HPTER_pp0,
  HPTER_referenced,
  HPTEV_avpn,
  HPTEV_large,
  HPTEV_secondary,
  HPTEV_valid,
  RIGHT_execute,
  RIGHT_read,
  RIGHT_write,
  S_amr,
  S_iamr,
  UNTRANSLATED_exit,
  UNTRANSLATED_segment,
} from "../engines/runtime/layout.generated";
import { internalError } from "../../../engine/runtime/internal-error.as";
import {
  findSegment,
  segmentVsid,
  VSID_1T,
  VSID_KP,
  VSID_KS,
  VSID_NO_EXECUTE,
  VSID_PAGE_SIZE,
  VSID_SIZE,
} from "./slb.as";

const SEGMENT_VSID: u64 = 0x3ffffffffffff000;
const SEGMENT_256M: u64 = (1 << 28) - 1;
const SEGMENT_1T: u64 = (1 << 40) - 1;

/** What of an entry's first doubleword the search compares. */
const V_COMPARED: u64 = 0xffffffffffffff83;

// Second results of translateHash.
export let hashPhysical: u64 = 0;
/** What the page allows in the present state; write only once its change bit is set. */
export let hashRights: i32 = 0;
/** Size of the page: log2 of its bytes. */
export let hashShift: i32 = 0;

/** log2 of a segment's base page size, or 0. */
function baseShift(vsid: u64): i32 {
  switch (<i32>(vsid & VSID_PAGE_SIZE)) {
    case 0:
      return 12;
    case 0x110:
      return 16;
    case 0x100:
      return 24;
    default:
      return 0;
  }
}

/** log2 of the page size that an entry has in a segment of that base size; 0: it belongs to another kind of segment. */
function actualShift(v: u64, r: u64, base: i32): i32 {
  if (!(v & HPTEV_large)) return base == 12 ? 12 : 0;
  const encoding = <i32>(r >> 12) & 0xff;
  if (base == 12) return (encoding & 15) == 7 ? 16 : encoding == 0x38 ? 24 : 0;
  if (base == 16) return (encoding & 15) == 1 ? 16 : encoding == 8 ? 24 : 0;
  return encoding == 0 ? 24 : 0;
}

/** The entry of a group that matches, or 0; `hashShift` is its page's size. */
function searchGroup(table: i32, group: u64, wanted: u64, base: i32): i32 {
  let entry = table + <i32>group * (HPT_groupSize * HPT_entrySize);
  for (let i = 0; i < HPT_groupSize; i++) {
    const v = atomic.load<u64>(entry);
    if ((v & V_COMPARED) == wanted) {
      hashShift = actualShift(v, atomic.load<u64>(entry, 8), base);
      if (hashShift) return entry;
    }
    entry += HPT_entrySize;
  }
  return 0;
}

/** By the PP bits and the segment's key for the state. */
function rightsOfPp(pp: i32, key: bool): i32 {
  switch (pp) {
    case 0:
      return key ? 0 : RIGHT_read | RIGHT_write;
    case 1:
      return key ? RIGHT_read : RIGHT_read | RIGHT_write;
    case 2:
      return RIGHT_read | RIGHT_write;
    case 3:
      return RIGHT_read;
    case 6:
      return key ? 0 : RIGHT_read;
    default:
      return 0;
  }
}

/** Two bits of AMR or IAMR for the entry's key: the first forbids stores, the second loads (or fetches). */
function keyBits(register: u64, r: u64): i32 {
  const key = ((r & HPTER_keyHigh) >> 57) | ((r & HPTER_keyLow) >> 9);
  return <i32>(register >> (2 * (31 - key))) & 3;
}

/** The bit of an entry is behind the table, whose groups `mask` numbers. */
function noteModified(table: i32, mask: u64, entry: i32): void {
  const index = (entry - table) >>> 4;
  const bitmap = table + (<i32>mask + 1) * (HPT_groupSize * HPT_entrySize);
  atomic.or<u8>(bitmap + (index >>> 3), (<u8>1) << (<u8>(index & 7)));
}

/** 0, or the cause of the interrupt to raise, as translateRadix. */
export function translateHash(s: i32, ea: u64, access: i32, problemState: bool): i32 {
  // Read at once: it may be replaced by one of another size, which then waits for this vCPU to be done.
  const place = atomic.load<i32>(ARCH_hpt);
  if (place == 0) {
    internalError(s, ERROR_noHpt);
    return UNTRANSLATED_exit;
  }
  const segment = findSegment(s, ea);
  if (segment == 0) return UNTRANSLATED_segment;
  const vsid = segmentVsid(segment);
  if (access == ACCESS_fetch && vsid & VSID_NO_EXECUTE) return CAUSE_noExecute;
  const base = baseShift(vsid);
  if (base == 0) return CAUSE_noTranslation;

  const is1T = (vsid & VSID_SIZE) == VSID_1T;
  const offset = ea & (is1T ? SEGMENT_1T : SEGMENT_256M) & ~(((<u64>1) << (<u64>base)) - 1);
  const number = (vsid & SEGMENT_VSID) >> (is1T ? 24 : 12);
  const hash = (is1T ? number ^ (number << 25) : number) ^ (offset >> <u64>base);
  const table = place & ~0xffff;
  const mask = ((<u64>1) << (<u64>(place & 63) - 7)) - 1;
  const wanted = (vsid & (VSID_SIZE | SEGMENT_VSID)) | ((offset >> 16) & HPTEV_avpn) | HPTEV_valid;
  const key = (vsid & (problemState ? VSID_KP : VSID_KS)) != 0;

  for (;;) {
    let entry = searchGroup(table, hash & mask, wanted, base);
    if (entry == 0) entry = searchGroup(table, ~hash & mask, wanted | HPTEV_secondary, base);
    if (entry == 0) return CAUSE_noTranslation;
    const r = atomic.load<u64>(entry, 8);
    let rights = rightsOfPp(<i32>(r & 3) | ((<i32>((r & HPTER_pp0) >> 63)) << 2), key);
    const runnable = !(r & (HPTER_noExecute | HPTER_guarded));
    if (rights & RIGHT_read && runnable) rights |= RIGHT_execute;
    const allowed = rights;
    const amr = keyBits(load<u64>(s, S_amr), r);
    if (amr & 2) rights &= ~RIGHT_write;
    if (amr & 1) rights &= ~RIGHT_read;
    if (keyBits(load<u64>(s, S_iamr), r) & 1) rights &= ~RIGHT_execute;
    if (!(rights & (1 << access))) {
      if (access == ACCESS_fetch) return runnable ? CAUSE_protection : CAUSE_noExecute;
      return allowed & (1 << access) ? CAUSE_key : CAUSE_protection;
    }
    const noted = r | (access == ACCESS_store ? HPTER_referenced | HPTER_changed : HPTER_referenced);
    if (noted != r) {
      // Another processor or a hypercall changed it in between: look again.
      if (atomic.cmpxchg<u64>(entry, r, noted, 8) != r) continue;
      noteModified(table, mask, entry);
    }
    const page = ((<u64>1) << (<u64>hashShift)) - 1;
    hashPhysical = (r & HPTER_page & ~page) | (ea & page);
    hashRights = noted & HPTER_changed ? rights : rights & ~RIGHT_write;
    return 0;
  }
}
