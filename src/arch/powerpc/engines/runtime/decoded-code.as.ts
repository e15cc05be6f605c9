/** Decoded instructions: finding the entry for `pc`, making pages of entries, and filling an entry. */
import {
  ACCESS_fetch,
  ARCH_ramLimit,
  CODE_instructions,
  CODE_pages,
  CODE_physical,
  CODE_shift,
  CODE_size,
  EVENT_fault,
  EVENT_refill,
  HANDLER_illegal,
  HANDLER_nextPage,
  HANDLER_region,
  S_breaking,
  S_codeMap,
  S_decodeRoot,
  S_exitCode,
  S_fault,
  S_fetchAsid,
  S_fetchPage,
  S_fetchTlb,
  S_mode,
  S_nextCodePage,
  S_pc,
  S_statDecode,
  S_statTlbMiss,
  SMALLTLB_pageShift,
  TLB_executeTag,
  TLB_pageShift,
  TLB_physicalPage,
  VCPU_code,
  VM_decodeTables,
} from "./layout.generated";
import { breaksIn } from "../../interrupts/debug.as";
import {
  raiseFetchMachineCheck,
  raiseInstructionSegment,
  raiseInstructionStorage,
} from "../../interrupts/storage-interrupts.as";
import { traceMmu } from "../../../../engine/runtime/events.as";
import { CAUSE_EXIT, CAUSE_SEGMENT } from "../../mmu/radix.as";
import { findSlot, hostInSlot } from "../../../../engine/runtime/slots.as";
import { entryFor, PAGE_MASK, prepareEntry, SMALL_PAGE_MASK, smallEntryFor } from "../../../../engine/runtime/tlb.as";
import { pageShift, physical, rights, translate } from "../../mmu/translate.as";
import { claim, fetchedThroughSmall, unmapCodePage } from "./code-pages.as";
import { settleComeFrom } from "./come-from.as";

/** After so many faults in a row without one instruction, the caller gets a look at the world. */
const FAULTS_IN_A_ROW = 64;
const PARTS_SHIFT = TLB_pageShift - CODE_shift;
const PARTS_MASK = (1 << PARTS_SHIFT) - 1;
const BIG_ENDIAN: u32 = 0x80000000;

/**
 * Address of the decoded entry for `pc`, after delivering whatever interrupts fetching raises. 0: the engine returns to
 * its caller, `exitCode` says why.
 */
export function fetch(s: i32): i32 {
  for (let faults = 0; faults < FAULTS_IN_A_ROW; faults++) {
    if (load<i32>(s, S_exitCode)) return 0;
    let pc = load<u64>(s, S_pc);
    if (!(load<i32>(s, S_mode) & 2) && pc >> 32) {
      pc &= 0xffffffff;
      store<u64>(s, pc, S_pc);
    }
    const entry = entryFor(load<i32>(s, S_fetchTlb), pc);
    let page: i32;
    let small = false;
    if (load<u64>(entry, TLB_executeTag) == ((pc & ~PAGE_MASK) | load<u64>(s, S_fetchAsid))) {
      page = (load<i32>(entry, TLB_physicalPage) << PARTS_SHIFT) | (<i32>(pc >> CODE_shift) & PARTS_MASK);
    } else {
      page = fetchPage(s, pc);
      if (page < 0) continue;
      small = load<u64>(entry, TLB_executeTag) != ((pc & ~PAGE_MASK) | load<u64>(s, S_fetchAsid));
    }
    const at = load<i32>(s, S_codeMap) + page * 4;
    let code = load<i32>(at);
    if (code == 0) code = makeCodePage(s, page, at);
    if (small) fetchedThroughSmall(code, page);
    store<i32>(s, code, S_fetchPage);
    return code + ((<i32>(pc & 0xffc)) << 1);
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
    traceMmu(s, EVENT_fault, pc, 0, ACCESS_fetch, cause);
    if (cause == CAUSE_SEGMENT) raiseInstructionSegment(s);
    else if (cause != CAUSE_EXIT) raiseInstructionStorage(s, cause);
    // Nobody looks at it behind a fetch.
    else store<i32>(s, 0, S_fault);
    return -1;
  }
  traceMmu(s, EVENT_refill, pc, physical, ACCESS_fetch, rights | (pageShift << 8));
  if (physical >= load<u64>(ARCH_ramLimit) || !findSlot(physical)) {
    raiseFetchMachineCheck(s);
    return -1;
  }
  const addend = hostInSlot(physical) - <i32>pc;
  if (pageShift >= TLB_pageShift) {
    const entry = entryFor(load<i32>(s, S_fetchTlb), pc);
    prepareEntry(entry, addend, <i32>(physical >> TLB_pageShift));
    store<u64>(entry, (pc & ~PAGE_MASK) | asid, TLB_executeTag);
  } else {
    prepareEntry(small, addend, <i32>(physical >> SMALLTLB_pageShift));
    store<u64>(small, (pc & ~SMALL_PAGE_MASK) | asid, TLB_executeTag);
  }
  return <i32>(physical >> CODE_shift);
}

