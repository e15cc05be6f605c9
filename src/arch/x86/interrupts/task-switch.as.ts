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
  SEGMENT_fs,
  SEGMENT_gs,
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

/**
 * A task's segment has IP, flags, the general registers, the selectors of segments and of the local table one after the other, of
 * 32 bits each from 0x20 on or of 16 from 0x0e on, which have no FS and GS: where that begins, and how many words of it are kept.
 */
const WORDS_32 = 0x20;
const WORDS_16 = 0x0e;
const SELECTORS = 10;
const KEPT_32 = 16;
const KEPT_16 = 14;
const CONTROL3 = 0x1c;
/** Least limits. */
const LIMIT_32 = 0x67;
const LIMIT_16 = 0x2b;

const FLAGS: u64 = RFLAGS_writable | 0x8d5 | RFLAGS_virtual8086;

/** Error codes' bit of events from outside, of the switch that is made. */
let external: i32 = 0;

export function isTask(type: i32): bool {
  return (type & ~(BUSY | WIDE)) == TASK;
}

function failWith(s: i32, vector: i32, selector: i32): bool {
  return failBy(s, vector, (selector & 0xfffc) | external);
}

function write(s: i32, at: u64, bytes: i32, value: u64): void {
  if (!failed(s)) writeSystem(s, at & 0xffffffff, bytes, value, IMPLICIT);
}

/** Keeps what runs in the present task's segment. */
function keepPresent(s: i32, next: u64, flags: u64): void {
  const wide = (load<i32>(s, S_segmentAccess + 4 * SEGMENT_tr) & WIDE) != 0;
  const bytes = wide ? 4 : 2;
  const kept = wide ? KEPT_32 : KEPT_16;
  let at = load<u64>(s, S_segmentBase + 8 * SEGMENT_tr) + (wide ? WORDS_32 : WORDS_16);
  for (let i = 0; i < kept; i++) {
    let value = i ? flags : next;
    if (i > 1) value = load<u64>(s + 8 * (i - 2), S_general);
    if (i >= SELECTORS) write(s, at, 2, <u64>load<u32>(s + 4 * (i - SELECTORS), S_selector));
    else write(s, at, bytes, value);
    at += bytes;
  }
}

/**
 * Switches to the task of a selector: `next` and `flags` are what the present one goes on with. `ext`: error codes' bit of events
 * from outside. False: it failed, by what `nestedFault` says. The caller derives anew.
 */
export function switchTask(s: i32, selector: i32, why: i32, ext: i32, next: u64, flags: u64): bool {
  external = ext;
  const returns = why == TASK_RETURN;
  const nests = why == TASK_CALL || why == TASK_EVENT;
  const descriptor = selector & 4 || !(selector & 0xfffc) ? 0 : readDescriptor(s, selector);
  if (failed(s)) return false;
  const access = accessOf(descriptor);
  if (!isTask(access & 31) || ((access & BUSY) != 0) != returns) {
    return failWith(s, returns ? VECTOR_invalidTss : VECTOR_generalProtection, selector);
  }
  if (!(access & PRESENT)) return failWith(s, VECTOR_segmentNotPresent, selector);
  const wide = (access & WIDE) != 0;
  const limit = wide ? LIMIT_32 : LIMIT_16;
  if (<u32>limitOf(descriptor) < <u32>limit) return failWith(s, VECTOR_invalidTss, selector);

  // Nothing of the new task's segment is missing when it comes to be read.
  const base = baseOf(descriptor);
  readSystem(s, base, 1);
  if (!failed(s)) readSystem(s, (base + limit) & 0xffffffff, 1);
  if (!failed(s)) keepPresent(s, next, returns ? flags & ~(<u64>RFLAGS_nestedTask) : flags);
  if (failed(s)) return false;
  const old = load<i32>(s, S_selector + 4 * SEGMENT_tr);
  // The table may have become shorter since it was loaded.
  const known = !nests && readDescriptor(s, old) != 0;
  if (failed(s)) return false;
  if (known) writeType(s, old, load<i32>(s, S_segmentAccess + 4 * SEGMENT_tr) & ~BUSY);
  if (nests) write(s, base, 2, <u64>old);
  if (!returns && !failed(s)) writeType(s, selector, access | BUSY);
  if (failed(s)) return false;

  setSegment(s, SEGMENT_tr, selector, descriptor | ((<u64>BUSY) << 40));
  return begin(s, base, wide, nests ? RFLAGS_nestedTask : 0);
}

