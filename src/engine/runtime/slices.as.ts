/** What happens between slices: requests of others, the clock, and interrupts that wait. */
import {
  CODE_entrySize,
  CODE_usual,
  EVENT_flush,
  REQUEST_context,
  REQUEST_dropPages,
  REQUEST_flushCode,
  REQUEST_flushTlb,
  REQUEST_leave,
  REQUEST_mail,
  S_budget,
  S_exitCode,
  S_exitsToSample,
  S_immediateExit,
  S_instructions,
  S_leaveAt,
  S_recheck,
  S_requests,
  S_sampling,
  S_shortSlices,
  S_sliceLength,
  S_statSlices,
} from "./layout.target";
import { deliverPending, derive, passTime, serveOwn } from "./arch.target";
import { dropAllCode, readMail } from "./code-pages.as";
import { traceMmu } from "./events.as";
import { dropRequested } from "./invalidate.as";

/** What a usual instruction takes of the budget. */
const INSTRUCTION = CODE_usual * CODE_entrySize;
/** 16384 instructions: some 30 microseconds, which is how late an interrupt may be. */
const SLICE = 16384 * INSTRUCTION;
/**
 * After another vCPU has asked for translations to be dropped, and probably asks again: slices this short, so many. A whole
 * slice's work is done only after as many of them as make one.
 */
const SHORT_SLICE = 512 * INSTRUCTION;
const SHORT_SLICES = 256;
/** What a look before the slice's end takes from it. */
const LOOK = 16 * INSTRUCTION;
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
  serveOwn(s, requests);
  return (requests & REQUEST_leave) != 0;
}

/**
 * Before an instruction that is run again, since its accesses have been answered: what others asked for meanwhile, translations to
 * be dropped among it. Interrupts and who wants the thread back come after it.
 */
export function serveAgain(s: i32): void {
  if (!atomic.load<i32>(s + S_requests)) return;
  if (serveRequests(s)) atomic.or<i32>(s + S_requests, REQUEST_leave);
  store<i32>(s, 1, S_recheck);
}

/** What is done once a slice. True if the caller of run() wants its thread back. */
function endSlice(s: i32): bool {
  if (load<i32>(s, S_sampling)) sampled(s);
  const time = passTime(s);
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
  store<u64>(s, load<u64>(s, S_instructions) + executed / CODE_entrySize, S_instructions);
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

/**
 * What gives the processor away (POWER's wait and low priorities): what waits is looked at now, not at the slice's end, since a
 * guest that does so waits for it. On a thread with others to run, vCPUs or the devices' side, these come first.
 */
export function pause(s: i32): void {
  if (load<i64>(s, S_leaveAt) != 0) atomic.or<i32>(s + S_requests, REQUEST_leave);
  store<i32>(s, 1, S_recheck);
}

/** What lets code be seen that was written: mail about it is read before what follows is fetched. */
export function synchronizeContext(s: i32): void {
  if (atomic.load<i32>(s + S_requests)) store<i32>(s, 1, S_recheck);
}
