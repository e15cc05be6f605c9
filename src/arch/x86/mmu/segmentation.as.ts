/**
 * Linear addresses outside 64-bit mode: what of a segment can be reached, and how. Source: Intel SDM, volume 3, "Limit
 * Checking" and "Type Checking"; volume 1, "Stack Alignment" and "Address-Size Attributes for Stack".
 */
import {
  RECORD_base,
  RECORD_displacement,
  RECORD_index,
  RECORD_narrow,
  RECORD_scale,
  RECORD_segment,
  S_general,
  S_pc,
  S_segmentAccess,
  S_segmentBase,
  S_segmentLimit,
  SEGMENT_cs,
  SEGMENT_ss,
  VECTOR_generalProtection,
  VECTOR_stackFault,
} from "../engines/runtime/layout.generated";
import { raiseWith } from "../interrupts/deliver.as";
import { BIG, CODE, isInside, PRESENT, WRITABLE } from "../interrupts/segments.as";
import { hasPlainSegments, is64 } from "./mode.as";

/** The low bits of a decoded entry's word, which are no part of the record's address. */
const LENGTH = 15;
const RSP = 4 * 8;

/** Whether what is asked for can be had of a segment, as it has been loaded. */
function allows(s: i32, access: i32, write: i32): bool {
  if (hasPlainSegments(s)) return true;
  if (!(access & PRESENT)) return false;
  if (write) return (access & (CODE | WRITABLE)) == WRITABLE;
  return (access & (CODE | WRITABLE)) != CODE;
}

/** Linear address of what is at an offset of a segment; `segment` is the place of its base among them. After a fault, 0. */
export function segmentAddress(s: i32, segment: i32, offset: i64, bytes: i32, write: i32): i64 {
  const place = segment >> 1;
  const access = load<i32>(s + place, S_segmentAccess);
  if (!allows(s, access, write) || !isInside(access, load<u32>(s + place, S_segmentLimit), offset, bytes)) {
    raiseWith(s, segment == 8 * SEGMENT_ss ? VECTOR_stackFault : VECTOR_generalProtection, 0);
    return 0;
  }
  return (load<i64>(s + segment, S_segmentBase) + offset) & 0xffffffff;
}

/** The offset of an operand that ModRM names, with so much more. */
function offsetOf(s: i32, word: i32, more: i64): i64 {
  const record = word & ~LENGTH;
  const base = load<i64>(s + <i32>load<u8>(record, RECORD_base), S_general);
  const index = load<i64>(s + <i32>load<u8>(record, RECORD_index), S_general) << load<u8>(record, RECORD_scale);
  const sum = base + index + <i64>load<i32>(record, RECORD_displacement) + more;
  return sum & (load<u8>(record, RECORD_narrow) ? 0xffff : 0xffffffff);
}

export function operandOffset(s: i32, word: i32): i64 {
  return offsetOf(s, word, 0);
}

/** `moved` counts where RSP is the base, `further` always. */
export function operandAddress(s: i32, word: i32, moved: i32, further: i64, bytes: i32, write: i32): i64 {
  const record = word & ~LENGTH;
  const more = further + <i64>(load<u8>(record, RECORD_base) == RSP ? moved : 0);
  return segmentAddress(s, load<u8>(record, RECORD_segment), offsetOf(s, word, more), bytes, write);
}

/** What addresses of the stack are cut to. */
export function stackMask(s: i32): u64 {
  if (is64(s)) return 0xffffffffffffffff;
  return load<i32>(s, S_segmentAccess + 4 * SEGMENT_ss) & BIG ? 0xffffffff : 0xffff;
}

/** Linear address so far from where a register points in the stack's segment; `register` is its place in their file. */
export function stackAddress(s: i32, register: i32, offset: i32, bytes: i32, write: i32): i64 {
  const at = (load<i64>(s + register, S_general) + offset) & stackMask(s);
  if (is64(s)) return at;
  return segmentAddress(s, 8 * SEGMENT_ss, at, bytes, write);
}

/** RSP with the stack's top so far from where a register points: a stack of 16 bits leaves the other bits of RSP as they are. */
export function stackMoved(s: i32, register: i32, distance: i64): i64 {
  const at = load<i64>(s + register, S_general) + distance;
  if (is64(s)) return at;
  if (stackMask(s) == 0xffffffff) return at & 0xffffffff;
  return (load<i64>(s, S_general + RSP) & ~0xffff) | (at & 0xffff);
}

/** The instruction at pc is in its code segment as a whole, or a fault. */
export function insideCode(s: i32, word: i32): void {
  const limit = load<u32>(s, S_segmentLimit + 4 * SEGMENT_cs);
  if (limit == 0xffffffff) return;
  const offset = (load<u64>(s, S_pc) - load<u64>(s, S_segmentBase + 8 * SEGMENT_cs)) & 0xffffffff;
  if (offset + (word & LENGTH) - 1 > <u64>limit) raiseWith(s, VECTOR_generalProtection, 0);
}
