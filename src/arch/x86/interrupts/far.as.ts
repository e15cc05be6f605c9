/** Far jumps and calls, through call gates too. Source: Intel SDM, volume 2, JMP and CALL; AMD APM, volume 3. */
import {
  S_cpl,
  S_general,
  S_nestedError,
  S_nestedFault,
  S_segmentBase,
  S_segmentLimit,
  S_selector,
  SEGMENT_cs,
  SEGMENT_ss,
  SEGMENT_tr,
  VECTOR_generalProtection,
  VECTOR_invalidTss,
  VECTOR_segmentNotPresent,
  VECTOR_stackFault,
} from "../engines/runtime/layout.generated";
import { loadSlow, storeSlow } from "../../../engine/runtime/access.as";
import { derive } from "../mmu/context.as";
import { goOnAt, hasPlainSegments, isLongMode } from "../mmu/mode.as";
import { stackAddress, stackMoved } from "../mmu/segmentation.as";
import { begin, failed, readSystem, writeSystem } from "../mmu/system-access.as";
import { isCanonical } from "../mmu/translate.as";
import { deliverFault, raiseWith } from "./deliver.as";
import { codeSegment, found, gone, goOnIn, goOnPlain, isInCode, isPlainPlace, settled } from "./code-segment.as";
import { findInnerStack, pushInner, takeInnerStack } from "./legacy-gate.as";
import { flagsOf } from "./flags.as";
import { descriptor } from "./load-segment.as";
import {
  accessOf,
  CODE,
  CONFORMING,
  clearStack,
  dplOf,
  isWhole,
  LONG,
  PRESENT,
  readUpperHalf,
  SYSTEM_BIT,
} from "./segments.as";
import { isTask, switchTask, TASK_CALL, TASK_GATE, TASK_JUMP } from "./task-switch.as";

const RSP_AT = 4 * 8;
const RSP = S_general + RSP_AT;
/** Types of call gates: of 16 bits, and of 32, which in long mode is of 64. */
const CALL_GATE_16 = 4;
const CALL_GATE = 12;

function cut(value: u64, size: i32): u64 {
  return size == 64 ? value : value & (((<u64>1) << size) - 1);
}

/** A near jump's place, cut to its size, is in the code segment; else a fault. */
export function checkTarget(s: i32, target: i64, size: i32): void {
  if (cut(target, size) > <u64>load<u32>(s, S_segmentLimit + 4 * SEGMENT_cs)) {
    raiseWith(s, VECTOR_generalProtection, 0);
  }
}

export function jumpNear(s: i32, target: i64): void {
  if (<u64>target > <u64>load<u32>(s, S_segmentLimit + 4 * SEGMENT_cs)) deliverFault(s, VECTOR_generalProtection, 0);
  else goOnAt(s, target);
}

/** An instruction that goes on as it began. */
export function startOver(s: i32): void {}

export function jumpFar(s: i32, selector: i64, offset: i64, size: i32, next: i64): void {
  transfer(s, <i32>selector & 0xffff, cut(offset, size), size, next, false);
}

export function callFar(s: i32, selector: i64, offset: i64, size: i32, next: i64): void {
  transfer(s, <i32>selector & 0xffff, cut(offset, size), size, next, true);
}

/** Pushes CS and where to return to, at the level that runs. RSP is to become `pushedTo`. False: a fault has been delivered. */
let pushedTo: i64 = 0;
function pushReturn(s: i32, bytes: i32, next: u64): bool {
  const selectorAt = stackAddress(s, RSP_AT, -bytes, bytes, 1);
  if (gone(s)) return false;
  const addressAt = stackAddress(s, RSP_AT, -2 * bytes, bytes, 1);
  if (gone(s)) return false;
  storeSlow(s, selectorAt, bytes, <i64>load<u32>(s, S_selector + 4 * SEGMENT_cs), 0);
  if (gone(s)) return false;
  storeSlow(s, addressAt, bytes, next, 0);
  if (gone(s)) return false;
  pushedTo = stackMoved(s, RSP_AT, -2 * bytes);
  return true;
}

function transfer(s: i32, selector: i32, target: u64, size: i32, next: u64, calls: bool): void {
  const bytes = size >> 3;
  if (hasPlainSegments(s)) {
    if (calls && (!isPlainPlace(s, target) || !pushReturn(s, bytes, next))) return;
    if (goOnPlain(s, selector, target) && calls) store<i64>(s, pushedTo, RSP);
    return;
  }
  if (!found(s, selector)) return;
  const access = accessOf(descriptor);
  if (descriptor != 0 && !(access & SYSTEM_BIT)) {
    throughGateOrTask(s, selector, next, calls);
    return;
  }
  if (!codeSegment(s, selector, false)) return;
  const code = descriptor;
  if (!isInCode(s, code, target)) return;
  if (calls) {
    if (!pushReturn(s, bytes, next)) return;
    store<i64>(s, pushedTo, RSP);
  }
  goOnIn(s, selector, code, target, load<i32>(s, S_cpl));
}

/** A task, or what a task gate leads to. */
function toTask(s: i32, selector: i32, next: u64, calls: bool): void {
  begin(s);
  if (switchTask(s, selector, calls ? TASK_CALL : TASK_JUMP, 0, next, flagsOf(s))) derive(s);
  else deliverFailed(s);
}

