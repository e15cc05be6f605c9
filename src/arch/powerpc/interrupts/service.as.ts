/**
 * What happens between slices: requests of others, the clock, and interrupts that wait for MSR[EE].
 * Source: Power ISA v3.0B, Book III "Interrupt Priorities".
 */
import {
  EVENT_flush,
  REQUEST_context,
  REQUEST_dropPages,
  REQUEST_flushCode,
  REQUEST_flushTlb,
  REQUEST_leave,
  REQUEST_mail,
  REQUEST_systemReset,
  S_budget,
  S_decExpiry,
  S_decPending,
  S_doorbellPending,
  S_exitCode,
  S_exitsToSample,
  S_externalPending,
  S_immediateExit,
  S_instructions,
  S_leaveAt,
  S_msr,
  S_pc,
  S_recheck,
  S_requests,
  S_sampling,
  S_sdar,
  S_shortSlices,
  S_siar,
  S_sliceLength,
  S_statSlices,
  S_steppedAccess,
  S_steppedAddress,
  S_steppedAt,
  S_steppedWord,
  VM_vcpuCount,
} from "../engines/runtime/layout.generated";
import { dropAllCode, readMail } from "../engines/runtime/code-pages.as";
import { traceMmu } from "../../../engine/runtime/events.as";
import { dropRequested } from "../mmu/invalidate.as";
import {
  deliver,
  VECTOR_DECREMENTER,
  VECTOR_DOORBELL,
  VECTOR_EXTERNAL,
  VECTOR_SYSTEM_RESET,
  VECTOR_TRACE,
} from "./deliver.as";
import { completedAtBreakpoint } from "./debug.as";
import { derive, MSR_BE, MSR_EE, MSR_SE } from "./msr.as";
import { decrementerTicks, timeBase } from "./time.as";

/** 16384 instructions: some 30 microseconds, which is how late an interrupt may be. */
const SLICE = 16384 * 8;
/**
 * After another vCPU has asked for translations to be dropped, and probably asks again: slices this short, so many. A whole
 * slice's work is done only after as many of them as make one.
 */
const SHORT_SLICE = 512 * 8;
const SHORT_SLICES = 256;
/** What a look before the slice's end takes from it. */
const LOOK = 16 * 8;
/** SRR1 bits of the Trace interrupt: 33 always, 35 after a load, 36 after a store. */
const TRACE_CAUSE: u64 = 0x40000000;
const TRACE_LOAD: u64 = 0x10000000;
const TRACE_STORE: u64 = 0x8000000;
/** SRR1 bit 43: the instruction that CIABR names. */
const TRACE_NAMED: u64 = 0x100000;

/** Tells the translator where the vCPU is at the end of a slice: always the target of a branch. */
@external("env", "sampled")
declare function sampled(s: i32): void;

/** What is hot is also asked at every so-manyth way out of a region: slices seldom end in the short runs between regions. */
const EXITS_A_SAMPLE = 512;

/** A region has ended with a jump to what is not translated yet, or with the slice. */
export function regionLeft(s: i32): void {
  store<i32>(s, EXITS_A_SAMPLE, S_exitsToSample);
  if (load<i32>(s, S_sampling)) sampled(s);
}

/** True if the caller of run() wants its thread back. */
function serveRequests(s: i32): bool {
  const requests = atomic.xchg<i32>(s + S_requests, 0);
  if (requests & REQUEST_flushCode) dropAllCode(s);
  if (requests & (REQUEST_flushTlb | REQUEST_dropPages)) {
    traceMmu(s, EVENT_flush, 0, 0, requests & REQUEST_flushTlb ? 1 : 0, 0);
    dropRequested(s, requests);
    store<i32>(s, SHORT_SLICES, S_shortSlices);
  }
  if (requests & REQUEST_mail) readMail(s);
  if (requests & REQUEST_context) derive(s);
  if (requests & REQUEST_systemReset) deliver(s, VECTOR_SYSTEM_RESET, load<u64>(s, S_pc), 0);
  return (requests & REQUEST_leave) != 0;
}

/** The exception lasts only while the decrementer is negative: once through all of that, it is over. */
function stillExpired(s: i32): bool {
  const expired = decrementerTicks(s) <= 0;
  if (!expired) store<i32>(s, 0, S_decPending);
  return expired;
}

