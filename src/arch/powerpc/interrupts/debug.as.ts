/**
 * The guest's breakpoint and watchpoint, CIABR and DAWR0; what is done with them is told in engine/runtime/debug.as.ts.
 * Source: Power ISA v3.0B, Book III "Debug Facilities".
 */
import {
  ACCESS_store,
  CAUSE_store,
  CAUSE_watch,
  CIABR_privilege,
  DAWRX_anyTranslation,
  DAWRX_load,
  DAWRX_privileged,
  DAWRX_problem,
  DAWRX_store,
  DAWRX_translated,
  MSR_BE,
  MSR_DR,
  MSR_PR,
  MSR_SE,
  S_ciabr,
  S_dawr0,
  S_dawrx0,
  S_msr,
  S_steppedAt,
  S_steppedWord,
} from "../engines/runtime/layout.generated";
import { raiseDataStorage } from "./storage-interrupts.as";

/** Whether CIABR may name an instruction at this offset in a 4 KiB page, of whatever page it is. */
export function guestBreaksAt(s: i32, offset: i32): bool {
  const ciabr = load<u64>(s, S_ciabr);
  return (ciabr & CIABR_privilege) != 0 && (<i32>ciabr & 0xffc) == offset;
}

/** All code has been dropped when CIABR was written. */
export function guestEntersPage(s: i32, pc: u64, page: i32): void {}

/** CIABR's interrupt comes behind the instruction. */
export function guestStopsHere(s: i32): bool {
  return false;
}

/** Whether MSR asks for a Trace interrupt after an instruction. */
// @ts-ignore: decorator
@inline
export function runsAlone(s: i32): bool {
  return (load<u64>(s, S_msr) & (MSR_SE | MSR_BE)) != 0;
}

/** sc, scv, rfid, rfscv: they never complete with an interrupt of their own behind them. */
function changesContext(word: u32): bool {
  const opcode = word >>> 26;
  if (opcode == 17) return true;
  const extended = (word >>> 1) & 0x3ff;
  return opcode == 19 && (extended == 18 || extended == 82);
}

/** Whether the instruction that has just completed is the one CIABR names; `before` is the MSR that it ran with. */
export function completedAtBreakpoint(s: i32, before: u64): bool {
  const ciabr = load<u64>(s, S_ciabr);
  const privilege = ciabr & CIABR_privilege;
  if (privilege == 0 || (ciabr & ~CIABR_privilege) != load<u64>(s, S_steppedAt)) return false;
  if (privilege != (before & MSR_PR ? 1 : 2)) return false;
  return !changesContext(load<u32>(s, S_steppedWord));
}

// Watchpoints.

function guestWatchEnd(s: i32): u64 {
  const doublewords = ((load<u64>(s, S_dawrx0) >> 10) & 63) + 1;
  return (load<u64>(s, S_dawr0) & ~7) + 8 * doublewords;
}

/** Whether DAWR0 watches any of the bytes of this page. */
export function guestWatchesPage(s: i32, page: u64, mask: u64): bool {
  if (!(load<u64>(s, S_dawrx0) & (DAWRX_load | DAWRX_store))) return false;
  return (load<u64>(s, S_dawr0) & ~7) <= page + mask && guestWatchEnd(s) > page;
}

/** Before a data access that is about to happen. True: DAWR0 watches it, which has been raised. */
export function guestWatches(s: i32, ea: u64, size: i32, access: i32): bool {
  const stores = access == ACCESS_store;
  const end = ea + size;
  const dawrx = load<u64>(s, S_dawrx0);
  const first = load<u64>(s, S_dawr0) & ~7;
  if (!(dawrx & (stores ? DAWRX_store : DAWRX_load)) || ea >= guestWatchEnd(s) || end <= first) return false;
  const msr = load<u64>(s, S_msr);
  if (!(dawrx & (msr & MSR_PR ? DAWRX_problem : DAWRX_privileged))) return false;
  if (!(dawrx & DAWRX_anyTranslation) && ((dawrx & DAWRX_translated) != 0) != ((msr & MSR_DR) != 0)) return false;
  raiseDataStorage(s, ea > first ? ea : first, stores ? CAUSE_watch | CAUSE_store : CAUSE_watch);
  return true;
}
