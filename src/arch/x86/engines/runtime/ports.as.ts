/**
 * Ports. An access is an exit, as those to devices in memory are; a repeated string instruction makes one for as many elements
 * as lie in a page, whose bytes are in `ioBuffer`. What has been read of them and could not be stored yet stays there, for
 * whoever reads the port next: so nothing is lost where a store faults meanwhile, and nothing is read twice.
 */
import {
  CODEMODE_general,
  EXIT_io,
  EXIT_mmio,
  MODE_alone,
  N_ioBuffer,
  RFLAGS_direction,
  S_cpl,
  S_exitCode,
  S_fault,
  S_ioAhead,
  S_ioBuffer,
  S_ioCount,
  S_ioFrom,
  S_ioPort,
  S_mmioCompleted,
  S_mmioConsumed,
  S_mmioReplay,
  S_mode,
  S_nestedError,
  S_nestedFault,
  S_segmentAccess,
  S_segmentBase,
  S_segmentLimit,
  S_selector,
  S_systemFlags,
  SEGMENT_gs,
  SEGMENT_tr,
  TLB_readTag,
  TLB_writeTag,
  VECTOR_generalProtection,
} from "./layout.generated";
import { loadSlow, storeSlow } from "../../../../engine/runtime/access.as";
import { mmioAccess, mmioData } from "../../../../engine/runtime/mmio.as";
import { PAGE_MASK } from "../../../../engine/runtime/tlb.as";
import { guestWatchesPorts } from "../../interrupts/debug.as";
import { raiseWith } from "../../interrupts/deliver.as";
import { CODE, CONFORMING } from "../../interrupts/segments.as";
import { isVirtual8086 } from "../../mmu/mode.as";
import { hostOf } from "../../mmu/strings.as";
import { begin, failed, readSystem } from "../../mmu/system-access.as";
import { ioLevel } from "./system.as";

const BUFFER_BYTES = N_ioBuffer * 4;

/** Whether the present level may use these ports: by IOPL, or by the task's bitmap. */
function mayUse(s: i32, port: i32, bytes: i32): bool {
  if (load<i32>(s, S_cpl) <= ioLevel(s) && !isVirtual8086(s)) return true;
  const limit = load<u32>(s, S_segmentLimit + 4 * SEGMENT_tr);
  // A task's segment of 16 bits has no bitmap.
  const wide = (load<i32>(s, S_segmentAccess + 4 * SEGMENT_tr) & 8) != 0;
  if (limit < 103 || !wide || !(load<i32>(s, S_selector + 4 * SEGMENT_tr) & 0xfffc)) return false;
  const tss = load<u64>(s, S_segmentBase + 8 * SEGMENT_tr);
  begin(s);
  const at = <u32>readSystem(s, tss + 102, 2) + (<u32>port >> 3);
  let allowed = false;
  if (!failed(s) && at + 1 <= limit) {
    const bits = <i32>readSystem(s, tss + at, 2);
    allowed = !((bits >> (port & 7)) & ((1 << bytes) - 1));
  }
  if (failed(s)) raiseWith(s, load<i32>(s, S_nestedFault) - 1, load<i32>(s, S_nestedError));
  return allowed;
}

/** The same, or a fault; nor does the guest watch them, for which the instruction starts over. */
function allowed(s: i32, port: i32, bytes: i32): bool {
  if (mayUse(s, port, bytes)) return !guestWatchesPorts(s, port, bytes);
  if (!load<i32>(s, S_fault)) raiseWith(s, VECTOR_generalProtection, 0);
  return false;
}

/** So many accesses: an exit. False: they are not done yet. */
function portAccess(s: i32, port: i32, bytes: i32, write: bool, data: u64, count: i32): bool {
  if (mmioAccess(s, port, bytes, write, data)) return true;
  if (load<i32>(s, S_exitCode) == EXIT_mmio) store<i32>(s, EXIT_io, S_exitCode);
  store<i32>(s, count, S_ioCount);
  // The buffer is another exit's now.
  store<i32>(s, 0, S_ioAhead);
  return false;
}

/** Whether the next access has been answered. */
function isAnswered(s: i32): bool {
  return load<i32>(s, S_mmioReplay) != 0 && load<i32>(s, S_mmioConsumed) < load<i32>(s, S_mmioCompleted);
}

/** Elements of this port's that have been read ahead. */
function ahead(s: i32, port: i32, bytes: i32): i32 {
  const same = load<i32>(s, S_ioPort) == ((port << 3) | bytes);
  return same ? load<i32>(s, S_ioAhead) : 0;
}

/** Host address of the next `count` of them, which are taken. */
function takeAhead(s: i32, bytes: i32, count: i32): i32 {
  const from = load<i32>(s, S_ioFrom);
  store<i32>(s, from + count, S_ioFrom);
  store<i32>(s, load<i32>(s, S_ioAhead) - count, S_ioAhead);
  return s + S_ioBuffer + ((from * bytes) & (BUFFER_BYTES - 1));
}

/** What an exit for several elements has been answered by is there to be taken. */
function putAhead(s: i32, port: i32, bytes: i32): void {
  store<i32>(s, (port << 3) | bytes, S_ioPort);
  store<i32>(s, load<i32>(s, S_ioCount), S_ioAhead);
  store<i32>(s, 0, S_ioFrom);
}

function elementAt(host: i32, bytes: i32): u64 {
  if (bytes == 1) return load<u8>(host);
  return bytes == 2 ? load<u16>(host) : load<u32>(host);
}

