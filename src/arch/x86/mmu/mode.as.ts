/** Which mode the processor is in. Source: Intel SDM, volume 3, "Modes of Operation"; AMD APM, volume 2, "Long-Mode Overview". */
import {
  CR0_protection,
  EFER_longModeActive,
  FLATDATA_is,
  FLATDATA_mask,
  KIND_bits16,
  KIND_bits32,
  KIND_flat,
  KIND_long,
  RFLAGS_virtual8086,
  S_pc,
  S_segmentAccess,
  S_segmentBase,
  S_segmentLimit,
  S_systemFlags,
  SEGMENT_cs,
  SEGMENT_ds,
  SEGMENT_es,
  SEGMENT_ss,
} from "../engines/runtime/layout.generated";
import { control0, efer } from "./translate.as";

/** Bits of a segment's access: 64-bit code; 32 bits rather than 16. */
const LONG = 0x2000;
const BIG = 0x4000;

/** Long mode: of 64 bits, or compatible with 32 and 16. */
// @ts-ignore: decorator
@inline
export function isLongMode(s: i32): bool {
  return (efer(s) & EFER_longModeActive) != 0;
}

/** 64-bit mode. */
// @ts-ignore: decorator
@inline
export function is64(s: i32): bool {
  return isLongMode(s) && (load<i32>(s, S_segmentAccess + 4 * SEGMENT_cs) & LONG) != 0;
}

export function isReal(s: i32): bool {
  return !(control0(s) & CR0_protection);
}

export function isVirtual8086(s: i32): bool {
  return (load<u64>(s, S_systemFlags) & RFLAGS_virtual8086) != 0;
}

/** Segments are what real mode has: a selector is a sixteenth of its base. */
export function hasPlainSegments(s: i32): bool {
  return isReal(s) || isVirtual8086(s);
}

/** Whether a segment is all of 4 GiB, from 0 on. */
// @ts-ignore: decorator
@inline
function isWhole(s: i32, segment: i32): bool {
  return load<u64>(s + 8 * segment, S_segmentBase) == 0 && load<u32>(s + 4 * segment, S_segmentLimit) == 0xffffffff;
}

// @ts-ignore: decorator
@inline
function isFlatData(s: i32, segment: i32): bool {
  return isWhole(s, segment) && (load<i32>(s + 4 * segment, S_segmentAccess) & FLATDATA_mask) == FLATDATA_is;
}

/** Whether code, stack and data are in segments of which nothing has to be looked at. FS and GS are looked at. */
function isFlat(s: i32): bool {
  if (hasPlainSegments(s) || !isWhole(s, SEGMENT_cs)) return false;
  return isFlatData(s, SEGMENT_ss) && isFlatData(s, SEGMENT_ds) && isFlatData(s, SEGMENT_es);
}

/** Which kind of code runs. */
export function presentKind(s: i32): i32 {
  if (is64(s)) return KIND_long;
  if (!(load<i32>(s, S_segmentAccess + 4 * SEGMENT_cs) & BIG)) return KIND_bits16;
  return isFlat(s) ? KIND_flat : KIND_bits32;
}

/** Where the code segment begins: in 64-bit mode at 0. */
export function codeBase(s: i32): u64 {
  return is64(s) ? 0 : load<u64>(s, S_segmentBase + 8 * SEGMENT_cs);
}

/** RIP, EIP or IP: `pc` is a linear address. */
export function instructionPointer(s: i32): u64 {
  const pc = load<u64>(s, S_pc);
  return is64(s) ? pc : (pc - load<u64>(s, S_segmentBase + 8 * SEGMENT_cs)) & 0xffffffff;
}

/** The guest goes on there, in the code segment as it is by now. */
export function goOnAt(s: i32, target: u64): void {
  store<u64>(s, is64(s) ? target : (load<u64>(s, S_segmentBase + 8 * SEGMENT_cs) + target) & 0xffffffff, S_pc);
}
