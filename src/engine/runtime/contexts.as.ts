/**
 * Soft-TLB contexts: which numbers (asids) tag the translations of an address space. A context is whatever makes the same
 * effective address mean something else; which there are is the architecture's, and it gives each a key and a place in a list.
 *
 * An asid's low bits name its table, so that contexts that alternate do not evict one another. Dropping a whole context is
 * forgetting its number; numbers are only made free again, and the table cleared, when a table has used all of its own.
 */
import {
  N_contexts,
  S_contextGeneration,
  S_contexts,
  S_tableNext,
  SMALLTLB_entries,
  SMALLTLB_entrySize,
  TLB_asidBits,
  TLB_fetch,
  TLB_tables,
  TLB_tableSize,
  VCPU_smallTlb,
  VCPU_tlb,
} from "./layout.target";
import { forgetJumps } from "./jump-cache.as";

/** How many contexts are remembered: pairs of key and asid. */
export const CONTEXTS = N_contexts / 2;
const CONTEXT_SIZE = 16;
/** A key: generation in the upper 28 bits, the architecture's in the others, never 0. */
const GENERATION_SHIFT = 36;
const NUMBERS_PER_TABLE = (1 << TLB_asidBits) / TLB_tables;

/** Where a context is remembered. */
// @ts-ignore: decorator
@inline
export function contextAt(s: i32, index: i32): i32 {
  return s + S_contexts + index * CONTEXT_SIZE;
}

/** The key of what the architecture calls `name`, of up to 36 bits, not 0. */
// @ts-ignore: decorator
@inline
function contextKey(s: i32, name: i64): i64 {
  return load<i64>(s, S_contextGeneration) + name;
}

/** Makes the numbers of a table free: empties it, and the table of small pages, which all share. */
function recycle(s: i32, table: i32): void {
  forgetJumps(s);
  memory.fill(s + VCPU_tlb + table * TLB_tableSize, 0, TLB_tableSize);
  memory.fill(s + VCPU_smallTlb, 0, SMALLTLB_entries * SMALLTLB_entrySize);
  const end = s + S_contexts + CONTEXTS * CONTEXT_SIZE;
  for (let slot = s + S_contexts; slot != end; slot += CONTEXT_SIZE) {
    if ((load<i32>(slot, 8) & (TLB_tables - 1)) == table) store<i64>(slot, 0);
  }
  store<i32>(s + table * 4, 0, S_tableNext);
}

/** Whether a context is the one remembered at `slot`. */
// @ts-ignore: decorator
@inline
export function isRemembered(s: i32, slot: i32, name: i64): bool {
  return load<i64>(slot) == contextKey(s, name);
}

/** The number of the context remembered at `slot`. */
// @ts-ignore: decorator
@inline
export function asidAt(slot: i32): i64 {
  return load<i64>(slot, 8);
}

/** A number for a context that has none, of this table of the soft TLB. */
export function newAsid(s: i32, slot: i32, name: i64, table: i32): i64 {
  let next = load<i32>(s + table * 4, S_tableNext) + 1;
  if (next >= NUMBERS_PER_TABLE) {
    recycle(s, table);
    next = 1;
  }
  store<i32>(s + table * 4, next, S_tableNext);
  const asid = <i64>(next * TLB_tables + table);
  store<i64>(slot, contextKey(s, name));
  store<i64>(slot, asid, 8);
  return asid;
}

/** Address of the table that translations with this number are in. */
// @ts-ignore: decorator
@inline
export function tableOf(s: i32, asid: i64): i32 {
  return s + VCPU_tlb + (<i32>asid & (TLB_tables - 1)) * TLB_tableSize;
}

/** The same of translations of code. */
// @ts-ignore: decorator
@inline
export function fetchTableOf(s: i32, asid: i64): i32 {
  return tableOf(s, asid) + TLB_fetch;
}

/** Forgets every translation. The caller derives anew. */
export function forgetAllContexts(s: i32): void {
  const generation = load<i64>(s, S_contextGeneration) + ((<i64>1) << GENERATION_SHIFT);
  store<i64>(s, generation, S_contextGeneration);
  // It has come round to the beginning.
  if (generation == 0) memory.fill(s + S_contexts, 0, CONTEXTS * CONTEXT_SIZE);
}

/** Forgets the translations of one context, if it is remembered there. The caller derives anew. */
export function forgetContext(s: i32, slot: i32, name: i64): void {
  if (isRemembered(s, slot, name)) store<i64>(slot, 0);
}

/** As after the vCPU's creation: all tables empty. `isUsed`: there may be something in them; else they are left untouched. */
export function resetContexts(s: i32, isUsed: bool): void {
  if (isUsed) {
    memory.fill(s + VCPU_tlb, 0, TLB_tables * TLB_tableSize);
    memory.fill(s + VCPU_smallTlb, 0, SMALLTLB_entries * SMALLTLB_entrySize);
  }
  memory.fill(s + S_tableNext, 0, TLB_tables * 4);
  forgetJumps(s);
  forgetAllContexts(s);
}
