/** The soft TLB's entries: filling them and dropping them. Their format is told in engines/layout.ts. */
import {
  SMALLTLB_entries,
  SMALLTLB_entrySize,
  SMALLTLB_pageShift,
  TLB_addend,
  TLB_entries,
  TLB_entrySize,
  TLB_executeTag,
  TLB_pageShift,
  TLB_physicalPage,
  TLB_readTag,
  TLB_tables,
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
  let entry = entryFor(s + VCPU_tlb, ea);
  for (let table = 0; table < TLB_tables; table++) {
    dropTags(entry, page, PAGE_MASK);
    entry += TLB_entries * TLB_entrySize;
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
  forgetJumpsTo(s, (<u64>set) << TLB_pageShift);
  let entry = entryFor(s + VCPU_tlb, (<u64>set) << TLB_pageShift);
  for (let table = 0; table < TLB_tables; table++) {
    emptyEntry(entry);
    entry += TLB_entries * TLB_entrySize;
  }
  const small = smallEntryFor(s, (<u64>set) << TLB_pageShift);
  const end = small + (1 << (TLB_pageShift - SMALLTLB_pageShift)) * SMALLTLB_entrySize;
  for (let entry = small; entry != end; entry += SMALLTLB_entrySize) emptyEntry(entry);
}

/** Takes away the right to store to 64 KiB of physical memory without being noticed. */
export function dropWriteTags(s: i32, physicalPage: i32): void {
  const end = s + VCPU_tlb + TLB_tables * TLB_entries * TLB_entrySize;
  for (let entry = s + VCPU_tlb; entry != end; entry += TLB_entrySize) {
    if (load<i32>(entry, TLB_physicalPage) == physicalPage) store<i64>(entry, 0, TLB_writeTag);
  }
  const smallEnd = s + VCPU_smallTlb + SMALLTLB_entries * SMALLTLB_entrySize;
  for (let entry = s + VCPU_smallTlb; entry != smallEnd; entry += SMALLTLB_entrySize) {
    if (load<i32>(entry, TLB_physicalPage) >>> (TLB_pageShift - SMALLTLB_pageShift) == physicalPage) {
      store<i64>(entry, 0, TLB_writeTag);
    }
  }
}
