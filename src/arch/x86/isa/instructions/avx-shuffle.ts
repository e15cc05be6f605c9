/** AVX and AVX2: broadcasts, halves of 256 bits put together, elements in an order that a vector says or beyond their half. */
import type { I64, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { type Binary, combine } from "../vector-forms.js";

const unaligned = { unaligned: true } as const;

type Two = { readonly dst: Operand; readonly src: Operand };
type Ordered = Two & { readonly a: Operand; readonly how: Operand };

const shapes = { 8: "i8x16", 16: "i16x8", 32: "i32x4", 64: "i64x2" } as const;
/** One element in all places. */
const spread =
  (bits: 8 | 16 | 32 | 64) =>
  (m: X86Machine, o: unknown): void => {
    const { dst, src } = o as Two;
    const value = src.read();
    const shape = shapes[bits];
    const all = shape === "i64x2" ? m.i64x2.splat(value) : m[shape].splat(m.i32.wrap(value));
    dst.setVector(all, dst.size === 256 ? all : undefined);
  };
/** From memory since AVX, from registers since AVX2. */
const broadcastFloat = (name: string, opcode: string, length: "L" | "L1", bits: 32 | 64): InsnDefinition =>
  insn(
    name,
    [
      `VEX.${length}.66.0F38 ${opcode} /r W0  dst:x, src:m${bits}  avx`,
      `VEX.${length}.66.0F38 ${opcode} /r W0  dst:x, src:xr${bits}  avx2`,
    ] as [string, string],
    {},
    spread(bits),
  );
const broadcast = (name: string, opcode: string, bits: 8 | 16 | 32 | 64): InsnDefinition =>
  insn(name, [`VEX.L.66.0F38 ${opcode} /r W0  dst:x, src:xm${bits}  avx2`] as [string], {}, spread(bits));
const broadcastHalf = (_: X86Machine, { dst, src }: Two): void => {
  const value = src.vector();
  dst.setVector(value, value);
};

const insert = (m: X86Machine, { dst, a, src, how }: Ordered): void => {
  const value = src.vector();
  const high = m.i32.and(m.i32.wrap(how.read()), m.i32.const(1));
  const [low, upper] = [a.vector(), a.upper()];
  dst.setVector(m.select(high, low, value), m.select(high, value, upper));
};
const extract = (m: X86Machine, { dst, src, how }: Omit<Ordered, "a">): void => {
  const high = m.i32.and(m.i32.wrap(how.read()), m.i32.const(1));
  dst.setVector(m.select(high, src.upper(), src.vector()));
};

/** Each half one of four, or 0. */
const permuteHalves = (m: X86Machine, { dst, a, src, how }: Ordered): void => {
  const { i32 } = m;
  const second = [src.vector(), src.upper()] as const;
  const first = [a.vector(), a.upper()] as const;
  const by = i32.wrap(how.read());
  const half = (shift: number): V128 => {
    const bit = (number: number) => i32.and(by, i32.const(1 << (shift + number)));
    const pick = (of: readonly [V128, V128]) => m.select(bit(0), of[1], of[0]);
    return m.select(bit(3), m.v128.const(0n), m.select(bit(1), pick(second), pick(first)));
  };
  dst.setVector(half(0), half(4));
};
/** Each element of 64 bits one of four, by two bits of the immediate. */
const permuteQuads = (m: X86Machine, { dst, src, how }: Omit<Ordered, "a">): void => {
  const { i32, v128 } = m;
  const low = src.vector();
  const upper = src.upper();
  const by = i32.wrap(how.read());
  const element = (number: number): I64 => {
    const bit = (which: number) => i32.and(by, i32.const(1 << (2 * number + which)));
    const of = (value: V128) => m.select(bit(0), v128.high(value), v128.low(value));
    return m.select(bit(1), of(upper), of(low));
  };
  dst.setVector(v128.make(element(1), element(0)), v128.make(element(3), element(2)));
};
/** Where the bytes of the elements of 32 bits are whose numbers have two bits that count. */
const placesOf = (m: X86Machine, numbers: V128): V128 => {
  const { i32x4, i32, v128 } = m;
  const own = v128.and(numbers, i32x4.splat(i32.const(3)));
  return i32x4.add(i32x4.mul(own, i32x4.splat(i32.const(0x04040404))), i32x4.splat(i32.const(0x03020100)));
};
/** Each element of 32 bits one of eight; `a` says which. */
const permuteWords = (m: X86Machine, { dst, a, src }: Omit<Ordered, "how">): void => {
  const { i8x16, i32x4, i32 } = m;
  const low = src.vector();
  const upper = src.upper();
  const chosen = (numbers: V128): V128 => {
    const places = placesOf(m, numbers);
    const isHigh = i32x4.shrS(i32x4.shl(numbers, i32.const(29)), i32.const(31));
    return m.v128.bitselect(i8x16.swizzle(upper, places), i8x16.swizzle(low, places), isHigh);
  };
  const [first, second] = [chosen(a.vector()), chosen(a.upper())];
  dst.setVector(first, second);
};
/** In each half. */
const singlesBy: Binary = (m, a, b) => m.i8x16.swizzle(a, placesOf(m, b));
/** Bit 1 says which. */
const doublesBy: Binary = (m, a, b) => {
  const { i64x2, i32 } = m;
  const isHigh = i64x2.shrS(i64x2.shl(b, i32.const(62)), i32.const(63));
  return m.v128.bitselect(i64x2.splat(m.v128.high(a)), i64x2.splat(m.v128.low(a)), isHigh);
};

export const avxShuffleInstructions: readonly InsnDefinition[] = [
  broadcastFloat("vbroadcastss", "18", "L", 32),
  broadcastFloat("vbroadcastsd", "19", "L1", 64),
  insn("vbroadcastf128", ["VEX.L1.66.0F38 1A /r W0  dst:x, src:m128  avx"], unaligned, broadcastHalf),
  insn("vbroadcasti128", ["VEX.L1.66.0F38 5A /r W0  dst:x, src:m128  avx2"], unaligned, broadcastHalf),
  broadcast("vpbroadcastb", "78", 8),
  broadcast("vpbroadcastw", "79", 16),
  broadcast("vpbroadcastd", "58", 32),
  broadcast("vpbroadcastq", "59", 64),
  insn("vinsertf128", ["VEX.L1.66.0F3A 18 /r W0  dst:x, a:xv, src:xm128, how:u8  avx"], unaligned, insert),
  insn("vinserti128", ["VEX.L1.66.0F3A 38 /r W0  dst:x, a:xv, src:xm128, how:u8  avx2"], unaligned, insert),
  insn("vextractf128", ["VEX.L1.66.0F3A 19 /r W0  dst:xm128, src:x, how:u8  avx"], unaligned, extract),
  insn("vextracti128", ["VEX.L1.66.0F3A 39 /r W0  dst:xm128, src:x, how:u8  avx2"], unaligned, extract),
  insn("vperm2f128", ["VEX.L1.66.0F3A 06 /r W0  dst:x, a:xv, src:xm, how:u8  avx"], unaligned, permuteHalves),
  insn("vperm2i128", ["VEX.L1.66.0F3A 46 /r W0  dst:x, a:xv, src:xm, how:u8  avx2"], unaligned, permuteHalves),
  insn("vpermq", ["VEX.L1.66.0F3A 00 /r W1  dst:x, src:xm, how:u8  avx2"], unaligned, permuteQuads),
  insn("vpermpd", ["VEX.L1.66.0F3A 01 /r W1  dst:x, src:xm, how:u8  avx2"], unaligned, permuteQuads),
  insn("vpermd", ["VEX.L1.66.0F38 36 /r W0  dst:x, a:xv, src:xm  avx2"], unaligned, permuteWords),
  insn("vpermps", ["VEX.L1.66.0F38 16 /r W0  dst:x, a:xv, src:xm  avx2"], unaligned, permuteWords),
  insn("vpermilps", ["VEX.L.66.0F38 0C /r W0  dst:x, a:xv, b:xm  avx"], unaligned, combine(singlesBy)),
  insn("vpermilpd", ["VEX.L.66.0F38 0D /r W0  dst:x, a:xv, b:xm  avx"], unaligned, combine(doublesBy)),
];
