/**
 * System calls and the returns from interrupts. They set `pc` themselves, having found it at the instruction.
 * Source: Power ISA v3.0B, Book III "System Linkage Instructions".
 */
import {
  ARCH_pvCalls,
  EXIT_hypercall,
  EXIT_osi,
  EXIT_pvCall,
  FACILITYCAUSE_systemCallVectored,
  MAGIC_osiR3,
  MAGIC_osiR4,
  MAGIC_pvR0,
  MSR_EE,
  MSR_HV,
  MSR_ME,
  MSR_PR,
  MSR_RI,
  MSR_SF,
  S_ctr,
  S_exitCode,
  S_fscr,
  S_gpr,
  S_lr,
  S_msr,
  S_osi,
  S_pc,
  S_srr0,
  S_srr1,
  VECTOR_systemCall,
  VECTOR_systemCallVectored,
} from "../engines/runtime/layout.generated";
import { deliver, enterVector, SRR1_CAUSE } from "./deliver.as";
import { MSR_VALID, recheckIfPending, replaceMsr, withProblemState } from "./msr.as";
import { comeFromHere } from "../engines/runtime/come-from.as";
import { facilityUnavailable } from "./raise.as";

const FSCR_SCV: u64 = 1 << FACILITYCAUSE_systemCallVectored;

/** The address of the next instruction. */
function following(s: i32): u64 {
  const next = load<u64>(s, S_pc) + 4;
  return load<u64>(s, S_msr) & MSR_SF ? next : next & 0xffffffff;
}

/** sc. LEV 1 is a hypercall, but from problem state: there it is a system call like any other, as under KVM. */
export function systemCall(s: i32, lev: i32): void {
  const next = following(s);
  if (lev == 1 && !(load<u64>(s, S_msr) & MSR_PR)) {
    store<u64>(s, next, S_pc);
    store<i32>(s, EXIT_hypercall, S_exitCode);
    return;
  }
  if (load<i32>(s, S_osi) && load<u64>(s, S_gpr + 3 * 8) == MAGIC_osiR3 && load<u64>(s, S_gpr + 4 * 8) == MAGIC_osiR4) {
    store<u64>(s, next, S_pc);
    store<i32>(s, EXIT_osi, S_exitCode);
    return;
  }
  if (load<i32>(ARCH_pvCalls) && !(load<u64>(s, S_msr) & MSR_PR) && load<u32>(s, S_gpr) == MAGIC_pvR0) {
    store<u64>(s, next, S_pc);
    store<i32>(s, EXIT_pvCall, S_exitCode);
    return;
  }
  deliver(s, VECTOR_systemCall, next, 0);
}

/** scv: the state is kept in LR and CTR, and interrupts stay as enabled as they were. */
export function systemCallVectored(s: i32, lev: i32): void {
  if (!(load<u64>(s, S_fscr) & FSCR_SCV)) {
    facilityUnavailable(s, FACILITYCAUSE_systemCallVectored);
    return;
  }
  store<u64>(s, following(s), S_lr);
  store<u64>(s, load<u64>(s, S_msr) & ~SRR1_CAUSE, S_ctr);
  enterVector(s, VECTOR_systemCallVectored + (lev & 127) * 32, MSR_ME | MSR_EE | MSR_RI);
}

/** Goes to `target` with the saved MSR, of which HV and ME are not taken over. */
function comeBack(s: i32, target: u64, saved: u64): void {
  comeFromHere(s);
  const kept: u64 = MSR_HV | MSR_ME;
  const msr = withProblemState((saved & MSR_VALID & ~kept) | (load<u64>(s, S_msr) & kept));
  target &= ~3;
  store<u64>(s, msr & MSR_SF ? target : target & 0xffffffff, S_pc);
  replaceMsr(s, msr);
  recheckIfPending(s, msr);
}

/** rfid. */
export function returnFromInterrupt(s: i32): void {
  comeBack(s, load<u64>(s, S_srr0), load<u64>(s, S_srr1));
}

/** rfscv. */
export function returnFromSystemCallVectored(s: i32): void {
  comeBack(s, load<u64>(s, S_lr), load<u64>(s, S_ctr));
}
