/**
 * Transfers of control between levels and segments: IRET, SYSCALL, SYSRET, far jumps, calls and returns, of 64-bit mode.
 * Source: Intel SDM, volume 2; AMD APM, volume 3. Each sets pc, to its target or to a fault's handler.
 */
import {
  EFER_systemCall,
  ERROR_otherCode,
  MSR_efer,
  MSR_lstar,
  MSR_star,
  MSR_syscallMask,
  RFLAGS_always,
  RFLAGS_interrupt,
  RFLAGS_ioPrivilege,
  RFLAGS_nestedTask,
  RFLAGS_resume,
  RFLAGS_virtual8086,
  RFLAGS_writable,
  S_cpl,
  S_fault,
  S_general,
  S_interruptPending,
  S_interruptRequest,
  S_msrs,
  S_nmiBlocked,
  S_nmiPending,
  S_pc,
  S_recheck,
  S_segmentAccess,
  S_selector,
  SEGMENT_cs,
  SEGMENT_ds,
  SEGMENT_es,
  SEGMENT_fs,
  SEGMENT_gs,
  SEGMENT_ss,
  VECTOR_generalProtection,
  VECTOR_invalidOpcode,
  VECTOR_segmentNotPresent,
  VECTOR_stackFault,
} from "../engines/runtime/layout.generated";
import { loadSlow, storeSlow } from "../../../engine/runtime/access.as";
import { internalError } from "../../../engine/runtime/internal-error.as";
import { derive } from "../mmu/context.as";
import { isCanonical } from "../mmu/translate.as";
import { deliverFault } from "./deliver.as";
import { flagsOf, setFlags } from "./flags.as";
import { descriptor, lookUp, noteAccessed } from "./load-segment.as";
import {
  accessOf,
  BIG,
  CODE,
  CONFORMING,
  clearSegment,
  dplOf,
  LONG,
  PRESENT,
  SYSTEM_BIT,
  setSegment,
  WRITABLE,
} from "./segments.as";

const RCX = S_general + 8;
const RSP = S_general + 4 * 8;
const R11 = S_general + 11 * 8;
/** What POPF and IRET set of the arithmetic flags. */
const ARITHMETIC: u64 = 0x8d5;

/** Ends in a fault. */
function faultBy(s: i32, vector: i32, error: i32): void {
  deliverFault(s, vector, error);
}

function msr(s: i32, place: i32): u64 {
  return load<u64>(s + S_msrs + 8 * place);
}

/** Whether a load that these routines made faulted: it has been delivered, and they are over. */
function gone(s: i32): bool {
  if (!load<i32>(s, S_fault)) return false;
  store<i32>(s, 0, S_fault);
  return true;
}

/** What waits may be taken now. */
export function lookForInterrupts(s: i32): void {
  const external = atomic.load<i32>(s + S_interruptPending) | atomic.load<i32>(s + S_interruptRequest);
  if (external | load<i32>(s, S_nmiPending)) store<i32>(s, 1, S_recheck);
}

/** Reads a selector's descriptor, which is not the null selector, into `descriptor`. False: a fault has been delivered. */
function found(s: i32, selector: i32): bool {
  if (!(selector & 0xfffc)) {
    faultBy(s, VECTOR_generalProtection, 0);
    return false;
  }
  return lookUp(s, selector) || !gone(s);
}

/**
 * Ends a look-up: the descriptor is the right one, is there (else `absent` is the fault), and notes that it was accessed. False: a
 * fault has been delivered.
 */
function settled(s: i32, selector: i32, right: bool, absent: i32): bool {
  const error = selector & 0xfffc;
  if (!right) {
    faultBy(s, VECTOR_generalProtection, error);
    return false;
  }
  if (!(accessOf(descriptor) & PRESENT)) {
    faultBy(s, absent, error);
    return false;
  }
  return noteAccessed(s, selector) || !gone(s);
}

/**
 * Looks a code segment up that is returned to (its RPL decides) or jumped to (the present level does). The descriptor is in
 * `descriptor`. False: a fault has been delivered.
 */
function codeSegment(s: i32, selector: i32, returns: bool): bool {
  if (!found(s, selector)) return false;
  const access = accessOf(descriptor);
  const cpl = load<i32>(s, S_cpl);
  const rpl = selector & 3;
  const dpl = dplOf(access);
  let right =
    descriptor != 0 && (access & (SYSTEM_BIT | CODE)) == (SYSTEM_BIT | CODE) && (access & (LONG | BIG)) != (LONG | BIG);
  if (returns) right = right && rpl >= cpl && (access & CONFORMING ? dpl <= rpl : dpl == rpl);
  else right = right && (access & CONFORMING ? dpl <= cpl : dpl == cpl && rpl <= cpl);
  if (right && access & PRESENT && !(access & LONG)) {
    internalError(s, ERROR_otherCode);
    store<i32>(s, 0, S_fault);
    return false;
  }
  return settled(s, selector, right, VECTOR_segmentNotPresent);
}

