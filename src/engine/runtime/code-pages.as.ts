/**
 * Who holds decoded code of which guest memory, and how a store to it is noticed.
 *
 * Guests count on instruction caches being coherent (Linux on POWER with radix, any on x86), so there is no instruction to
 * wait for. The first instruction decoded in a page of the soft TLB (64 KiB, say) makes the vCPU one of its owners and takes
 * the write tags from everyone's soft TLB. The next store finds the owners and drops their decoded code, which ends the
 * ownership. A page that goes back and forth is watched instead: it stays owned, each store takes the slow path and drops
 * only what it wrote; after some hundred such stores it is tried again, since its use may have changed. Where kernels patch
 * their code all the time, as on x86, pages are watched from the first store on.
 */
import {
  ARCH_codeMapSize,
  ARCH_codeOwners,
  ARCH_ramLimit,
  CODE_entrySize,
  CODE_instructions,
  CODE_kindShift,
  CODE_kinds,
  CODE_longest,
  CODE_patience,
  CODE_physical,
  CODE_scale,
  CODE_shift,
  CODE_size,
  CODE_small,
  CODE_unit,
  N_mail,
  REQUEST_flushCode,
  REQUEST_flushTlb,
  REQUEST_mail,
  S_codeMaps,
  S_codePagesTaken,
  S_mail,
  S_mailHead,
  S_mailTail,
  S_requests,
  S_vcpuIndex,
  TLB_pageShift,
  OWNER_last,
  OWNER_tracked,
  VCPU_code,
  VM_vcpuCount,
  VM_vcpus,
} from "./layout.target";
import { tellTrackedWrite } from "./events.as";
import { dropWriteTags } from "./tlb.as";

/**
 * Tells the translator that code of a 4 KiB page is gone, so that it forgets regions that cover it: what may begin at these
 * offsets, or, if that is all of the page, the page's entries as well.
 */
@external("env", "codeDropped")
declare function codeDropped(physicalPage: i32, first: i32, end: i32): void;

/** An owner word: a bit per vCPU, one of who wants to know of all stores, and how often stores hit owned code. */
const OWNERS: u32 = 0xffffff;
const LAST_OWNER = OWNER_last;
const TRACKED: u32 = OWNER_tracked;
const COUNT_SHIFT = 24;
/** So many times the code is dropped; from then on up to the counter's end, stores are watched. */
const PATIENCE: u32 = CODE_patience;
const COUNT_END: u32 = 255;

/** Code pages in one page of the soft TLB. */
const PARTS_SHIFT = TLB_pageShift - CODE_shift;

/** Kinds of mail. */
const MAIL_DROP_PAGE = 0; // decoded code of 4 KiB
const MAIL_DROP_BLOCK = 1; // decoded code of a page
const MAIL_DROP_WRITES = 2; // write tags of a page

function ownerBit(index: i32): u32 {
  return 1 << (index < LAST_OWNER ? index : LAST_OWNER);
}

function ownersAt(page: i32): i32 {
  return load<i32>(ARCH_codeOwners) + page * 4;
}

/** True if any vCPU has decoded code of this page of the soft TLB (below ramLimit). */
export function isOwned(page: i32): bool {
  return (load<u32>(ownersAt(page)) & OWNERS) != 0;
}

// Mail between vCPUs.

function mail(to: i32, letter: i32): void {
  for (;;) {
    const head = atomic.load<i32>(to + S_mailHead);
    if (head - atomic.load<i32>(to + S_mailTail) >= N_mail) {
      atomic.or<i32>(to + S_requests, REQUEST_flushCode | REQUEST_flushTlb);
      return;
    }
    if (atomic.cmpxchg<i32>(to + S_mailHead, head, head + 1) != head) continue;
    atomic.store<i32>(to + S_mail + (head & (N_mail - 1)) * 4, letter);
    atomic.or<i32>(to + S_requests, REQUEST_mail);
    return;
  }
}

/** To every vCPU but `s` whose bit is in `owners`. */
function mailOthers(s: i32, owners: u32, page: i32, kind: i32): void {
  const count = load<i32>(VM_vcpuCount);
  for (let i = 0; i < count; i++) {
    const other = load<i32>(VM_vcpus + 4 * i);
    if (other != s && owners & ownerBit(i)) mail(other, (page << 3) | (kind << 1) | 1);
  }
}

