/** SSSE3: shuffles by bytes, sums of neighbours, signs, rounded products. */
import type { I64, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { type Binary, packed, packedUnary } from "../vector-forms.js";

const ssse3 = { feature: "ssse3", mmx: "ssse3" } as const;

const repeated = (m: X86Machine, byte: bigint): V128 => m.v128.const(byte * 0x0101_0101_0101_0101_0101_0101_0101_0101n);
/** The numbers of the lanes. */
const iota = (m: X86Machine): V128 => m.v128.const(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100n);

/** A sign bit in an index, and so one that is too large, picks 0. */
const shuffled: Binary = (m, a, b, bytes) =>
  m.i8x16.swizzle(a, m.v128.and(b, repeated(m, bytes === 8 ? 0x87n : 0x8fn)));

/** Every other element of both, the first of two or the second. */
function everyOther(m: X86Machine, a: V128, b: V128, bytes: 8 | 16, element: 2 | 4, second: boolean): V128 {
  const list = Array.from({ length: 16 }, (_, i) => {
    if (i >= bytes) return 0;
    const number = Math.floor(i / element);
    const half = bytes / element / 2;
    const from = number < half ? 2 * number : 2 * (number - half);
    return (from + (second ? 1 : 0)) * element + (i % element) + (number < half ? 0 : 16);
  });
  return m.i8x16.shuffle(a, b, list);
}
const neighbours =
  (element: 2 | 4, operation: "add" | "sub" | "addSatS" | "subSatS"): Binary =>
  (m, a, b, bytes) => {
    const first = everyOther(m, a, b, bytes, element, false);
    const second = everyOther(m, a, b, bytes, element, true);
    if (element === 2) return m.i16x8[operation](first, second);
    return m.i32x4[operation as "add" | "sub"](first, second);
  };

/** Unsigned bytes times signed ones, neighbours' products added. */
const products: Binary = (m, a, b) => {
  const { i16x8, i32 } = m;
  const eight = i32.const(8);
  const even = i16x8.mul(i16x8.shrU(i16x8.shl(a, eight), eight), i16x8.shrS(i16x8.shl(b, eight), eight));
  const odd = i16x8.mul(i16x8.shrU(a, eight), i16x8.shrS(b, eight));
  return i16x8.addSatS(even, odd);
};

/** The first with the second's sign; 0 where that is 0. */
const signed =
  (shape: "i8x16" | "i16x8" | "i32x4", bits: number): Binary =>
  (m, a, b) => {
    const minus = m[shape].shrS(b, m.i32.const(bits - 1));
    const value = m[shape].sub(m.v128.xor(a, minus), minus);
    return m.v128.andnot(value, m[shape].eq(b, m.v128.const(0n)));
  };

/** Bits 1 to 16 of products that 2 ** 14 divides, 1 added. */
const rounded: Binary = (m, a, b) => {
  const { i32x4, i32 } = m;
  const scaled = (product: V128) =>
    i32x4.shrU(i32x4.add(i32x4.shrU(product, i32.const(14)), i32x4.splat(i32.const(1))), i32.const(1));
  const list = Array.from({ length: 16 }, (_, i) => 4 * (i >> 1) + (i & 1));
  return m.i8x16.shuffle(scaled(i32x4.extmulLowS(a, b)), scaled(i32x4.extmulHighS(a, b)), list);
};

/** Bytes from a number on of the second operand with the first above it. */
function aligned(m: X86Machine, a: V128, b: V128, bytes: 8 | 16, from: I64): V128 {
  const { i8x16, v128 } = m;
  const places = i8x16.addSatU(iota(m), i8x16.splat(m.i32.wrap(from)));
  if (bytes === 8) return i8x16.swizzle(v128.make(v128.low(a), v128.low(b)), places);
  const above = i8x16.sub(places, repeated(m, 16n));
  return v128.or(i8x16.swizzle(b, places), i8x16.swizzle(a, above));
}
const align = (m: X86Machine, operands: unknown): void => {
  const { dst, a = dst, src, from } = operands as { dst: Operand; a?: Operand; src: Operand; from: Operand };
  const value = src.vector();
  const by = from.read();
  const upper = dst.size === 256 ? aligned(m, a.upper(), src.upper(), 16, by) : undefined;
  dst.setVector(aligned(m, a.vector(), value, dst.size === 64 ? 8 : 16, by), upper);
};

export const ssse3Instructions: readonly InsnDefinition[] = [
  ...packed("pshufb", "0F 38 00", shuffled, ssse3),
  ...packed("phaddw", "0F 38 01", neighbours(2, "add"), ssse3),
  ...packed("phaddd", "0F 38 02", neighbours(4, "add"), ssse3),
  ...packed("phaddsw", "0F 38 03", neighbours(2, "addSatS"), ssse3),
  ...packed("pmaddubsw", "0F 38 04", products, ssse3),
  ...packed("phsubw", "0F 38 05", neighbours(2, "sub"), ssse3),
  ...packed("phsubd", "0F 38 06", neighbours(4, "sub"), ssse3),
  ...packed("phsubsw", "0F 38 07", neighbours(2, "subSatS"), ssse3),
  ...packed("psignb", "0F 38 08", signed("i8x16", 8), ssse3),
  ...packed("psignw", "0F 38 09", signed("i16x8", 16), ssse3),
  ...packed("psignd", "0F 38 0A", signed("i32x4", 32), ssse3),
  ...packed("pmulhrsw", "0F 38 0B", rounded, ssse3),
  ...packedUnary("pabsb", "0F 38 1C", (m, a) => m.i8x16.abs(a), ssse3),
  ...packedUnary("pabsw", "0F 38 1D", (m, a) => m.i16x8.abs(a), ssse3),
  ...packedUnary("pabsd", "0F 38 1E", (m, a) => m.i32x4.abs(a), ssse3),
  insn(
    "palignr",
    ["66 0F 3A 0F /r  dst:x, src:xm, from:u8", "NP 0F 3A 0F /r  dst:q, src:qm, from:u8"],
    { feature: "ssse3" },
    align,
  ),
  insn("vpalignr", ["VEX.L.66.0F3A 0F /r  dst:x, a:xv, src:xm, from:u8  avx/avx2"], { unaligned: true }, align),
];
