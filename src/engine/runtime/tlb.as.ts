/** The soft TLB's entries: filling them and dropping them. Their format is told in engines/layout.ts. */
import {
  S_writers,
  SMALLTLB_entries,
  SMALLTLB_entrySize,
  SMALLTLB_pageShift,
  TLB_addend,
  TLB_entries,
  TLB_entrySize,
  TLB_executeTag,
  TLB_fetch,
  TLB_fetchEntries,
  TLB_pageShift,
  TLB_physicalPage,
  TLB_readTag,
  TLB_tables,
  TLB_tableSize,
  TLB_writeTag,
  VCPU_smallTlb,
  VCPU_tlb,
} from "./layout.target";
import { forgetJumpsTo } from "./jump-cache.as";

export const PAGE_MASK: u64 = (1 << TLB_pageShift) - 1;
export const SMALL_PAGE_MASK: u64 = (1 << SMALLTLB_pageShift) - 1;

/** The entry of a table in which a page's translation can stand. */
// @ts-ignore: decorator
@inline
export function entryFor(table: i32, ea: u64): i32 {
  return table + (<i32>(ea >> TLB_pageShift) & (TLB_entries - 1)) * TLB_entrySize;
}

/** The same of code, in the table that `fetchTlb` has. */
// @ts-ignore: decorator
@inline
export function fetchEntryFor(table: i32, ea: u64): i32 {
  return table + (<i32>(ea >> TLB_pageShift) & (TLB_fetchEntries - 1)) * TLB_entrySize;
}

// @ts-ignore: decorator
@inline
export function smallEntryFor(s: i32, ea: u64): i32 {
  return s + VCPU_smallTlb + (<i32>(ea >> SMALLTLB_pageShift) & (SMALLTLB_entries - 1)) * SMALLTLB_entrySize;
}

/**
 * Makes the entry ready for a translation of this host and physical page. Tags of other contexts in it stay only if they
 * mean the same.
 */
export function prepareEntry(entry: i32, addend: i32, physicalPage: i32): void {
  if (load<i32>(entry, TLB_addend) == addend && load<i32>(entry, TLB_physicalPage) == physicalPage) return;
  store<i64>(entry, 0, TLB_readTag);
  store<i64>(entry, 0, TLB_writeTag);
  store<i64>(entry, 0, TLB_executeTag);
  store<i32>(entry, addend, TLB_addend);
  store<i32>(entry, physicalPage, TLB_physicalPage);
}

function dropTags(entry: i32, page: u64, mask: u64): void {
  if ((load<u64>(entry, TLB_readTag) & ~mask) == page) store<i64>(entry, 0, TLB_readTag);
  if ((load<u64>(entry, TLB_writeTag) & ~mask) == page) store<i64>(entry, 0, TLB_writeTag);
  if ((load<u64>(entry, TLB_executeTag) & ~mask) == page) store<i64>(entry, 0, TLB_executeTag);
}

/** Drops the translations of the 64 KiB that hold `ea`, and of its small page, in every context. */
export function dropPage(s: i32, ea: u64): void {
  forgetJumpsTo(s, ea);
  const page = ea & ~PAGE_MASK;
  let table = s + VCPU_tlb;
  for (let i = 0; i < TLB_tables; i++) {
    dropTags(entryFor(table, ea), page, PAGE_MASK);
    dropTags(fetchEntryFor(table + TLB_fetch, ea), page, PAGE_MASK);
    table += TLB_tableSize;
  }
  dropTags(smallEntryFor(s, ea), ea & ~SMALL_PAGE_MASK, SMALL_PAGE_MASK);
}

/** Drops the small pages of the 64 KiB that hold `ea`. */
export function dropSmallPages(s: i32, ea: u64): void {
  const page = ea & ~PAGE_MASK;
  for (let at: u64 = 0; at <= PAGE_MASK; at += SMALL_PAGE_MASK + 1) {
    dropTags(smallEntryFor(s, page + at), page + at, SMALL_PAGE_MASK);
  }
}

/** Drops what stands in an entry. What the jump cache may have of it stays. */
// @ts-ignore: decorator
@inline
export function emptyEntry(entry: i32): void {
  store<i64>(entry, 0, TLB_readTag);
  store<i64>(entry, 0, TLB_writeTag);
  store<i64>(entry, 0, TLB_executeTag);
}

/** Drops whatever stands where the translations of a 64 KiB page, and of the small pages in it, can: `set` names it. */
export function dropSet(s: i32, set: i32): void {
  const page = (<u64>set) << TLB_pageShift;
  let table = s + VCPU_tlb;
  for (let i = 0; i < TLB_tables; i++) {
    emptyEntry(entryFor(table, page));
    emptyEntry(fetchEntryFor(table + TLB_fetch, page));
    table += TLB_tableSize;
  }
  forgetJumpsTo(s, page);
  const small = smallEntryFor(s, page);
  const end = small + (1 << (TLB_pageShift - SMALLTLB_pageShift)) * SMALLTLB_entrySize;
  for (let entry = small; entry != end; entry += SMALLTLB_entrySize) emptyEntry(entry);
}

/** Of a page's writers: there may be more than one. */
const SEVERAL = -1;

/** An entry gets a write tag for a page of the soft TLB below ramLimit: `dropWriteTags` need not look for it. */
export function noteWriter(s: i32, physicalPage: i32, entry: i32): void {
  const map = load<i32>(s, S_writers);
  if (map == 0) return;
  const at = map + physicalPage * 4;
  const known = load<i32>(at);
  if (known == entry || known == SEVERAL) return;
  const stands =
    known != 0 && load<u64>(known, TLB_writeTag) != 0 && load<i32>(known, TLB_physicalPage) == physicalPage;
  store<i32>(at, stands ? SEVERAL : entry);
}

/** Of a small page, which is in a table of its own. */
export function noteSmallWriter(s: i32, physicalPage: i32): void {
  const map = load<i32>(s, S_writers);
  if (map != 0) store<i32>(map + physicalPage * 4, SEVERAL);
}

/** Takes away the right to store to 64 KiB of physical memory without being noticed. */
export function dropWriteTags(s: i32, physicalPage: i32): void {
  const map = load<i32>(s, S_writers);
  if (map != 0) {
    const at = map + physicalPage * 4;
    const known = load<i32>(at);
    store<i32>(at, 0);
    if (known == 0) return;
    if (known != SEVERAL) {
      if (load<i32>(known, TLB_physicalPage) == physicalPage) store<i64>(known, 0, TLB_writeTag);
      return;
    }
  }
  let table = s + VCPU_tlb;
  for (let i = 0; i < TLB_tables; i++) {
    for (let entry = table; entry != table + TLB_fetch; entry += TLB_entrySize) {
      if (load<i32>(entry, TLB_physicalPage) == physicalPage) store<i64>(entry, 0, TLB_writeTag);
    }
    table += TLB_tableSize;
  }
  const smallEnd = s + VCPU_smallTlb + SMALLTLB_entries * SMALLTLB_entrySize;
  for (let entry = s + VCPU_smallTlb; entry != smallEnd; entry += SMALLTLB_entrySize) {
    if (load<i32>(entry, TLB_physicalPage) >>> (TLB_pageShift - SMALLTLB_pageShift) == physicalPage) {
      store<i64>(entry, 0, TLB_writeTag);
    }
  }
}
