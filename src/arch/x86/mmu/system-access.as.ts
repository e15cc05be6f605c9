/**
 * What the processor itself reads and writes in the midst of something else: gates, descriptors, stacks that a delivery leads to.
 * They are translated as of the level that they are for, and found again in the soft TLB of supervisors, whoever runs; a fault
 * is noted and left to who asked.
 * Where no memory is, reads give ones, and writes are lost: no system has its tables in a device.
 */
import {
  ACCESS_load,
  ACCESS_store,
  ARCH_ramLimit,
  RFLAGS_alignment,
  RIGHT_read,
  S_control,
  S_nestedError,
  S_nestedFault,
  S_systemFlags,
  S_watching,
  TLB_addend,
  TLB_readTag,
  TLB_writeTag,
  UNTRANSLATED_notCanonical,
  VECTOR_generalProtection,
  VECTOR_pageFault,
  TLB_pageShift,
} from "../engines/runtime/layout.generated";
import { isOwned, storedToCode, storeHitsCode } from "../../../engine/runtime/code-pages.as";
import { tableOf } from "../../../engine/runtime/contexts.as";
import { findSlot, hostInSlot, noteDirty, slotIsReadOnly } from "../../../engine/runtime/slots.as";
import { entryFor, noteWriter, PAGE_MASK, prepareEntry } from "../../../engine/runtime/tlb.as";
import { supervisorAsid, supervisorTranslationEntered } from "./context.as";
import { IMPLICIT, physical, rights, translateAs } from "./translate.as";

/** Notes what a step failed by. */
export function failBy(s: i32, vector: i32, error: i32): bool {
  store<i32>(s, 1 + vector, S_nestedFault);
  store<i32>(s, error, S_nestedError);
  return false;
}

/** Whether a step has failed since `begin`. */
export function failed(s: i32): bool {
  return load<i32>(s, S_nestedFault) != 0;
}

export function begin(s: i32): void {
  store<i32>(s, 0, S_nestedFault);
}

function translated(s: i32, address: u64, access: i32, level: i32): bool {
  const cause = translateAs(s, address, access, level);
  if (cause == 0) return true;
  if (cause == UNTRANSLATED_notCanonical) return failBy(s, VECTOR_generalProtection, 0);
  store<u64>(s, address, S_control + 16);
  return failBy(s, VECTOR_pageFault, cause & 0xffff);
}

/** The context whose translations hold for an access at a level; 0: none that is kept. */
function contextOf(s: i32, level: i32): u64 {
  if (level == IMPLICIT) return supervisorAsid(s);
  // What EFLAGS.AC lets a supervisor do it may not do at other times.
  if (level == 3 || load<u64>(s, S_systemFlags) & RFLAGS_alignment) return 0;
  return supervisorAsid(s);
}

/** Where bytes of one page are, if the soft TLB has it with a tag; else 0. */
function knownHost(s: i32, context: u64, address: u64, size: i32, tag: i32): i32 {
  if (context == 0) return 0;
  const entry = entryFor(tableOf(s, context), address);
  if (load<u64>(entry + tag) != (((address + size - 1) & ~PAGE_MASK) | context)) return 0;
  return load<i32>(entry, TLB_addend) + <i32>address;
}

/** Has the soft TLB know the translation found last. `writable`: stores need nothing more. */
function keep(s: i32, context: u64, address: u64, where: u64, host: i32, access: i32, writable: bool): void {
  // Where accesses are watched each is to come to the slow path.
  if (context == 0 || load<i32>(s, S_watching)) return;
  const entry = entryFor(tableOf(s, context), address);
  const page = <i32>(where >> TLB_pageShift);
  prepareEntry(entry, host - <i32>address, page);
  supervisorTranslationEntered(s, entry, access);
  const tag = (address & ~PAGE_MASK) | context;
  if (rights & RIGHT_read) store<u64>(entry, tag, TLB_readTag);
  if (!writable) return;
  store<u64>(entry, tag, TLB_writeTag);
  if (where < load<u64>(ARCH_ramLimit)) noteWriter(s, page, entry);
}

function loadOf(host: i32, size: i32): u64 {
  if (size == 8) return load<u64>(host);
  if (size == 4) return <u64>load<u32>(host);
  if (size == 2) return <u64>load<u16>(host);
  let value: u64 = 0;
  for (let i = 0; i < size; i++) value |= (<u64>load<u8>(host + i)) << (8 * i);
  return value;
}

function storeTo(host: i32, size: i32, value: u64): void {
  if (size == 8) store<u64>(host, value);
  else if (size == 4) store<u32>(host, <u32>value);
  else if (size == 2) store<u16>(host, <u16>value);
  else for (let i = 0; i < size; i++) store<u8>(host + i, <u8>(value >> (8 * i)));
}

/** Up to 8 bytes, as the system reads them; look at `failed` afterwards. */
export function readSystem(s: i32, address: u64, size: i32): u64 {
  const context = contextOf(s, IMPLICIT);
  const known = knownHost(s, context, address, size, TLB_readTag);
  if (known != 0) return loadOf(known, size);
  let value: u64 = 0;
  for (let done = 0; done < size; ) {
    const at = address + done;
    const part = min(size - done, 4096 - <i32>(at & 4095));
    if (!translated(s, at, ACCESS_load, IMPLICIT)) return 0;
    let bytes: u64 = 0xffffffffffffffff >> (64 - 8 * part);
    if (findSlot(physical)) {
      const host = hostInSlot(physical);
      bytes = loadOf(host, part);
      keep(s, context, at, physical, host, ACCESS_load, false);
    }
    value |= bytes << (8 * done);
    done += part;
  }
  return value;
}

/** Up to 8 bytes, at a level or as the system writes them. */
export function writeSystem(s: i32, address: u64, size: i32, value: u64, level: i32): void {
  const context = contextOf(s, level);
  const known = knownHost(s, context, address, size, TLB_writeTag);
  if (known != 0) {
    storeTo(known, size, value);
    return;
  }
  // Nothing is stored before every page is known to be writable.
  if (<i32>(address & 4095) + size > 4096) {
    if (!translated(s, address, ACCESS_store, level) || !translated(s, address + size - 1, ACCESS_store, level)) return;
  }
  for (let done = 0; done < size; ) {
    const at = address + done;
    const part = min(size - done, 4096 - <i32>(at & 4095));
    if (!translated(s, at, ACCESS_store, level)) return;
    const where = physical;
    if (findSlot(where) && !slotIsReadOnly()) {
      const host = hostInSlot(where);
      noteDirty(s, where);
      const page = <i32>(where >> TLB_pageShift);
      const owned = where < load<u64>(ARCH_ramLimit) && isOwned(page);
      const code = owned && storeHitsCode(s, page);
      storeTo(host, part, value >> (8 * done));
      if (code) storedToCode(s, where, part);
      else keep(s, context, at, where, host, ACCESS_store, !owned);
    }
    done += part;
  }
}
