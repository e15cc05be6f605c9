/**
 * Where the bytes of a data access lie: the look-up behind every slow access, and the refill of the soft TLB.
 * Pages of the soft TLB's size and more fill the table that engines look up inline; smaller ones a table that only this file
 * reads.
 */
import {
  ACCESS_store,
  ARCH_ramLimit,
  EVENT_refill,
  RIGHT_read,
  RIGHT_write,
  S_asid,
  S_smallHits,
  S_statTlbMiss,
  S_tlb,
  SMALLTLB_pageShift,
  TLB_addend,
  TLB_pageShift,
  TLB_readTag,
  TLB_writeTag,
} from "./layout.target";
import { pageShift, physical, raiseDataFault, rights, translate, translationEntered } from "./arch.target";
import { isOwned, storeHitsCode } from "./code-pages.as";
import { isWatchedPage } from "./debug.as";
import { traceMmu } from "./events.as";
import { dirtyNoted, findSlot, hostInSlot, leaveForDirtyRing, noteDirty, slotIsReadOnly } from "./slots.as";
import {
  entryFor,
  noteSmallWriter,
  noteWriter,
  PAGE_MASK,
  prepareEntry,
  SMALL_PAGE_MASK,
  smallEntryFor,
} from "./tlb.as";

/** An interrupt has been raised, or the engine leaves: `fault` is set. */
export const ADDRESS_FAULT = 0;
/** No memory there, or memory that must not be written: its address is in `physicalAddress`. */
export const ADDRESS_OUTSIDE = 1;

// Second results of dataAddress, dead at the next call.
/** Bytes from here on that are contiguous: to the end of a page of this mask. */
export let extentMask: i32 = 0;
/** Guest physical address, if the address is outside memory or the store watched. */
export let physicalAddress: u64 = 0;
/** True if what is stored has to be reported to code-pages, because the page also holds decoded code. */
export let watched: bool = false;

/** Host address of a data access's first byte, or one of the two above. `access` is ACCESS_load or ACCESS_store. */
export function dataAddress(s: i32, ea: u64, access: i32): i32 {
  const asid = load<u64>(s, S_asid);
  const tag = access == ACCESS_store ? TLB_writeTag : TLB_readTag;
  watched = false;
  const entry = entryFor(load<i32>(s, S_tlb), ea);
  if (load<u64>(entry + tag) == ((ea & ~PAGE_MASK) | asid)) {
    extentMask = <i32>PAGE_MASK;
    return load<i32>(entry, TLB_addend) + <i32>ea;
  }
  const small = smallEntryFor(s, ea);
  if (load<u64>(small + tag) == ((ea & ~SMALL_PAGE_MASK) | asid)) {
    extentMask = <i32>SMALL_PAGE_MASK;
    store<i32>(s, load<i32>(s, S_smallHits) + 1, S_smallHits);
    return load<i32>(small, TLB_addend) + <i32>ea;
  }
  return refill(s, ea, access);
}

function refill(s: i32, ea: u64, access: i32): i32 {
  store<u64>(s, load<u64>(s, S_statTlbMiss) + 1, S_statTlbMiss);
  const cause = translate(s, ea, access);
  if (cause != 0) {
    raiseDataFault(s, ea, access, cause);
    return ADDRESS_FAULT;
  }
  traceMmu(s, EVENT_refill, ea, physical, access, rights | (pageShift << 8));
  const large = pageShift >= TLB_pageShift;
  extentMask = large ? <i32>PAGE_MASK : <i32>SMALL_PAGE_MASK;
  physicalAddress = physical;
  if (!findSlot(physical)) return ADDRESS_OUTSIDE;
  if (access == ACCESS_store && slotIsReadOnly()) return ADDRESS_OUTSIDE;
  const host = hostInSlot(physical);
  let writable = (rights & RIGHT_write) != 0 && !slotIsReadOnly();
  if (writable) {
    const page = <i32>(physical >> TLB_pageShift);
    if (access == ACCESS_store) {
      if (!dirtyNoted(physical) && leaveForDirtyRing(s)) return ADDRESS_FAULT;
      noteDirty(s, physical);
      if (physical < load<u64>(ARCH_ramLimit) && isOwned(page)) {
        // May end the page's being code; findSlot's results are not used after this.
        watched = storeHitsCode(s, page);
        writable = !watched;
      }
    } else if (!dirtyNoted(physical) || (physical < load<u64>(ARCH_ramLimit) && isOwned(page))) writable = false;
  }

  const asid = load<u64>(s, S_asid);
  let entry: i32;
  let tag: u64;
  if (large) {
    entry = entryFor(load<i32>(s, S_tlb), ea);
    tag = (ea & ~PAGE_MASK) | asid;
    prepareEntry(entry, host - <i32>ea, <i32>(physical >> TLB_pageShift));
  } else {
    entry = smallEntryFor(s, ea);
    tag = (ea & ~SMALL_PAGE_MASK) | asid;
    prepareEntry(entry, host - <i32>ea, <i32>(physical >> SMALLTLB_pageShift));
  }
  translationEntered(s, entry, access);
  // Each access to it is to come to the slow path.
  if (large && isWatchedPage(s, ea & ~PAGE_MASK, PAGE_MASK)) return host;
  if (rights & RIGHT_read) store<u64>(entry, tag, TLB_readTag);
  if (!writable) return host;
  store<u64>(entry, tag, TLB_writeTag);
  if (physicalAddress >= load<u64>(ARCH_ramLimit)) return host;
  const page = <i32>(physicalAddress >> TLB_pageShift);
  if (large) noteWriter(s, page, entry);
  else noteSmallWriter(s, page);
  return host;
}
