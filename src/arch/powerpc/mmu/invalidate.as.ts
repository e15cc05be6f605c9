/**
 * tlbie, tlbiel and the wait for other processors. No page walk cache is kept, so what names only that does nothing.
 * Source: Power ISA v3.0B, Book III "TLB Management Instructions".
 */
import {
  REQUEST_flushTlb,
  S_inGuest,
  S_requests,
  TLB_pageShift,
  VM_vcpuCount,
  VM_vcpus,
} from "../engines/runtime/layout.generated";
import { derive } from "../interrupts/msr.as";
import { forgetAllContexts, forgetContextsOf } from "./context.as";
import { EVENT_INVALIDATE, traceMmu } from "./events.as";
import { dropPage, dropSmallPages } from "./tlb.as";

/** RIC: what is named. */
const RIC_PAGE_WALK_CACHE = 1;
const RIC_CLUSTER = 3;
/** Page size as RB encodes it (AP). */
const SIZE_4K = 0;
const SIZE_2M = 1;
const SIZE_1G = 2;

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
  traceMmu(s, EVENT_INVALIDATE, rb, rs, ric | (prs << 2) | (r << 3), 0);
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
  else flushAddress(s, <u64>rb & ~0xfff, <i32>(rb >> 5) & 7);
}

/** tlbie: the same here and, as a whole flush, on every other vCPU. */
export function tlbInvalidateEntry(s: i32, rb: i64, rs: i64, ric: i32, prs: i32, r: i32): void {
  traceMmu(s, EVENT_INVALIDATE, rb, rs, ric | (prs << 2) | (r << 3), 1);
  invalidateHere(s, rb, rs, ric, prs, r);
  const count = load<i32>(VM_vcpuCount);
  for (let i = 0; i < count; i++) {
    const other = load<i32>(VM_vcpus + 4 * i);
    if (other != s) atomic.or<i32>(other + S_requests, REQUEST_flushTlb);
  }
}

/**
 * ptesync and tlbsync: waits until every other vCPU has taken its flush or is outside the guest, where it will take it
 * before it comes back. It takes its own meanwhile, since two may wait for each other.
 */
export function synchronizeTranslations(s: i32): void {
  const count = load<i32>(VM_vcpuCount);
  for (let i = 0; i < count; i++) {
    const other = load<i32>(VM_vcpus + 4 * i);
    if (other == s) continue;
    while (atomic.load<i32>(other + S_requests) & REQUEST_flushTlb && atomic.load<i32>(other + S_inGuest)) {
      if (atomic.load<i32>(s + S_requests) & REQUEST_flushTlb) {
        atomic.and<i32>(s + S_requests, ~REQUEST_flushTlb);
        flushTranslations(s);
      }
    }
  }
}
