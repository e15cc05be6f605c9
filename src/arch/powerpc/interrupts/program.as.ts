/**
 * The Program interrupt, delivered at once, with `pc` still at the instruction; `fault` tells the engine. Debuggers of a
 * guest write an illegal instruction as their breakpoint: if one is there, that is an exit instead.
 * Source: Power ISA v3.0B, Book III "Program Interrupt".
 */
import {
  ACCESS_fetch,
  EXIT_debug,
  S_exitAddress,
  S_exitCode,
  S_exitData,
  S_fault,
  S_msr,
  S_pc,
  S_softwareBreakpoints,
  TRAP_illegal,
  TRAP_privileged,
  TRAP_trap,
} from "../engines/runtime/layout.generated";
import { hostOf } from "../../../engine/runtime/slots.as";
import { physical, translate } from "../mmu/translate.as";
import { deliver, endInstruction, VECTOR_PROGRAM } from "./deliver.as";
import { MSR_LE } from "./msr.as";

/** SRR1 bits of the Program interrupt by `trap`; a PAPR guest sees illegal instructions there too. */
const ILLEGAL: u64 = 0x80000;
const PRIVILEGED: u64 = 0x40000;
const TRAP: u64 = 0x20000;
const FLOAT_ENABLED: u64 = 0x100000;

/** What KVM_REG_PPC_DEBUG_INST answers. */
const SOFTWARE_BREAKPOINT: u32 = 0x00dddd00;

/** The word of an instruction that has just been fetched; 0 if it is gone. */
function wordAt(s: i32, pc: u64): u32 {
  if (translate(s, pc, ACCESS_fetch) != 0) return 0;
  const host = hostOf(physical);
  if (host == 0) return 0;
  const word = load<u32>(host);
  return load<u64>(s, S_msr) & MSR_LE ? word : bswap(word);
}

/** A Program interrupt; `trap` is one of TRAP_*. */
export function raise(s: i32, trap: i32): void {
  if (
    trap == TRAP_illegal &&
    load<i32>(s, S_softwareBreakpoints) &&
    wordAt(s, load<u64>(s, S_pc)) == SOFTWARE_BREAKPOINT
  ) {
    store<u64>(s, load<u64>(s, S_pc), S_exitAddress);
    store<i64>(s, 0, S_exitData);
    store<i32>(s, EXIT_debug, S_exitCode);
    store<i32>(s, 1, S_fault);
    return;
  }
  const cause =
    trap == TRAP_illegal ? ILLEGAL : trap == TRAP_privileged ? PRIVILEGED : trap == TRAP_trap ? TRAP : FLOAT_ENABLED;
  deliver(s, VECTOR_PROGRAM, load<u64>(s, S_pc), cause);
  endInstruction(s);
}
