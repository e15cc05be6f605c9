/** What failed translations do. */
import {
  S_breaking,
  S_control,
  S_fault,
  UNTRANSLATED_notCanonical,
  VECTOR_generalProtection,
  VECTOR_pageFault,
  VECTOR_stackFault,
  ERROR_codeOutside,
} from "../engines/runtime/layout.generated";
import { guestStopsHere } from "../interrupts/debug.as";
import { deliverFault } from "../interrupts/deliver.as";
import { reachesStack } from "./stack-operand.as";
import { internalError } from "../../../engine/runtime/internal-error.as";

function raiseBy(s: i32, ea: u64, cause: i32, notCanonical: i32): void {
  const canonical = cause != UNTRANSLATED_notCanonical;
  if (canonical) {
    store<u64>(s, ea, S_control + 16);
    deliverFault(s, VECTOR_pageFault, cause & 0xffff);
  } else deliverFault(s, notCanonical, 0);
}

export function raiseDataFault(s: i32, ea: u64, access: i32, cause: i32): void {
  const byStack = cause == UNTRANSLATED_notCanonical && reachesStack(s);
  raiseBy(s, ea, cause, byStack ? VECTOR_stackFault : VECTOR_generalProtection);
  store<i32>(s, 1, S_fault);
}

/** A breakpoint on the instruction comes before what keeps it from being fetched. */
export function raiseFetchFault(s: i32, ea: u64, cause: i32): void {
  if (load<i32>(s, S_breaking) && guestStopsHere(s)) return;
  raiseBy(s, ea, cause, VECTOR_generalProtection);
}

/** Code where no memory is: no machine of ours has any there. */
export function raiseFetchOutside(s: i32): void {
  internalError(s, ERROR_codeOutside);
}
