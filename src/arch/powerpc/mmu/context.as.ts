/**
 * Soft-TLB contexts: which numbers (asids) tag the translations of the present address space.
 *
 * A context is whatever makes the same effective address mean something else: translation on or off, problem state, PID,
 * and what AMR and IAMR let the kernel do with user pages. While they forbid everything, as Linux has it except inside
 * copies from and to users, the kernel's context does not depend on PID: a switch of processes costs it nothing.
 * With a hashed page table every context depends on a number that changes whenever segments, keys or PID do.
 *
 * An asid's low bits name its table, so that contexts that alternate (kernel, user, fetch) do not evict one another.
 * Dropping a whole context is forgetting its number; numbers are only made free again, and the table cleared, when a table
 * has used all of its own.
 */
import {
  N_contexts,
  ARCH_radix,
  S_amr,
  S_asid,
  S_contextGeneration,
  S_contexts,
  S_fetchAsid,
  S_fetchTlb,
  S_hashContext,
  S_iamr,
  S_pid,
  S_tableNext,
  S_tlb,
  SMALLTLB_entries,
  SMALLTLB_entrySize,
  TLB_asidBits,
  TLB_entries,
  TLB_entrySize,
  TLB_tables,
  VCPU_smallTlb,
  VCPU_tlb,
} from "../engines/runtime/layout.generated";
import { forgetJumps } from "../../../engine/runtime/jump-cache.as";

const MSR_PR: u64 = 0x4000;
const MSR_IR: u64 = 0x20;
const MSR_DR: u64 = 0x10;

// Kinds of context. The first four belong to one PID each, as do the two after.
const DATA_KERNEL = 0; // and 1, 2: what AMR[0:1] allows
const DATA_USER = 3;
const FETCH_KERNEL = 4;
const FETCH_USER = 5;
/** Kinds below this one depend on PID. */
const KINDS_OF_PID = 6;
const DATA_REAL = 6;
const DATA_KERNEL_ALONE = 7;
const FETCH_REAL = 8;
const FETCH_KERNEL_ALONE = 9;

/** Pairs of key and asid; contexts of PIDs are hashed into the first ones, the four others follow. */
const CONTEXTS = N_contexts / 2;
const HASHED = CONTEXTS - 4;
/** A key: generation in the upper 28 bits, PID in 32, kind in 4. */
const GENERATION_SHIFT = 36;
const TABLE_SIZE = TLB_entries * TLB_entrySize;
const NUMBERS_PER_TABLE = (1 << TLB_asidBits) / TLB_tables;

function contextSlot(s: i32, pid: u32, kind: i32): i32 {
  const index = kind < KINDS_OF_PID ? (<i32>pid * KINDS_OF_PID + kind) & (HASHED - 1) : HASHED + kind - KINDS_OF_PID;
  return s + S_contexts + index * 16;
}

/** Generation, PID and kind in one; never 0. */
// @ts-ignore: decorator
@inline
function contextKey(s: i32, pid: u32, kind: i32): i64 {
  return load<i64>(s, S_contextGeneration) + (((<i64>pid) << 4) | <i64>(kind + 1));
}

/** Tables 0 and 1: real mode and kernel data; 2 to 4: user data; 5: kernel with user data; 6, 7: kernel's and users' fetch. */
function tableFor(pid: u32, kind: i32): i32 {
  switch (kind) {
    case DATA_REAL:
      return 0;
    case DATA_KERNEL_ALONE:
      return 1;
    case DATA_USER:
      return 2 + <i32>(pid % 3);
    case FETCH_REAL:
    case FETCH_KERNEL_ALONE:
    case FETCH_KERNEL:
      return 6;
    case FETCH_USER:
      return 7;
    default:
      return 5;
  }
}

/** Makes the numbers of a table free: empties it, and the table of small pages, which all share. */
function recycle(s: i32, table: i32): void {
  forgetJumps(s);
  memory.fill(s + VCPU_tlb + table * TABLE_SIZE, 0, TABLE_SIZE);
  memory.fill(s + VCPU_smallTlb, 0, SMALLTLB_entries * SMALLTLB_entrySize);
  const end = s + S_contexts + CONTEXTS * 16;
  for (let slot = s + S_contexts; slot != end; slot += 16) {
    if ((load<i32>(slot, 8) & (TLB_tables - 1)) == table) store<i64>(slot, 0);
  }
  store<i32>(s + table * 4, 0, S_tableNext);
}

