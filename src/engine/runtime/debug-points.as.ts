/**
 * Breakpoints and watchpoints of who uses KVM (KVM_SET_GUEST_DEBUG), as lists in the vCPU's state; the guest's own are its
 * architecture's. What is done with both is told in debug.as.ts.
 */
import {
  ACCESS_store,
  CODE_shift,
  CODE_unit,
  DEBUG_breakpoint,
  DEBUG_watchRead,
  DEBUG_watchWrite,
  EXIT_debug,
  S_breakAddress,
  S_breakCount,
  S_breaking,
  S_exitAddress,
  S_exitCode,
  S_exitData,
  S_fault,
  S_mmioReplay,
  S_pc,
  S_watchAddress,
  S_watchCount,
  S_watchKind,
} from "./layout.target";
import { guestStopsHere } from "./arch.target";

/** Leaves for the user's debugger; `status` is one of DEBUG_*. */
function exitDebug(s: i32, address: u64, status: i32): void {
  store<u64>(s, address, S_exitAddress);
  store<i64>(s, status, S_exitData);
  store<i32>(s, EXIT_debug, S_exitCode);
}

/** Whether there may be a breakpoint at this offset in a 4 KiB page, of whatever page it is. */
export function userBreaksAt(s: i32, offset: i32): bool {
  for (let i = 0, count = load<i32>(s, S_breakCount); i < count; i++) {
    if ((load<i32>(s + 8 * i, S_breakAddress) & ((1 << CODE_shift) - CODE_unit)) == offset) return true;
  }
  return false;
}

/** Before an instruction that runs alone. 1: there is a breakpoint; the engine leaves, or an exception has been delivered. */
export function stopsHere(s: i32): i32 {
  if (!load<i32>(s, S_breaking) || load<i32>(s, S_mmioReplay)) return 0;
  const count = load<i32>(s, S_breakCount);
  const pc = load<u64>(s, S_pc);
  for (let i = 0; i < count; i++) {
    if ((load<u64>(s + 8 * i, S_breakAddress) & ~(CODE_unit - 1)) != pc) continue;
    exitDebug(s, pc, DEBUG_breakpoint);
    return 1;
  }
  return <i32>guestStopsHere(s);
}

/** Whether any of the bytes of this page are watched. */
export function userWatchesPage(s: i32, page: u64, mask: u64): bool {
  for (let i = 0, count = load<i32>(s, S_watchCount); i < count; i++) {
    if ((load<u64>(s + 8 * i, S_watchAddress) & ~mask) == page) return true;
  }
  return false;
}

/** Before a data access that is about to happen. True: it is watched, and the engine leaves. */
export function userWatches(s: i32, ea: u64, size: i32, access: i32): bool {
  const status = access == ACCESS_store ? DEBUG_watchWrite : DEBUG_watchRead;
  const end = ea + size;
  for (let i = 0, count = load<i32>(s, S_watchCount); i < count; i++) {
    const address = load<u64>(s + 8 * i, S_watchAddress);
    if (address < ea || address >= end || !(load<i32>(s + 4 * i, S_watchKind) & status)) continue;
    exitDebug(s, address, status);
    store<i32>(s, 1, S_fault);
    return true;
  }
  return false;
}
