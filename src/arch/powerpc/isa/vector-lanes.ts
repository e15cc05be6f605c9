/**
 * Operations on 128-bit values that several groups of vector instructions share, in terms of `Machine`.
 * The manual numbers elements from the most significant end; lanes count from the least significant one.
 */
import type { I32, I64, LaneOps, Machine, V128 } from "./machine.js";

export type ElementBits = 8 | 16 | 32 | 64;

/** A constant with the same value in every element. */
export function splat(m: Machine, width: ElementBits, value: number | bigint): V128 {
  const element = BigInt.asUintN(width, BigInt(value));
  let all = 0n;
  for (let at = 0; at < 128; at += width) all |= element << BigInt(at);
  return m.v128.const(all);
}

/** Lane i of 16 holds i. */
export function laneNumbers(m: Machine): V128 {
  return m.v128.const(0x0f0e0d0c0b0a09080706050403020100n);
}

/** Bytes of a (0 to 15) and b (16 to 31), all numbered as the manual does: result byte i is bytes[i]. */
export function pickBytes(m: Machine, a: V128, b: V128, bytes: readonly number[]): V128 {
  return m.i8x16.shuffle(
    a,
    b,
    bytes.toReversed().map((n) => (n < 16 ? 15 - n : 47 - n)),
  );
}

/** The same for elements of any width: those of a come first, then those of b. */
export function pick(m: Machine, width: ElementBits, a: V128, b: V128, elements: readonly number[]): V128 {
  const size = width / 8;
  return pickBytes(
    m,
    a,
    b,
    elements.flatMap((n) => Array.from({ length: size }, (_, k) => n * size + k)),
  );
}

/** Elements 0, 1, 2... of the register turned round. */
export function reverseElements(m: Machine, width: ElementBits, a: V128): V128 {
  const count = 128 / width;
  return pick(
    m,
    width,
    a,
    a,
    Array.from({ length: count }, (_, i) => count - 1 - i),
  );
}

/** The bytes of every element turned round. */
export function reverseBytes(m: Machine, width: ElementBits | 128, a: V128): V128 {
  const size = width / 8;
  return pickBytes(
    m,
    a,
    a,
    Array.from({ length: 16 }, (_, i) => i - (i % size) + size - 1 - (i % size)),
  );
}

/** Makes VSCR[SAT] 1 if any bit of `excess` is set; it is sticky. */
export function saturated(m: Machine, excess: V128): void {
  m.set("sat", m.i32.or(m.get("sat"), m.v128.anyTrue(excess)));
}

export type Shift = "shl" | "shrU" | "shrS" | "rotl";

/**
 * Shifts each element by the low bits of the same element of `counts`. WebAssembly shifts all lanes by one count only:
 * the narrow shapes go through the count bit by bit, the wide ones element by element.
 */
export function shiftEach(m: Machine, width: ElementBits, shift: Shift, a: V128, counts: V128): V128 {
  switch (width) {
    case 8:
      return shiftNarrow(m, m.i8x16, width, shift, a, counts);
    case 16:
      return shiftNarrow(m, m.i16x8, width, shift, a, counts);
    case 32:
      return mapWords(m, (x, n) => m.i32[shift](x, n), a, counts);
    case 64:
      return mapDoublewords(m, (x, n) => m.i64[shift](x, n), a, counts);
  }
}

function shiftNarrow(m: Machine, lanes: LaneOps<I32>, width: 8 | 16, shift: Shift, a: V128, counts: V128): V128 {
  let result = a;
  for (let step = 1; step < width; step *= 2) {
    const bit = splat(m, width, step);
    const wanted = lanes.eq(m.v128.and(counts, bit), bit);
    const n = m.i32.const(step);
    const moved =
      shift === "rotl"
        ? m.v128.or(lanes.shl(result, n), lanes.shrU(result, m.i32.const(width - step)))
        : lanes[shift](result, n);
    result = m.v128.bitselect(moved, result, wanted);
  }
  return result;
}

/** A function of the words of one, two or three registers, word by word. */
export function mapWords(m: Machine, f: (a: I32, b: I32, c: I32) => I32, a: V128, b = a, c = a): V128 {
  const { i32x4 } = m;
  let result = a;
  for (let lane = 0; lane < 4; lane++) {
    const word = f(i32x4.extract(a, lane), i32x4.extract(b, lane), i32x4.extract(c, lane));
    result = i32x4.replace(result, lane, word);
  }
  return result;
}

/** A function of the doublewords of one, two or three registers, doubleword by doubleword. */
export function mapDoublewords(m: Machine, f: (a: I64, b: I64, c: I64) => I64, a: V128, b = a, c = a): V128 {
  const { v128 } = m;
  return v128.make(f(v128.high(a), v128.high(b), v128.high(c)), f(v128.low(a), v128.low(b), v128.low(c)));
}

/** The sum of two 128-bit numbers and a carry of 0 or 1, and its carry out. */
export function addQuadword(m: Machine, a: V128, b: V128, carryIn: I64): { sum: V128; carry: I64 } {
  const { i64, v128 } = m;
  const add = (x: I64, y: I64, carry: I64) => {
    const partial = i64.add(x, y);
    const sum = i64.add(partial, carry);
    return { sum, carry: i64.extendU(m.i32.or(i64.ltU(partial, x), i64.ltU(sum, partial))) };
  };
  const low = add(v128.low(a), v128.low(b), carryIn);
  const high = add(v128.high(a), v128.high(b), low.carry);
  return { sum: v128.make(high.sum, low.sum), carry: high.carry };
}
