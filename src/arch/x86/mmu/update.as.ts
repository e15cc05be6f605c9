/** Operands in memory that are read and then written, where the soft TLB has not what they need. */
import { ACCESS_store, S_crossing, S_fault, S_updateAddress } from "../engines/runtime/layout.generated";
import { loadSlow, storeSlow } from "../../../engine/runtime/access.as";
import {
  ADDRESS_FAULT,
  ADDRESS_OUTSIDE,
  dataAddress,
  extentMask,
  watched,
} from "../../../engine/runtime/data-address.as";
import { watchedAccess } from "../../../engine/runtime/debug.as";
import { dropsBeforeAccess } from "../../../engine/runtime/invalidate.as";

/**
 * Host address of the operand if it is memory, of one page, without decoded code; else of the buffer that it has been read
 * into, from which `updateDone` writes it. 0: a fault, or the engine leaves.
 */
export function updateSlow(s: i32, ea: i64, size: i32): i32 {
  if (dropsBeforeAccess(s) || watchedAccess(s, ea, size, ACCESS_store)) return 0;
  const host = dataAddress(s, ea, ACCESS_store);
  if (host == ADDRESS_FAULT) return 0;
  const within = (<i32>ea & extentMask) + size <= extentMask + 1;
  if (within && <u32>host > <u32>ADDRESS_OUTSIDE && !watched) return host;
  if (!within && dataAddress(s, (ea | extentMask) + 1, ACCESS_store) == ADDRESS_FAULT) return 0;
  const old = loadSlow(s, ea, size, 0);
  if (load<i32>(s, S_fault)) return 0;
  store<i64>(s, old, S_crossing);
  store<i64>(s, ea, S_updateAddress);
  return s + S_crossing;
}

/** The buffer has been written. */
export function updateDone(s: i32, size: i32): void {
  const bytes = load<i64>(s, S_crossing);
  const value = size == 8 ? bytes : bytes & (((<i64>1) << (8 * size)) - 1);
  storeSlow(s, load<i64>(s, S_updateAddress), size, value, 0);
}
