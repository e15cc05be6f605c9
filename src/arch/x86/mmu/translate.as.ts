/** Translation of linear addresses by tables of four levels. Source: Intel SDM, volume 3, "4-Level Paging". */
import {
  ACCESS_fetch,
  ACCESS_store,
  CONTEXT_user,
  CR0_paging,
  CR0_writeProtect,
  CR4_smap,
  CR4_smep,
  EFER_noExecute,
  MSR_efer,
  PAGE_accessed,
  PAGE_address,
  PAGE_dirty,
  PAGE_large,
  PAGE_noExecute,
  PAGE_present,
  PAGE_reserved,
  PAGE_user,
  PAGE_writable,
  PAGEFAULT_fetch,
  PAGEFAULT_protection,
  PAGEFAULT_reserved,
  PAGEFAULT_user,
  PAGEFAULT_write,
  RFLAGS_alignment,
  RIGHT_execute,
  RIGHT_read,
  RIGHT_write,
  S_control,
  S_cpl,
  S_hugePages,
  S_largePages,
  S_msrs,
  S_systemFlags,
  UNTRANSLATED_notCanonical,
  UNTRANSLATED_pageFault,
} from "../engines/runtime/layout.generated";
import { findSlot, hostInSlot, noteDirty, slotIsReadOnly } from "../../../engine/runtime/slots.as";

// Second results of translate.
export let physical: u64 = 0;
export let rights: i32 = 0;
export let pageShift: i32 = 0;

export function control0(s: i32): u64 {
  return load<u64>(s, S_control);
}

export function control4(s: i32): u64 {
  return load<u64>(s, S_control + 32);
}

export function efer(s: i32): u64 {
  return load<u64>(s, S_msrs + 8 * MSR_efer);
}

// @ts-ignore: decorator
@inline
export function isCanonical(address: u64): bool {
  return <u64>(<i64>(address << 16) >> 16) == address;
}

/** Sets bits of an entry. False: it has changed meanwhile, and the walk begins anew. */
function mark(s: i32, at: u64, host: i32, entry: u64, bits: u64): bool {
  if ((entry & bits) == bits) return true;
  if (atomic.cmpxchg<u64>(host, entry, entry | bits) != entry) return false;
  if (findSlot(at)) noteDirty(s, at);
  return true;
}

/** The level of what the system itself accesses: 0, and EFLAGS.AC does not count. */
export const IMPLICIT = -1;

/** 0 with `physical`, `rights` and `pageShift` set, or a cause: a page fault's error code, or that there can be no such address. */
export function translate(s: i32, ea: u64, access: i32): i32 {
  return translateAs(s, ea, access, load<i32>(s, S_cpl));
}

/** The same of another level. */
export function translateAs(s: i32, ea: u64, access: i32, level: i32): i32 {
  if (!isCanonical(ea)) return UNTRANSLATED_notCanonical;
  if (!(control0(s) & CR0_paging)) {
    physical = ea;
    rights = RIGHT_read | RIGHT_write | RIGHT_execute;
    pageShift = 12;
    return 0;
  }
  let cause: i32;
  do cause = walk(s, ea, access, level);
  while (cause < 0);
  return cause;
}

/** As `translate`; -1: an entry changed while it was looked at. */
function walk(s: i32, ea: u64, access: i32, level: i32): i32 {
  const noExecute = (efer(s) & EFER_noExecute) != 0;
  const c4 = control4(s);
  const user = level == 3;
  let code = UNTRANSLATED_pageFault;
  if (access == ACCESS_store) code |= PAGEFAULT_write;
  if (user) code |= PAGEFAULT_user;
  if (access == ACCESS_fetch && (noExecute || c4 & CR4_smep)) code |= PAGEFAULT_fetch;
  let table = load<u64>(s, S_control + 24) & PAGE_address;
  let all: u64 = PAGE_writable | PAGE_user;
  let never: u64 = 0;
  let shift = 39;
  for (;;) {
    const at = table + (((ea >> shift) & 511) << 3);
    if (!findSlot(at)) return code;
    const readOnly = slotIsReadOnly();
    const host = hostInSlot(at);
    const entry = atomic.load<u64>(host);
    if (!(entry & PAGE_present)) return code;
    const large = (entry & PAGE_large) != 0 && shift != 12;
    let reserved: u64 = PAGE_reserved;
    if (!noExecute) reserved |= PAGE_noExecute;
    if (shift == 39) reserved |= PAGE_large;
    else if (large) reserved |= ((1 << shift) - 1) & ~0x1fff;
    if (entry & reserved) return code | PAGEFAULT_protection | PAGEFAULT_reserved;
    all &= entry;
    never |= entry;
    if (shift != 12 && !large) {
      if (!readOnly && !mark(s, at, host, entry, PAGE_accessed)) return -1;
      table = entry & PAGE_address;
      shift -= 9;
      continue;
    }
    const allowed = rightsOf(s, all, (never & PAGE_noExecute) != 0, level, c4);
    if (!((allowed >> access) & 1)) return code | PAGEFAULT_protection;
    const dirty = access == ACCESS_store ? PAGE_dirty : 0;
    if (!readOnly && !mark(s, at, host, entry, PAGE_accessed | dirty)) return -1;
    const mask = ((<u64>1) << shift) - 1;
    physical = (entry & PAGE_address & ~mask) | (ea & mask);
    // Only what is noted as written can be written without coming here.
    rights = (entry | dirty) & PAGE_dirty ? allowed : allowed & ~RIGHT_write;
    pageShift = shift;
    if (shift == 21) store<u64>(s, load<u64>(s, S_largePages) | ((<u64>1) << ((ea >> 21) & 63)), S_largePages);
    if (shift == 30) store<u64>(s, load<u64>(s, S_hugePages) | ((<u64>1) << ((ea >> 30) & 63)), S_hugePages);
    return 0;
  }
}

/** What a level may do with a page, from the bits that all entries on the way have. */
function rightsOf(s: i32, all: u64, never: bool, level: i32, c4: u64): i32 {
  const users = (all & PAGE_user) != 0;
  const writable = (all & PAGE_writable) != 0;
  if (level == 3) {
    if (!users) return 0;
    return RIGHT_read | (writable ? RIGHT_write : 0) | (never ? 0 : RIGHT_execute);
  }
  let data = RIGHT_read | (writable || !(control0(s) & CR0_writeProtect) ? RIGHT_write : 0);
  const lifted = level != IMPLICIT && (load<u64>(s, S_systemFlags) & RFLAGS_alignment) != 0;
  if (users && c4 & CR4_smap && !lifted) data = 0;
  const execute = never || (users && c4 & CR4_smep) ? 0 : RIGHT_execute;
  return data | execute;
}