/** A system descriptor: a call gate; outside long mode also a task or a task gate. */
function throughGateOrTask(s: i32, selector: i32, next: u64, calls: bool): void {
  const gate = descriptor;
  const access = accessOf(gate);
  const type = access & 15;
  const cpl = load<i32>(s, S_cpl);
  const error = selector & 0xfffc;
  const long = isLongMode(s);
  const leadsToTask = !long && (type == TASK_GATE || isTask(type));
  const isGate = type == CALL_GATE || (type == CALL_GATE_16 && !long);
  if (!(isGate || leadsToTask) || dplOf(access) < cpl || dplOf(access) < (selector & 3)) {
    deliverFault(s, VECTOR_generalProtection, error);
    return;
  }
  if (!(access & PRESENT)) {
    deliverFault(s, VECTOR_segmentNotPresent, error);
    return;
  }
  if (leadsToTask) {
    toTask(s, type == TASK_GATE ? <i32>(gate >> 16) & 0xffff : selector, next, calls);
    return;
  }
  let target = gate & 0xffff;
  if (type == CALL_GATE) target |= (gate >> 32) & 0xffff0000;
  if (long) {
    begin(s);
    const upper = readUpperHalf(s, selector);
    if (failed(s)) {
      deliverFailed(s);
      return;
    }
    // The second half is there, and has no type.
    if (!isWhole(s, selector) || (upper >> 40) & 0x1f) {
      deliverFault(s, VECTOR_generalProtection, error);
      return;
    }
    target |= upper << 32;
  }
  const codeSelector = <i32>(gate >> 16) & 0xffff;
  if (!found(s, codeSelector)) return;
  const codeAccess = accessOf(descriptor);
  const dpl = dplOf(codeAccess);
  const isCode = descriptor != 0 && (codeAccess & (SYSTEM_BIT | CODE)) == (SYSTEM_BIT | CODE);
  const conforming = (codeAccess & CONFORMING) != 0;
  let right = isCode && dpl <= cpl && (calls || conforming || dpl == cpl);
  if (long && !(codeAccess & LONG)) right = false;
  if (!settled(s, codeSelector, right, VECTOR_segmentNotPresent)) return;
  const code = descriptor;
  const bytes = long ? 8 : type == CALL_GATE ? 4 : 2;
  if (!isInCode(s, code, target)) return;
  if (!calls) {
    goOnIn(s, codeSelector, code, target, cpl);
    return;
  }
  if (conforming || dpl == cpl) {
    if (!pushReturn(s, bytes, next)) return;
    store<i64>(s, pushedTo, RSP);
    goOnIn(s, codeSelector, code, target, cpl);
    return;
  }
  if (long) callInnerLong(s, codeSelector, code, target, dpl, next);
  else callInner(s, codeSelector, code, target, dpl, next, bytes, <i32>(gate >> 32) & 31);
}

/** What a step of the system failed by is delivered. */
function deliverFailed(s: i32): void {
  deliverFault(s, load<i32>(s, S_nestedFault) - 1, load<i32>(s, S_nestedError));
}

/** A call to an inner level, outside long mode, with so many parameters. */
function callInner(
  s: i32,
  selector: i32,
  code: u64,
  target: u64,
  level: i32,
  next: u64,
  bytes: i32,
  parameters: i32,
): void {
  begin(s);
  if (!findInnerStack(s, level, 0)) {
    deliverFailed(s);
    return;
  }
  pushInner(s, bytes, <u64>load<u32>(s, S_selector + 4 * SEGMENT_ss));
  pushInner(s, bytes, load<u64>(s, RSP));
  for (let i = parameters - 1; i >= 0; i--) {
    const at = stackAddress(s, RSP_AT, i * bytes, bytes, 0);
    if (gone(s)) return;
    const value = loadSlow(s, at, bytes, 0);
    if (gone(s)) return;
    pushInner(s, bytes, value);
  }
  pushInner(s, bytes, <u64>load<u32>(s, S_selector + 4 * SEGMENT_cs));
  pushInner(s, bytes, next);
  if (failed(s)) {
    deliverFailed(s);
    return;
  }
  takeInnerStack(s);
  goOnIn(s, selector, code, target, level);
}

/** The same in long mode: the new stack has no segment. */
function callInnerLong(s: i32, selector: i32, code: u64, target: u64, level: i32, next: u64): void {
  const offset = 4 + 8 * level;
  if (offset + 7 > load<i32>(s, S_segmentLimit + 4 * SEGMENT_tr)) {
    deliverFault(s, VECTOR_invalidTss, load<i32>(s, S_selector + 4 * SEGMENT_tr) & 0xfffc);
    return;
  }
  begin(s);
  const top = readSystem(s, load<u64>(s, S_segmentBase + 8 * SEGMENT_tr) + offset, 8);
  if (!failed(s) && (!isCanonical(top - 32) || !isCanonical(top - 1))) {
    deliverFault(s, VECTOR_stackFault, 0);
    return;
  }
  if (!failed(s)) writeSystem(s, top - 8, 8, <u64>load<u32>(s, S_selector + 4 * SEGMENT_ss), level);
  if (!failed(s)) writeSystem(s, top - 16, 8, load<u64>(s, RSP), level);
  if (!failed(s)) writeSystem(s, top - 24, 8, <u64>load<u32>(s, S_selector + 4 * SEGMENT_cs), level);
  if (!failed(s)) writeSystem(s, top - 32, 8, next, level);
  if (failed(s)) {
    deliverFailed(s);
    return;
  }
  clearStack(s, level);
  store<u64>(s, top - 32, RSP);
  goOnIn(s, selector, code, target, level);
}
