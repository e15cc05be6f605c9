/** What the engine's half of the run-time library calls of POWER's. docs/how-to-add-an-architecture.md tells what each does. */
import { S_decExpiry, S_mode, S_steppedAddress } from "./layout.generated";
import { raiseAlignment } from "../../interrupts/raise.as";
import { timeBase } from "../../interrupts/time.as";

export {
  guestBreaksAt,
  guestEntersPage,
  guestStopsHere,
  guestWatches,
  guestWatchesPage,
  runsAlone,
} from "../../interrupts/debug.as";
export { derive } from "../../interrupts/msr.as";
export { deliverPending, passTime, serveOwn } from "../../interrupts/pending.as";
export { raiseFetchMachineCheck as raiseFetchOutside } from "../../interrupts/storage-interrupts.as";
export { effective } from "../../mmu/effective.as";
export { raiseDataFault, raiseFetchFault } from "../../mmu/faults.as";
export { pageShift, physical, rights, translate } from "../../mmu/translate.as";
// The branch last taken may stand in the page that goes.
export { settleComeFrom as codePageGone } from "./come-from.as";
export { decodeAt } from "./decode.as";

/** The decrementer of a vCPU that has never set it: far away. */
const NEVER: i64 = 1 << 54;

/** A vCPU's beginning, besides its registers. */
export function resetArch(s: i32): void {
  store<i64>(s, timeBase(s) + NEVER, S_decExpiry);
}

/** Kinds of code: 0 little-endian, 1 big-endian. */
// @ts-ignore: decorator
@inline
export function codeKind(s: i32): i32 {
  return ~load<i32>(s, S_mode) & 1;
}

// @ts-ignore: decorator
@inline
export function translationEntered(s: i32, entry: i32, access: i32): void {}

/** Only a string has so many, and where storage is not cached it may end in Alignment, whatever it has done before. */
export function accessesTooMany(s: i32): void {
  raiseAlignment(s, load<i64>(s, S_steppedAddress));
}
