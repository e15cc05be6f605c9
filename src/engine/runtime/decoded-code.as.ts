/**
 * Decoded instructions: the entry for pc, through the soft TLB and the code map, filling both; and what an entry is filled
 * with.
 */
/** Decoded instructions: finding the entry for `pc`, making pages of entries, and filling an entry. */
import {
  ACCESS_fetch,
  ARCH_ramLimit,
  CODE_entrySize,
  CODE_instructions,
  CODE_kindShift,
  CODE_laterPages,
  CODE_longest,
  CODE_pages,
  CODE_physical,
  CODE_reachShift,
  CODE_roomyVcpus,
  CODE_scale,
  CODE_shift,
  CODE_size,
  CODE_unit,
  EVENT_refill,
  HANDLER_illegal,
  HANDLER_nextPage,
  HANDLER_region,
  MODE_alone,
  S_breaking,
  S_codeMap,
  S_crossing,
  S_exitCode,
  S_fetchAsid,
  S_fetchPage,
  S_fetchTlb,
  S_mode,
  S_codePagesTaken,
  S_nextCodePage,
  S_pc,
  S_statDecode,
  S_statTlbMiss,
  S_steppedAt,
  S_vcpuIndex,
  SMALLTLB_pageShift,
  TLB_executeTag,
  TLB_pageShift,
  TLB_physicalPage,
  VCPU_code,
} from "./layout.target";
import {
  codeKind,
  codePageGone,
  decodeAt,
  effective,
  guestBreaksAt,
  guestEntersPage,
  pageShift,
  physical,
  raiseFetchFault,
  raiseFetchOutside,
  rights,
  translate,
  translationEntered,
} from "./arch.target";
import { claim, fetchedThroughSmall, unmapCodePage } from "./code-pages.as";
import { userBreaksAt } from "./debug-points.as";
import { traceMmu } from "./events.as";
import { findSlot, hostInSlot } from "./slots.as";
import { fetchEntryFor, PAGE_MASK, prepareEntry, SMALL_PAGE_MASK, smallEntryFor } from "./tlb.as";

/** After so many faults in a row without one instruction, the caller gets a look at the world. */
const FAULTS_IN_A_ROW = 64;
const PARTS_SHIFT = TLB_pageShift - CODE_shift;
const PARTS_MASK = (1 << PARTS_SHIFT) - 1;
/** Of a code page's word: the number of the page that it is of. */
const PAGE_NUMBER: u32 = (1 << CODE_kindShift) - 1;
/** Which pages are small the soft TLB tells: those that are not among its own. */
const REACH_IS_TLBS = TLB_pageShift >= CODE_reachShift;
/** Places in a page where instructions may begin. */
const PLACES = (1 << CODE_shift) - CODE_unit;

/**
 * Address of the decoded entry for `pc`, after delivering whatever interrupts fetching raises. 0: the engine returns to
 * its caller, `exitCode` says why.
 */
export function fetch(s: i32): i32 {
  for (let faults = 0; faults < FAULTS_IN_A_ROW; faults++) {
    if (load<i32>(s, S_exitCode)) return 0;
    const at = load<u64>(s, S_pc);
    const pc = effective(s, at);
    if (pc != at) store<u64>(s, pc, S_pc);
    const large = fetchEntryFor(load<i32>(s, S_fetchTlb), pc);
    let page: i32;
    let small = false;
    if (load<u64>(large, TLB_executeTag) == ((pc & ~PAGE_MASK) | load<u64>(s, S_fetchAsid))) {
      page = (load<i32>(large, TLB_physicalPage) << PARTS_SHIFT) | (<i32>(pc >> CODE_shift) & PARTS_MASK);
    } else {
      page = fetchPage(s, pc);
      if (page < 0) continue;
      small = REACH_IS_TLBS
        ? load<u64>(large, TLB_executeTag) != ((pc & ~PAGE_MASK) | load<u64>(s, S_fetchAsid))
        : pageShift < CODE_reachShift;
    }
    const place = load<i32>(s, S_codeMap) + page * 4;
    let code = load<i32>(place);
    const isNew = code == 0;
    if (isNew) {
      code = makeCodePage(s, page, place);
      // The soft TLB's entry does not tell.
      if (!REACH_IS_TLBS) small = translate(s, pc, ACCESS_fetch) != 0 || pageShift < CODE_reachShift;
    }
    if (small) fetchedThroughSmall(code, page, isNew);
    store<i32>(s, code, S_fetchPage);
    const entry = code + ((<i32>(pc & PLACES)) << CODE_scale);
    if (reachesOver(pc) && !gather(s, entry, pc)) continue;
    return entry;
  }
  return 0;
}

