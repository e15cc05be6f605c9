/** Translations that a guest takes away: dropped here, and on the other vCPUs by asking and waiting for them. */
import {
  EVENT_flush,
  MODE_alone,
  N_dropSets,
  REQUEST_dropPages,
  REQUEST_flushTlb,
  S_dropSets,
  S_dropWords,
  S_fault,
  S_inGuest,
  S_mode,
  S_pc,
  S_recheck,
  S_requests,
  S_tlb,
  SMALLTLB_pageShift,
  TLB_entries,
  TLB_pageShift,
  TLB_readTag,
  TLB_writeTag,
  VM_vcpuCount,
  VM_vcpus,
} from "./layout.target";
import { derive } from "./arch.target";
import { forgetAllContexts } from "./contexts.as";
import { traceMmu } from "./events.as";
import { dropPage, dropSet, dropSmallPages, entryFor } from "./tlb.as";

/** Gives the thread away for a moment, if it may sleep. */
@external("env", "rest")
declare function rest(): void;

/** Pages above this many bytes (log2) are not dropped one by one, but with all others. */
const LARGEST = 21;
/** What others may have asked for. */
const DROPS = REQUEST_dropPages | REQUEST_flushTlb;
/** Words of `dropSets` that a bit of `dropWords` stands for. */
const WORDS_A_BIT = N_dropSets / 32;
/** So many looks at a vCPU that is waited for, some 20 microseconds, before this one's thread is given away. */
const LOOKS = 20_000;

/** Drops every translation of this vCPU. */
export function flushTranslations(s: i32): void {
  forgetAllContexts(s);
  derive(s);
}

/** Drops the translations of a page of 2^shift bytes in every context. */
export function flushAddress(s: i32, ea: u64, shift: i32): void {
  if (shift > LARGEST) {
    flushTranslations(s);
    return;
  }
  const pages = shift > TLB_pageShift ? 1 << (shift - TLB_pageShift) : 1;
  for (let i = 0; i < pages; i++) {
    const page = ea + ((<u64>i) << TLB_pageShift);
    dropPage(s, page);
    if (shift > SMALLTLB_pageShift) dropSmallPages(s, page);
  }
}

/**
 * Asks another vCPU to drop the translations of a page of 2^shift bytes. The words come first: who finds the request finds them.
 * If it runs, its own translation is taken away as well: not that it would be safe to go on then, since it may be about to
 * use what it has just looked up, but its next access to the page misses, and finds the request long before its slice ends.
 */
function askToDrop(other: i32, ea: u64, shift: i32): void {
  const set = setOf(ea);
  if (shift <= TLB_pageShift) mark(other, set >> 5, 1 << (set & 31));
  else {
    const words = max(1, (1 << (shift - TLB_pageShift)) >>> 5);
    const first = (set >> 5) & ~(words - 1);
    for (let word = first; word < first + words; word++) mark(other, word, -1);
  }
  atomic.or<i32>(other + S_requests, REQUEST_dropPages);
  if (!atomic.load<i32>(other + S_inGuest)) return;
  const entry = entryFor(load<i32>(other, S_tlb), ea);
  // Never half of a tag: it might be another's.
  atomic.store<i64>(entry, 0, TLB_readTag);
  atomic.store<i64>(entry, 0, TLB_writeTag);
}

function mark(other: i32, word: i32, bits: i32): void {
  atomic.or<i32>(other + S_dropSets + word * 4, bits);
  atomic.or<i32>(other + S_dropWords, 1 << (word / WORDS_A_BIT));
}

/** Which of the soft TLB's sets an address's translations are in. */
// @ts-ignore: decorator
@inline
function setOf(ea: u64): i32 {
  return <i32>(ea >> TLB_pageShift) & (TLB_entries - 1);
}

/** Asks every other vCPU to drop the translations of a page of 2^shift bytes. */
export function askOthersToDrop(s: i32, ea: u64, shift: i32): void {
  const count = load<i32>(VM_vcpuCount);
  for (let i = 0; i < count; i++) {
    const other = load<i32>(VM_vcpus + 4 * i);
    if (other == s) continue;
    if (shift <= LARGEST) askToDrop(other, ea, shift);
    else atomic.or<i32>(other + S_requests, REQUEST_flushTlb);
  }
}

/** Asks every other vCPU to drop all translations. */
export function askOthersToFlush(s: i32): void {
  askOthersToDrop(s, 0, 64);
}

/** Does what other vCPUs asked for with these bits of `requests`, which the caller has cleared. */
export function dropRequested(s: i32, requests: i32): void {
  if (requests & REQUEST_dropPages) dropSets(s);
  if (requests & REQUEST_flushTlb) flushTranslations(s);
}

/** True if the page that `pc` is in was among them. */
function dropSets(s: i32): bool {
  const own = setOf(load<u64>(s, S_pc));
  let found = false;
  let words = atomic.xchg<i32>(s + S_dropWords, 0);
  while (words) {
    const first = ctz<i32>(words) * WORDS_A_BIT;
    words &= words - 1;
    for (let word = first; word < first + WORDS_A_BIT; word++) {
      let sets = atomic.xchg<i32>(s + S_dropSets + word * 4, 0);
      while (sets) {
        const set = word * 32 + ctz<i32>(sets);
        sets &= sets - 1;
        dropSet(s, set);
        if (set == own) found = true;
      }
    }
  }
  return found;
}

/**
 * Before a load or store that missed, while nothing of it has been looked up: drops the pages that others asked for, which
 * changes nothing that the engine holds. True: the code that runs was in one of them, so that the instruction starts over
 * from its fetch. One that runs alone (traced, a step, an answer to MMIO) is not disturbed.
 */
export function dropsBeforeAccess(s: i32): bool {
  if (!(load<i32>(s, S_requests) & REQUEST_dropPages) || load<i32>(s, S_mode) & MODE_alone) return false;
  atomic.and<i32>(s + S_requests, ~REQUEST_dropPages);
  traceMmu(s, EVENT_flush, 0, 0, 0, 0);
  if (!dropSets(s)) return false;
  store<i32>(s, 1, S_recheck);
  store<i32>(s, 1, S_fault);
  return true;
}

/**
 * Waits until every other vCPU has taken what it was asked for or is outside the guest, where it will take
 * it before it comes back. It takes its own meanwhile, since two may wait for each other.
 */
export function synchronizeTranslations(s: i32): void {
  const count = load<i32>(VM_vcpuCount);
  for (let i = 0; i < count; i++) {
    const other = load<i32>(VM_vcpus + 4 * i);
    if (other == s) continue;
    let looks = 0;
    while (atomic.load<i32>(other + S_requests) & DROPS && atomic.load<i32>(other + S_inGuest)) {
      if (atomic.load<i32>(s + S_requests) & DROPS) {
        dropRequested(s, atomic.and<i32>(s + S_requests, ~DROPS));
      }
      if (++looks > LOOKS) rest();
    }
  }
}
