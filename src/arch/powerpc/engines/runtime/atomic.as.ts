/**
 * Atomic memory operations.
 * Source: Power ISA v3.0B, Book II "Atomic Memory Operations".
 *
 * They are made of load and reserve and store conditional, tried until the store is performed. Operations on two locations
 * are atomic on the one that they change; store twin, which changes two, takes them one after the other.
 */
import { loadSlow } from "../../../../engine/runtime/access.as";
import { loadReserve, storeConditional } from "../../mmu/reservation.as";
import { S_fault } from "./layout.generated";

// Function codes.
const ADD = 0;
const XOR = 1;
const OR = 2;
const AND = 3;
const MAX_U = 4;
const MAX_S = 5;
const MIN_U = 6;
const MIN_S = 7;
const SWAP = 8;
const SWAP_NOT_EQUAL = 16;
const INCREMENT_BOUNDED = 24;
const INCREMENT_EQUAL = 25;
const DECREMENT_BOUNDED = 28;
const TWIN = 24;

function signed(value: i64, size: i32): i64 {
  return size == 4 ? <i64>(<i32>value) : value;
}

function unsigned(value: i64, size: i32): u64 {
  return size == 4 ? <u64>(<u32>value) : value;
}

/** What functions 0 to 8 leave in memory. */
function combined(operation: i32, size: i32, old: i64, operand: i64): i64 {
  switch (operation) {
    case ADD:
      return old + operand;
    case XOR:
      return old ^ operand;
    case OR:
      return old | operand;
    case AND:
      return old & operand;
    case MAX_U:
      return unsigned(old, size) > unsigned(operand, size) ? old : operand;
    case MAX_S:
      return signed(old, size) > signed(operand, size) ? old : operand;
    case MIN_U:
      return unsigned(old, size) < unsigned(operand, size) ? old : operand;
    case MIN_S:
      return signed(old, size) < signed(operand, size) ? old : operand;
    default:
      return operand;
  }
}

/** lwat, ldat. `first` and `second` are the registers after RT. */
export function atomicLoadOperation(
  s: i32,
  ea: i64,
  size: i32,
  operation: i32,
  first: i64,
  second: i64,
  bigEndian: i32,
): i64 {
  while (true) {
    const old = loadReserve(s, ea, size, bigEndian);
    if (load<i32>(s, S_fault)) return 0;
    let value: i64;
    if (operation <= SWAP) {
      value = combined(operation, size, old, first);
    } else if (operation == SWAP_NOT_EQUAL) {
      if (unsigned(old, size) == unsigned(first, size)) return old;
      value = second;
    } else {
      const other = loadSlow(s, operation == DECREMENT_BOUNDED ? ea - size : ea + size, size, bigEndian);
      if (load<i32>(s, S_fault)) return 0;
      if ((old == other) != (operation == INCREMENT_EQUAL)) return <i64>((<u64>1) << (8 * size - 1));
      value = operation == DECREMENT_BOUNDED ? old - 1 : old + 1;
    }
    if (storeConditional(s, ea, size, value, bigEndian)) return old;
    if (load<i32>(s, S_fault)) return 0;
  }
}

/** stwat, stdat. */
export function atomicStoreOperation(s: i32, ea: i64, size: i32, operation: i32, operand: i64, bigEndian: i32): void {
  if (operation == TWIN) {
    // A fault is told of the first.
    loadSlow(s, ea, size, bigEndian);
    if (load<i32>(s, S_fault)) return;
    const other = loadSlow(s, ea + size, size, bigEndian);
    if (load<i32>(s, S_fault)) return;
    while (true) {
      const old = loadReserve(s, ea, size, bigEndian);
      if (load<i32>(s, S_fault) || old != other) return;
      if (storeConditional(s, ea, size, operand, bigEndian)) break;
      if (load<i32>(s, S_fault)) return;
    }
    // Both lie in one 32-byte block, so the second store cannot fault where the first did not.
    loadReserve(s, ea + size, size, bigEndian);
    storeConditional(s, ea + size, size, operand, bigEndian);
    return;
  }
  while (true) {
    const old = loadReserve(s, ea, size, bigEndian);
    if (load<i32>(s, S_fault)) return;
    if (storeConditional(s, ea, size, combined(operation, size, old, operand), bigEndian)) return;
    if (load<i32>(s, S_fault)) return;
  }
}
