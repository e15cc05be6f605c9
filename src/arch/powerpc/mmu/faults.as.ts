/** The interrupts that a failed translation raises, by the causes that `translate` gives. */
import {
  ACCESS_fetch,
  ACCESS_store,
  CAUSE_store,
  EVENT_fault,
  S_fault,
  UNTRANSLATED_exit,
  UNTRANSLATED_segment,
} from "../engines/runtime/layout.generated";
import { traceMmu } from "../../../engine/runtime/events.as";
import {
  raiseDataSegment,
  raiseDataStorage,
  raiseInstructionSegment,
  raiseInstructionStorage,
} from "../interrupts/storage-interrupts.as";

/** Of a load or store. */
export function raiseDataFault(s: i32, ea: u64, access: i32, cause: i32): void {
  traceMmu(
    s,
    EVENT_fault,
    ea,
    0,
    access,
    access == ACCESS_store && cause > UNTRANSLATED_exit ? cause | CAUSE_store : cause,
  );
  if (cause == UNTRANSLATED_segment) raiseDataSegment(s, ea);
  else if (cause != UNTRANSLATED_exit) raiseDataStorage(s, ea, access == ACCESS_store ? cause | CAUSE_store : cause);
}

/** Of a fetch. */
export function raiseFetchFault(s: i32, ea: u64, cause: i32): void {
  traceMmu(s, EVENT_fault, ea, 0, ACCESS_fetch, cause);
  if (cause == UNTRANSLATED_segment) raiseInstructionSegment(s);
  else if (cause != UNTRANSLATED_exit) raiseInstructionStorage(s, cause);
  // Nobody looks at it behind a fetch.
  else store<i32>(s, 0, S_fault);
}
