/**
 * Exceptions and interrupts, through the gates of 64-bit mode. Source: Intel SDM, volume 3, "Interrupt and Exception Handling";
 * AMD APM, volume 2, "Exceptions and Interrupts".
 *
 * A fault on the way of a delivery ends it with nothing changed but memory below the new stack's top, and what comes of the two
 * exceptions is begun instead.
 */
import {
  DEBUGCONTROL_branchStep,
  DR7_detects,
  EXIT_shutdown,
  MSR_debugControl,
  RFLAGS_resume,
  S_cpl,
  S_debug,
  S_debugHits,
  S_debugPending,
  S_exitCode,
  S_fault,
  S_general,
  S_idtBase,
  S_idtLimit,
  S_lastInterrupt,
  S_msrs,
  S_nestedError,
  S_nestedFault,
  S_nmiBlocked,
  S_pc,
  S_segmentBase,
  S_segmentLimit,
  S_selector,
  S_shadow,
  S_statInterrupt,
  S_systemFlags,
  SEGMENT_cs,
  SEGMENT_ss,
  SEGMENT_tr,
  VECTOR_alignmentCheck,
  VECTOR_debug,
  VECTOR_divideError,
  VECTOR_doubleFault,
  VECTOR_generalProtection,
  VECTOR_invalidTss,
  VECTOR_machineCheck,
  VECTOR_nonMaskable,
  VECTOR_pageFault,
  VECTOR_segmentNotPresent,
  VECTOR_stackFault,
} from "../engines/runtime/layout.generated";
import { derive } from "../mmu/context.as";
import { instructionPointer, isLongMode, isReal } from "../mmu/mode.as";
import { begin, failBy, failed, readSystem, writeSystem } from "../mmu/system-access.as";
import { isCanonical } from "../mmu/translate.as";
import { flagsOf, setHandlerFlags } from "./flags.as";
import { throughGate, throughVector } from "./legacy-gate.as";
import {
  accessOf,
  CODE,
  CONFORMING,
  clearStack,
  dplOf,
  LONG,
  PRESENT,
  readDescriptor,
  SYSTEM_BIT,
  setSegment,
} from "./segments.as";

const RSP = S_general + 4 * 8;
const INTERRUPT_GATE = 14;
const TRAP_GATE = 15;

/** Kinds of events, for what is pushed and what a fault of theirs is told. */
const FAULT = 0;
const TRAP = 1;
const EXTERNAL = 2;
/** INT n and the like, which a program may only do where the gate allows. */
const SOFTWARE = 3;

export function hasErrorCode(vector: i32): bool {
  return (
    vector == VECTOR_doubleFault ||
    (vector >= VECTOR_invalidTss && vector <= VECTOR_pageFault) ||
    vector == VECTOR_alignmentCheck
  );
}

function isContributory(vector: i32): bool {
  return vector == VECTOR_divideError || (vector >= VECTOR_invalidTss && vector <= VECTOR_generalProtection);
}

/** One try. False: it failed, by what `nestedFault` says. */
function through(s: i32, vector: i32, kind: i32, error: i32, pc: u64, cpl: i32): bool {
  if (isReal(s)) return throughVector(s, vector, pc);
  const flags = flagsToPush(s, kind, vector);
  const coded = kind == FAULT && hasErrorCode(vector);
  if (!isLongMode(s))
    return throughGate(s, vector, kind == SOFTWARE, kind == SOFTWARE ? 0 : 1, coded, error, pc, flags);
  return throughLongGate(s, vector, kind, error, pc, cpl);
}

/** RFLAGS as an event pushes them: RF is set where the instruction is to be done again. */
function flagsToPush(s: i32, kind: i32, vector: i32): u64 {
  const restarts =
    kind == FAULT && vector != VECTOR_debug && vector != VECTOR_doubleFault && vector != VECTOR_machineCheck;
  return restarts ? flagsOf(s) | RFLAGS_resume : flagsOf(s);
}

