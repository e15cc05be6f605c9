/** What waits for the vCPU: interrupts from outside, non-maskable ones, single steps; HLT, and the shadows behind STI and MOV SS. */
import {
  EXIT_halt,
  EXIT_interrupt,
  MODE_alone,
  REQUEST_flushCode,
  RFLAGS_interrupt,
  RFLAGS_trap,
  S_debug,
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
  VECTOR_debug,
} from "../engines/runtime/layout.generated";
import { forgetRecords } from "../engines/runtime/records.as";
import { timeStamp } from "../engines/runtime/time.as";
import { deliverInterrupt, deliverNonMaskable, deliverTrap } from "./deliver.as";

/** Whether something waits that the vCPU may take, but for a shadow. */
function waits(s: i32): bool {
  if (load<i32>(s, S_nmiPending) && !load<i32>(s, S_nmiBlocked)) return true;
  const external = atomic.load<i32>(s + S_interruptPending) | atomic.load<i32>(s + S_interruptRequest);
  return external != 0 && (load<u64>(s, S_systemFlags) & RFLAGS_interrupt) != 0;
}

export function deliverPending(s: i32): void {
  if (!waits(s)) return;
  if (load<i32>(s, S_shadow) && load<u64>(s, S_shadowAt) == load<u64>(s, S_pc)) {
    // One instruction first; `afterAlone` comes back to it.
    store<i32>(s, SHADOW_left, S_shadow);
    store<i32>(s, load<i32>(s, S_mode) | MODE_alone, S_mode);
    return;
  }
  if (load<i32>(s, S_nmiPending) && !load<i32>(s, S_nmiBlocked)) {
    store<i32>(s, load<i32>(s, S_nmiPending) - 1, S_nmiPending);
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
