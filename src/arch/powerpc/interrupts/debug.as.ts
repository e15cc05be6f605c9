/**
 * Breakpoints and watchpoints, the guest's (CIABR, DAWR0) and those of KVM_SET_GUEST_DEBUG. An instruction that may have a
 * breakpoint is decoded as one that runs alone, and storage that is watched stays out of the table that engines look up
 * inline: nothing else pays for them.
 * Source: Power ISA v3.0B, Book III "Debug Facilities".
 */
import {
  ACCESS_store,
  DEBUG_breakpoint,
  DEBUG_watchRead,
  DEBUG_watchWrite,
  EXIT_debug,
  S_breakAddress,
  S_breakCount,
  S_breaking,
  S_ciabr,
  S_dawr0,
  S_dawrx0,
  S_exitAddress,
  S_exitCode,
  S_exitData,
  S_fault,
  S_mmioReplay,
  S_mode,
  S_msr,
  S_pc,
  S_steppedAt,
  S_steppedWord,
  S_watchAddress,
  S_watchCount,
  S_watching,
  S_watchKind,
} from "../engines/runtime/layout.generated";
import { MSR_BE, MSR_DR, MSR_PR, MSR_SE } from "./msr.as";
import { CAUSE_STORE, CAUSE_WATCH, raiseDataStorage } from "./storage-interrupts.as";

/** CIABR[PRIV]: 0 off, 1 problem state, 2 privileged. */
const CIABR_PRIVILEGE: u64 = 3;
const DAWRX_PROBLEM: u64 = 1;
const DAWRX_PRIVILEGED: u64 = 2;
/** Translation does not matter; else DAWRX_TRANSLATED says which it must be. */
const DAWRX_ANY_TRANSLATION: u64 = 8;
const DAWRX_TRANSLATED: u64 = 0x10;
const DAWRX_LOAD: u64 = 0x20;
const DAWRX_STORE: u64 = 0x40;

function exitDebug(s: i32, address: u64, status: i32): void {
  store<u64>(s, address, S_exitAddress);
  store<i64>(s, status, S_exitData);
  store<i32>(s, EXIT_debug, S_exitCode);
}

/** Whether an instruction at this offset in a 4 KiB page may have a breakpoint, of whatever page it is. */
export function breaksIn(s: i32, offset: i32): bool {
  const ciabr = load<u64>(s, S_ciabr);
  if (ciabr & CIABR_PRIVILEGE && (<i32>ciabr & 0xffc) == offset) return true;
  for (let i = 0, count = load<i32>(s, S_breakCount); i < count; i++) {
    if ((load<i32>(s + 8 * i, S_breakAddress) & 0xffc) == offset) return true;
  }
  return false;
}

/** Before an instruction that runs alone. 1: KVM's user has a breakpoint there, and the engine leaves. */
export function stopsHere(s: i32): i32 {
  const count = load<i32>(s, S_breakCount);
  if (count == 0 || load<i32>(s, S_mmioReplay)) return 0;
  const pc = load<u64>(s, S_pc);
  for (let i = 0; i < count; i++) {
    if ((load<u64>(s + 8 * i, S_breakAddress) & ~3) != pc) continue;
    exitDebug(s, pc, DEBUG_breakpoint);
    return 1;
  }
  return 0;
}

/** The next instruction, where a breakpoint may be, is to run alone. */
export function runAlone(s: i32): i32 {
  store<i32>(s, load<i32>(s, S_mode) | 4, S_mode);
  return 0;
}

/** After an instruction that ran alone; `entry` is where it is decoded. */
export function ranAlone(s: i32, entry: i32): void {
  if (load<i32>(s, S_breaking)) store<i32>(entry, 0);
  const traced = <i32>((load<u64>(s, S_msr) & (MSR_SE | MSR_BE)) != 0);
  store<i32>(s, (load<i32>(s, S_mode) & 3) | (traced << 2), S_mode);
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
  const privilege = ciabr & CIABR_PRIVILEGE;
  if (privilege == 0 || (ciabr & ~CIABR_PRIVILEGE) != load<u64>(s, S_steppedAt)) return false;
  if (privilege != (before & MSR_PR ? 1 : 2)) return false;
  return !changesContext(load<u32>(s, S_steppedWord));
}

// Watchpoints.

function guestWatchEnd(s: i32): u64 {
  const doublewords = ((load<u64>(s, S_dawrx0) >> 10) & 63) + 1;
  return (load<u64>(s, S_dawr0) & ~7) + 8 * doublewords;
}

/** Whether any of the bytes of this page are watched; the page must then not be found without asking. */
export function isWatchedPage(s: i32, page: u64, mask: u64): bool {
  if (!load<i32>(s, S_watching)) return false;
  for (let i = 0, count = load<i32>(s, S_watchCount); i < count; i++) {
    if ((load<u64>(s + 8 * i, S_watchAddress) & ~mask) == page) return true;
  }
  if (!(load<u64>(s, S_dawrx0) & (DAWRX_LOAD | DAWRX_STORE))) return false;
  return (load<u64>(s, S_dawr0) & ~7) <= page + mask && guestWatchEnd(s) > page;
}

/** Before a data access that is about to happen. True: it is watched, and does not. */
export function watchedAccess(s: i32, ea: u64, size: i32, access: i32): bool {
  if (!load<i32>(s, S_watching)) return false;
  const stores = access == ACCESS_store;
  const end = ea + size;
  for (let i = 0, count = load<i32>(s, S_watchCount); i < count; i++) {
    const address = load<u64>(s + 8 * i, S_watchAddress);
    const status = stores ? DEBUG_watchWrite : DEBUG_watchRead;
    if (address < ea || address >= end || !(load<i32>(s + 4 * i, S_watchKind) & status)) continue;
    exitDebug(s, address, status);
    store<i32>(s, 1, S_fault);
    return true;
  }
  const dawrx = load<u64>(s, S_dawrx0);
  const first = load<u64>(s, S_dawr0) & ~7;
  if (!(dawrx & (stores ? DAWRX_STORE : DAWRX_LOAD)) || ea >= guestWatchEnd(s) || end <= first) return false;
  const msr = load<u64>(s, S_msr);
  if (!(dawrx & (msr & MSR_PR ? DAWRX_PROBLEM : DAWRX_PRIVILEGED))) return false;
  if (!(dawrx & DAWRX_ANY_TRANSLATION) && ((dawrx & DAWRX_TRANSLATED) != 0) != ((msr & MSR_DR) != 0)) return false;
  raiseDataStorage(s, ea > first ? ea : first, stores ? CAUSE_WATCH | CAUSE_STORE : CAUSE_WATCH);
  return true;
}