/** Number of the 4 KiB physical page that `pc` is in, filling the TLB; -1 after an interrupt or for an exit. */
function fetchPage(s: i32, pc: u64): i32 {
  const asid = load<u64>(s, S_fetchAsid);
  const small = smallEntryFor(s, pc);
  if (load<u64>(small, TLB_executeTag) == ((pc & ~SMALL_PAGE_MASK) | asid)) return load<i32>(small, TLB_physicalPage);

  store<u64>(s, load<u64>(s, S_statTlbMiss) + 1, S_statTlbMiss);
  const cause = translate(s, pc, ACCESS_fetch);
  if (cause != 0) {
    raiseFetchFault(s, pc, cause);
    return -1;
  }
  traceMmu(s, EVENT_refill, pc, physical, ACCESS_fetch, rights | (pageShift << 8));
  if (physical >= load<u64>(ARCH_ramLimit) || !findSlot(physical)) {
    raiseFetchOutside(s);
    return -1;
  }
  const addend = hostInSlot(physical) - <i32>pc;
  if (pageShift >= TLB_pageShift) {
    const entry = fetchEntryFor(load<i32>(s, S_fetchTlb), pc);
    prepareEntry(entry, addend, <i32>(physical >> TLB_pageShift));
    store<u64>(entry, (pc & ~PAGE_MASK) | asid, TLB_executeTag);
    translationEntered(s, entry, ACCESS_fetch);
  } else {
    prepareEntry(small, addend, <i32>(physical >> SMALLTLB_pageShift));
    store<u64>(small, (pc & ~SMALL_PAGE_MASK) | asid, TLB_executeTag);
    translationEntered(s, small, ACCESS_fetch);
  }
  const page = <i32>(physical >> CODE_shift);
  if (load<i32>(s, S_breaking)) guestEntersPage(s, pc, page);
  return page;
}

/** An empty code page for a page of guest memory, from the one that was made longest ago. */
function makeCodePage(s: i32, page: i32, at: i32): i32 {
  const next = load<i32>(s, S_nextCodePage);
  const pages = load<i32>(s, S_vcpuIndex) < CODE_roomyVcpus ? CODE_pages : CODE_laterPages;
  store<i32>(s, next + 1 < pages ? next + 1 : 0, S_nextCodePage);
  const code = s + VCPU_code + next * CODE_size;
  if (next >= load<i32>(s, S_codePagesTaken)) store<i32>(s, next + 1, S_codePagesTaken);
  else {
    unmapCodePage(s, code);
    memory.fill(code, 0, CODE_size);
  }
  codePageGone(s);
  for (let at = CODE_instructions * CODE_entrySize; at < CODE_physical; at += CODE_entrySize) {
    store<i32>(code + at, HANDLER_nextPage);
  }
  store<u32>(code, <u32>page | ((<u32>codeKind(s)) << CODE_kindShift), CODE_physical);
  store<i32>(at, code);
  return code;
}

// Instructions of several lengths. Where the bytes left in a page may be too few, an instruction that is not over with them
// runs alone and is decoded each time: its other half may lie anywhere, and may change.

/** Whether an instruction at this address may go on in the next page. */
// @ts-ignore: decorator
@inline
function reachesOver(address: u64): bool {
  return CODE_longest > CODE_unit && <i32>(address & ((1 << CODE_shift) - 1)) > (1 << CODE_shift) - CODE_longest;
}

/**
 * Puts the bytes of the instruction at `pc` into `crossing`, from where `decoding` takes those of one that runs alone. False: an
 * interrupt, or the engine leaves.
 */
