/**
 * Switches of tasks by the processor, which there are outside long mode: a far transfer to a task or a task gate, an event through
 * a task gate, IRET where NT is set. Source: Intel SDM, volume 3, "Task Management".
 *
 * What fails before the registers are the new task's fails in the old one, of which nothing has changed but memory; what fails
 * later, segments that cannot be loaded, fails in the new one before its first instruction.
 */
import {
  CR0_paging,
  CR0_taskSwitched,
  RFLAGS_nestedTask,
  RFLAGS_virtual8086,
  RFLAGS_writable,
  S_control,
  S_cpl,
  S_general,
  S_segmentAccess,
  S_segmentBase,
  S_segmentLimit,
  S_selector,
  SEGMENT_cs,
  SEGMENT_es,
  SEGMENT_ldtr,
  SEGMENT_ss,
  SEGMENT_tr,
  VECTOR_generalProtection,
  VECTOR_invalidTss,
  VECTOR_segmentNotPresent,
  VECTOR_stackFault,
} from "../engines/runtime/layout.generated";
import { dropProcessContext, processContext } from "../mmu/context.as";
import { goOnAt } from "../mmu/mode.as";
import { failBy, failed, readSystem, writeSystem } from "../mmu/system-access.as";
import { control0, IMPLICIT } from "../mmu/translate.as";
import { setFlags } from "./flags.as";
import {
  ACCESSED,
  accessOf,
  baseOf,
  CODE,
  CONFORMING,
  clearSegment,
  dplOf,
  limitOf,
  PRESENT,
  readDescriptor,
  SYSTEM_BIT,
  setPlainSegment,
  setSegment,
  WRITABLE,
  writeType,
} from "./segments.as";

/** Why a task is switched to. */
export const TASK_JUMP = 0;
export const TASK_CALL = 1;
export const TASK_EVENT = 2;
export const TASK_RETURN = 3;

/** Types of descriptors: a task that is not busy, of 16 bits; what makes it one of 32 bits, and busy; a task gate; a local table. */
const TASK = 1;
const BUSY = 2;
const WIDE = 8;
export const TASK_GATE = 5;
const LOCAL_TABLE = 2;

/** Where a task's segment has what, of 32 bits and of 16: IP, then flags and the general registers; selectors, as `Segment` counts them; LDTR. */
const IP_32 = 0x20;
const IP_16 = 0x0e;
const SELECTORS_32 = 0x48;
const SELECTORS_16 = 0x22;
const LOCAL_32 = 0x60;
const LOCAL_16 = 0x2a;
const CONTROL3 = 0x1c;
/** Least limits. */
const LIMIT_32 = 0x67;
const LIMIT_16 = 0x2b;

const ARITHMETIC: u64 = 0x8d5;

export function isTask(type: i32): bool {
  return (type & ~(BUSY | WIDE)) == TASK;
}

/** Keeps what runs in the present task's segment. */
function keepPresent(s: i32, next: u64, flags: u64): void {
  const base = load<u64>(s, S_segmentBase + 8 * SEGMENT_tr);
  const wide = (load<i32>(s, S_segmentAccess + 4 * SEGMENT_tr) & WIDE) != 0;
  const bytes = wide ? 4 : 2;
  let at = base + (wide ? IP_32 : IP_16);
  write(s, at, bytes, next);
  write(s, at + bytes, bytes, flags);
  at += 2 * bytes;
  for (let i = 0; i < 8; i++) write(s, at + i * bytes, bytes, load<u64>(s + 8 * i, S_general));
  at = base + (wide ? SELECTORS_32 : SELECTORS_16);
  const count = wide ? 6 : 4;
  for (let i = 0; i < count; i++) {
    write(s, at + i * bytes, 2, <u64>load<u32>(s + 4 * i, S_selector));
  }
}

function write(s: i32, at: u64, bytes: i32, value: u64): void {
  if (!failed(s)) writeSystem(s, at & 0xffffffff, bytes, value, IMPLICIT);
}

/**
 * Switches to the task of a selector: `next` and `flags` are what the present one goes on with. `ext`: error codes' bit of events
 * from outside. False: it failed, by what `nestedFault` says. The caller derives anew.
 */
export function switchTask(s: i32, selector: i32, why: i32, ext: i32, next: u64, flags: u64): bool {
  const error = (selector & 0xfffc) | ext;
  const returns = why == TASK_RETURN;
  const wrong = returns ? VECTOR_invalidTss : VECTOR_generalProtection;
  if (!(selector & 0xfffc) || selector & 4) return failBy(s, wrong, error);
  const descriptor = readDescriptor(s, selector);
  if (failed(s)) return false;
  const access = accessOf(descriptor);
  const type = access & 31;
  if (descriptor == 0 || !isTask(type) || ((type & BUSY) != 0) != returns) return failBy(s, wrong, error);
  if (!(access & PRESENT)) return failBy(s, VECTOR_segmentNotPresent, error);
  const wide = (type & WIDE) != 0;
  if (<u32>limitOf(descriptor) < <u32>(wide ? LIMIT_32 : LIMIT_16)) return failBy(s, VECTOR_invalidTss, error);

  // Nothing of the new task's segment is missing when it comes to be read.
  const base = baseOf(descriptor);
  readSystem(s, base, 1);
  if (!failed(s)) readSystem(s, (base + (wide ? LIMIT_32 : LIMIT_16)) & 0xffffffff, 1);
  const old = load<i32>(s, S_selector + 4 * SEGMENT_tr);
  keepPresent(s, next, returns ? flags & ~(<u64>RFLAGS_nestedTask) : flags);
  if (failed(s)) return false;
  // The table may have become shorter since it was loaded.
  const known = (why == TASK_JUMP || returns) && readDescriptor(s, old) != 0;
  if (failed(s)) return false;
  if (known) writeType(s, old, load<i32>(s, S_segmentAccess + 4 * SEGMENT_tr) & ~BUSY);
  if (why == TASK_CALL || why == TASK_EVENT) write(s, base, 2, <u64>old);
  if (!returns && !failed(s)) writeType(s, selector, access | BUSY);
  if (failed(s)) return false;

  setSegment(s, SEGMENT_tr, selector, descriptor | ((<u64>BUSY) << 40));
  return begin(s, base, wide, why == TASK_CALL || why == TASK_EVENT, ext);
}

