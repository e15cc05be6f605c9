/** Code segments that are transferred to, and what the routines do that transfer. Source: Intel SDM, volume 2, JMP, CALL, RET, IRET. */
import {
  S_cpl,
  S_fault,
  S_segmentLimit,
  SEGMENT_cs,
  VECTOR_generalProtection,
  VECTOR_segmentNotPresent,
} from "../engines/runtime/layout.generated";
import { derive } from "../mmu/context.as";
import { goOnAt, isLongMode, isVirtual8086 } from "../mmu/mode.as";
import { isCanonical } from "../mmu/translate.as";
import { deliverFault } from "./deliver.as";
import { descriptor, lookUp, noteAccessed } from "./load-segment.as";
import {
  accessOf,
  BIG,
  CODE,
  CONFORMING,
  dplOf,
  LONG,
  limitOf,
  PRESENT,
  SYSTEM_BIT,
  setPlainSegment,
  setSegment,
} from "./segments.as";

/** Whether a load that these routines made faulted: it has been delivered, and they are over. */
export function gone(s: i32): bool {
  if (!load<i32>(s, S_fault)) return false;
  store<i32>(s, 0, S_fault);
  return true;
}

/** Reads a selector's descriptor, which is not the null selector, into `descriptor`. False: a fault has been delivered. */
export function found(s: i32, selector: i32): bool {
  if (!(selector & 0xfffc)) {
    deliverFault(s, VECTOR_generalProtection, 0);
    return false;
  }
  return lookUp(s, selector) || !gone(s);
}

/**
 * Ends a look-up: the descriptor is the right one, is there (else `absent` is the fault), and notes that it was accessed. False: a
 * fault has been delivered.
 */
export function settled(s: i32, selector: i32, right: bool, absent: i32): bool {
  const error = selector & 0xfffc;
  if (!right) {
    deliverFault(s, VECTOR_generalProtection, error);
    return false;
  }
  if (!(accessOf(descriptor) & PRESENT)) {
    deliverFault(s, absent, error);
    return false;
  }
  return noteAccessed(s, selector) || !gone(s);
}

/**
 * Looks a code segment up that is returned to (its RPL decides) or jumped to (the present level does). The descriptor is in
 * `descriptor`. False: a fault has been delivered.
 */
export function codeSegment(s: i32, selector: i32, returns: bool): bool {
  if (!found(s, selector)) return false;
  const access = accessOf(descriptor);
  const cpl = load<i32>(s, S_cpl);
  const rpl = selector & 3;
  const dpl = dplOf(access);
  let right = descriptor != 0 && (access & (SYSTEM_BIT | CODE)) == (SYSTEM_BIT | CODE);
  // In long mode, code has 64 bits or 32, not both.
  if (isLongMode(s) && (access & (LONG | BIG)) == (LONG | BIG)) right = false;
  if (returns) right = right && rpl >= cpl && (access & CONFORMING ? dpl <= rpl : dpl == rpl);
  else right = right && (access & CONFORMING ? dpl <= cpl : dpl == cpl && rpl <= cpl);
  return settled(s, selector, right, VECTOR_segmentNotPresent);
}

/** Whether a place is in the code segment that a descriptor describes; if not, a fault has been delivered. */
export function isInCode(s: i32, code: u64, target: u64): bool {
  const fits = isLongMode(s) && accessOf(code) & LONG ? isCanonical(target) : target <= <u64>(<u32>limitOf(code));
  if (!fits) deliverFault(s, VECTOR_generalProtection, 0);
  return fits;
}

/** The guest goes on there, at this level. */
export function goOnIn(s: i32, selector: i32, code: u64, target: u64, level: i32): void {
  setSegment(s, SEGMENT_cs, (selector & 0xfffc) | level, code);
  store<i32>(s, level, S_cpl);
  goOnAt(s, target);
  derive(s);
}

/** Whether a place is one of real mode's or virtual-8086 mode's; if not, a fault has been delivered. */
export function isPlainPlace(s: i32, target: u64): bool {
  const limit = isVirtual8086(s) ? 0xffff : <u64>load<u32>(s, S_segmentLimit + 4 * SEGMENT_cs);
  if (target > limit) deliverFault(s, VECTOR_generalProtection, 0);
  return target <= limit;
}

/** The guest goes on there in real mode or virtual-8086 mode. False: a fault has been delivered. */
export function goOnPlain(s: i32, selector: i32, target: u64): bool {
  if (!isPlainPlace(s, target)) return false;
  setPlainSegment(s, SEGMENT_cs, selector, isVirtual8086(s));
  goOnAt(s, target);
  derive(s);
  return true;
}
