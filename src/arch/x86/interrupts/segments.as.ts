/** Descriptors and what is loaded from them. Source: Intel SDM, volume 3, "Protected-Mode Memory Management". */
import {
  S_gdtBase,
  S_gdtLimit,
  S_segmentAccess,
  S_segmentBase,
  S_segmentLimit,
  S_selector,
  SEGMENT_ds,
  SEGMENT_ldtr,
  SEGMENT_ss,
} from "../engines/runtime/layout.generated";
import { deriveCode } from "../mmu/context.as";
import { readSystem, writeSystem } from "../mmu/system-access.as";
import { IMPLICIT } from "../mmu/translate.as";

// Bits of a segment's access: bits 8 to 23 of the upper half of its descriptor.
export const ACCESSED = 1;
export const WRITABLE = 2;
export const CONFORMING = 4;
export const CODE = 8;
/** Of a segment in virtual-8086 mode: data that can be written, at level 3. */
export const VIRTUAL_ACCESS = 0xf3;
/** It is no system segment. */
export const SYSTEM_BIT = 16;
export const PRESENT = 0x80;
export const LONG = 0x2000;
export const BIG = 0x4000;
export const GRANULAR = 0x8000;

// @ts-ignore: decorator
@inline
export function accessOf(descriptor: u64): i32 {
  return <i32>(descriptor >> 40) & 0xf0ff;
}

// @ts-ignore: decorator
@inline
export function dplOf(access: i32): i32 {
  return (access >> 5) & 3;
}

export function baseOf(descriptor: u64): u64 {
  return ((descriptor >> 16) & 0xffffff) | ((descriptor >> 32) & 0xff000000);
}

export function limitOf(descriptor: u64): i32 {
  const limit = <u32>(descriptor & 0xffff) | (<u32>(descriptor >> 32) & 0xf0000);
  return accessOf(descriptor) & GRANULAR ? (limit << 12) | 0xfff : limit;
}

/** Whether so many bytes at an offset are in a segment of this access and limit. */
export function isInside(access: i32, limit: u32, offset: u64, bytes: i32): bool {
  const last = offset + bytes - 1;
  // Over the end of 4 GiB processors do as they like: here it goes on at the beginning.
  if ((access & (CODE | CONFORMING)) != CONFORMING) return last <= <u64>limit || limit == 0xffffffff;
  // It expands down: what is beyond the limit.
  return offset > <u64>limit && last <= (access & BIG ? <u64>0xffffffff : <u64>0xffff);
}

/** Address of a selector's descriptor; 0 if its table has not so many bytes. */
function descriptorAt(s: i32, selector: i32, bytes: i32): u64 {
  const local = (selector & 4) != 0;
  if (local && !(load<i32>(s, S_selector + 4 * SEGMENT_ldtr) & 0xfffc)) return 0;
  const limit = local ? load<u32>(s, S_segmentLimit + 4 * SEGMENT_ldtr) : load<u32>(s, S_gdtLimit);
  if (<u32>((selector & 0xfff8) + bytes - 1) > limit) return 0;
  const base = local ? load<u64>(s, S_segmentBase + 8 * SEGMENT_ldtr) : load<u64>(s, S_gdtBase);
  return base + (selector & 0xfff8);
}

/** A selector's descriptor; 0 if there is none, or if reading it failed. */
export function readDescriptor(s: i32, selector: i32): u64 {
  const at = descriptorAt(s, selector, 8);
  return at == 0 ? 0 : readSystem(s, at, 8);
}

/** The upper half of a system descriptor's base. */
export function readUpperBase(s: i32, selector: i32): u64 {
  const at = descriptorAt(s, selector, 16);
  return at == 0 ? 0 : readSystem(s, at + 8, 4) << 32;
}

/** The second half of a system descriptor of long mode; 0 if its table does not have it. */
export function readUpperHalf(s: i32, selector: i32): u64 {
  const at = descriptorAt(s, selector, 16);
  return at == 0 ? 0 : readSystem(s, at + 8, 8);
}

/** Whether a system descriptor's sixteen bytes are in the table. */
export function isWhole(s: i32, selector: i32): bool {
  return descriptorAt(s, selector, 16) != 0;
}

/** Writes the byte of a descriptor that has its type and says that it was accessed. */
export function writeType(s: i32, selector: i32, type: i32): void {
  writeSystem(s, descriptorAt(s, selector, 8) + 5, 1, type & 0xff, IMPLICIT);
}

/** A segment register is another one: ES, CS, SS and DS, the first four, decide how code runs. */
// @ts-ignore: decorator
@inline
function changed(s: i32, segment: i32): void {
  if (segment <= SEGMENT_ds) deriveCode(s);
}

/** A segment register is what a descriptor says. */
export function setSegment(s: i32, segment: i32, selector: i32, descriptor: u64): void {
  store<i32>(s + S_selector + 4 * segment, selector);
  store<u64>(s + S_segmentBase + 8 * segment, baseOf(descriptor));
  store<i32>(s + S_segmentLimit + 4 * segment, limitOf(descriptor));
  store<i32>(s + S_segmentAccess + 4 * segment, accessOf(descriptor));
  changed(s, segment);
}

/** A segment register in real mode and virtual-8086 mode: real mode leaves the limit and the access as they were. */
export function setPlainSegment(s: i32, segment: i32, selector: i32, virtual: bool): void {
  store<i32>(s + S_selector + 4 * segment, selector & 0xffff);
  store<u64>(s + S_segmentBase + 8 * segment, (<u64>(selector & 0xffff)) << 4);
  if (virtual) {
    store<i32>(s + S_segmentLimit + 4 * segment, 0xffff);
    store<i32>(s + S_segmentAccess + 4 * segment, VIRTUAL_ACCESS);
  }
  changed(s, segment);
}

/** A segment register names none. Its base goes with it, as on Intel's processors. */
export function clearSegment(s: i32, segment: i32, selector: i32): void {
  store<i32>(s + S_selector + 4 * segment, selector);
  store<u64>(s + S_segmentBase + 8 * segment, 0);
  store<i32>(s + S_segmentLimit + 4 * segment, 0);
  store<i32>(s + S_segmentAccess + 4 * segment, 0);
  changed(s, segment);
}

/** The same where a return to an outer level does it: processors leave the base as it was, which FS and GS of 64-bit code still have. */
export function revokeSegment(s: i32, segment: i32): void {
  store<i32>(s + S_selector + 4 * segment, 0);
  store<i32>(s + S_segmentLimit + 4 * segment, 0);
  store<i32>(s + S_segmentAccess + 4 * segment, 0);
  changed(s, segment);
}

/** SS names none below level 3, in 64-bit mode: its selector is the level, which its access has too. */
export function clearStack(s: i32, level: i32): void {
  clearSegment(s, SEGMENT_ss, level);
  store<i32>(s, level << 5, S_segmentAccess + 4 * SEGMENT_ss);
}