/** The registers become the new task's. */
function begin(s: i32, base: u64, wide: bool, nested: u64): bool {
  const bytes = wide ? 4 : 2;
  const kept = wide ? KEPT_32 : KEPT_16;
  const control3 = wide ? readSystem(s, (base + CONTROL3) & 0xffffffff, 4) : 0;
  let at = base + (wide ? WORDS_32 : WORDS_16);
  let ip: u64 = 0;
  let flags: u64 = 0;
  // Those of 16 bits leave FS and GS without a segment.
  for (let i = SEGMENT_fs; i <= SEGMENT_gs; i++) clearSegment(s, i, 0);
  for (let i = 0; i <= kept; i++) {
    const value = readSystem(s, at & 0xffffffff, bytes);
    if (i >= SELECTORS) clearSegment(s, i == kept ? SEGMENT_ldtr : i - SELECTORS, <i32>value & 0xffff);
    else if (i > 1) store<u64>(s + 8 * (i - 2), value, S_general);
    else if (i) flags = (value & FLAGS) | nested;
    else ip = value;
    at += bytes;
  }
  const virtual = (flags & RFLAGS_virtual8086) != 0;
  store<i32>(s, virtual ? 3 : load<i32>(s, S_selector + 4 * SEGMENT_cs) & 3, S_cpl);
  setFlags(s, flags);
  store<u64>(s, control0(s) | CR0_taskSwitched, S_control);
  if (wide && control0(s) & CR0_paging) {
    store<u64>(s, control3, S_control + 24);
    dropProcessContext(s, processContext(s));
  }
  // Where a fault of what follows happens.
  goOnAt(s, ip);
  if (!loadTaskSegment(s, SEGMENT_ldtr)) return false;
  for (let i = 0; i < 6; i++) {
    // First the code's: the others' rights are its level's.
    const segment = i > 1 ? i : i ^ 1;
    if (virtual) setPlainSegment(s, segment, load<i32>(s + 4 * segment, S_selector), true);
    else if (!loadTaskSegment(s, segment)) return false;
  }
  goOnAt(s, ip);
  return ip <= <u64>load<u32>(s, S_segmentLimit + 4 * SEGMENT_cs) || failWith(s, VECTOR_generalProtection, 0);
}

/** Loads a segment register, or the local table's, whose selector is there already. */
function loadTaskSegment(s: i32, segment: i32): bool {
  const selector = load<i32>(s + 4 * segment, S_selector);
  const needed = segment == SEGMENT_cs || segment == SEGMENT_ss;
  if (!(selector & 0xfffc) && !needed) return true;
  const local = segment == SEGMENT_ldtr;
  const descriptor = !(selector & 0xfffc) || (local && selector & 4) ? 0 : readDescriptor(s, selector);
  if (failed(s)) return false;
  const access = accessOf(descriptor);
  const cpl = load<i32>(s, S_cpl);
  const rpl = selector & 3;
  const dpl = dplOf(access);
  const kind = access & (SYSTEM_BIT | CODE);
  const conforming = (access & (CODE | CONFORMING)) == (CODE | CONFORMING);
  let right: bool;
  if (local) right = (access & (31 | PRESENT)) == (LOCAL_TABLE | PRESENT);
  else if (segment == SEGMENT_cs) right = kind == (SYSTEM_BIT | CODE) && (conforming ? dpl <= rpl : dpl == rpl);
  else if (segment == SEGMENT_ss) right = kind == SYSTEM_BIT && (access & WRITABLE) != 0 && rpl == cpl && dpl == cpl;
  else {
    right = (access & SYSTEM_BIT) != 0 && (kind == SYSTEM_BIT || (access & WRITABLE) != 0);
    if (!conforming && (dpl < cpl || dpl < rpl)) right = false;
  }
  if (!right) return failWith(s, VECTOR_invalidTss, selector);
  if (!(access & PRESENT)) {
    return failWith(s, segment == SEGMENT_ss ? VECTOR_stackFault : VECTOR_segmentNotPresent, selector);
  }
  if (!local) {
    if (!(access & ACCESSED)) writeType(s, selector, access | ACCESSED);
    if (failed(s)) return false;
  }
  setSegment(s, segment, selector, local ? descriptor : descriptor | ((<u64>ACCESSED) << 40));
  return true;
}
