/**
 * Deliveries outside long mode: through the vectors of real mode, and the gates of 16 and 32 bits of protected mode. Source:
 * Intel SDM, volume 3, "Interrupt and Exception Handling" and "8086 Emulation".
 */
import {
  RFLAGS_interrupt,
  RFLAGS_trap,
  S_cpl,
  S_general,
  S_idtBase,
  S_idtLimit,
  S_segmentAccess,
  S_segmentBase,
  S_segmentLimit,
  S_selector,
  SEGMENT_cs,
  SEGMENT_es,
  SEGMENT_gs,
  SEGMENT_ss,
  SEGMENT_tr,
  VECTOR_generalProtection,
  VECTOR_invalidTss,
  VECTOR_segmentNotPresent,
  VECTOR_stackFault,
} from "../engines/runtime/layout.generated";
import { goOnAt, isVirtual8086 } from "../mmu/mode.as";
import { failBy, failed, readSystem, writeSystem } from "../mmu/system-access.as";
import { flagsOf, setFlags, setHandlerFlags } from "./flags.as";
import {
  accessOf,
  BIG,
  baseOf,
  CODE,
  CONFORMING,
  clearSegment,
  dplOf,
  isInside,
  limitOf,
  PRESENT,
  readDescriptor,
  SYSTEM_BIT,
  setPlainSegment,
  setSegment,
  WRITABLE,
} from "./segments.as";
import { switchTask, TASK_EVENT, TASK_GATE } from "./task-switch.as";

const RSP = S_general + 4 * 8;
/** Types of gates: bit 3 is 32 bits, bit 0 a trap gate. */
const INTERRUPT_GATE_16 = 6;
const WIDE = 8;

// The stack that is pushed to.
let stackBase: u64 = 0;
let stackLimit: u32 = 0;
let stackAccess: i32 = 0;
let stackTop: u64 = 0;
/** The error code of what does not fit, and the level of what is pushed. */
let stackError: i32 = 0;
let stackLevel: i32 = 0;

function usePresentStack(s: i32, level: i32, error: i32): void {
  stackBase = load<u64>(s, S_segmentBase + 8 * SEGMENT_ss);
  stackLimit = load<u32>(s, S_segmentLimit + 4 * SEGMENT_ss);
  stackAccess = load<i32>(s, S_segmentAccess + 4 * SEGMENT_ss);
  stackTop = load<u64>(s, RSP);
  stackError = error;
  stackLevel = level;
}

function push(s: i32, bytes: i32, value: u64): void {
  if (failed(s)) return;
  const mask: u64 = stackAccess & BIG ? 0xffffffff : 0xffff;
  const at = (stackTop - bytes) & mask;
  if (!isInside(stackAccess, stackLimit, at, bytes)) {
    failBy(s, VECTOR_stackFault, stackError);
    return;
  }
  writeSystem(s, (stackBase + at) & 0xffffffff, bytes, value, stackLevel);
  stackTop = (stackTop & ~mask) | at;
}

/** Real mode: a vector is an address, of which the flags, CS and IP are pushed. */
export function throughVector(s: i32, vector: i32, ip: u64): bool {
  if (vector * 4 + 3 > load<i32>(s, S_idtLimit)) return failBy(s, VECTOR_generalProtection, vector * 8 + 2);
  const target = <u32>readSystem(s, load<u64>(s, S_idtBase) + vector * 4, 4);
  if (failed(s)) return false;
  const flags = flagsOf(s);
  usePresentStack(s, 0, 0);
  push(s, 2, flags);
  push(s, 2, <u64>load<u32>(s, S_selector + 4 * SEGMENT_cs));
  push(s, 2, ip);
  if (failed(s)) return false;
  store<u64>(s, stackTop, RSP);
  setPlainSegment(s, SEGMENT_cs, target >>> 16, false);
  setFlags(s, flags & ~(<u64>(RFLAGS_interrupt | RFLAGS_trap | 0x40000)));
  goOnAt(s, <u64>(target & 0xffff));
  return true;
}

// What a task's segment says of a level's stack.
let newStackSelector: i32 = 0;
let newStackDescriptor: u64 = 0;

/** Finds the stack of an inner level. False: it failed. */
export function findInnerStack(s: i32, level: i32, ext: i32): bool {
  const task = load<u64>(s, S_segmentBase + 8 * SEGMENT_tr);
  const wide = (load<i32>(s, S_segmentAccess + 4 * SEGMENT_tr) & WIDE) != 0;
  const offset = wide ? 4 + 8 * level : 2 + 4 * level;
  const bytes = wide ? 4 : 2;
  if (<u32>(offset + bytes + 1) > load<u32>(s, S_segmentLimit + 4 * SEGMENT_tr)) {
    return failBy(s, VECTOR_invalidTss, (load<i32>(s, S_selector + 4 * SEGMENT_tr) & 0xfffc) | ext);
  }
  const top = readSystem(s, task + offset, bytes);
  if (failed(s)) return false;
  const selector = <i32>readSystem(s, task + offset + bytes, 2);
  if (failed(s)) return false;
  if (!(selector & 0xfffc)) return failBy(s, VECTOR_invalidTss, ext);
  const error = (selector & 0xfffc) | ext;
  const descriptor = readDescriptor(s, selector);
  if (failed(s)) return false;
  const access = accessOf(descriptor);
  const right =
    descriptor != 0 && (access & (SYSTEM_BIT | CODE | WRITABLE)) == (SYSTEM_BIT | WRITABLE) && dplOf(access) == level;
  if (!right || (selector & 3) != level) return failBy(s, VECTOR_invalidTss, error);
  if (!(access & PRESENT)) return failBy(s, VECTOR_stackFault, error);
  newStackSelector = selector;
  newStackDescriptor = descriptor;
  stackBase = baseOf(descriptor);
  stackLimit = <u32>limitOf(descriptor);
  stackAccess = access;
  stackTop = top;
  stackError = error;
  stackLevel = level;
  return true;
}