function throughLongGate(s: i32, vector: i32, kind: i32, error: i32, pc: u64, cpl: i32): bool {
  const ext = kind == SOFTWARE ? 0 : 1;
  const tableError = vector * 8 + 2 + ext;
  if (vector * 16 + 15 > load<i32>(s, S_idtLimit)) return failBy(s, VECTOR_generalProtection, tableError);
  const gateAt = load<u64>(s, S_idtBase) + vector * 16;
  const low = readSystem(s, gateAt, 8);
  if (failed(s)) return false;
  const high = readSystem(s, gateAt + 8, 8);
  if (failed(s)) return false;
  const type = <i32>(low >> 40) & 0x1f;
  if (type != INTERRUPT_GATE && type != TRAP_GATE) return failBy(s, VECTOR_generalProtection, tableError);
  if (kind == SOFTWARE && (<i32>(low >> 45) & 3) < cpl) return failBy(s, VECTOR_generalProtection, tableError);
  if (!((low >> 47) & 1)) return failBy(s, VECTOR_segmentNotPresent, tableError);
  const target = (low & 0xffff) | ((low >> 32) & 0xffff0000) | (high << 32);
  const selector = <i32>(low >> 16) & 0xffff;
  const ist = <i32>(low >> 32) & 7;

  if (!(selector & 0xfffc)) return failBy(s, VECTOR_generalProtection, ext);
  const codeError = (selector & 0xfffc) | ext;
  const descriptor = readDescriptor(s, selector);
  if (failed(s)) return false;
  if (descriptor == 0) return failBy(s, VECTOR_generalProtection, codeError);
  const access = accessOf(descriptor);
  if ((access & (SYSTEM_BIT | CODE)) != (SYSTEM_BIT | CODE) || dplOf(access) > cpl || !(access & LONG)) {
    return failBy(s, VECTOR_generalProtection, codeError);
  }
  if (!(access & PRESENT)) return failBy(s, VECTOR_segmentNotPresent, codeError);
  const level = access & CONFORMING ? cpl : dplOf(access);

  let top = load<u64>(s, RSP);
  if (ist != 0 || level < cpl) {
    const offset = ist != 0 ? 28 + 8 * ist : 4 + 8 * level;
    const tss = load<u64>(s, S_segmentBase + 8 * SEGMENT_tr);
    if (offset + 7 > load<i32>(s, S_segmentLimit + 4 * SEGMENT_tr)) {
      return failBy(s, VECTOR_invalidTss, (load<i32>(s, S_selector + 4 * SEGMENT_tr) & 0xfffc) | ext);
    }
    top = readSystem(s, tss + offset, 8);
    if (failed(s)) return false;
  }
  top &= ~15;
  const coded = kind == FAULT && hasErrorCode(vector);
  const from = top - (coded ? 48 : 40);
  if (!isCanonical(from) || !isCanonical(top - 1)) return failBy(s, VECTOR_stackFault, ext);
  if (!isCanonical(target)) return failBy(s, VECTOR_generalProtection, ext);
  const old = flagsOf(s);
  const flags = flagsToPush(s, kind, vector);
  push(s, top - 8, <u64>load<u32>(s, S_selector + 4 * SEGMENT_ss), level);
  push(s, top - 16, load<u64>(s, RSP), level);
  push(s, top - 24, flags, level);
  push(s, top - 32, <u64>load<u32>(s, S_selector + 4 * SEGMENT_cs), level);
  push(s, top - 40, pc, level);
  if (coded) push(s, from, <u64>error, level);
  if (failed(s)) return false;

  store<u64>(s, from, RSP);
  store<i32>(s, level, S_cpl);
  if (level < cpl) clearStack(s, level);
  setSegment(s, SEGMENT_cs, (selector & 0xfffc) | level, descriptor);
  setHandlerFlags(s, old, type == INTERRUPT_GATE);
  store<u64>(s, target, S_pc);
  return true;
}

function push(s: i32, address: u64, value: u64, level: i32): void {
  if (!failed(s)) writeSystem(s, address, 8, value, level);
}

