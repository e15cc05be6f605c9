/**
 * Translation of linear addresses by tables: of four levels in long mode, with PAE of three, else of two with entries of 32
 * bits. Source: Intel SDM, volume 3, "32-bit Paging", "PAE Paging", "4-Level Paging".
 */
import {
  ACCESS_fetch,
  ACCESS_store,
  CR0_paging,
  CR0_writeProtect,
  CR4_global,
  CR4_pageSize,
  CR4_physicalAddress,
  CR4_protectionKeys,
  CR4_smap,
  CR4_smep,
  EFER_longModeActive,
  EFER_noExecute,
  MSR_efer,
  PAGE_accessed,
  PAGE_address,
  PAGE_dirty,
  PAGE_global,
  PAGE_large,
  PAGE_noExecute,
  PAGE_present,
  PAGE_reserved,
  PAGE_user,
  PAGE_writable,
  PAGEFAULT_fetch,
  PAGEFAULT_key,
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
  S_keysSeen,
  S_msrs,
  S_pkru,
  S_systemFlags,
  UNTRANSLATED_notCanonical,
  UNTRANSLATED_pageFault,
} from "../engines/runtime/layout.generated";
import { findSlot, hostInSlot, noteDirty, slotIsReadOnly } from "../../../engine/runtime/slots.as";
import { noteLarge } from "./large-pages.as";

// Second results of translate.
export let physical: u64 = 0;
export let rights: i32 = 0;
export let pageShift: i32 = 0;
/** A write to CR3 leaves it. */
export let isGlobal: bool = false;

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
    isGlobal = false;
    return 0;
  }
  const small = hasSmallEntries(s);
  let cause: i32;
  do cause = small ? walk32(s, ea, access, level) : walk(s, ea, access, level);
  while (cause < 0);
  return cause;
}

/** The cause of a page fault by what is not there, of an access. */
function absent(access: i32, level: i32, tellsFetches: bool): i32 {
  let code = UNTRANSLATED_pageFault;
  if (access == ACCESS_store) code |= PAGEFAULT_write;
  if (level == 3) code |= PAGEFAULT_user;
  if (access == ACCESS_fetch && tellsFetches) code |= PAGEFAULT_fetch;
  return code;
}

/** Bits of an entry of the first of PAE's tables that are reserved. */
const POINTER_RESERVED: u64 = PAGE_reserved | PAGE_noExecute | 0x7ff0000000000000 | 0x1e6;

/** Whether the four entries that CR3 leads to with PAE are as they must be. */
export function pointersAreRight(s: i32, table: u64): bool {
  const at = table & 0xffffffe0;
  if (!findSlot(at)) return true;
  const host = hostInSlot(at);
  for (let i = 0; i < 4; i++) {
    const entry = load<u64>(host + 8 * i);
    if (entry & PAGE_present && entry & POINTER_RESERVED) return false;
  }
  return true;
}

/** The bit of `hugePages` that stands for an address. */
export function hugeBit(ea: u64): u64 {
  return (<u64>1) << (((ea >> 30) & 31) | (ea >> 63 ? 32 : 0));
}

/** As `translate`, by entries of 64 bits; -1: an entry changed while it was looked at. */
function walk(s: i32, ea: u64, access: i32, level: i32): i32 {
  const long = (efer(s) & EFER_longModeActive) != 0;
  const noExecute = (efer(s) & EFER_noExecute) != 0;
  const c4 = control4(s);
  const code = absent(access, level, noExecute || (c4 & CR4_smep) != 0);
  let table = load<u64>(s, S_control + 24) & PAGE_address;
  let all: u64 = PAGE_writable | PAGE_user;
  let never: u64 = 0;
  let shift = 39;
  if (!long) {
    // Processors keep these four from when CR3 was loaded; here they are read each time.
    const at = (load<u64>(s, S_control + 24) & 0xffffffe0) + ((ea >> 30) & 3) * 8;
    if (!findSlot(at)) return code;
    const entry = load<u64>(hostInSlot(at));
    if (!(entry & PAGE_present)) return code;
    if (entry & POINTER_RESERVED) return code | PAGEFAULT_protection | PAGEFAULT_reserved;
    table = entry & PAGE_address;
    shift = 21;
  }
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
    if (!long) reserved |= 0x7ff0000000000000;
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
    let allowed = rightsOf(s, all, (never & PAGE_noExecute) != 0, level, c4);
    if (long && c4 & CR4_protectionKeys && all & PAGE_user) {
      const kept = keptByKey(s, <i32>(entry >> 59) & 15, level);
      if (!((kept >> access) & 1)) return code | PAGEFAULT_protection | PAGEFAULT_key;
      allowed &= kept;
    }
    if (!((allowed >> access) & 1)) return code | PAGEFAULT_protection;
    const dirty = access == ACCESS_store ? PAGE_dirty : 0;
    if (!readOnly && !mark(s, at, host, entry, PAGE_accessed | dirty)) return -1;
    const mask = ((<u64>1) << shift) - 1;
    physical = (entry & PAGE_address & ~mask) | (ea & mask);
    // Only what is noted as written can be written without coming here.
    rights = (entry | dirty) & PAGE_dirty ? allowed : allowed & ~RIGHT_write;
    pageShift = shift;
    isGlobal = (entry & PAGE_global) != 0 && (c4 & CR4_global) != 0;
    if (shift == 21) noteLarge(s, ea);
    if (shift == 30) store<u64>(s, load<u64>(s, S_hugePages) | hugeBit(ea), S_hugePages);
    return 0;
  }
}