/** Does what other vCPUs asked for. */
export function readMail(s: i32): void {
  for (;;) {
    const tail = load<i32>(s, S_mailTail);
    if (tail == atomic.load<i32>(s + S_mailHead)) return;
    const letter = atomic.xchg<i32>(s + S_mail + (tail & (N_mail - 1)) * 4, 0);
    if (letter == 0) {
      // Its sender has the place but has not written yet: later.
      atomic.or<i32>(s + S_requests, REQUEST_mail);
      return;
    }
    atomic.store<i32>(s + S_mailTail, tail + 1);
    const page = letter >>> 3;
    const kind = (letter >> 1) & 3;
    if (kind == MAIL_DROP_PAGE) dropPart(s, page);
    else if (kind == MAIL_DROP_BLOCK) dropBlock(s, page);
    else dropWriteTags(s, page);
  }
}

// Dropping decoded code. Entries are cleared where they stand: their page stays mapped, and is decoded again when it runs.

/** Address of the map of code of a kind. */
// @ts-ignore: decorator
@inline
export function codeMapOf(s: i32, kind: i32): i32 {
  return load<i32>(s, S_codeMaps) + kind * (<u32>load<i32>(ARCH_codeMapSize) / CODE_kinds);
}

/** Address of the code page of a kind for a 4 KiB page; 0 if there is none. */
function codePageOf(s: i32, kind: i32, page: i32): i32 {
  return load<i32>(codeMapOf(s, kind) + page * 4);
}

/** Drops 4 KiB. */
function dropPart(s: i32, page: i32): void {
  let any = false;
  for (let kind = 0; kind < CODE_kinds; kind++) {
    const code = codePageOf(s, kind, page);
    if (code == 0) continue;
    memory.fill(code, 0, CODE_instructions * CODE_entrySize);
    any = true;
  }
  if (any) codeDropped(page, 0, 1 << CODE_shift);
}

/** Drops a page of the soft TLB. */
function dropBlock(s: i32, page: i32): void {
  const first = page << PARTS_SHIFT;
  for (let part = first; part < first + (1 << PARTS_SHIFT); part++) dropPart(s, part);
}

/** Where the first instruction may begin that some bytes stored are part of, if it lies in one page with them. */
// @ts-ignore: decorator
@inline
function reachedFrom(physical: u64): u64 {
  if (CODE_longest == CODE_unit) return physical & ~(CODE_unit - 1);
  const back: u64 = CODE_longest - CODE_unit;
  return (physical < back ? 0 : physical - back) & ~(CODE_unit - 1);
}

/** Drops what was decoded of some bytes. */
function dropBytes(s: i32, physical: u64, size: i32): void {
  const end = physical + size;
  let at = reachedFrom(physical);
  while (at < end) {
    const page = <i32>(at >> CODE_shift);
    const next = (<u64>(page + 1)) << CODE_shift;
    const last = next < end ? next : end;
    let any = false;
    for (let kind = 0; kind < CODE_kinds; kind++) {
      const code = codePageOf(s, kind, page);
      if (code == 0) continue;
      for (let one = at; one < last; one += CODE_unit) {
        store<i32>(code + ((<i32>(one & ((1 << CODE_shift) - 1))) << CODE_scale), 0);
      }
      any = true;
    }
    const begin = (<u64>page) << CODE_shift;
    if (any) codeDropped(page, <i32>(at - begin), <i32>(last - begin));
    at = next;
  }
}

/** Unmaps all decoded code of this vCPU. */
export function dropAllCode(s: i32): void {
  let code = s + VCPU_code;
  // A look at one that was never taken would have the host give it room.
  const taken = load<i32>(s, S_codePagesTaken);
  for (let i = 0; i < taken; i++) {
    unmapCodePage(s, code);
    code += CODE_size;
  }
}

/** Drops what was decoded at an offset of a 4 KiB page: there may be a breakpoint now. */
export function dropOffset(s: i32, page: i32, offset: i32): void {
  for (let kind = 0; kind < CODE_kinds; kind++) {
    const code = codePageOf(s, kind, page);
    if (code != 0) store<i32>(code + (offset << CODE_scale), 0);
  }
  codeDropped(page, offset, offset + 1);
}

