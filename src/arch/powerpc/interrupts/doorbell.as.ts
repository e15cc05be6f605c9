/**
 * Directed privileged doorbells: one thread of a core interrupts another.
 * Source: Power ISA v3.0B, Book III "Processor Control".
 */
import {
  ARCH_smt,
  REQUEST_interrupt,
  S_doorbellPending,
  S_msr,
  S_pir,
  S_requests,
  S_tir,
  S_wake,
  VM_vcpuCount,
  VM_vcpus,
} from "../engines/runtime/layout.generated";
import { recheckIfPending } from "./msr.as";

/** The only message type that a supervisor may send. */
const TYPE_PRIVILEGED: i32 = 5;

function isPrivileged(rb: i64): bool {
  return (<i32>(rb >> 27) & 31) == TYPE_PRIVILEGED;
}

/** msgsndp: RB names a thread of this core by its number. Without it nothing happens. */
export function sendDoorbell(s: i32, rb: i64): void {
  if (!isPrivileged(rb)) return;
  const thread = rb & 127;
  const own = load<i64>(s, S_tir);
  if (thread == own) {
    atomic.store<i32>(s, 1, S_doorbellPending);
    recheckIfPending(s, load<u64>(s, S_msr));
    return;
  }
  if (thread >= <i64>load<i32>(ARCH_smt)) return;
  // The threads of a core have numbers next to one another.
  const wanted = load<i64>(s, S_pir) - own + thread;
  for (let i = 0, count = atomic.load<i32>(VM_vcpuCount); i < count; i++) {
    const other = load<i32>(VM_vcpus + 4 * i);
    if (load<i64>(other, S_pir) != wanted) continue;
    atomic.store<i32>(other, 1, S_doorbellPending);
    atomic.or<i32>(other + S_requests, REQUEST_interrupt);
    atomic.add<i32>(other + S_wake, 1);
    atomic.notify(other + S_wake, -1);
  }
}

/** msgclrp. */
export function clearDoorbell(s: i32, rb: i64): void {
  if (isPrivileged(rb)) atomic.store<i32>(s, 0, S_doorbellPending);
}
