/**
 * What the engine's half of the run-time library calls of the tiny processor's: a page table of one word a page, faults that
 * leave the engine, and instructions of 1 to 6 bytes. It has no interrupts and no registers for debuggers.
 */
import {
  ARCH_pages,
  ARCH_pageTable,
  ERROR_tooMuchMmio,
  EXIT_pageFault,
  HANDLER_illegal,
  HANDLER_nextPage,
  RIGHT_execute,
  RIGHT_read,
  RIGHT_write,
  S_asid,
  S_codeMap,
  S_codeMaps,
  S_exitAddress,
  S_exitCode,
  S_fault,
  S_fetchAsid,
  S_fetchTlb,
  S_pc,
  S_time,
  S_tlb,
  TLB_pageShift,
  VM_decodeTables,
} from "./layout.generated";
import {
  contextAt,
  asidAt,
  fetchTableOf,
  isRemembered,
  newAsid,
  tableOf,
} from "../../../../src/engine/runtime/contexts.as";
import { internalError } from "../../../../src/engine/runtime/internal-error.as";
import { deriveJumpContext } from "../../../../src/engine/runtime/jump-cache.as";

/** The only cause why a translation fails. */
const NOT_THERE = 1;

// Second results of translate.
export let physical: u64 = 0;
export let rights: i32 = 0;
export let pageShift: i32 = 0;

/** 0, or NOT_THERE. */
export function translate(s: i32, ea: u64, access: i32): i32 {
  const page = ea >> TLB_pageShift;
  const entry = page < <u64>ARCH_pages ? load<i32>(ARCH_pageTable + <i32>page * 4) : 0;
  if (entry == 0) return NOT_THERE;
  physical = ((<u64>(entry - 1)) << TLB_pageShift) | (ea & ((1 << TLB_pageShift) - 1));
  rights = RIGHT_read | RIGHT_write | RIGHT_execute;
  pageShift = TLB_pageShift;
  return 0;
}

function pageFault(s: i32, ea: u64): void {
  store<u64>(s, ea, S_exitAddress);
  store<i32>(s, EXIT_pageFault, S_exitCode);
}

export function raiseDataFault(s: i32, ea: u64, access: i32, cause: i32): void {
  pageFault(s, ea);
  store<i32>(s, 1, S_fault);
}

export function raiseFetchFault(s: i32, ea: u64, cause: i32): void {
  pageFault(s, ea);
}

export function raiseFetchOutside(s: i32): void {
  pageFault(s, load<u64>(s, S_pc));
}

export function effective(s: i32, ea: u64): u64 {
  return ea;
}

export function codeKind(s: i32): i32 {
  return 0;
}

/** Handler numbers by opcode, then lengths by opcode: what target.ts makes of its instructions. */
export function decodeAt(s: i32, host: i32, room: i32, address: u64, kind: i32, filled: i32): u64 {
  const opcode = <i32>load<u8>(host);
  const length = <i32>load<u8>(VM_decodeTables + 256 + opcode);
  if (length == 0) return HANDLER_illegal;
  if (length > room) return HANDLER_nextPage;
  let word: u64 = 0;
  for (let i = 1; i < min(length, 5); i++) word |= (<u64>load<u8>(host + i)) << (8 * (i - 1));
  return (word << 32) | <u64>load<u8>(VM_decodeTables + opcode);
}

export function codePageGone(s: i32): void {}

/** Two contexts for good, each in a table of its own. */
function asidOf(s: i32, name: i32): i64 {
  const slot = contextAt(s, name);
  return isRemembered(s, slot, name) ? asidAt(slot) : newAsid(s, slot, name, name);
}

export function derive(s: i32): void {
  const data = asidOf(s, 1);
  const fetch = asidOf(s, 2);
  store<i64>(s, data, S_asid);
  store<i32>(s, tableOf(s, data), S_tlb);
  store<i64>(s, fetch, S_fetchAsid);
  store<i32>(s, fetchTableOf(s, fetch), S_fetchTlb);
  store<i32>(s, load<i32>(s, S_codeMaps), S_codeMap);
  deriveJumpContext(s, 0);
}

export function resetArch(s: i32): void {}

/** Time is counted in slices. */
export function passTime(s: i32): i64 {
  const time = load<i64>(s, S_time) + 1;
  store<i64>(s, time, S_time);
  return time;
}

export function deliverPending(s: i32): void {}

export function serveOwn(s: i32, requests: i32): void {}

export function runsAlone(s: i32): bool {
  return false;
}

export function guestBreaksAt(s: i32, offset: i32): bool {
  return false;
}

export function guestStopsHere(s: i32): bool {
  return false;
}

export function guestEntersPage(s: i32, pc: u64, page: i32): void {}

export function guestWatchesPage(s: i32, page: u64, mask: u64): bool {
  return false;
}

export function guestWatches(s: i32, ea: u64, size: i32, access: i32): bool {
  return false;
}

// @ts-ignore: decorator
@inline
export function translationEntered(s: i32, entry: i32, access: i32): void {}

export function accessesTooMany(s: i32): void {
  internalError(s, ERROR_tooMuchMmio);
}
