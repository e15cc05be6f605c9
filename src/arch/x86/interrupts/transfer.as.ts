/**
 * Returns to where code was interrupted or called from, in another segment or at another level. Source: Intel SDM, volume 2,
 * IRET and RET; AMD APM, volume 3. Each sets pc, to its target or to a fault's handler.
 */
import {
  ENDING_resumes,
  MODE_alone,
  RFLAGS_always,
  RFLAGS_interrupt,
  RFLAGS_ioPrivilege,
  RFLAGS_nestedTask,
  RFLAGS_resume,
  RFLAGS_trap,
  RFLAGS_virtual8086,
  RFLAGS_writable,
  S_breaking,
  S_cpl,
  S_ending,
  S_general,
  S_interruptPending,
  S_interruptRequest,
  S_mode,
  S_nestedError,
  S_nestedFault,
  S_nmiBlocked,
  S_nmiPending,
  S_recheck,
  S_segmentAccess,
  S_segmentBase,
  SEGMENT_cs,
  SEGMENT_ds,
  SEGMENT_es,
  SEGMENT_fs,
  SEGMENT_gs,
  SEGMENT_ss,
  SEGMENT_tr,
  VECTOR_generalProtection,
  VECTOR_stackFault,
} from "../engines/runtime/layout.generated";
import { loadSlow } from "../../../engine/runtime/access.as";
import { derive } from "../mmu/context.as";
import { goOnAt, hasPlainSegments, is64, isLongMode, isVirtual8086 } from "../mmu/mode.as";
import { stackAddress, stackMask, stackMoved } from "../mmu/segmentation.as";
import { begin, failed, readSystem } from "../mmu/system-access.as";
import { codeSegment, found, gone, goOnIn, goOnPlain, isInCode, settled } from "./code-segment.as";
import { deliverFault } from "./deliver.as";
import { flagsOf, setFlags } from "./flags.as";
import { descriptor } from "./load-segment.as";
import {
  accessOf,
  CODE,
  CONFORMING,
  clearStack,
  dplOf,
  LONG,
  PRESENT,
  SYSTEM_BIT,
  revokeSegment,
  setPlainSegment,
  setSegment,
  WRITABLE,
} from "./segments.as";
import { switchTask, TASK_RETURN } from "./task-switch.as";

const RSP_AT = 4 * 8;
const RSP = S_general + RSP_AT;
/** What POPF and IRET set of the arithmetic flags. */
const ARITHMETIC: u64 = 0x8d5;

/** What waits may be taken now. */
export function lookForInterrupts(s: i32): void {
  const external = atomic.load<i32>(s + S_interruptPending) | atomic.load<i32>(s + S_interruptRequest);
  if (external | load<i32>(s, S_nmiPending)) store<i32>(s, 1, S_recheck);
}

/** Takes an outer level's rights away that an inner one's segments have. */
function leaveInner(s: i32, level: i32): void {
  for (let i = 0; i < 4; i++) {
    const segment = i == 0 ? SEGMENT_es : i == 1 ? SEGMENT_ds : i == 2 ? SEGMENT_fs : SEGMENT_gs;
    const access = load<i32>(s + 4 * segment, S_segmentAccess);
    if (!(access & PRESENT) || dplOf(access) >= level) continue;
    if ((access & (CODE | CONFORMING)) == (CODE | CONFORMING)) continue;
    revokeSegment(s, segment);
  }
}

