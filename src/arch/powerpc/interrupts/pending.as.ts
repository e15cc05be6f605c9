/**
 * Interrupts that wait for MSR[EE], and what makes them wait.
 * Source: Power ISA v3.0B, Book III "Interrupt Priorities".
 */
import {
  MSR_EE,
  REQUEST_systemReset,
  S_decExpiry,
  S_decPending,
  S_doorbellPending,
  S_externalPending,
  S_msr,
  S_pc,
  VECTOR_decrementer,
  VECTOR_doorbell,
  VECTOR_external,
  VECTOR_systemReset,
} from "../engines/runtime/layout.generated";
import { deliver } from "./deliver.as";
import { decrementerTicks, timeBase } from "./time.as";

/** Looks at the clock: the time base, once an expired decrementer has been noted. */
export function passTime(s: i32): i64 {
  const time = timeBase(s);
  if (time >= load<i64>(s, S_decExpiry)) store<i32>(s, 1, S_decPending);
  return time;
}

/** Requests that only this architecture has. */
export function serveOwn(s: i32, requests: i32): void {
  if (requests & REQUEST_systemReset) deliver(s, VECTOR_systemReset, load<u64>(s, S_pc), 0);
}

/** The exception lasts only while the decrementer is negative: once through all of that, it is over. */
function stillExpired(s: i32): bool {
  const expired = decrementerTicks(s) <= 0;
  if (!expired) store<i32>(s, 0, S_decPending);
  return expired;
}

/** Delivers the most important interrupt that waits. */
export function deliverPending(s: i32): void {
  if (!(load<u64>(s, S_msr) & MSR_EE)) return;
  const pc = load<u64>(s, S_pc);
  if (atomic.load<i32>(s + S_externalPending)) deliver(s, VECTOR_external, pc, 0);
  else if (load<i32>(s, S_decPending) && stillExpired(s)) deliver(s, VECTOR_decrementer, pc, 0);
  else if (load<i32>(s, S_doorbellPending) && atomic.xchg<i32>(s + S_doorbellPending, 0)) {
    // A doorbell is over once it has been taken.
    deliver(s, VECTOR_doorbell, pc, 0);
  }
}
