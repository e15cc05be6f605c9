/**
 * The Program interrupt, delivered at once, with `pc` still at the instruction; `fault` tells the engine. Debuggers of a
 * guest write an illegal instruction as their breakpoint: if one is there, that is an exit instead.
 * Source: Power ISA v3.0B, Book III "Program Interrupt".
 */
import {
  EXIT_debug,
  MAGIC_softwareBreakpoint,
  S_dar,
  S_exitAddress,
  S_exitCode,
  S_exitData,
  S_fault,
  S_pc,
  S_softwareBreakpoints,
  TRAP_illegal,
  TRAP_privileged,
  TRAP_trap,
  VECTOR_alignment,
  VECTOR_program,
} from "../engines/runtime/layout.generated";
import { crossesBoundary, prefixedHere, SRR1_BOUNDARY, wordAtPc } from "../engines/runtime/prefixed.as";
import { deliver, endInstruction } from "./deliver.as";

/** SRR1 bits of the Program interrupt by `trap`; a PAPR guest sees illegal instructions there too. */
const ILLEGAL: u64 = 0x80000;
const PRIVILEGED: u64 = 0x40000;
const TRAP: u64 = 0x20000;
const FLOAT_ENABLED: u64 = 0x100000;

/** A Program interrupt; `trap` is one of TRAP_*. */
export function raise(s: i32, trap: i32): void {
  if (trap == TRAP_illegal && load<i32>(s, S_softwareBreakpoints) && wordAtPc(s) == MAGIC_softwareBreakpoint) {
    store<u64>(s, load<u64>(s, S_pc), S_exitAddress);
    store<i64>(s, 0, S_exitData);
    store<i32>(s, EXIT_debug, S_exitCode);
    store<i32>(s, 1, S_fault);
    return;
  }
  const prefixed = prefixedHere(s);
  // What no engine decodes, whichever instruction it would have been.
  if (trap == TRAP_illegal && prefixed && crossesBoundary(load<u64>(s, S_pc))) {
    store<u64>(s, load<u64>(s, S_pc), S_dar);
    deliver(s, VECTOR_alignment, load<u64>(s, S_pc), prefixed | SRR1_BOUNDARY);
    endInstruction(s);
    return;
  }
  const cause =
    trap == TRAP_illegal ? ILLEGAL : trap == TRAP_privileged ? PRIVILEGED : trap == TRAP_trap ? TRAP : FLOAT_ENABLED;
  deliver(s, VECTOR_program, load<u64>(s, S_pc), cause | prefixed);
  endInstruction(s);
}
