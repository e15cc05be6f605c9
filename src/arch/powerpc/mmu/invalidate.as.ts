/**
 * tlbie, tlbiel and the wait for other processors. No page walk cache is kept, so what names only that does nothing.
 * Source: Power ISA v3.0B, Book III "TLB Management Instructions".
 */
import {
  EVENT_flush,
  EVENT_invalidate,
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
  TLB_entries,
  TLB_pageShift,
  TLB_readTag,
  TLB_writeTag,
  VM_vcpuCount,
  VM_vcpus,
} from "../engines/runtime/layout.generated";
import { derive } from "../interrupts/msr.as";
import { forgetAllContexts, forgetContextsOf } from "./context.as";
import { traceMmu } from "../../../engine/runtime/events.as";
import { dropPage, dropSet, dropSmallPages, entryFor } from "../../../engine/runtime/tlb.as";

/** Gives the thread away for a moment, if it may sleep. */
@external("env", "rest")
declare function rest(): void;

/** RIC: what is named. */
const RIC_PAGE_WALK_CACHE = 1;
const RIC_CLUSTER = 3;
/** Page size as RB encodes it (AP). */
const SIZE_4K = 0;
const SIZE_2M = 1;
const SIZE_1G = 2;
/** What others may have asked for. */
const DROPS = REQUEST_dropPages | REQUEST_flushTlb;
/** Words of `dropSets` that a bit of `dropWords` stands for. */
const WORDS_A_BIT = N_dropSets / 32;
/** Bit of `mode`. */
const ALONE = 4;
/** So many looks at a vCPU that is waited for, some 20 microseconds, before this one's thread is given away. */
const LOOKS = 20_000;

/** Drops every translation of this vCPU. */
export function flushTranslations(s: i32): void {
  forgetAllContexts(s);
  derive(s);
}

function flushProcess(s: i32, pid: u32): void {
  // The kernel's pages (PID 0) are cached under every context.
  if (pid == 0) forgetAllContexts(s);
  else forgetContextsOf(s, pid);
  derive(s);
}

function flushAddress(s: i32, ea: u64, size: i32): void {
  if (size == SIZE_1G) {
    flushTranslations(s);
    return;
  }
  const pages = size == SIZE_2M ? 1 << (21 - TLB_pageShift) : 1;
  for (let i = 0; i < pages; i++) {
    const page = ea + ((<u64>i) << TLB_pageShift);
    dropPage(s, page);
    if (size != SIZE_4K) dropSmallPages(s, page);
  }
}

/** tlbiel: RB, RS, RIC, PRS, R. */
export function tlbInvalidateEntryLocal(s: i32, rb: i64, rs: i64, ric: i32, prs: i32, r: i32): void {
  traceMmu(s, EVENT_invalidate, rb, rs, ric | (prs << 2) | (r << 3), 0);
  invalidateHere(s, rb, rs, ric, prs, r);
}

function invalidateHere(s: i32, rb: i64, rs: i64, ric: i32, prs: i32, r: i32): void {
  const scope = <i32>(rb >> 10) & 3;
  if (r && ric == RIC_PAGE_WALK_CACHE) return;
  if (!r || !prs || scope >= 2) {
    flushTranslations(s);
    return;
  }
  const pid = <u32>(<u64>rs >> 32);
  if (scope == 1 || ric == RIC_CLUSTER) flushProcess(s, pid);
  else flushAddress(s, <u64>rb & ~0xfff, pageSize(rb));
}

/** AP. */
// @ts-ignore: decorator
@inline
function pageSize(rb: i64): i32 {
  return <i32>(rb >> 5) & 7;
}

/** Whether it is one address that is named, of a page that is not a large part of the soft TLB. */
function namesPage(rb: i64, ric: i32, prs: i32, r: i32): bool {
  return r && prs && ric != RIC_CLUSTER && ((rb >> 10) & 3) == 0 && pageSize(rb) != SIZE_1G;
}

/**
 * Asks another vCPU to drop a page. The words come first: who finds the request finds them. If it runs, its own translation
 * is taken away as well: not that it would be safe to go on then, since it may be about to use what it has just looked up,
 * but its next access to the page misses, and finds the request long before its slice ends.
 */
function askToDrop(other: i32, ea: u64, size: i32): void {
  const set = setOf(ea);
  const word = set >> 5;
  atomic.or<i32>(other + S_dropSets + word * 4, size == SIZE_2M ? -1 : 1 << (set & 31));
  atomic.or<i32>(other + S_dropWords, 1 << (word / WORDS_A_BIT));
  atomic.or<i32>(other + S_requests, REQUEST_dropPages);
  if (!atomic.load<i32>(other + S_inGuest)) return;
  const entry = entryFor(load<i32>(other, S_tlb), ea);
  // Never half of a tag: it might be another's.
  atomic.store<i64>(entry, 0, TLB_readTag);
  atomic.store<i64>(entry, 0, TLB_writeTag);
}

/** Which of the soft TLB's sets an address's translations are in. */
// @ts-ignore: decorator
@inline
function setOf(ea: u64): i32 {
  return <i32>(ea >> TLB_pageShift) & (TLB_entries - 1);
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
 * from its fetch. One that runs alone (MSR[SE], a step, an answer to MMIO) is not disturbed.
 */
export function dropsBeforeAccess(s: i32): bool {
  if (!(load<i32>(s, S_requests) & REQUEST_dropPages) || load<i32>(s, S_mode) & ALONE) return false;
  atomic.and<i32>(s + S_requests, ~REQUEST_dropPages);
  traceMmu(s, EVENT_flush, 0, 0, 0, 0);
  if (!dropSets(s)) return false;
  store<i32>(s, 1, S_recheck);
  store<i32>(s, 1, S_fault);
  return true;
}

/** tlbie: the same here and, as a whole flush if it is not of one page, on every other vCPU. */
export function tlbInvalidateEntry(s: i32, rb: i64, rs: i64, ric: i32, prs: i32, r: i32): void {
  traceMmu(s, EVENT_invalidate, rb, rs, ric | (prs << 2) | (r << 3), 1);
  invalidateHere(s, rb, rs, ric, prs, r);
  if (r && ric == RIC_PAGE_WALK_CACHE) return;
  const page = namesPage(rb, ric, prs, r);
  const count = load<i32>(VM_vcpuCount);
  for (let i = 0; i < count; i++) {
    const other = load<i32>(VM_vcpus + 4 * i);
    if (other == s) continue;
    if (page) askToDrop(other, <u64>rb, pageSize(rb));
    else atomic.or<i32>(other + S_requests, REQUEST_flushTlb);
  }
}

/**
 * ptesync and tlbsync waits until every other vCPU has taken what it was asked for or is outside the guest, where it will take
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