/** One element of a port that may be used. After a fault or an exit, nothing. */
function readPort(s: i32, port: i32, bytes: i32): u64 {
  if (ahead(s, port, bytes) == 0) {
    if (!portAccess(s, port, bytes, false, 0, 1)) return 0;
    if (load<i32>(s, S_ioCount) == 1) return mmioData;
    putAhead(s, port, bytes);
  }
  return elementAt(takeAhead(s, bytes, 1), bytes);
}

export function portIn(s: i32, port: i32, size: i32): i64 {
  const number = port & 0xffff;
  return allowed(s, number, size >> 3) ? readPort(s, number, size >> 3) : 0;
}

export function portOut(s: i32, port: i32, size: i32, value: i64): void {
  const number = port & 0xffff;
  if (allowed(s, number, size >> 3)) portAccess(s, number, size >> 3, true, value, 1);
}

/** Whether the elements lie downwards. */
function isDownward(s: i32): bool {
  return (load<u64>(s, S_systemFlags) & RFLAGS_direction) != 0;
}

/**
 * Elements from an offset of a segment on, of `bits`, that do not wrap and are within its limit: that of each segment that begins
 * there, since it is not known here which is meant.
 */
function inSegment(s: i32, address: u64, offset: u64, bits: i32, bytes: i32, down: bool): u64 {
  if (down) return offset / bytes + 1;
  let room = (((<u64>1) << bits) - offset) / bytes;
  if ((load<i32>(s, S_mode) & ~MODE_alone) != CODEMODE_general) return room;
  const base = (address - offset) & 0xffffffff;
  for (let segment = 0; segment <= SEGMENT_gs; segment++) {
    if (load<u64>(s + 8 * segment, S_segmentBase) != base) continue;
    const limit = <u64>load<u32>(s + 4 * segment, S_segmentLimit);
    const access = load<i32>(s + 4 * segment, S_segmentAccess);
    // Data whose bit of this is set expand down.
    if (limit < offset || (access & (CODE | CONFORMING)) == CONFORMING) return 1;
    const within = (limit + 1 - offset) / bytes;
    if (within < room) room = within;
  }
  return room;
}

/**
 * Elements from an address on, `count` at most, that lie in its page and that one exit can have; 1 where each is one of its own.
 * What is run again, since it has been answered, always runs alone.
 */
function elementsFrom(s: i32, address: u64, offset: u64, bits: i32, bytes: i32, count: u64): i32 {
  const within = <i32>(address & PAGE_MASK);
  const alone = !isAnswered(s) && (load<i32>(s, S_mode) & MODE_alone) != 0;
  if (alone || within + bytes > <i32>PAGE_MASK + 1) return 1;
  const down = isDownward(s);
  let most: u64 = down ? within / bytes + 1 : (<i32>PAGE_MASK + 1 - within) / bytes;
  if (count < most) most = count;
  if (bits != 64) {
    const room = inSegment(s, address, offset, bits, bytes, down);
    if (room < most) most = room;
  }
  return most < 1 ? 1 : <i32>most;
}

/** Copies elements between memory, where they may lie downwards, and the buffer, where the first is first. */
function copy(s: i32, memoryAt: i32, buffer: i32, bytes: i32, count: i32, toMemory: bool): void {
  if (!isDownward(s)) {
    if (toMemory) memory.copy(memoryAt, buffer, bytes * count);
    else memory.copy(buffer, memoryAt, bytes * count);
    return;
  }
  for (let i = 0; i < count; i++) {
    const there = memoryAt - i * bytes;
    const here = buffer + i * bytes;
    if (toMemory) memory.copy(there, here, bytes);
    else memory.copy(here, there, bytes);
  }
}

/**
 * Reads a port into the elements from an address on, whose first can be written; how many were read and stored. `offset`: of the
 * address in its segment, of so many bits.
 */
export function portInMany(s: i32, port: i32, size: i32, address: i64, offset: i64, bits: i32, count: i64): i64 {
  const number = port & 0xffff;
  const bytes = size >> 3;
  if (!allowed(s, number, bytes)) return 0;
  const host = hostOf(s, address, TLB_writeTag);
  const most = host == 0 ? 1 : elementsFrom(s, address, offset, bits, bytes, count);
  if (ahead(s, number, bytes) == 0 && most > 1) {
    if (!portAccess(s, number, bytes, false, 0, most)) return 0;
    if (load<i32>(s, S_ioCount) == 1) {
      storeSlow(s, address, bytes, mmioData, 0);
      return 1;
    }
    putAhead(s, number, bytes);
  }
  const there = ahead(s, number, bytes);
  if (there == 0 || most == 1) {
    const value = readPort(s, number, bytes);
    if (!load<i32>(s, S_fault)) storeSlow(s, address, bytes, value, 0);
    return 1;
  }
  const many = there < most ? there : most;
  copy(s, host, takeAhead(s, bytes, many), bytes, many, true);
  return many;
}

/** Writes the elements from an address on, whose first can be read, to a port; how many. */
export function portOutMany(s: i32, port: i32, size: i32, address: i64, offset: i64, bits: i32, count: i64): i64 {
  const number = port & 0xffff;
  const bytes = size >> 3;
  if (!allowed(s, number, bytes)) return 0;
  const value = loadSlow(s, address, bytes, 0);
  if (load<i32>(s, S_fault)) return 0;
  let many = 1;
  if (!isAnswered(s)) {
    const host = hostOf(s, address, TLB_readTag);
    if (host != 0) many = elementsFrom(s, address, offset, bits, bytes, count);
    if (many > 1) copy(s, host, s + S_ioBuffer, bytes, many, false);
  }
  if (!portAccess(s, number, bytes, true, value, many)) return 0;
  const done = <i64>load<i32>(s, S_ioCount);
  return done < count ? done : count;
}