/** The registers become the new task's. */
function begin(s: i32, base: u64, wide: bool, nested: bool, ext: i32): bool {
  const bytes = wide ? 4 : 2;
  let at = base + (wide ? IP_32 : IP_16);
  const ip = readSystem(s, at & 0xffffffff, bytes);
  let flags = readSystem(s, (at + bytes) & 0xffffffff, bytes) & (RFLAGS_writable | ARITHMETIC | RFLAGS_virtual8086);
  if (nested) flags |= RFLAGS_nestedTask;
  at += 2 * bytes;
  for (let i = 0; i < 8; i++) store<u64>(s + 8 * i, readSystem(s, (at + i * bytes) & 0xffffffff, bytes), S_general);
  at = base + (wide ? SELECTORS_32 : SELECTORS_16);
  for (let i = 0; i < 6; i++) {
    const there = i < 4 || wide;
    clearSegment(s, i, there ? <i32>readSystem(s, (at + i * bytes) & 0xffffffff, 2) : 0);
  }
  clearSegment(s, SEGMENT_ldtr, <i32>readSystem(s, (base + (wide ? LOCAL_32 : LOCAL_16)) & 0xffffffff, 2));
  const control3 = wide ? readSystem(s, (base + CONTROL3) & 0xffffffff, 4) : 0;
  const cs = load<i32>(s, S_selector + 4 * SEGMENT_cs);
  const virtual = (flags & RFLAGS_virtual8086) != 0;
  store<i32>(s, virtual ? 3 : cs & 3, S_cpl);
  setFlags(s, flags);
  store<u64>(s, control0(s) | CR0_taskSwitched, S_control);
  if (wide && control0(s) & CR0_paging) {
    store<u64>(s, control3, S_control + 24);
    dropProcessContext(s, processContext(s));
  }
  // Where a fault of what follows happens.
  goOnAt(s, ip);
  if (!loadLocalTable(s, ext)) return false;
  for (let i = 0; i < 6; i++) {
    // First the code's: the others' rights are its level's.
    const segment = i == 0 ? SEGMENT_cs : i == 1 ? SEGMENT_es : i;
    if (virtual) setPlainSegment(s, segment, load<i32>(s + 4 * segment, S_selector), true);
    else if (!loadTaskSegment(s, segment, ext)) return false;
  }
  goOnAt(s, ip);
  if (ip > <u64>load<u32>(s, S_segmentLimit + 4 * SEGMENT_cs)) return failBy(s, VECTOR_generalProtection, ext);
  return true;
}

function loadLocalTable(s: i32, ext: i32): bool {
  const selector = load<i32>(s, S_selector + 4 * SEGMENT_ldtr);
  if (!(selector & 0xfffc)) return true;
  const error = (selector & 0xfffc) | ext;
  const descriptor = selector & 4 ? 0 : readDescriptor(s, selector);
  if (failed(s)) return false;
  const access = accessOf(descriptor);
  if ((access & 31) != LOCAL_TABLE || !(access & PRESENT)) return failBy(s, VECTOR_invalidTss, error);
  setSegment(s, SEGMENT_ldtr, selector, descriptor);
  return true;
}

/** Loads a segment register whose selector is there already. */
function loadTaskSegment(s: i32, segment: i32, ext: i32): bool {
  const selector = load<i32>(s + 4 * segment, S_selector);
  const error = (selector & 0xfffc) | ext;
  const needed = segment == SEGMENT_cs || segment == SEGMENT_ss;
  if (!(selector & 0xfffc)) return needed ? failBy(s, VECTOR_invalidTss, error) : true;
  const descriptor = readDescriptor(s, selector);
  if (failed(s)) return false;
  const access = accessOf(descriptor);
  const cpl = load<i32>(s, S_cpl);
  const rpl = selector & 3;
  const dpl = dplOf(access);
  const isCode = (access & CODE) != 0;
  const conforming = isCode && (access & CONFORMING) != 0;
  let right = descriptor != 0 && (access & SYSTEM_BIT) != 0;
  if (segment == SEGMENT_cs) right = right && isCode && (conforming ? dpl <= rpl : dpl == rpl);
  else if (segment == SEGMENT_ss) {
    right = right && !isCode && (access & WRITABLE) != 0 && rpl == cpl && dpl == cpl;
  } else right = right && (!isCode || (access & WRITABLE) != 0) && (conforming || (dpl >= cpl && dpl >= rpl));
  if (!right) return failBy(s, VECTOR_invalidTss, error);
  if (!(access & PRESENT)) {
    return failBy(s, segment == SEGMENT_ss ? VECTOR_stackFault : VECTOR_segmentNotPresent, error);
  }
  if (!(access & ACCESSED)) writeType(s, selector, access | ACCESSED);
  if (failed(s)) return false;
  setSegment(s, segment, selector, descriptor | ((<u64>ACCESSED) << 40));
  return true;
}