/** The stack that an outer level is returned to with. False: a fault has been delivered. */
let stackDescriptor: u64 = 0;
function outerStack(s: i32, selector: i32, level: i32, toLong: bool): bool {
  stackDescriptor = 0;
  const rpl = selector & 3;
  // No segment is one for 64-bit code below level 3.
  if (!(selector & 0xfffc) && toLong && level != 3 && rpl == level) return true;
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

/**
 * Flags with RF as the image of an IRET has it, unlike POPF's. It is for the one instruction that follows, which then runs alone,
 * so it is left out where nothing looks at it: after every page fault.
 */
function withResume(s: i32, flags: u64, image: u64): u64 {
  const others = flags & ~(<u64>RFLAGS_resume);
  if (!(image & RFLAGS_resume)) return others;
  const alone = load<i32>(s, S_mode) & MODE_alone;
  if (!(flags & RFLAGS_trap || load<i32>(s, S_breaking) | alone)) return others;
  store<i32>(s, load<i32>(s, S_ending) | ENDING_resumes, S_ending);
  return others | RFLAGS_resume;
}

/** Whether a descriptor is of 64-bit code. */
function isLong64(s: i32, code: u64): bool {
  return isLongMode(s) && (accessOf(code) & LONG) != 0;
}

/** What lies so far above the stack's top; look at `gone` afterwards. */
function fromStack(s: i32, offset: i32, bytes: i32): u64 {
  const at = stackAddress(s, RSP_AT, offset, bytes, 0);
  return gone(s) ? failedLoad() : <u64>loadSlow(s, at, bytes, 0);
}

/** A fault of `fromStack` has been delivered. */
let lost: bool = false;
function failedLoad(): u64 {
  lost = true;
  return 0;
}

/** Whether the last `fromStack` faulted. */
function isLost(s: i32): bool {
  const was = lost || gone(s);
  lost = false;
  return was;
}

/** RSP after a return at one level took so many bytes. */
function drop(s: i32, bytes: i64): void {
  store<i64>(s, stackMoved(s, RSP_AT, bytes), RSP);
}

/** RSP of an outer level: a stack of 16 bits has that much of it. The new segments are there. */
function setOuterTop(s: i32, top: u64): void {
  const mask = stackMask(s);
  store<u64>(s, mask == 0xffff ? (load<u64>(s, RSP) & ~0xffff) | (top & 0xffff) : top & mask, RSP);
}

function setOuterStack(s: i32, selector: i32, level: i32): void {
  if (stackDescriptor != 0) setSegment(s, SEGMENT_ss, selector, stackDescriptor);
  else clearStack(s, level);
}

/** IRET in real mode and virtual-8086 mode. */
function returnPlain(s: i32, bytes: i32): void {
  const virtual = isVirtual8086(s);
  if (virtual && (flagsOf(s) & RFLAGS_ioPrivilege) != RFLAGS_ioPrivilege) {
    deliverFault(s, VECTOR_generalProtection, 0);
    return;
  }
  const target = fromStack(s, 0, bytes);
  if (isLost(s)) return;
  const selector = <i32>fromStack(s, bytes, bytes) & 0xffff;
  if (isLost(s)) return;
  const image = fromStack(s, 2 * bytes, bytes);
  if (isLost(s)) return;
  const above = stackMoved(s, RSP_AT, 3 * bytes);
  if (!goOnPlain(s, selector, target)) return;
  store<i64>(s, above, RSP);
  let flags = flagsFrom(s, image, 8 * bytes, virtual ? 3 : 0);
  if (bytes != 2) flags = withResume(s, flags, image);
  setFlags(s, flags);
  store<i32>(s, 0, S_nmiBlocked);
  derive(s);
  lookForInterrupts(s);
}

/** IRETD to virtual-8086 mode, of level 0. */
function returnToVirtual(s: i32, target: u64, selector: i32, image: u64): void {
  // ESP, SS, ES, DS, FS, GS: first whether all are there.
  for (let offset = 12; offset < 36; offset += 4) {
    fromStack(s, offset, 4);
    if (isLost(s)) return;
  }
  if (target > 0xffff) {
    deliverFault(s, VECTOR_generalProtection, 0);
    return;
  }
  const top = fromStack(s, 12, 4);
  const stackSelector = <i32>fromStack(s, 16, 4);
  for (let i = 2; i < 6; i++) {
    setPlainSegment(s, i == 2 ? SEGMENT_es : i, <i32>fromStack(s, 12 + 4 * i, 4), true);
  }
  const writable: u64 = RFLAGS_writable | ARITHMETIC | RFLAGS_virtual8086;
  setFlags(s, withResume(s, (flagsOf(s) & ~writable) | (image & writable) | RFLAGS_always, image));
  setPlainSegment(s, SEGMENT_cs, selector, true);
  setPlainSegment(s, SEGMENT_ss, stackSelector, true);
  store<u64>(s, top & 0xffffffff, RSP);
  store<i32>(s, 3, S_cpl);
  store<i32>(s, 0, S_nmiBlocked);
  goOnAt(s, target);
  derive(s);
  lookForInterrupts(s);
}

/** IRET where NT is set: to the task that this one was begun from. */
function returnToTask(s: i32, next: u64): void {
  begin(s);
  const back = <i32>readSystem(s, load<u64>(s, S_segmentBase + 8 * SEGMENT_tr), 2);
  if (failed(s) || !switchTask(s, back, TASK_RETURN, 0, next, flagsOf(s))) {
    deliverFault(s, load<i32>(s, S_nestedFault) - 1, load<i32>(s, S_nestedError));
    return;
  }
  store<i32>(s, 0, S_nmiBlocked);
  derive(s);
  lookForInterrupts(s);
}

/** `next`: the next instruction's address. */
export function returnFromInterrupt(s: i32, size: i32, next: i64): void {
  const bytes = size >> 3;
  if (hasPlainSegments(s)) {
    returnPlain(s, bytes);
    return;
  }
  if (flagsOf(s) & RFLAGS_nestedTask) {
    if (isLongMode(s)) deliverFault(s, VECTOR_generalProtection, 0);
    else returnToTask(s, next);
    return;
  }
  const cpl = load<i32>(s, S_cpl);
  const target = fromStack(s, 0, bytes);
  if (isLost(s)) return;
  const selector = <i32>fromStack(s, bytes, bytes) & 0xffff;
  if (isLost(s)) return;
  const image = fromStack(s, 2 * bytes, bytes);
  if (isLost(s)) return;
  if (image & RFLAGS_virtual8086 && cpl == 0 && size == 32 && !isLongMode(s)) {
    returnToVirtual(s, target, selector, image);
    return;
  }
  // 64-bit mode always has a stack to return to.
  const level = selector & 3;
  const other = is64(s) || level > cpl;
  let top: u64 = 0;
  let stackSelector = 0;
  if (other) {
    top = fromStack(s, 3 * bytes, bytes);
    if (isLost(s)) return;
    stackSelector = <i32>fromStack(s, 4 * bytes, bytes) & 0xffff;
    if (isLost(s)) return;
  }
  if (!codeSegment(s, selector, true)) return;
  const code = descriptor;
  if (!isInCode(s, code, target)) return;
  if (other && !outerStack(s, stackSelector, level, isLong64(s, code))) return;
  let flags = flagsFrom(s, image, size, cpl);
  if (size != 16) flags = withResume(s, flags, image);
  setFlags(s, flags);
  if (other) setOuterStack(s, stackSelector, level);
  else drop(s, 3 * bytes);
  goOnIn(s, selector, code, target, level);
  if (other) setOuterTop(s, top);
  store<i32>(s, 0, S_nmiBlocked);
  if (level != cpl) leaveInner(s, level);
  lookForInterrupts(s);
}

/** A far return, which takes so many bytes more from the stack. */
export function returnFar(s: i32, size: i32, more: i64): void {
  const bytes = size >> 3;
  const target = fromStack(s, 0, bytes);
  if (isLost(s)) return;
  const selector = <i32>fromStack(s, bytes, bytes) & 0xffff;
  if (isLost(s)) return;
  if (hasPlainSegments(s)) {
    const above = stackMoved(s, RSP_AT, 2 * bytes + more);
    if (goOnPlain(s, selector, target)) store<i64>(s, above, RSP);
    return;
  }
  if (!codeSegment(s, selector, true)) return;
  const code = descriptor;
  const cpl = load<i32>(s, S_cpl);
  const level = selector & 3;
  if (!isInCode(s, code, target)) return;
  if (level == cpl) {
    drop(s, 2 * bytes + more);
    goOnIn(s, selector, code, target, level);
    return;
  }
  const from = 2 * bytes + <i32>more;
  const top = fromStack(s, from, bytes);
  if (isLost(s)) return;
  const stackSelector = <i32>fromStack(s, from + bytes, bytes) & 0xffff;
  if (isLost(s)) return;
  if (!outerStack(s, stackSelector, level, isLong64(s, code))) return;
  setOuterStack(s, stackSelector, level);
  goOnIn(s, selector, code, target, level);
  setOuterTop(s, top);
  drop(s, more);
  leaveInner(s, level);
}