/**
 * What PKRU leaves of the rights to a user's page with this key: two bits each, of which the first takes all access to data, the
 * second writing. Source: Intel SDM, volume 3, "Protection Keys".
 */
function keptByKey(s: i32, key: i32, level: i32): i32 {
  const seen = load<u32>(s, S_keysSeen);
  store<u32>(s, seen | (1 << (2 * key)), S_keysSeen);
  const bits = load<u32>(s, S_pkru) >> (2 * key);
  if (bits & 1) return RIGHT_execute;
  if (bits & 2 && (level == 3 || control0(s) & CR0_writeProtect)) return RIGHT_execute | RIGHT_read;
  return RIGHT_execute | RIGHT_read | RIGHT_write;
}

/** Tables have entries of 32 bits. */
export function hasSmallEntries(s: i32): bool {
  return !(efer(s) & EFER_longModeActive) && !(control4(s) & CR4_physicalAddress);
}

/** In an entry of 32 bits of a page of 4 MiB: bits 32 to 39 of its address; what is reserved. */
const LARGE_UPPER: u32 = 0x1fe000;
const LARGE_RESERVED: u32 = 0x200000;

function mark32(s: i32, at: u64, host: i32, entry: u32, bits: u32): bool {
  if ((entry & bits) == bits) return true;
  if (atomic.cmpxchg<u32>(host, entry, entry | bits) != entry) return false;
  if (findSlot(at)) noteDirty(s, at);
  return true;
}

/** As `translate`, by entries of 32 bits. */
function walk32(s: i32, ea: u64, access: i32, level: i32): i32 {
  const c4 = control4(s);
  const code = absent(access, level, (c4 & CR4_smep) != 0);
  let table = load<u64>(s, S_control + 24) & 0xfffff000;
  let all: u64 = PAGE_writable | PAGE_user;
  let shift = 22;
  for (;;) {
    const at = table + (((ea >> shift) & 1023) << 2);
    if (!findSlot(at)) return code;
    const readOnly = slotIsReadOnly();
    const host = hostInSlot(at);
    const entry = atomic.load<u32>(host);
    if (!(entry & <u32>PAGE_present)) return code;
    const large = shift == 22 && (entry & <u32>PAGE_large) != 0 && (c4 & CR4_pageSize) != 0;
    if (large && entry & LARGE_RESERVED) return code | PAGEFAULT_protection | PAGEFAULT_reserved;
    all &= <u64>entry;
    if (shift == 22 && !large) {
      if (!readOnly && !mark32(s, at, host, entry, <u32>PAGE_accessed)) return -1;
      table = <u64>(entry & 0xfffff000);
      shift = 12;
      continue;
    }
    const allowed = rightsOf(s, all, false, level, c4);
    if (!((allowed >> access) & 1)) return code | PAGEFAULT_protection;
    const dirty = access == ACCESS_store ? <u32>PAGE_dirty : 0;
    if (!readOnly && !mark32(s, at, host, entry, <u32>PAGE_accessed | dirty)) return -1;
    if (large) {
      physical = ((<u64>(entry & LARGE_UPPER)) << 19) | <u64>(entry & 0xffc00000) | (ea & 0x3fffff);
      noteLarge(s, ea);
    } else physical = <u64>(entry & 0xfffff000) | (ea & 0xfff);
    rights = (entry | dirty) & <u32>PAGE_dirty ? allowed : allowed & ~RIGHT_write;
    pageShift = shift;
    isGlobal = (entry & <u32>PAGE_global) != 0 && (c4 & CR4_global) != 0;
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
