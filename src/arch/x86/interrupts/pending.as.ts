/** What waits for the vCPU: interrupts from outside, non-maskable ones, single steps; HLT, and the shadows behind STI and MOV SS. */
import {
  EXIT_halt,
  EXIT_interrupt,
  EXIT_shutdown,
  GIVEN_tripleFault,
  MODE_alone,
  REQUEST_flushCode,
  RFLAGS_interrupt,
  RFLAGS_trap,
  S_control,
  S_debug,
  S_exceptionError,
  S_exceptionPayload,
  S_exceptionPayloadValid,
  S_exceptionPending,
  S_exitCode,
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
  S_systemFlags,
  S_tscOffset,
  SHADOW_begun,
  SHADOW_begunByStack,
  SHADOW_left,
  VECTOR_breakpoint,
  VECTOR_debug,
  VECTOR_overflow,
  VECTOR_pageFault,
} from "../engines/runtime/layout.generated";
import { forgetRecords } from "../engines/runtime/records.as";
import { timeStamp } from "../engines/runtime/time.as";
import { deliverFault, deliverInterrupt, deliverNonMaskable, deliverTrap } from "./deliver.as";

/** Whether something waits that the vCPU may take, but for a shadow. */
function waits(s: i32): bool {
  if (load<i32>(s, S_nmiPending) && !load<i32>(s, S_nmiBlocked)) return true;
  if (load<i32>(s, S_exceptionPending)) return true;
  const external = atomic.load<i32>(s + S_interruptPending) | atomic.load<i32>(s + S_interruptRequest);
  return external != 0 && (load<u64>(s, S_systemFlags) & RFLAGS_interrupt) != 0;
}

/** Bits of DR6 that are clear where something is the case, or always set. */
const DR6_LOW: u64 = 0xffff0ff0;

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
      store<u64>(s, (old | DR6_LOW | payload) ^ (payload & DR6_LOW), S_debug + 6 * 8);
    }
    store<i32>(s, 0, S_exceptionPayloadValid);
  }
  if (vector == VECTOR_debug || vector == VECTOR_breakpoint || vector == VECTOR_overflow) deliverTrap(s, vector);
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
    store<i32>(s, SHADOW_left, S_shadow);
    store<i32>(s, load<i32>(s, S_mode) | MODE_alone, S_mode);
    return;
  }
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

/**
 * After an instruction that ran alone; `flags` are RFLAGS before it, `deliveries` how many there had been. What it ended in, a
 * fault or an interrupt of its own, has no step behind it: its handler began without one.
 */
export function afterAlone(s: i32, flags: i64, deliveries: i64): void {
  // What this instruction has begun is for the next one.
  const shadow = load<i32>(s, S_shadow);
  store<i32>(s, shadow >= SHADOW_begun ? SHADOW_left : 0, S_shadow);
  if (shadow == SHADOW_begunByStack) return;
  if (flags & RFLAGS_trap && load<i64>(s, S_statInterrupt) == deliveries) {
    // BS of DR6.
    raiseStep(s);
    return;
  }
  if (waits(s)) store<i32>(s, 1, S_recheck);
}

function raiseStep(s: i32): void {
  store<u64>(s, load<u64>(s, S_debug + 6 * 8) | 0x4000, S_debug + 6 * 8);
  deliverTrap(s, VECTOR_debug);
}

export function runsAlone(s: i32): bool {
  return (load<u64>(s, S_systemFlags) & RFLAGS_trap) != 0;
}

/** HLT: ends at once where something waits. */
export function halt(s: i32): void {
  if (waits(s)) store<i32>(s, 1, S_recheck);
  else store<i32>(s, EXIT_halt, S_exitCode);
}

/** The time that `leaveAt` is in: the time-stamp counter without what the guest has set it to. */
export function passTime(s: i32): i64 {
  return timeStamp(s) - load<i64>(s, S_tscOffset);
}

export function serveOwn(s: i32, requests: i32): void {
  if (requests & REQUEST_flushCode) forgetRecords(s);
}
