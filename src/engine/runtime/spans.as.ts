/** How far the guest maps code together: what regions can lie in, and call in without a look-up. */
import {
  ACCESS_fetch,
  ARCH_ramLimit,
  CODE_reachShift,
  CODE_shift,
  CODE_spanShift,
  S_fetchTlb,
  S_pc,
  TLB_pageShift,
} from "./layout.target";
import { pageShift, physical, translate } from "./arch.target";
import { fetchEntry } from "./regions.as";
import { isInOneSlot } from "./slots.as";
import { fetchEntryFor } from "./tlb.as";

/** Whether one page of the guest's and one memory slot have the 2^shift bytes that `pc`, whose physical address is given, is in. */
function isTogether(s: i32, at: u64, size: i32, shift: i32): bool {
  if (size < shift) return false;
  const mask = ((<u64>1) << shift) - 1;
  return (at | mask) < load<u64>(ARCH_ramLimit) && isInOneSlot(at & ~mask, at | mask);
}

/**
 * Contiguous code around `pc`, as a power of two of bytes, in which regions call each other without a look-up; up to `CODE_spanShift`
 * a region can lie in it. codeHost(s) must have been nonzero.
 */
export function codeReach(s: i32): i32 {
  const pc = load<u64>(s, S_pc);
  if (fetchEntry(s, pc) != fetchEntryFor(load<i32>(s, S_fetchTlb), pc)) return CODE_shift;
  if (TLB_pageShift >= CODE_reachShift) return CODE_reachShift;
  if (translate(s, pc, ACCESS_fetch) != 0) return CODE_shift;
  if (isTogether(s, physical, pageShift, CODE_reachShift)) return CODE_reachShift;
  return isTogether(s, physical, pageShift, CODE_spanShift) ? CODE_spanShift : CODE_shift;
}
