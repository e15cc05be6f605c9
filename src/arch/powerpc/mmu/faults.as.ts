/** The interrupts that a failed translation raises, by the causes that `translate` gives. */
import { ACCESS_fetch, ACCESS_store, EVENT_fault, S_fault } from "../engines/runtime/layout.generated";
import { traceMmu } from "../../../engine/runtime/events.as";
import { CAUSE_STORE } from "./causes.as";
import {
  raiseDataSegment,
  raiseDataStorage,
  raiseInstructionSegment,
  raiseInstructionStorage,
} from "../interrupts/storage-interrupts.as";
import { CAUSE_EXIT, CAUSE_SEGMENT } from "./radix.as";

/** Of a load or store. */
export function raiseDataFault(s: i32, ea: u64, access: i32, cause: i32): void {
  traceMmu(s, EVENT_fault, ea, 0, access, access == ACCESS_store && cause > CAUSE_EXIT ? cause | CAUSE_STORE : cause);
  if (cause == CAUSE_SEGMENT) raiseDataSegment(s, ea);
  else if (cause != CAUSE_EXIT) raiseDataStorage(s, ea, access == ACCESS_store ? cause | CAUSE_STORE : cause);
}

/** Of a fetch. */
export function raiseFetchFault(s: i32, ea: u64, cause: i32): void {
  traceMmu(s, EVENT_fault, ea, 0, ACCESS_fetch, cause);
  if (cause == CAUSE_SEGMENT) raiseInstructionSegment(s);
  else if (cause != CAUSE_EXIT) raiseInstructionStorage(s, cause);
  // Nobody looks at it behind a fetch.
  else store<i32>(s, 0, S_fault);
}
