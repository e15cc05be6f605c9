/** Loading segment registers, and looking at descriptors. Source: Intel SDM, volume 2, MOV, LLDT, LTR, LAR, LSL, VERR. */
import {
  S_cpl,
  S_fault,
  S_nestedError,
  S_nestedFault,
  S_segmentBase,
  S_selector,
  S_shadow,
  S_shadowAt,
  SEGMENT_ldtr,
  SEGMENT_ss,
  SEGMENT_tr,
  SHADOW_begun,
  SHADOW_begunByStack,
  VECTOR_generalProtection,
  VECTOR_segmentNotPresent,
  VECTOR_stackFault,
} from "../engines/runtime/layout.generated";
import { codeBase, hasPlainSegments, is64, isLongMode, isVirtual8086 } from "../mmu/mode.as";
import { isCanonical } from "../mmu/translate.as";
import { begin } from "../mmu/system-access.as";
import { raiseWith } from "./deliver.as";
import {
  ACCESSED,
  accessOf,
  baseOf,
  CODE,
  CONFORMING,
  clearSegment,
  dplOf,
  isWhole,
  limitOf,
  PRESENT,
  readDescriptor,
  readUpperBase,
  SYSTEM_BIT,
  setPlainSegment,
  setSegment,
  WRITABLE,
  writeType,
} from "./segments.as";

/** Whether what has been read or written since `begin` faulted; then that fault has been raised. */
function faulted(s: i32): bool {
  const nested = load<i32>(s, S_nestedFault);
  if (nested) raiseWith(s, nested - 1, load<i32>(s, S_nestedError));
  return nested != 0;
}

export let descriptor: u64 = 0;

/** Reads a selector's descriptor into `descriptor`, 0 if there is none. False: a fault has been raised. */
export function lookUp(s: i32, selector: i32): bool {
  begin(s);
  descriptor = readDescriptor(s, selector);
  return !faulted(s);
}

/** Says in a descriptor that it was accessed. False: a fault has been raised. */
export function noteAccessed(s: i32, selector: i32): bool {
  if (accessOf(descriptor) & ACCESSED) return true;
  begin(s);
  descriptor |= (<u64>ACCESSED) << 40;
  writeType(s, selector, accessOf(descriptor));
  return !faulted(s);
}

/** MOV to and POP of ES, SS, DS, FS, GS. `next`: the next instruction's address. */
export function loadSegment(s: i32, segment: i32, value: i64, next: i64): void {
  loadFarSegment(s, segment, value);
  if (segment != SEGMENT_ss || load<i32>(s, S_fault)) return;
  shade(s, next);
  store<i32>(s, SHADOW_begunByStack, S_shadow);
}

/** The same by a far pointer: the stack's pointer comes with its segment, so interrupts are not kept away. */
export function loadFarSegment(s: i32, segment: i32, value: i64): void {
  const selector = <i32>value & 0xffff;
  if (hasPlainSegments(s)) {
    setPlainSegment(s, segment, selector, isVirtual8086(s));
    return;
  }
  const cpl = load<i32>(s, S_cpl);
  const rpl = selector & 3;
  const error = selector & 0xfffc;
  if (!error) {
    // SS may name none in 64-bit mode only below level 3, and only as what runs.
    if (segment == SEGMENT_ss && (!is64(s) || cpl == 3 || rpl != cpl)) raiseWith(s, VECTOR_generalProtection, 0);
    else {
      clearSegment(s, segment, selector);
    }
    return;
  }
  if (!lookUp(s, selector)) return;
  const access = accessOf(descriptor);
  let right = descriptor != 0 && (access & SYSTEM_BIT) != 0;
  if (segment == SEGMENT_ss) {
    right = right && (access & (CODE | WRITABLE)) == WRITABLE && rpl == cpl && dplOf(access) == cpl;
  } else {
    right = right && (access & (CODE | WRITABLE)) != CODE;
    const conforming = (access & (CODE | CONFORMING)) == (CODE | CONFORMING);
    if (!conforming && (rpl > dplOf(access) || cpl > dplOf(access))) right = false;
  }
  if (!right) {
    raiseWith(s, VECTOR_generalProtection, error);
    return;
  }
  if (!(access & PRESENT)) {
    raiseWith(s, segment == SEGMENT_ss ? VECTOR_stackFault : VECTOR_segmentNotPresent, error);
    return;
  }
  if (!noteAccessed(s, selector)) return;
  setSegment(s, segment, selector, descriptor);
}