/** Delivers the most important interrupt that waits. */
function deliverPending(s: i32): void {
  if (!(load<u64>(s, S_msr) & MSR_EE)) return;
  const pc = load<u64>(s, S_pc);
  if (atomic.load<i32>(s + S_externalPending)) deliver(s, VECTOR_EXTERNAL, pc, 0);
  else if (load<i32>(s, S_decPending) && stillExpired(s)) deliver(s, VECTOR_DECREMENTER, pc, 0);
  else if (load<i32>(s, S_doorbellPending) && atomic.xchg<i32>(s + S_doorbellPending, 0)) {
    // A doorbell is over once it has been taken.
    deliver(s, VECTOR_DOORBELL, pc, 0);
  }
}

/** What is done once a slice. True if the caller of run() wants its thread back. */
function endSlice(s: i32): bool {
  if (load<i32>(s, S_sampling)) sampled(s);
  const time = timeBase(s);
  if (time >= load<i64>(s, S_decExpiry)) store<i32>(s, 1, S_decPending);
  const leaveAt = load<i64>(s, S_leaveAt);
  return leaveAt != 0 && time >= leaveAt;
}

/**
 * At the end of a slice, or when `recheck` is set; `pc` is at an instruction boundary and `budget` in the state. Nonzero:
 * the engine returns to its caller with `exitCode`.
 */
export function service(s: i32): i32 {
  store<i32>(s, 0, S_recheck);
  let budget = load<i32>(s, S_budget);
  const executed = load<i32>(s, S_sliceLength) - budget;
  store<u64>(s, load<u64>(s, S_instructions) + (executed >> 3), S_instructions);
  // The look itself counts: a guest that does nothing but raise interrupts comes to the slice's end too.
  budget -= LOOK;
  let leave = false;
  if (budget <= 0) {
    store<u64>(s, load<u64>(s, S_statSlices) + 1, S_statSlices);
    const short = load<i32>(s, S_shortSlices);
    if (short) store<i32>(s, short - 1, S_shortSlices);
    if (short % (SLICE / SHORT_SLICE) == 0) leave = endSlice(s);
    budget = short ? SHORT_SLICE : SLICE;
  }
  store<i32>(s, budget, S_budget);
  store<i32>(s, budget, S_sliceLength);
  if (atomic.load<i32>(s + S_requests)) leave = serveRequests(s) || leave;
  deliverPending(s);
  return <i32>(leave || atomic.load<i32>(s + S_immediateExit) != 0 || load<i32>(s, S_exitCode) != 0);
}

const MTMSR: u32 = 0x7c000124;
const MTMSRD: u32 = 0x7c000164;

/**
 * After one instruction that completed with MSR[SE] or, if it was a branch, MSR[BE] set before and after (so not after
 * those that took an interrupt or came back from one), or that CIABR names: the Trace interrupt. `before` is the MSR before
 * the instruction; `branch` tells whether it was one. mtmsr and mtmsrd are traced as the MSR was that they ran in.
 */
export function traced(s: i32, before: i64, branch: i32): void {
  const opcode = load<u32>(s, S_steppedWord) & 0xfc0007fe;
  const both = opcode == MTMSR || opcode == MTMSRD ? <u64>before : <u64>before & load<u64>(s, S_msr);
  const named = completedAtBreakpoint(s, <u64>before);
  if (named || both & MSR_SE || (both & MSR_BE && branch)) deliverTrace(s, named ? TRACE_NAMED : 0);
}

/** SIAR tells which instruction it was, SDAR what it accessed. */
function deliverTrace(s: i32, cause: u64): void {
  const access = load<i32>(s, S_steppedAccess);
  store<u64>(s, load<u64>(s, S_steppedAt), S_siar);
  if (access) store<u64>(s, load<u64>(s, S_steppedAddress), S_sdar);
  const kind = access == 0 ? 0 : access == 1 ? TRACE_LOAD : TRACE_STORE;
  deliver(s, VECTOR_TRACE, load<u64>(s, S_pc), TRACE_CAUSE | kind | cause);
}

/** wait, and the hints that give the processor away: where several vCPUs share a thread, the others come first. */
export function pause(s: i32): void {
  if (load<i64>(s, S_leaveAt) == 0 || load<i32>(VM_vcpuCount) < 2) return;
  atomic.or<i32>(s + S_requests, REQUEST_leave);
  store<i32>(s, 1, S_recheck);
}

/** isync: mail about code that was written is read before what follows is fetched. */
export function synchronizeContext(s: i32): void {
  if (atomic.load<i32>(s + S_requests)) store<i32>(s, 1, S_recheck);
}
