/**
 * Taking an interrupt: SRR0, SRR1, MSR and the vector's address.
 * Source: Power ISA v3.0B, Book III "Interrupt Definitions", "Alternate Interrupt Location".
 */
import {
  ARCH_ail,
  ARCH_interruptLittleEndian,
  MSR_DR,
  MSR_HV,
  MSR_IR,
  MSR_ME,
  MSR_SF,
  REQUEST_leave,
  S_fault,
  S_lastInterrupt,
  S_msr,
  S_pc,
  S_recheck,
  S_requests,
  S_srr0,
  S_srr1,
  S_statInterrupt,
  S_traceInterrupts,
  VECTOR_machineCheck,
  VECTOR_systemCallVectored,
} from "../engines/runtime/layout.generated";
import { replaceMsr } from "./msr.as";

/** MSR bits 33:36 and 42:47, which SRR1 does not take from the MSR but from the interrupt. */
export const SRR1_CAUSE: u64 = 0x783f0000;

/** AIL: with translation on, interrupts go to where the kernel's text is mapped, and translation stays on. */
const ALTERNATE_2: u64 = 0x18000;
const ALTERNATE_3: u64 = 0xc000000000004000;
const ALTERNATE_3_VECTORED: u64 = 0xc000000000003000;

/** The MSR and pc that every interrupt gives; `kept` are bits of the old MSR that this one leaves alone. */
export function enterVector(s: i32, vector: i32, kept: u64): void {
  const old = load<u64>(s, S_msr);
  let msr: u64 = MSR_SF | (old & (MSR_HV | kept));
  if (load<i32>(ARCH_interruptLittleEndian)) msr |= 1;
  let target = <u64>vector;
  const ail = load<i32>(ARCH_ail);
  if (ail >= 2 && (old & (MSR_IR | MSR_DR)) == (MSR_IR | MSR_DR) && vector > VECTOR_machineCheck) {
    msr |= MSR_IR | MSR_DR;
    if (vector < VECTOR_systemCallVectored) target |= ail == 3 ? ALTERNATE_3 : ALTERNATE_2;
    else if (ail == 3) target = ALTERNATE_3_VECTORED | (target & 0xfff);
  }
  store<u64>(s, target, S_pc);
  store<i32>(s, vector, S_lastInterrupt);
  store<u64>(s, load<u64>(s, S_statInterrupt) + 1, S_statInterrupt);
  replaceMsr(s, msr);
  if (load<i32>(s, S_traceInterrupts)) {
    atomic.or<i32>(s + S_requests, REQUEST_leave);
    store<i32>(s, 1, S_recheck);
  }
}

/**
 * Tells the engine that the instruction ended with an interrupt. It did not complete, so it is not counted; the look that
 * `recheck` asks for keeps a guest that only ever raises interrupts from running for ever.
 */
export function endInstruction(s: i32): void {
  store<i32>(s, 1, S_fault);
  store<i32>(s, 1, S_recheck);
}

/** Takes an interrupt; `cause` are the bits that SRR1 gets from it. */
export function deliver(s: i32, vector: i32, srr0: u64, cause: u64): void {
  store<u64>(s, srr0, S_srr0);
  store<u64>(s, (load<u64>(s, S_msr) & ~SRR1_CAUSE) | cause, S_srr1);
  enterVector(s, vector, MSR_ME);
}