/** Pushes onto the stack that has been found: `takeInnerStack` makes it the present one. */
export function pushInner(s: i32, bytes: i32, value: u64): void {
  push(s, bytes, value);
}

export function takeInnerStack(s: i32): void {
  setSegment(s, SEGMENT_ss, newStackSelector, newStackDescriptor);
  store<u64>(s, stackTop & 0xffffffff, RSP);
}

/** GS, FS, DS, ES, as virtual-8086 mode's are pushed. */
function dataSegment(i: i32): i32 {
  return i == 3 ? SEGMENT_es : SEGMENT_gs - i;
}

/** Protected mode. `ext` is the error codes' bit of events from outside. */
export function throughGate(
  s: i32,
  vector: i32,
  software: bool,
  ext: i32,
  coded: bool,
  error: i32,
  ip: u64,
  pushedFlags: u64,
): bool {
  const cpl = load<i32>(s, S_cpl);
  const tableError = vector * 8 + 2 + ext;
  if (vector * 8 + 7 > load<i32>(s, S_idtLimit)) return failBy(s, VECTOR_generalProtection, tableError);
  const gate = readSystem(s, load<u64>(s, S_idtBase) + vector * 8, 8);
  if (failed(s)) return false;
  const type = <i32>(gate >> 40) & 0x1f;
  if (type != TASK_GATE && (type & ~(WIDE | 1)) != INTERRUPT_GATE_16)
    return failBy(s, VECTOR_generalProtection, tableError);
  if (software && (<i32>(gate >> 45) & 3) < cpl) return failBy(s, VECTOR_generalProtection, tableError);
  if (!((gate >> 47) & 1)) return failBy(s, VECTOR_segmentNotPresent, tableError);
  if (type == TASK_GATE) {
    if (!switchTask(s, <i32>(gate >> 16) & 0xffff, TASK_EVENT, ext, ip, pushedFlags)) return false;
    if (!coded) return true;
    usePresentStack(s, load<i32>(s, S_cpl), ext);
    push(s, load<i32>(s, S_segmentAccess + 4 * SEGMENT_tr) & WIDE ? 4 : 2, <u64>error);
    if (failed(s)) return false;
    store<u64>(s, stackTop, RSP);
    return true;
  }
  const wide = (type & WIDE) != 0;
  const target = (gate & 0xffff) | (wide ? (gate >> 32) & 0xffff0000 : 0);
  const selector = <i32>(gate >> 16) & 0xffff;
  if (!(selector & 0xfffc)) return failBy(s, VECTOR_generalProtection, ext);
  const codeError = (selector & 0xfffc) | ext;
  const descriptor = readDescriptor(s, selector);
  if (failed(s)) return false;
  const access = accessOf(descriptor);
  if (descriptor == 0 || (access & (SYSTEM_BIT | CODE)) != (SYSTEM_BIT | CODE) || dplOf(access) > cpl) {
    return failBy(s, VECTOR_generalProtection, codeError);
  }
  if (!(access & PRESENT)) return failBy(s, VECTOR_segmentNotPresent, codeError);
  const level = access & CONFORMING ? cpl : dplOf(access);
  const virtual = isVirtual8086(s);
  if (virtual && level != 0) return failBy(s, VECTOR_generalProtection, codeError);
  const bytes = wide ? 4 : 2;
  const inner = level < cpl;
  const oldTop = load<u64>(s, RSP);
  if (inner) {
    if (!findInnerStack(s, level, ext)) return false;
    if (virtual) {
      for (let i = 0; i < 4; i++) push(s, bytes, <u64>load<u32>(s + 4 * dataSegment(i), S_selector));
    }
    push(s, bytes, <u64>load<u32>(s, S_selector + 4 * SEGMENT_ss));
    push(s, bytes, oldTop);
  } else usePresentStack(s, level, ext);
  push(s, bytes, pushedFlags);
  push(s, bytes, <u64>load<u32>(s, S_selector + 4 * SEGMENT_cs));
  push(s, bytes, ip);
  if (coded) push(s, bytes, <u64>error);
  if (failed(s)) return false;
  if (target > <u64>(<u32>limitOf(descriptor))) return failBy(s, VECTOR_generalProtection, ext);

  const flags = flagsOf(s);
  if (inner) takeInnerStack(s);
  else store<u64>(s, stackTop, RSP);
  for (let i = 0; virtual && i < 4; i++) clearSegment(s, dataSegment(i), 0);
  store<i32>(s, level, S_cpl);
  setSegment(s, SEGMENT_cs, (selector & 0xfffc) | level, descriptor);
  setHandlerFlags(s, flags, !(type & 1));
  goOnAt(s, target);
  return true;
}
