/** What waits for the vCPU: interrupts from outside, non-maskable ones, single steps; HLT, and the shadows behind STI and MOV SS. */
import {
  DR6_fixed,
  DR6_step,
  ENDING_decided,
  ENDING_resumes,
  EXIT_halt,
  EXIT_interrupt,
  EXIT_shutdown,
  GIVEN_tripleFault,
  GUESTDBG_blocksInterrupts,
  MODE_alone,
  REQUEST_debug,
  REQUEST_flushCode,
  RFLAGS_interrupt,
  RFLAGS_resume,
  RFLAGS_trap,
  S_breaking,
  S_control,
  S_debug,
  S_debugHits,
  S_debugPending,
  S_ending,
  S_exceptionError,
  S_exceptionPayload,
  S_exceptionPayloadValid,
  S_exceptionPending,
  S_exitCode,
  S_guestDebug,
  S_interruptPending,
  S_interruptRequest,
  S_mode,
  S_nmiBlocked,
  S_nmiPending,
  S_pc,
  S_recheck,
  S_shadow,
  S_shadowAt,
  S_statInterrupt,
  S_steppedAt,
  S_systemFlags,
  S_tscOffset,
  SHADOW_begun,
  SHADOW_begunByStack,
  SHADOW_left,
  SHADOW_leftByStack,
  VECTOR_breakpoint,
  VECTOR_debug,
  VECTOR_overflow,
  VECTOR_pageFault,
} from "../engines/runtime/layout.generated";
import { forgetRecords } from "../engines/runtime/records.as";
import { instructionPointer } from "../mmu/mode.as";
import { byteAt } from "../mmu/stack-operand.as";
import { timeStamp } from "../engines/runtime/time.as";
import { deriveDebug, isStep, leavesDone, repeats, trapFor, trapForPending } from "./debug.as";
import { deliverFault, deliverInterrupt, deliverNonMaskable, deliverTrap, deliverTrapAt } from "./deliver.as";

/** Whether something waits that the vCPU may take, but for a shadow. */
function waits(s: i32): bool {
  if (load<i32>(s, S_exceptionPending) | load<i32>(s, S_debugPending)) return true;
  if (load<i32>(s, S_guestDebug) & GUESTDBG_blocksInterrupts) return false;
  if (load<i32>(s, S_nmiPending) && !load<i32>(s, S_nmiBlocked)) return true;
  const external = atomic.load<i32>(s + S_interruptPending) | atomic.load<i32>(s + S_interruptRequest);
  return external != 0 && (load<u64>(s, S_systemFlags) & RFLAGS_interrupt) != 0;
}

const INT3 = 0xcc;

/** An exception that the user side has put in, before the next instruction, whatever shadow there is. */
function deliverGiven(s: i32, given: i32): void {
  store<i32>(s, 0, S_exceptionPending);
  if (given == GIVEN_tripleFault) {
    store<i32>(s, EXIT_shutdown, S_exitCode);
    return;
  }
  const vector = given - 1;
  if (load<i32>(s, S_exceptionPayloadValid)) {
    const payload = load<u64>(s, S_exceptionPayload);
    if (vector == VECTOR_pageFault) store<u64>(s, payload, S_control + 2 * 8);
    // The payload has bits set where something is, which DR6 has clear of some.
    if (vector == VECTOR_debug) {
      const old = load<u64>(s, S_debug + 6 * 8) & ~15;
      store<u64>(s, (old | DR6_fixed | payload) ^ (payload & DR6_fixed), S_debug + 6 * 8);
    }
    store<i32>(s, 0, S_exceptionPayloadValid);
  }
  // That of the INT3 that it stands before, which the user side has heard of (KVM_GUESTDBG_USE_SW_BP), goes on behind it.
  if (vector == VECTOR_breakpoint && byteAt(s, load<u64>(s, S_pc)) == INT3) {
    deliverTrapAt(s, vector, instructionPointer(s) + 1);
  } else if (vector == VECTOR_debug || vector == VECTOR_breakpoint || vector == VECTOR_overflow) deliverTrap(s, vector);
  else deliverFault(s, vector, load<i32>(s, S_exceptionError));
}