/** Takes an outer level's rights away that an inner one's segments have. */
function leaveInner(s: i32, level: i32): void {
  for (let i = 0; i < 4; i++) {
    const segment = i == 0 ? SEGMENT_es : i == 1 ? SEGMENT_ds : i == 2 ? SEGMENT_fs : SEGMENT_gs;
    const access = load<i32>(s + 4 * segment, S_segmentAccess);
    if (!(access & PRESENT) || dplOf(access) >= level) continue;
    if ((access & (CODE | CONFORMING)) == (CODE | CONFORMING)) continue;
    clearSegment(s, segment, 0);
  }
}

/** The stack that an outer level is returned to with. False: a fault has been delivered. */
let stackDescriptor: u64 = 0;
function outerStack(s: i32, selector: i32, level: i32): bool {
  stackDescriptor = 0;
  const rpl = selector & 3;
  if (!(selector & 0xfffc) && level != 3 && rpl == level) return true;
  if (!found(s, selector)) return false;
  const access = accessOf(descriptor);
  const right = (access & (SYSTEM_BIT | CODE | WRITABLE)) == (SYSTEM_BIT | WRITABLE);
  const fits = descriptor != 0 && right && rpl == level && dplOf(access) == level;
  if (!settled(s, selector, fits, VECTOR_stackFault)) return false;
  stackDescriptor = descriptor;
  return true;
}

/** Flags that an image may set at this level. */
export function flagsFrom(s: i32, image: u64, size: i32, cpl: i32): u64 {
  let mask: u64 = (RFLAGS_writable | ARITHMETIC) & ~(<u64>RFLAGS_virtual8086);
  if (cpl > 0) mask &= ~(<u64>RFLAGS_ioPrivilege);
  if (cpl > <i32>((flagsOf(s) >> 12) & 3)) mask &= ~(<u64>RFLAGS_interrupt);
  if (size == 16) mask &= 0xffff;
  return (flagsOf(s) & ~mask) | (image & mask) | RFLAGS_always;
}

export function returnFromInterrupt(s: i32, size: i32): void {
  if (flagsOf(s) & RFLAGS_nestedTask) {
    faultBy(s, VECTOR_generalProtection, 0);
    return;
  }
  const bytes = size >> 3;
  const cpl = load<i32>(s, S_cpl);
  const top = load<u64>(s, RSP);
  const target = <u64>loadSlow(s, top, bytes, 0);
  if (gone(s)) return;
  const selector = <i32>loadSlow(s, top + bytes, bytes, 0) & 0xffff;
  if (gone(s)) return;
  const image = <u64>loadSlow(s, top + 2 * bytes, bytes, 0);
  if (gone(s)) return;
  const stack = <u64>loadSlow(s, top + 3 * bytes, bytes, 0);
  if (gone(s)) return;
  const stackSelector = <i32>loadSlow(s, top + 4 * bytes, bytes, 0) & 0xffff;
  if (gone(s)) return;
  if (!codeSegment(s, selector, true)) return;
  const code = descriptor;
  const level = selector & 3;
  if (!isCanonical(target)) {
    faultBy(s, VECTOR_generalProtection, 0);
    return;
  }
  if (!outerStack(s, stackSelector, level)) return;
  // RF is restored, unlike by POPF.
  let flags = flagsFrom(s, image, size, cpl);
  if (size != 16) flags = (flags & ~(<u64>RFLAGS_resume)) | (image & RFLAGS_resume);
  setFlags(s, flags);
  setSegment(s, SEGMENT_cs, selector, code);
  if (stackDescriptor != 0) setSegment(s, SEGMENT_ss, stackSelector, stackDescriptor);
  else {
    clearSegment(s, SEGMENT_ss, stackSelector);
    store<i32>(s, level << 5, S_segmentAccess + 4 * SEGMENT_ss);
  }
  store<u64>(s, stack, RSP);
  store<u64>(s, target, S_pc);
  store<i32>(s, 0, S_nmiBlocked);
  if (level != cpl) {
    store<i32>(s, level, S_cpl);
    leaveInner(s, level);
  }
  derive(s);
  lookForInterrupts(s);
}

