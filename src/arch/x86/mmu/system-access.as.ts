/**
 * What the processor itself reads and writes in the midst of something else: gates, descriptors, stacks that a delivery leads to.
 * Each translates anew, past the soft TLB, as of the level that it is for; a fault is noted and left to who asked.
 * Where no memory is, reads give ones, and writes are lost: no system has its tables in a device.
 */
import {
  ACCESS_load,
  ACCESS_store,
  ARCH_ramLimit,
  S_control,
  S_nestedError,
  S_nestedFault,
  UNTRANSLATED_notCanonical,
  VECTOR_generalProtection,
  VECTOR_pageFault,
  TLB_pageShift,
} from "../engines/runtime/layout.generated";
import { isOwned, storedToCode, storeHitsCode } from "../../../engine/runtime/code-pages.as";
import { findSlot, hostInSlot, noteDirty, slotIsReadOnly } from "../../../engine/runtime/slots.as";
import { IMPLICIT, physical, translateAs } from "./translate.as";

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

/** Up to 8 bytes, as the system reads them; look at `failed` afterwards. */
export function readSystem(s: i32, address: u64, size: i32): u64 {
  let value: u64 = 0;
  for (let done = 0; done < size; ) {
    const at = address + done;
    const room = 4096 - <i32>(at & 4095);
    const part = min(size - done, room);
    if (!translated(s, at, ACCESS_load, IMPLICIT)) return 0;
    const there = findSlot(physical);
    const host = there ? hostInSlot(physical) : 0;
    for (let i = 0; i < part; i++) {
      const byte: u64 = there ? load<u8>(host + i) : 0xff;
      value |= byte << (8 * (done + i));
    }
    done += part;
  }
  return value;
}

/** Up to 8 bytes, at a level or as the system writes them. */
export function writeSystem(s: i32, address: u64, size: i32, value: u64, level: i32): void {
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
      const code = where < load<u64>(ARCH_ramLimit) && isOwned(page) && storeHitsCode(s, page);
      for (let i = 0; i < part; i++) store<u8>(host + i, <u8>(value >> (8 * (done + i))));
      if (code) storedToCode(s, where, part);
    }
    done += part;
  }
}