/** Takes a code page out of its map, if it is in it. */
export function unmapCodePage(s: i32, code: i32): void {
  const tagged = load<u32>(code, CODE_physical);
  const page = <i32>(tagged & ((1 << CODE_kindShift) - 1));
  if ((<u64>page) << CODE_shift >= load<u64>(ARCH_ramLimit)) return;
  const at = codeMapOf(s, <i32>(tagged >>> CODE_kindShift)) + page * 4;
  if (load<i32>(at) != code) return;
  store<i32>(at, 0);
  codeDropped(page, 0, 1 << CODE_shift);
}

/**
 * The code is fetched through a small page: what surrounds it, and how far into a large page it is, may differ from what regions
 * over a large page count on. They are forgotten, and new ones stay inside these 4 KiB. Of a new code page there are none.
 */
export function fetchedThroughSmall(code: i32, page: i32, isNew: bool): void {
  if (load<i32>(code, CODE_small)) return;
  store<i32>(code, 1, CODE_small);
  if (!isNew) codeDropped(page, 0, 1 << CODE_shift);
}

// Ownership.

/** Before an instruction is decoded: from now on stores to its page are to be noticed. */
// @ts-ignore: decorator
@inline
export function claim(s: i32, page: i32): void {
  if (!(load<u32>(ownersAt(page)) & ownerBit(load<i32>(s, S_vcpuIndex)))) becomeOwner(s, page);
}

function becomeOwner(s: i32, page: i32): void {
  atomic.or<u32>(ownersAt(page), ownerBit(load<i32>(s, S_vcpuIndex)));
  dropWriteTags(s, page);
  mailOthers(s, OWNERS, page, MAIL_DROP_WRITES);
}

/** A store is about to hit an owned page. True: the page stays owned, and what is stored must go to `storedToCode`. */
export function storeHitsCode(s: i32, page: i32): bool {
  const at = ownersAt(page);
  for (;;) {
    const word = atomic.load<u32>(at);
    if (!(word & OWNERS)) return false;
    if (word & TRACKED) return true;
    const count = word >>> COUNT_SHIFT;
    if (count >= PATIENCE && count < COUNT_END) {
      if (atomic.cmpxchg<u32>(at, word, word + (1 << COUNT_SHIFT)) == word) return true;
      continue;
    }
    const next: u32 = count == COUNT_END ? 0 : (count + 1) << COUNT_SHIFT;
    if (atomic.cmpxchg<u32>(at, word, next) != word) continue;
    dropBlock(s, page);
    mailOthers(s, word & OWNERS, page, MAIL_DROP_BLOCK);
    return false;
  }
}

/** Bytes of a watched page have been stored. */
export function storedToCode(s: i32, physical: u64, size: i32): void {
  dropBytes(s, physical, size);
  const owners = load<u32>(ownersAt(<i32>(physical >> TLB_pageShift))) & OWNERS;
  const page = <i32>(reachedFrom(physical) >> CODE_shift);
  mailOthers(s, owners, page, MAIL_DROP_PAGE);
  const last = <i32>((physical + size - 1) >> CODE_shift);
  if (last != page) mailOthers(s, owners, last, MAIL_DROP_PAGE);
  if (owners & TRACKED) tellTrackedWrite(s, physical, size);
}

/**
 * Something other than a vCPU has written guest memory (a device's DMA): owners drop what they decoded of it. 1: there were
 * some, and each does it when it reads its mail.
 */
export function guestMemoryWritten(physical: i64, size: i64): i32 {
  const limit = load<u64>(ARCH_ramLimit);
  let end = <u64>physical + <u64>size;
  if (end > limit) end = limit;
  const last = (end + ((1 << TLB_pageShift) - 1)) >> TLB_pageShift;
  let any = 0;
  for (let page = <u64>physical >> TLB_pageShift; page < last; page++) {
    const at = ownersAt(<i32>page);
    if (!(atomic.load<u32>(at) & OWNERS)) continue;
    mailOthers(0, atomic.and<u32>(at, ~OWNERS | TRACKED) & OWNERS, <i32>page, MAIL_DROP_BLOCK);
    any = 1;
  }
  return any;
}
