/**
 * Interrupts that an access to storage raises, with the bits that tell why.
 * Source: Power ISA v3.0B, Book III "Data Storage Interrupt", "Instruction Storage Interrupt", "Machine Check Interrupt".
 */
import {
  ARCH_fwnmi,
  ERROR_checkstop,
  EXIT_machineCheck,
  MSR_ME,
  S_dar,
  S_dsisr,
  S_exitCode,
  S_msr,
  S_pc,
  VECTOR_dataSegment,
  VECTOR_dataStorage,
  VECTOR_instructionSegment,
  VECTOR_instructionStorage,
  VECTOR_machineCheck,
} from "../engines/runtime/layout.generated";
import { prefixedHere } from "../engines/runtime/prefixed.as";
import { deliver, endInstruction } from "./deliver.as";
import { internalError } from "../../../engine/runtime/internal-error.as";

/** SRR1 of a machine check on fetch from a bad real address, as POWER9 reports it. */
const MACHINE_CHECK_FETCH: u64 = 0x080c0000;

export function raiseDataStorage(s: i32, ea: u64, dsisr: i32): void {
  store<u64>(s, ea, S_dar);
  store<u64>(s, <u64>(<u32>dsisr), S_dsisr);
  deliver(s, VECTOR_dataStorage, load<u64>(s, S_pc), prefixedHere(s));
  endInstruction(s);
}

export function raiseDataSegment(s: i32, ea: u64): void {
  store<u64>(s, ea, S_dar);
  deliver(s, VECTOR_dataSegment, load<u64>(s, S_pc), prefixedHere(s));
  endInstruction(s);
}

export function raiseInstructionStorage(s: i32, cause: i32): void {
  deliver(s, VECTOR_instructionStorage, load<u64>(s, S_pc), <u64>(<u32>cause));
}

export function raiseInstructionSegment(s: i32): void {
  deliver(s, VECTOR_instructionSegment, load<u64>(s, S_pc), 0);
}

/** Instructions fetched from where there is no memory. With MSR[ME] off a processor would stop for good. */
export function raiseFetchMachineCheck(s: i32): void {
  const msr = load<u64>(s, S_msr);
  if (!(msr & MSR_ME)) {
    internalError(s, ERROR_checkstop);
    return;
  }
  if (load<i32>(ARCH_fwnmi)) {
    store<i32>(s, EXIT_machineCheck, S_exitCode);
    return;
  }
  deliver(s, VECTOR_machineCheck, load<u64>(s, S_pc), MACHINE_CHECK_FETCH);
  // The handler runs with machine checks off.
  store<u64>(s, load<u64>(s, S_msr) & ~MSR_ME, S_msr);
}