/** An empty code page for a page of guest memory, from the one that was made longest ago. */
function makeCodePage(s: i32, page: i32, at: i32): i32 {
  const next = load<i32>(s, S_nextCodePage);
  store<i32>(s, next + 1 < CODE_pages ? next + 1 : 0, S_nextCodePage);
  const code = s + VCPU_code + next * CODE_size;
  unmapCodePage(s, code);
  // The branch that led here may stand in the page that goes.
  settleComeFrom(s);
  memory.fill(code, 0, CODE_size);
  store<i32>(code, HANDLER_nextPage, CODE_instructions * 8);
  store<u32>(code, <u32>page | (load<i32>(s, S_mode) & 1 ? 0 : BIG_ENDIAN), CODE_physical);
  store<i32>(at, code);
  return code;
}

/** The handler's number for an instruction word; the tables' form is told in isa/decoder.ts. */
function handlerOf(s: i32, word: u32): i32 {
  let node = VM_decodeTables + 4 * load<i32>(s, S_decodeRoot);
  let child: i32;
  do {
    const index = <i32>((word >>> load<u32>(node)) & load<u32>(node, 4));
    child = load<i32>(node + 4 * index, 8);
    node = VM_decodeTables - 4 * child;
  } while (child < 0);
  if (child == 0) return HANDLER_illegal;
  let leaf = VM_decodeTables + 4 * child;
  let mask = load<u32>(leaf);
  while (mask != 0) {
    if ((word & mask) == load<u32>(leaf, 4)) return load<i32>(leaf, 8);
    leaf += 12;
    mask = load<u32>(leaf);
  }
  const otherwise = load<i32>(leaf, 4);
  return otherwise ? otherwise : HANDLER_illegal;
}

/** Fills the entry at `entry` from the instruction in guest memory. */
export function decode(s: i32, entry: i32): void {
  const decoded = decoding(s, entry);
  store<u32>(entry, <u32>(decoded >> 32), 4);
  // In order: a thread beside that finds the entry filled reads the same instruction.
  atomic.store<i32>(entry, <i32>decoded);
}

/** The handler (low half) and the word of the instruction that `entry` stands for, also where a region begins. */
export function instructionAt(s: i32, entry: i32): i64 {
  return load<i32>(entry) > HANDLER_region ? <i64>load<u64>(entry) : <i64>decoding(s, entry);
}

/** What decode() puts into an entry. */
function decoding(s: i32, entry: i32): u64 {
  store<u64>(s, load<u64>(s, S_statDecode) + 1, S_statDecode);
  const pages = s + VCPU_code;
  const code = pages + <i32>(<u32>(entry - pages) / CODE_size) * CODE_size;
  const tagged = load<u32>(code, CODE_physical);
  const page = <i32>(tagged & ~BIG_ENDIAN);
  const address = ((<u64>page) << CODE_shift) + ((entry - code) >> 1);
  // First of all: a store after this one is to be noticed.
  claim(s, page >> PARTS_SHIFT);
  if (!findSlot(address)) return HANDLER_illegal;
  let word = load<u32>(hostInSlot(address));
  if (tagged & BIG_ENDIAN) word = bswap(word);
  // Where a breakpoint may be, the instruction runs alone: what stands in region 0's place sees to that. Alone, it is itself.
  if (load<i32>(s, S_breaking) && !(load<i32>(s, S_mode) & 4) && breaksIn(s, <i32>address & 0xffc)) {
    return HANDLER_region;
  }
  return ((<u64>word) << 32) | <u64>handlerOf(s, word);
}
