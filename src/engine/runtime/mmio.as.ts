/**
 * Accesses outside memory: one exit each, then the instruction is run again and finds the answers in order.
 * `exitData` and `mmioValues` hold the bytes as they would lie in storage, the first at the lowest address.
 */
import {
  EXIT_mmio,
  N_mmioValues,
  S_exitAddress,
  S_exitCode,
  S_exitData,
  S_exitSize,
  S_exitWrite,
  S_fault,
  S_mmioCompleted,
  S_mmioConsumed,
  S_mmioReplay,
  S_mmioValues,
} from "./layout.target";
import { accessesTooMany } from "./arch.target";

/** The bytes that mmioAccess read. */
export let mmioData: u64 = 0;

/** 1 to 8 bytes at a guest physical address. False: the engine leaves, the access is not done yet. */
export function mmioAccess(s: i32, address: u64, size: i32, write: bool, data: u64): bool {
  const consumed = load<i32>(s, S_mmioConsumed);
  if (load<i32>(s, S_mmioReplay) && consumed < load<i32>(s, S_mmioCompleted)) {
    mmioData = load<u64>(s + consumed * 8, S_mmioValues);
    store<i32>(s, consumed + 1, S_mmioConsumed);
    return true;
  }
  // The next run of the instruction starts over.
  store<i32>(s, 0, S_mmioConsumed);
  if (consumed >= N_mmioValues) {
    accessesTooMany(s);
    return false;
  }
  store<u64>(s, address, S_exitAddress);
  store<i32>(s, size, S_exitSize);
  store<i32>(s, <i32>write, S_exitWrite);
  store<u64>(s, data, S_exitData);
  store<i32>(s, EXIT_mmio, S_exitCode);
  store<i32>(s, 1, S_fault);
  return false;
}
