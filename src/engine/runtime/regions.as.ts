/** What the translator asks about the code at `pc`. None of it changes the machine. */
import {
  CODE_shift,
  S_codeMap,
  S_fetchAsid,
  S_fetchTlb,
  S_pc,
  TLB_addend,
  TLB_executeTag,
  TLB_pageShift,
  TLB_physicalPage,
} from "./layout.target";
import { fetchEntryFor, PAGE_MASK, SMALL_PAGE_MASK, smallEntryFor } from "./tlb.as";

/** The soft-TLB entry that `pc` is fetched through, or 0 if there is none. */
export function fetchEntry(s: i32, pc: u64): i32 {
  const asid = load<u64>(s, S_fetchAsid);
  const large = fetchEntryFor(load<i32>(s, S_fetchTlb), pc);
  if (load<u64>(large, TLB_executeTag) == ((pc & ~PAGE_MASK) | asid)) return large;
  const small = smallEntryFor(s, pc);
  return load<u64>(small, TLB_executeTag) == ((pc & ~SMALL_PAGE_MASK) | asid) ? small : 0;
}

/** Host address of the instruction at `pc`, or 0 if its translation is not in the soft TLB. */
export function codeHost(s: i32): i32 {
  const pc = load<u64>(s, S_pc);
  const entry = fetchEntry(s, pc);
  return entry ? load<i32>(entry, TLB_addend) + <i32>pc : 0;
}

/** Number of the 4 KiB physical page that `pc` is in. codeHost(s) must have been nonzero. */
export function codePhysicalPage(s: i32): i32 {
  const pc = load<u64>(s, S_pc);
  const page = load<i32>(fetchEntry(s, pc), TLB_physicalPage);
  const parts = TLB_pageShift - CODE_shift;
  if (parts == 0 || fetchEntry(s, pc) != fetchEntryFor(load<i32>(s, S_fetchTlb), pc)) return page;
  return (page << parts) | (<i32>(pc >> CODE_shift) & ((1 << parts) - 1));
}

/** Address of the code page for a 4 KiB physical page in the vCPU's present kind of code, or 0. */
export function codePageFor(s: i32, page: i32): i32 {
  return load<i32>(load<i32>(s, S_codeMap) + page * 4);
}