function gather(s: i32, entry: i32, pc: u64): bool {
  const buffer = s + S_crossing;
  const room = (1 << CODE_shift) - <i32>(pc & ((1 << CODE_shift) - 1));
  const address = addressOf(s, entry);
  if (!findSlot(address)) return true;
  memory.copy(buffer, hostInSlot(address), room);
  if (<i32>decodeAt(s, buffer, room, address, codeKind(s), 0) != HANDLER_nextPage) return true;
  const next = effective(s, pc + room);
  const cause = translate(s, next, ACCESS_fetch);
  if (cause != 0) {
    raiseFetchFault(s, next, cause);
    return false;
  }
  if (physical >= load<u64>(ARCH_ramLimit) || !findSlot(physical)) {
    raiseFetchOutside(s);
    return false;
  }
  memory.copy(buffer + room, hostInSlot(physical), CODE_longest - room);
  return true;
}

/** Address of the code page that an entry is in. */
// @ts-ignore: decorator
@inline
function codePageAt(s: i32, entry: i32): i32 {
  const pages = s + VCPU_code;
  return pages + <i32>(<u32>(entry - pages) / CODE_size) * CODE_size;
}

/** Guest physical address of the instruction that an entry stands for. */
function addressOf(s: i32, entry: i32): u64 {
  const code = codePageAt(s, entry);
  const page = load<u32>(code, CODE_physical) & PAGE_NUMBER;
  return ((<u64>page) << CODE_shift) + ((entry - code) >> CODE_scale);
}

/** After the instruction that `entry` stands for ran alone: it is decoded again if it goes on in the next page. */
export function forgetCrossing(s: i32, entry: i32): void {
  if (CODE_longest > CODE_unit && reachesOver(load<u64>(s, S_steppedAt))) store<i32>(entry, 0);
}

/** Fills the entry at `entry` from the instruction in guest memory. */
export function decode(s: i32, entry: i32): void {
  const decoded = decoding(s, entry, entry);
  store<u32>(entry, <u32>(decoded >> 32), 4);
  // In order: a thread beside that finds the entry filled reads the same instruction.
  atomic.store<i32>(entry, <i32>decoded);
}

/** The handler (low half) and the word of the instruction that `entry` stands for, also where a region begins. */
export function instructionAt(s: i32, entry: i32): i64 {
  return load<i32>(entry) > HANDLER_region ? <i64>load<u64>(entry) : <i64>decoding(s, entry, 0);
}

/** What an entry is to hold. `filled`: the entry that will be filled with it, or 0. */
function decoding(s: i32, entry: i32, filled: i32): u64 {
  store<u64>(s, load<u64>(s, S_statDecode) + 1, S_statDecode);
  const code = codePageAt(s, entry);
  const tagged = load<u32>(code, CODE_physical);
  const page = <i32>(tagged & PAGE_NUMBER);
  const address = ((<u64>page) << CODE_shift) + ((entry - code) >> CODE_scale);
  // First of all: a store after this one is to be noticed.
  claim(s, page >> PARTS_SHIFT);
  if (!findSlot(address)) return HANDLER_illegal;
  const alone = (load<i32>(s, S_mode) & MODE_alone) != 0;
  // Where a breakpoint may be, the instruction runs alone: what stands in region 0's place sees to that. Alone, it is itself.
  if (load<i32>(s, S_breaking) && !alone) {
    const offset = <i32>address & PLACES;
    if (userBreaksAt(s, offset) || guestBreaksAt(s, offset)) return HANDLER_region;
  }
  const host = hostInSlot(address);
  const kind = <i32>(tagged >>> CODE_kindShift);
  if (!reachesOver(address)) return decodeAt(s, host, CODE_longest, address, kind, filled);
  const room = (1 << CODE_shift) - <i32>(address & ((1 << CODE_shift) - 1));
  const decoded = decodeAt(s, host, room, address, kind, filled);
  if (<i32>decoded != HANDLER_nextPage) return decoded;
  // Where no entry is filled, the instruction runs in a region's place, after it was fetched.
  return alone || filled == 0 ? decodeAt(s, s + S_crossing, CODE_longest, address, kind, filled) : HANDLER_region;
}
