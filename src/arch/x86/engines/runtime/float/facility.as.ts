/** What SSE, x87 and MMX raise before anything else. Source: Intel SDM, volume 3, "System Programming For x87 And SSE". */
import {
  CR4_exceptions,
  FSW_summary,
  S_avxBlocked,
  S_control,
  S_floatBlocked,
  S_floatStatus,
  S_mmxBlocked,
  S_sseBlocked,
  S_sseFault,
  VECTOR_floatError,
  VECTOR_invalidOpcode,
  VECTOR_simdError,
} from "../layout.generated";
import { raiseWith } from "../../../interrupts/deliver.as";

/** Of an instruction of SSE that may not run. */
export function raiseBlocked(s: i32): void {
  raiseWith(s, load<i32>(s, S_sseBlocked) - 1, 0);
}

export function raiseAvxBlocked(s: i32): void {
  raiseWith(s, load<i32>(s, S_avxBlocked) - 1, 0);
}

/** Of an instruction of MMX's that may not run. */
export function raiseMmx(s: i32): void {
  mmxReady(s);
}

/** SSE's arithmetic has found what is not masked: told to who has said that it wants to know. */
export function raiseFloat(s: i32): void {
  store<i32>(s, 0, S_sseFault);
  const told = (load<u64>(s, S_control + 32) & CR4_exceptions) != 0;
  raiseWith(s, told ? VECTOR_simdError : VECTOR_invalidOpcode, 0);
}

/** Whether the x87 is there; else a fault has been raised. */
export function floatThere(s: i32): bool {
  const blocked = load<i32>(s, S_floatBlocked);
  if (blocked) raiseWith(s, blocked - 1, 0);
  return blocked == 0;
}

/** The same of instructions that first see to exceptions which wait. CR0.NE or not, they are #MF: nobody has an FERR pin. */
export function floatReady(s: i32): bool {
  if (!floatThere(s)) return false;
  if (!(load<i32>(s, S_floatStatus) & FSW_summary)) return true;
  raiseWith(s, VECTOR_floatError, 0);
  return false;
}

/** MMX's instructions, which see to the x87's exceptions. */
export function mmxReady(s: i32): bool {
  const blocked = load<i32>(s, S_mmxBlocked);
  if (blocked) raiseWith(s, blocked - 1, 0);
  else if (load<i32>(s, S_floatStatus) & FSW_summary) raiseWith(s, VECTOR_floatError, 0);
  else return true;
  return false;
}
