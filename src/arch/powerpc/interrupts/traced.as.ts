/**
 * The Trace interrupt.
 * Source: Power ISA v3.0B, Book III "Trace Interrupt".
 */
import {
  MSR_BE,
  MSR_SE,
  S_msr,
  S_pc,
  S_sdar,
  S_siar,
  S_steppedAccess,
  S_steppedAddress,
  S_steppedAt,
  S_steppedWord,
  VECTOR_trace,
} from "../engines/runtime/layout.generated";
import { completedAtBreakpoint } from "./debug.as";
import { deliver } from "./deliver.as";

/** SRR1 bits of the Trace interrupt: 33 always, 35 after a load, 36 after a store. */
const TRACE_CAUSE: u64 = 0x40000000;
const TRACE_LOAD: u64 = 0x10000000;
const TRACE_STORE: u64 = 0x8000000;
/** SRR1 bit 43: the instruction that CIABR names. */
const TRACE_NAMED: u64 = 0x100000;

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
  deliver(s, VECTOR_trace, load<u64>(s, S_pc), TRACE_CAUSE | kind | cause);
}
