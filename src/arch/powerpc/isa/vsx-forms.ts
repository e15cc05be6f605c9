/** What VSX loads and stores share. */
import type { I32, I64, Machine, V128 } from "./machine.js";
import { reverseBytes, reverseElements } from "./vector-lanes.js";

export const vsx = { facility: "vsx" } as const;
/** As `vsx`, but VEC decides for VSRs 32 to 63. */
export const vsxOrVector = { facility: "vsx", vectorIfHigh: "xt" } as const;

export const indexed = (m: Machine, ra: I32, rb: I32): I64 => m.i64.add(m.gprOrZero(ra), m.gpr(rb));

export type MemoryElementBits = 8 | 16 | 32 | 64 | 128;

/**
 * 16 bytes of storage, in the current byte order, as a register's elements in order of address, each element in the
 * current byte order; and back, which is the same exchange.
 */
export function inAddressOrder(m: Machine, width: MemoryElementBits, quad: V128): V128 {
  if (!m.littleEndian || width === 128) return quad;
  return width === 8 ? reverseBytes(m, 128, quad) : reverseElements(m, width, quad);
}

/** Number of bytes that the length forms move: RB[0:7], at most 16. */
export function byteLength(m: Machine, rb: I32): I32 {
  const { i32, i64 } = m;
  const length = i32.wrap(i64.shrU(m.gpr(rb), i64.const(56)));
  return m.select(i32.gtU(length, i32.const(16)), i32.const(16), length);
}

/** The lane of the byte `index` of a left-justified string or, in the current byte order, of a quadword's start. */
export function lengthLane(m: Machine, left: boolean, index: I32): V128 {
  return m.i8x16.splat(left || !m.littleEndian ? m.i32.sub(m.i32.const(15), index) : index);
}