export function deliverPending(s: i32): void {
  if (!waits(s)) return;
  const given = load<i32>(s, S_exceptionPending);
  if (given) {
    deliverGiven(s, given);
    store<i32>(s, 1, S_recheck);
    return;
  }
  if (load<i32>(s, S_shadow) && load<u64>(s, S_shadowAt) == load<u64>(s, S_pc)) {
    // One instruction first; `afterAlone` comes back to it.
    store<i32>(s, leftShadow(load<i32>(s, S_shadow)), S_shadow);
    store<i32>(s, load<i32>(s, S_mode) | MODE_alone, S_mode);
    return;
  }
  if (load<i32>(s, S_debugPending)) {
    trapForPending(s);
    store<i32>(s, 1, S_recheck);
    return;
  }
  if (load<i32>(s, S_guestDebug) & GUESTDBG_blocksInterrupts) return;
  if (load<i32>(s, S_nmiPending) && !load<i32>(s, S_nmiBlocked)) {
    // Others add to it meanwhile.
    atomic.sub<i32>(s + S_nmiPending, 1);
    deliverNonMaskable(s);
    return;
  }
  const pending = atomic.xchg<i32>(s + S_interruptPending, 0);
  if (pending != 0) deliverInterrupt(s, pending - 1);
  else if (atomic.xchg<i32>(s + S_interruptRequest, 0) != 0) store<i32>(s, EXIT_interrupt, S_exitCode);
}

/** A shadow behind the instruction that began it. */
function leftShadow(shadow: i32): i32 {
  return shadow == SHADOW_begunByStack || shadow == SHADOW_leftByStack ? SHADOW_leftByStack : SHADOW_left;
}

/** Before an instruction that runs alone: a shadow is one that an instruction before it has begun, and nothing has been hit. */
export function beforeAlone(s: i32): void {
  if (load<i32>(s, S_shadow)) store<i32>(s, leftShadow(load<i32>(s, S_shadow)), S_shadow);
  store<i32>(s, 0, S_debugHits);
  store<i32>(s, 0, S_ending);
}

/**
 * After an instruction that ran alone; `flags` are RFLAGS before it, `deliveries` how many there had been. What it ended in, a
 * fault or an interrupt of its own, has no step behind it: its handler began without one.
 */
export function afterAlone(s: i32, flags: i64, deliveries: i64): void {
  const shadow = load<i32>(s, S_shadow);
  // What this instruction has begun is for the next one.
  const begun = shadow == SHADOW_begun || shadow == SHADOW_begunByStack;
  store<i32>(s, begun ? leftShadow(shadow) : 0, S_shadow);
  const ending = load<i32>(s, S_ending);
  const undisturbed = load<i64>(s, S_statInterrupt) == deliveries;
  let causes = <u64>load<u32>(s, S_debugHits);
  // Between two parts of an instruction RF is set, so that who comes back does not find a breakpoint on it again.
  const looked = (flags & RFLAGS_trap) != 0 || causes != 0 || load<i32>(s, S_breaking) != 0;
  const between = looked && undisturbed && load<u64>(s, S_pc) == load<u64>(s, S_steppedAt) && repeats(s);
  const now = load<u64>(s, S_systemFlags);
  if (between) store<u64>(s, now | RFLAGS_resume, S_systemFlags);
  else if (!(ending & ENDING_resumes)) store<u64>(s, now & ~(<u64>RFLAGS_resume), S_systemFlags);
  causes |= <u64>load<u32>(s, S_debugPending);
  if (shadow == SHADOW_begunByStack) {
    // A step is lost, a match is told of behind the next instruction.
    store<i32>(s, <i32>causes, S_debugPending);
    return;
  }
  store<i32>(s, 0, S_debugPending);
  if (flags & RFLAGS_trap && undisturbed && !(ending & ENDING_decided) && isStep(s, between)) causes |= DR6_step;
  if (causes) trapFor(s, causes);
  else if (waits(s)) store<i32>(s, 1, S_recheck);
}

/** HLT: ends at once where something waits, or is behind it. */
export function halt(s: i32): void {
  if (waits(s) || load<u64>(s, S_systemFlags) & RFLAGS_trap) {
    store<i32>(s, 1, S_recheck);
    return;
  }
  leavesDone(s);
  store<i32>(s, EXIT_halt, S_exitCode);
}

/** The time that `leaveAt` is in: the time-stamp counter without what the guest has set it to. */
export function passTime(s: i32): i64 {
  return timeStamp(s) - load<i64>(s, S_tscOffset);
}

export function serveOwn(s: i32, requests: i32): void {
  if (requests & REQUEST_flushCode) forgetRecords(s);
  if (requests & REQUEST_debug) deriveDebug(s);
}
