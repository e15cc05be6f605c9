/**
 * tlbie and tlbiel. No page walk cache is kept, so what names only that does nothing.
 * Source: Power ISA v3.0B, Book III "TLB Management Instructions".
 */
import { EVENT_invalidate } from "../engines/runtime/layout.generated";
import { derive } from "../interrupts/msr.as";
import { forgetAllContexts } from "../../../engine/runtime/contexts.as";
import { traceMmu } from "../../../engine/runtime/events.as";
import {
  askOthersToDrop,
  askOthersToFlush,
  flushAddress,
  flushTranslations,
} from "../../../engine/runtime/invalidate.as";
import { forgetContextsOf } from "./context.as";

/** RIC: what is named. */
const RIC_PAGE_WALK_CACHE = 1;
const RIC_CLUSTER = 3;
function flushProcess(s: i32, pid: u32): void {
  // The kernel's pages (PID 0) are cached under every context.
  if (pid == 0) forgetAllContexts(s);
  else forgetContextsOf(s, pid);
  derive(s);
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
  else flushAddress(s, <u64>rb & ~0xfff, shiftOf(rb));
}

/** log2 of the bytes of the page, which RB encodes (AP). */
function shiftOf(rb: i64): i32 {
  switch (<i32>(rb >> 5) & 7) {
    case 0:
      return 12;
    case 1:
      return 21;
    case 2:
      return 30;
    default:
      return 16;
  }
}

/** tlbie: the same here and, as a whole flush if it is not of one page, on every other vCPU. */
export function tlbInvalidateEntry(s: i32, rb: i64, rs: i64, ric: i32, prs: i32, r: i32): void {
  traceMmu(s, EVENT_invalidate, rb, rs, ric | (prs << 2) | (r << 3), 1);
  invalidateHere(s, rb, rs, ric, prs, r);
  if (r && ric == RIC_PAGE_WALK_CACHE) return;
  const named = r && prs && ric != RIC_CLUSTER && ((rb >> 10) & 3) == 0;
  if (named) askOthersToDrop(s, <u64>rb, shiftOf(rb));
  else askOthersToFlush(s);
}