/** Delivers an event, or what comes of it. */
function deliver(s: i32, first: i32, firstKind: i32, firstError: i32, firstPc: u64): void {
  const cpl = load<i32>(s, S_cpl);
  let vector = first;
  let kind = firstKind;
  let error = firstError;
  let pc = firstPc;
  // So that a fault before it can be told from one in it, as `instead` asks.
  store<u64>(s, load<u64>(s, S_statInterrupt) + 1, S_statInterrupt);
  store<i32>(s, 0, S_shadow);
  while (true) {
    begin(s);
    store<i32>(s, vector, S_lastInterrupt);
    if (through(s, vector, kind, error, pc, cpl)) {
      if (vector == VECTOR_debug && kind != SOFTWARE) debugHandlerBegins(s);
      derive(s);
      return;
    }
    const nested = load<i32>(s, S_nestedFault) - 1;
    error = load<i32>(s, S_nestedError);
    const second = kind == FAULT || kind == TRAP ? vector : -1;
    if (second == VECTOR_doubleFault) {
      store<i32>(s, EXIT_shutdown, S_exitCode);
      return;
    }
    const twice =
      second == VECTOR_pageFault
        ? nested == VECTOR_pageFault || isContributory(nested)
        : second >= 0 && isContributory(second) && isContributory(nested);
    vector = twice ? VECTOR_doubleFault : nested;
    if (twice) error = 0;
    kind = FAULT;
    // Of the instruction that it happened in or before.
    pc = instructionPointer(s);
  }
}

/** The handler of #DB may use debug registers, and is not stepped by branches. */
function debugHandlerBegins(s: i32): void {
  store<u64>(s, load<u64>(s, S_debug + 7 * 8) & ~(<u64>DR7_detects), S_debug + 7 * 8);
  const control = S_msrs + 8 * MSR_debugControl;
  store<u64>(s, load<u64>(s, control) & ~(<u64>DEBUGCONTROL_branchStep), control);
}

/** A fault of the instruction at pc: what would have trapped behind it does not. */
export function deliverFault(s: i32, vector: i32, error: i32): void {
  store<i32>(s, 0, S_debugHits);
  store<i32>(s, 0, S_debugPending);
  deliver(s, vector, FAULT, error, instructionPointer(s));
}

/** The same, of a routine that emitted code calls: the instruction is over. */
export function raiseWith(s: i32, vector: i32, error: i32): void {
  deliverFault(s, vector, error);
  store<i32>(s, 1, S_fault);
}

/** What bodies raise: a fault with an error code of 0 if it has one. */
export function raise(s: i32, vector: i32): void {
  raiseWith(s, vector, 0);
}

export function illegal(s: i32): void {
  deliverFault(s, 6, 0);
}

/** A trap, after the instruction: pc is the next one's address. */
export function deliverTrap(s: i32, vector: i32): void {
  deliver(s, vector, TRAP, 0, instructionPointer(s));
}

/** RF is for an instruction's beginning. */
function beginSoftware(s: i32): void {
  store<u64>(s, load<u64>(s, S_systemFlags) & ~(<u64>RFLAGS_resume), S_systemFlags);
}

/** The trap that is the instruction: `next` is what is returned to. */
export function deliverTrapAt(s: i32, vector: i32, next: i64): void {
  beginSoftware(s);
  deliver(s, vector, TRAP, 0, next);
}

/** An interrupt from outside. */
export function deliverInterrupt(s: i32, vector: i32): void {
  deliver(s, vector, EXTERNAL, 0, instructionPointer(s));
}

export function deliverNonMaskable(s: i32): void {
  store<i32>(s, 1, S_nmiBlocked);
  deliver(s, VECTOR_nonMaskable, EXTERNAL, 0, instructionPointer(s));
}

/** INT n, INT3, INTO: `next` is what is returned to. */
export function softwareInterrupt(s: i32, vector: i32, next: i64): void {
  beginSoftware(s);
  deliver(s, vector, SOFTWARE, 0, next);
}
