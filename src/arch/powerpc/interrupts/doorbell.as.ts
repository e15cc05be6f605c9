/**
 * Directed privileged doorbells: one thread of a core interrupts another.
 * Source: Power ISA v3.0B, Book III "Processor Control".
 */
import { S_doorbellPending, S_msr, S_tir } from "../engines/runtime/layout.generated";
import { recheckIfPending } from "./msr.as";

/** The only message type that a supervisor may send. */
const TYPE_PRIVILEGED: i32 = 5;

function isPrivileged(rb: i64): bool {
  return (<i32>(rb >> 27) & 31) == TYPE_PRIVILEGED;
}

/** msgsndp: RB names the thread of this core by its number. With one thread a core, that is the sender itself. */
export function sendDoorbell(s: i32, rb: i64): void {
  if (!isPrivileged(rb) || (rb & 127) != load<i64>(s, S_tir)) return;
  atomic.store<i32>(s, 1, S_doorbellPending);
  recheckIfPending(s, load<u64>(s, S_msr));
}

/** msgclrp. */
export function clearDoorbell(s: i32, rb: i64): void {
  if (isPrivileged(rb)) atomic.store<i32>(s, 0, S_doorbellPending);
}
