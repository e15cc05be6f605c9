/**
 * Interrupts that an instruction raises by itself. They are delivered at once, with `pc` still at the instruction; `fault`
 * tells the engine.
 * Source: Power ISA v3.0B, Book III "Program Interrupt", "Alignment Interrupt", "Facility Unavailable Interrupt".
 */
import {
  EXIT_debug,
  S_dar,
  S_exitAddress,
  S_exitCode,
  S_exitData,
  S_fault,
  S_fscr,
  S_msr,
  S_pc,
  S_softwareBreakpoints,
} from "../engines/runtime/layout.generated";
import {
  deliver,
  endInstruction,
  VECTOR_ALIGNMENT,
  VECTOR_FACILITY_UNAVAILABLE,
  VECTOR_FLOAT_UNAVAILABLE,
  VECTOR_PROGRAM,
  VECTOR_VECTOR_UNAVAILABLE,
  VECTOR_VSX_UNAVAILABLE,
} from "./deliver.as";
import { MSR_LE } from "./msr.as";
import { ACCESS_FETCH } from "../mmu/radix.as";
import { hostOf } from "../mmu/slots.as";
import { physical, translate } from "../mmu/translate.as";

/** SRR1 bits of the Program interrupt by `trap`; a PAPR guest sees illegal instructions there too. */
const ILLEGAL: u64 = 0x80000;
const PRIVILEGED: u64 = 0x40000;
const TRAP: u64 = 0x20000;
const FLOAT_ENABLED: u64 = 0x100000;

/** What KVM_REG_PPC_DEBUG_INST answers. */
const SOFTWARE_BREAKPOINT: u32 = 0x00dddd00;

/** The word of an instruction that has just been fetched; 0 if it is gone. */
function wordAt(s: i32, pc: u64): u32 {
  if (translate(s, pc, ACCESS_FETCH) != 0) return 0;
  const host = hostOf(physical);
  if (host == 0) return 0;
  const word = load<u32>(host);
  return load<u64>(s, S_msr) & MSR_LE ? word : bswap(word);
}

/** A Program interrupt: 0 illegal, 1 privileged, 2 trap, 3 floating-point enabled. */
export function raise(s: i32, trap: i32): void {
  if (trap == 0 && load<i32>(s, S_softwareBreakpoints) && wordAt(s, load<u64>(s, S_pc)) == SOFTWARE_BREAKPOINT) {
    store<u64>(s, load<u64>(s, S_pc), S_exitAddress);
    store<i64>(s, 0, S_exitData);
    store<i32>(s, EXIT_debug, S_exitCode);
    store<i32>(s, 1, S_fault);
    return;
  }
  const cause = trap == 0 ? ILLEGAL : trap == 1 ? PRIVILEGED : trap == 2 ? TRAP : FLOAT_ENABLED;
  deliver(s, VECTOR_PROGRAM, load<u64>(s, S_pc), cause);
  endInstruction(s);
}

/** DSISR is left alone: the architecture says that it is undefined. */
export function raiseAlignment(s: i32, ea: i64): void {
  store<i64>(s, ea, S_dar);
  deliver(s, VECTOR_ALIGNMENT, load<u64>(s, S_pc), 0);
  endInstruction(s);
}

/** MSR[FP], [VEC] or [VSX] is off: 0, 1, 2. */
export function raiseUnavailable(s: i32, facility: i32): void {
  const vector =
    facility == 0 ? VECTOR_FLOAT_UNAVAILABLE : facility == 1 ? VECTOR_VECTOR_UNAVAILABLE : VECTOR_VSX_UNAVAILABLE;
  deliver(s, vector, load<u64>(s, S_pc), 0);
  endInstruction(s);
}

/** A facility that FSCR turns off; `cause` goes to FSCR[IC]. */
export function facilityUnavailable(s: i32, cause: i32): void {
  const ic: u64 = 0xff << 56;
  store<u64>(s, (load<u64>(s, S_fscr) & ~ic) | ((<u64>cause) << 56), S_fscr);
  deliver(s, VECTOR_FACILITY_UNAVAILABLE, load<u64>(s, S_pc), 0);
}