function newAsid(s: i32, slot: i32, pid: u32, kind: i32): i64 {
  const table = tableFor(pid, kind);
  let next = load<i32>(s + table * 4, S_tableNext) + 1;
  if (next >= NUMBERS_PER_TABLE) {
    recycle(s, table);
    next = 1;
  }
  store<i32>(s + table * 4, next, S_tableNext);
  const asid = <i64>(next * TLB_tables + table);
  store<i64>(slot, contextKey(s, pid, kind));
  store<i64>(slot, asid, 8);
  return asid;
}

// @ts-ignore: decorator
@inline
function asidOf(s: i32, pid: u32, kind: i32): i64 {
  const slot = contextSlot(s, pid, kind);
  if (load<i64>(slot) == contextKey(s, pid, kind)) return load<i64>(slot, 8);
  return newAsid(s, slot, pid, kind);
}

// @ts-ignore: decorator
@inline
function tableOf(s: i32, asid: i64): i32 {
  return s + VCPU_tlb + (<i32>asid & (TLB_tables - 1)) * TABLE_SIZE;
}

/** Chooses the tables and tags for data and for fetch. */
export function deriveContexts(s: i32, msr: u64): void {
  const radix = load<i32>(ARCH_radix) != 0;
  const pid = radix ? load<u32>(s, S_pid) : load<u32>(s, S_hashContext);
  let data: i64;
  if (!(msr & MSR_DR)) data = asidOf(s, 0, DATA_REAL);
  else if (msr & MSR_PR) data = asidOf(s, pid, DATA_USER);
  else {
    const denied = <i32>(load<u64>(s, S_amr) >> 62);
    data = denied == 3 && radix ? asidOf(s, 0, DATA_KERNEL_ALONE) : asidOf(s, pid, DATA_KERNEL + denied);
  }
  store<i64>(s, data, S_asid);
  store<i32>(s, tableOf(s, data), S_tlb);

  let fetch: i64;
  if (!(msr & MSR_IR)) fetch = asidOf(s, 0, FETCH_REAL);
  else if (msr & MSR_PR) fetch = asidOf(s, pid, FETCH_USER);
  else if (radix && (load<u64>(s, S_iamr) >> 62) & 1) fetch = asidOf(s, 0, FETCH_KERNEL_ALONE);
  else fetch = asidOf(s, pid, FETCH_KERNEL);
  store<i64>(s, fetch, S_fetchAsid);
  store<i32>(s, tableOf(s, fetch), S_fetchTlb);
}

/** Forgets every translation. The caller derives anew. */
export function forgetAllContexts(s: i32): void {
  const generation = load<i64>(s, S_contextGeneration) + ((<i64>1) << GENERATION_SHIFT);
  store<i64>(s, generation, S_contextGeneration);
  // It has come round to the beginning.
  if (generation == 0) memory.fill(s + S_contexts, 0, CONTEXTS * 16);
}

/** Forgets the translations of one PID but 0, whose pages every context holds. The caller derives anew. */
export function forgetContextsOf(s: i32, pid: u32): void {
  for (let kind = 0; kind < KINDS_OF_PID; kind++) {
    const slot = contextSlot(s, pid, kind);
    if (load<i64>(slot) == contextKey(s, pid, kind)) store<i64>(slot, 0);
  }
}

/** As after the vCPU's creation: all tables empty. */
export function resetContexts(s: i32): void {
  memory.fill(s + VCPU_tlb, 0, TLB_tables * TABLE_SIZE);
  memory.fill(s + VCPU_smallTlb, 0, SMALLTLB_entries * SMALLTLB_entrySize);
  memory.fill(s + S_tableNext, 0, TLB_tables * 4);
  forgetJumps(s);
  forgetAllContexts(s);
}
