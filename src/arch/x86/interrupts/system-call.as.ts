/**
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT. Intel's processors have the first two in 64-bit mode only, AMD's the other two outside long
 * mode only. Source: Intel SDM, volume 2; AMD APM, volume 3.
 */
import {
  EFER_systemCall,
  MSR_cstar,
  MSR_efer,
  MSR_lstar,
  MSR_star,
  MSR_syscallMask,
  MSR_sysenterCs,
  MSR_sysenterEip,
  MSR_sysenterEsp,
  RFLAGS_always,
  RFLAGS_interrupt,
  RFLAGS_resume,
  RFLAGS_virtual8086,
  S_cpl,
  S_msrs,
  SEGMENT_cs,
  SEGMENT_ss,
  VECTOR_generalProtection,
  VECTOR_invalidOpcode,
} from "../engines/runtime/layout.generated";
import { R11, RCX, RDX, RSP } from "../engines/runtime/general.as";
import { isAmd, isIntel } from "../engines/runtime/vendor.as";
import { derive } from "../mmu/context.as";
import { goOnAt, is64, isLongMode, isReal } from "../mmu/mode.as";
import { isCanonical } from "../mmu/translate.as";
import { stepByNewFlags } from "./debug.as";
import { deliverFault } from "./deliver.as";
import { flagsOf, setFlags } from "./flags.as";
import { BIG, CODE, LONG, PRESENT, SYSTEM_BIT, setSegment, WRITABLE, ACCESSED } from "./segments.as";
import { lookForInterrupts } from "./transfer.as";

/** Limits count pages. */
const PAGES = 0x8000;
const USER = 0x60;

function msr(s: i32, place: i32): u64 {
  return load<u64>(s + S_msrs + 8 * place);
}

/** A flat segment, whatever its descriptor says. */
function flat(s: i32, segment: i32, selector: i32, access: i32): void {
  setSegment(
    s,
    segment,
    selector & 0xffff,
    0x000f00000000ffff | ((<u64>(access | PAGES | PRESENT | SYSTEM_BIT)) << 40),
  );
}

/** Flat code and its stack at a level. The stack's selector need not be the next one. */
function setSegments(s: i32, code: i32, stack: i32, long: bool, user: bool): void {
  const level = user ? USER : 0;
  flat(s, SEGMENT_cs, code, (long ? LONG : BIG) | level | CODE | 3);
  flat(s, SEGMENT_ss, stack, BIG | level | WRITABLE | ACCESSED);
  store<i32>(s, user ? 3 : 0, S_cpl);
}

/** SYSCALL; `next` is the next instruction's address. */
export function systemCall(s: i32, next: i64): void {
  const in64 = is64(s);
  if (!(msr(s, MSR_efer) & EFER_systemCall) || isReal(s) || (!in64 && isIntel(s))) {
    deliverFault(s, VECTOR_invalidOpcode, 0);
    return;
  }
  const long = isLongMode(s);
  const flags = flagsOf(s);
  const star = msr(s, MSR_star);
  store<i64>(s, next, RCX);
  let gone: u64 = RFLAGS_resume;
  if (long) {
    store<u64>(s, flags & ~(<u64>RFLAGS_resume), R11);
    gone |= msr(s, MSR_syscallMask);
  } else gone |= RFLAGS_interrupt | RFLAGS_virtual8086;
  setFlags(s, (flags & ~gone) | RFLAGS_always);
  const selector = <i32>(star >> 32) & 0xfffc;
  setSegments(s, selector, selector + 8, long, false);
  goOnAt(s, in64 ? msr(s, MSR_lstar) : long ? msr(s, MSR_cstar) : star & 0xffffffff);
  derive(s);
  stepByNewFlags(s);
}

/** SYSRET, to 64-bit code or to 32-bit code. */
export function systemReturn(s: i32, size: i32): void {
  const long = isLongMode(s);
  if (!(msr(s, MSR_efer) & EFER_systemCall) || isReal(s) || (!is64(s) && isIntel(s))) {
    deliverFault(s, VECTOR_invalidOpcode, 0);
    return;
  }
  const target = load<u64>(s, RCX);
  if (load<i32>(s, S_cpl) != 0 || (size == 64 && !isCanonical(target))) {
    deliverFault(s, VECTOR_generalProtection, 0);
    return;
  }
  const selector = <i32>(msr(s, MSR_star) >> 48);
  setSegments(s, (size == 64 ? selector + 16 : selector) | 3, (selector + 8) | 3, size == 64, true);
  if (long) setFlags(s, (load<u64>(s, R11) & 0x3c7fd7) | RFLAGS_always);
  else setFlags(s, flagsOf(s) | RFLAGS_interrupt);
  goOnAt(s, size == 64 ? target : target & 0xffffffff);
  derive(s);
  stepByNewFlags(s);
  lookForInterrupts(s);
}

/** Whether SYSENTER and SYSEXIT are there; if not, a fault has been delivered. */
function canEnter(s: i32): bool {
  if (isLongMode(s) && isAmd(s)) {
    deliverFault(s, VECTOR_invalidOpcode, 0);
    return false;
  }
  if (!isReal(s) && msr(s, MSR_sysenterCs) & 0xfffc) return true;
  deliverFault(s, VECTOR_generalProtection, 0);
  return false;
}

export function systemEnter(s: i32): void {
  if (!canEnter(s)) return;
  const long = isLongMode(s);
  const selector = <i32>msr(s, MSR_sysenterCs) & 0xfffc;
  setFlags(s, flagsOf(s) & ~(<u64>(RFLAGS_virtual8086 | RFLAGS_interrupt)));
  setSegments(s, selector, selector + 8, long, false);
  const mask: u64 = long ? 0xffffffffffffffff : 0xffffffff;
  store<u64>(s, msr(s, MSR_sysenterEsp) & mask, RSP);
  goOnAt(s, msr(s, MSR_sysenterEip) & mask);
  derive(s);
}

/** SYSEXIT, to 64-bit code or to 32-bit code. */
export function systemExit(s: i32, size: i32): void {
  if (!canEnter(s)) return;
  const target = load<u64>(s, RDX);
  const top = load<u64>(s, RCX);
  if (size == 64 && (!isCanonical(target) || !isCanonical(top))) {
    deliverFault(s, VECTOR_generalProtection, 0);
    return;
  }
  const selector = (<i32>msr(s, MSR_sysenterCs) & 0xfffc) + (size == 64 ? 32 : 16);
  setSegments(s, selector | 3, (selector + 8) | 3, size == 64, true);
  const mask: u64 = size == 64 ? 0xffffffffffffffff : 0xffffffff;
  store<u64>(s, top & mask, RSP);
  goOnAt(s, target & mask);
  derive(s);
  lookForInterrupts(s);
}
