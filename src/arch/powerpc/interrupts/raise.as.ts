/**
 * Interrupts that an instruction raises by itself, beside Program (program.as.ts). They are delivered at once, with `pc`
 * still at the instruction; `fault` tells the engine.
 * Source: Power ISA v3.0B, Book III "Alignment Interrupt", "Facility Unavailable Interrupt".
 */
import {
  FACILITY_float,
  FACILITY_vector,
  S_dar,
  S_fscr,
  S_pc,
  VECTOR_alignment,
  VECTOR_facilityUnavailable,
  VECTOR_floatUnavailable,
  VECTOR_vectorUnavailable,
  VECTOR_vsxUnavailable,
} from "../engines/runtime/layout.generated";
import { prefixedHere } from "../engines/runtime/prefixed.as";
import { deliver, endInstruction } from "./deliver.as";

/** DSISR is left alone: the architecture says that it is undefined. */
export function raiseAlignment(s: i32, ea: i64): void {
  store<i64>(s, ea, S_dar);
  deliver(s, VECTOR_alignment, load<u64>(s, S_pc), prefixedHere(s));
  endInstruction(s);
}

/** MSR[FP], [VEC] or [VSX] is off: `facility` is one of FACILITY_*. */
export function raiseUnavailable(s: i32, facility: i32): void {
  const vector =
    facility == FACILITY_float
      ? VECTOR_floatUnavailable
      : facility == FACILITY_vector
        ? VECTOR_vectorUnavailable
        : VECTOR_vsxUnavailable;
  deliver(s, vector, load<u64>(s, S_pc), prefixedHere(s));
  endInstruction(s);
}

/** A facility that FSCR turns off; `cause` goes to FSCR[IC]. */
export function facilityUnavailable(s: i32, cause: i32): void {
  const ic: u64 = 0xff << 56;
  store<u64>(s, (load<u64>(s, S_fscr) & ~ic) | ((<u64>cause) << 56), S_fscr);
  deliver(s, VECTOR_facilityUnavailable, load<u64>(s, S_pc), prefixedHere(s));
}
