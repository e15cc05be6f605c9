/**
 * Breakpoints and watchpoints, the guest's and those of who uses KVM. An instruction that may have a breakpoint is decoded as
 * one that runs alone, and storage that is watched stays out of the table that engines look up inline: nothing else pays for
 * them.
 */
import { MODE_alone, S_breaking, S_mode, S_watching } from "./layout.target";
import { guestWatches, guestWatchesPage, runsAlone } from "./arch.target";
import { userWatches, userWatchesPage } from "./debug-points.as";
import { forgetCrossing } from "./decoded-code.as";

/** The next instruction, where a breakpoint may be or that goes over a page's end, is to run alone. */
export function runAlone(s: i32): i32 {
  store<i32>(s, load<i32>(s, S_mode) | MODE_alone, S_mode);
  return 0;
}

/** After an instruction that ran alone; `entry` is where it is decoded. */
export function ranAlone(s: i32, entry: i32): void {
  if (load<i32>(s, S_breaking)) store<i32>(entry, 0);
  forgetCrossing(s, entry);
  store<i32>(s, (load<i32>(s, S_mode) & (MODE_alone - 1)) | (runsAlone(s) ? MODE_alone : 0), S_mode);
}

/** Whether any of the bytes of this page are watched; the page must then not be found without asking. */
export function isWatchedPage(s: i32, page: u64, mask: u64): bool {
  if (!load<i32>(s, S_watching)) return false;
  return userWatchesPage(s, page, mask) || guestWatchesPage(s, page, mask);
}

/** Before a data access that is about to happen. True: it is watched, and does not. */
export function watchedAccess(s: i32, ea: u64, size: i32, access: i32): bool {
  if (!load<i32>(s, S_watching)) return false;
  return userWatches(s, ea, size, access) || guestWatches(s, ea, size, access);
}
