/** What the engine's half of the run-time library calls of x86's. docs/how-to-add-an-architecture.md tells what each does. */
import { internalError } from "../../../../engine/runtime/internal-error.as";
import { ERROR_tooMuchMmio, S_cpuidCount, S_features, S_shadow } from "./layout.generated";
import { deriveDebug } from "../../interrupts/debug.as";
import { is64, presentKind } from "../../mmu/mode.as";
import { decodeIn } from "./decode.as";
import { forgetRecords } from "./records.as";

export {
  guestBreaksAt,
  guestEntersPage,
  guestStopsHere,
  guestWatches,
  guestWatchesPage,
  runsAlone,
} from "../../interrupts/debug.as";
export { deliverPending, passTime, serveOwn } from "../../interrupts/pending.as";
export { derive, translationEntered } from "../../mmu/context.as";
export { raiseDataFault, raiseFetchFault, raiseFetchOutside } from "../../mmu/faults.as";
export { pageShift, physical, rights, translate } from "../../mmu/translate.as";

/** Outside 64-bit mode, addresses have 32 bits. */
export function effective(s: i32, ea: u64): u64 {
  return is64(s) ? ea : ea & 0xffffffff;
}

export function codeKind(s: i32): i32 {
  return presentKind(s);
}

export function decodeAt(s: i32, host: i32, room: i32, address: u64, kind: i32, filled: i32): u64 {
  return decodeIn(s, host, room, kind);
}

export function codePageGone(s: i32): void {}

/** A vCPU's beginning, besides its registers: without its user's CPUID it has all instructions. */
export function resetArch(s: i32): void {
  forgetRecords(s);
  store<i32>(s, 0, S_shadow);
  if (load<i32>(s, S_cpuidCount) == 0) store<i64>(s, -1, S_features);
  deriveDebug(s);
}

// @ts-ignore: decorator
@inline
export function accessesTooMany(s: i32): void {
  internalError(s, ERROR_tooMuchMmio);
}
