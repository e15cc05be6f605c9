/**
 * Which contexts of the soft TLB there are (engine/runtime/contexts.as.ts), and which is the present one.
 *
 * What makes the same effective address mean something else is translation on or off, problem state, PID, and what AMR and
 * IAMR let the kernel do with user pages. While they forbid everything, as Linux has it except inside
 * copies from and to users, the kernel's context does not depend on PID: a switch of processes costs it nothing.
 * With a hashed page table every context depends on a number that changes whenever segments, keys or PID do.
 */
import {
  ARCH_radix,
  MSR_DR,
  MSR_IR,
  MSR_PR,
  S_amr,
  S_asid,
  S_fetchAsid,
  S_fetchTlb,
  S_hashContext,
  S_iamr,
  S_pid,
  S_tlb,
} from "../engines/runtime/layout.generated";
import {
  asidAt,
  contextAt,
  CONTEXTS,
  fetchTableOf,
  forgetContext,
  isRemembered,
  newAsid,
  tableOf,
} from "../../../engine/runtime/contexts.as";

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

/** Contexts of PIDs are hashed into the first places, the four others follow. */
const HASHED = CONTEXTS - 4;

function contextSlot(s: i32, pid: u32, kind: i32): i32 {
  const index = kind < KINDS_OF_PID ? (<i32>pid * KINDS_OF_PID + kind) & (HASHED - 1) : HASHED + kind - KINDS_OF_PID;
  return contextAt(s, index);
}

/** PID and kind in one; never 0. */
// @ts-ignore: decorator
@inline
function contextName(pid: u32, kind: i32): i64 {
  return ((<i64>pid) << 4) | <i64>(kind + 1);
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

function numberOf(s: i32, slot: i32, pid: u32, kind: i32): i64 {
  return newAsid(s, slot, contextName(pid, kind), tableFor(pid, kind));
}

// @ts-ignore: decorator
@inline
function asidOf(s: i32, pid: u32, kind: i32): i64 {
  const slot = contextSlot(s, pid, kind);
  return isRemembered(s, slot, contextName(pid, kind)) ? asidAt(slot) : numberOf(s, slot, pid, kind);
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
  store<i32>(s, fetchTableOf(s, fetch), S_fetchTlb);
}

/** Forgets the translations of one PID but 0, whose pages every context holds. The caller derives anew. */
export function forgetContextsOf(s: i32, pid: u32): void {
  for (let kind = 0; kind < KINDS_OF_PID; kind++) {
    forgetContext(s, contextSlot(s, pid, kind), contextName(pid, kind));
  }
}