/** No interrupt is taken before the instruction at this address of the code segment. */
export function shade(s: i32, next: i64): void {
  store<i64>(s, is64(s) ? next : (codeBase(s) + next) & 0xffffffff, S_shadowAt);
  store<i32>(s, SHADOW_begun, S_shadow);
}

export function selectorOf(s: i32, segment: i32): i64 {
  return <i64>load<u32>(s + 4 * segment, S_selector);
}

/**
 * LLDT (segment 7) and LTR (8): the type is 2 and 9, which becomes 11; outside long mode also 1, a task of 16 bits, which becomes
 * 3, and descriptors have half as many bytes.
 */
export function loadSystemSegment(s: i32, segment: i32, value: i64): void {
  const selector = <i32>value & 0xffff;
  const error = selector & 0xfffc;
  if (!error && segment == SEGMENT_ldtr) {
    clearSegment(s, segment, selector);
    return;
  }
  if (!error || selector & 4) {
    raiseWith(s, VECTOR_generalProtection, error);
    return;
  }
  if (!lookUp(s, selector)) return;
  const access = accessOf(descriptor);
  const type = access & 31;
  const long = isLongMode(s);
  const right = type == (segment == SEGMENT_tr ? 9 : 2) || (segment == SEGMENT_tr && !long && type == 1);
  if (descriptor == 0 || (long && !isWhole(s, selector)) || !right) {
    raiseWith(s, VECTOR_generalProtection, error);
    return;
  }
  if (!(access & PRESENT)) {
    raiseWith(s, VECTOR_segmentNotPresent, error);
    return;
  }
  begin(s);
  const upper = long ? readUpperBase(s, selector) : 0;
  if (long && !isCanonical(baseOf(descriptor) | upper)) {
    raiseWith(s, VECTOR_generalProtection, error);
    return;
  }
  if (segment == SEGMENT_tr) writeType(s, selector, access | 2);
  if (faulted(s)) return;
  setSegment(s, segment, selector, descriptor | (segment == SEGMENT_tr ? (<u64>2) << 40 : 0));
  store<u64>(s + S_segmentBase + 8 * segment, load<u64>(s + 8 * segment, S_segmentBase) | upper);
}

/** What LAR and LSL are of types of system segments, as bits: in long mode, and those of 16 bits and task gates outside it. */
const ACCESS_TYPES = (1 << 2) | (1 << 9) | (1 << 11) | (1 << 12);
const LIMIT_TYPES = (1 << 2) | (1 << 9) | (1 << 11);
const OLD_ACCESS_TYPES = (1 << 1) | (1 << 3) | (1 << 4) | (1 << 5);
const OLD_LIMIT_TYPES = (1 << 1) | (1 << 3);

/** Whether a descriptor may be looked at with this selector. */
function visible(s: i32, selector: i32, types: i32): bool {
  if (!(selector & 0xfffc) || !lookUp(s, selector) || descriptor == 0) return false;
  const access = accessOf(descriptor);
  if (!(access & SYSTEM_BIT) && !((types >> (access & 15)) & 1)) return false;
  if ((access & (SYSTEM_BIT | CODE | CONFORMING)) == (SYSTEM_BIT | CODE | CONFORMING)) return true;
  const dpl = dplOf(access);
  return dpl >= load<i32>(s, S_cpl) && dpl >= (selector & 3);
}

/** LAR: the access rights, or -1. */
export function accessRights(s: i32, selector: i64): i64 {
  if (!visible(s, <i32>selector & 0xffff, isLongMode(s) ? ACCESS_TYPES : ACCESS_TYPES | OLD_ACCESS_TYPES)) return -1;
  return <i64>((descriptor >> 32) & 0x00f0ff00);
}

/** LSL: the limit, or -1. */
export function segmentLimit(s: i32, selector: i64): i64 {
  if (!visible(s, <i32>selector & 0xffff, isLongMode(s) ? LIMIT_TYPES : LIMIT_TYPES | OLD_LIMIT_TYPES)) return -1;
  return <i64>(<u32>limitOf(descriptor));
}

/** VERR (0) and VERW (1): 1 if it may be read, written. */
export function verify(s: i32, selector: i64, write: i32): i32 {
  if (!visible(s, <i32>selector & 0xffff, 0)) return 0;
  const access = accessOf(descriptor);
  if (access & CODE) return i32(!write && (access & WRITABLE) != 0);
  return i32(!write || (access & WRITABLE) != 0);
}