/** A far return, which takes so many bytes more from the stack. */
export function returnFar(s: i32, size: i32, more: i64): void {
  const bytes = size >> 3;
  const cpl = load<i32>(s, S_cpl);
  const top = load<u64>(s, RSP);
  const target = <u64>loadSlow(s, top, bytes, 0);
  if (gone(s)) return;
  const selector = <i32>loadSlow(s, top + bytes, bytes, 0) & 0xffff;
  if (gone(s)) return;
  if (!codeSegment(s, selector, true)) return;
  const code = descriptor;
  const level = selector & 3;
  if (!isCanonical(target)) {
    faultBy(s, VECTOR_generalProtection, 0);
    return;
  }
  let stack = top + 2 * bytes + more;
  if (level != cpl) {
    const from = stack;
    stack = <u64>loadSlow(s, from, bytes, 0);
    if (gone(s)) return;
    const stackSelector = <i32>loadSlow(s, from + bytes, bytes, 0) & 0xffff;
    if (gone(s)) return;
    if (!outerStack(s, stackSelector, level)) return;
    if (stackDescriptor != 0) setSegment(s, SEGMENT_ss, stackSelector, stackDescriptor);
    else clearSegment(s, SEGMENT_ss, stackSelector);
    stack += more;
  }
  setSegment(s, SEGMENT_cs, selector, code);
  store<u64>(s, stack, RSP);
  store<u64>(s, target, S_pc);
  if (level != cpl) {
    store<i32>(s, level, S_cpl);
    leaveInner(s, level);
    derive(s);
  }
}

/** A far jump (`next` 0) or call through a pointer in memory. Gates and tasks are not there. */
export function transferFar(s: i32, address: i64, size: i32, next: i64): void {
  const bytes = size >> 3;
  const target = <u64>loadSlow(s, address, bytes, 0);
  if (gone(s)) return;
  const selector = <i32>loadSlow(s, address + bytes, 2, 0);
  if (gone(s)) return;
  if (!codeSegment(s, selector, false)) return;
  const code = descriptor;
  if (!isCanonical(target)) {
    faultBy(s, VECTOR_generalProtection, 0);
    return;
  }
  if (next != 0) {
    const top = load<u64>(s, RSP) - 2 * bytes;
    storeSlow(s, top + bytes, bytes, <i64>load<u32>(s, S_selector + 4 * SEGMENT_cs), 0);
    if (gone(s)) return;
    storeSlow(s, top, bytes, next, 0);
    if (gone(s)) return;
    store<u64>(s, top, RSP);
  }
  const level = load<i32>(s, S_cpl);
  setSegment(s, SEGMENT_cs, (selector & 0xfffc) | level, code);
  store<u64>(s, target, S_pc);
}

/** A flat segment of 64-bit code (or data), as SYSCALL and SYSRET make them. */
function flat(s: i32, segment: i32, selector: i32, access: i32): void {
  store<i32>(s + S_selector + 4 * segment, selector);
  setSegment(s, segment, selector, 0x000f00000000ffff | ((<u64>access) << 40));
}

const PAGES = 0x8000;

export function systemCall(s: i32, next: i64): void {
  if (!(msr(s, MSR_efer) & EFER_systemCall)) {
    faultBy(s, VECTOR_invalidOpcode, 0);
    return;
  }
  const flags = flagsOf(s);
  store<i64>(s, next, RCX);
  store<u64>(s, flags & ~(<u64>RFLAGS_resume), R11);
  setFlags(s, (flags & ~msr(s, MSR_syscallMask) & ~(<u64>RFLAGS_resume)) | RFLAGS_always);
  const selector = <i32>(msr(s, MSR_star) >> 32) & 0xfffc;
  flat(s, SEGMENT_cs, selector, PAGES | LONG | PRESENT | SYSTEM_BIT | CODE | 3);
  flat(s, SEGMENT_ss, selector + 8, PAGES | BIG | PRESENT | SYSTEM_BIT | 3);
  store<i32>(s, 0, S_cpl);
  store<u64>(s, msr(s, MSR_lstar), S_pc);
  derive(s);
}

export function systemReturn(s: i32, size: i32): void {
  if (!(msr(s, MSR_efer) & EFER_systemCall)) {
    faultBy(s, VECTOR_invalidOpcode, 0);
    return;
  }
  const target = load<u64>(s, RCX);
  if (load<i32>(s, S_cpl) != 0 || !isCanonical(target)) {
    faultBy(s, VECTOR_generalProtection, 0);
    return;
  }
  if (size != 64) {
    internalError(s, ERROR_otherCode);
    store<i32>(s, 0, S_fault);
    return;
  }
  const selector = <i32>(msr(s, MSR_star) >> 48);
  flat(s, SEGMENT_cs, ((selector + 16) & 0xffff) | 3, PAGES | LONG | PRESENT | 0x60 | SYSTEM_BIT | CODE | 3);
  flat(s, SEGMENT_ss, ((selector + 8) & 0xffff) | 3, PAGES | BIG | PRESENT | 0x60 | SYSTEM_BIT | 3);
  setFlags(s, (load<u64>(s, R11) & 0x3c7fd7) | RFLAGS_always);
  store<i32>(s, 3, S_cpl);
  store<u64>(s, target, S_pc);
  derive(s);
  lookForInterrupts(s);
}
