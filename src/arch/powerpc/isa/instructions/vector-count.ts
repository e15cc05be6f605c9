/**
 * Counts of bits, leading and trailing zeros, parity, sign extension.
 * Source: Power ISA v3.0B, Book I "Vector Count Leading Zeros Instructions", "Vector Count Trailing Zeros Instructions",
 * "Vector Population Count Instructions", "Vector Parity Byte Instructions", "Vector Extend Sign Instructions".
 */
import { insn } from "../insn.js";
import type { I32, I64, IntegerOps, LaneOps, Machine, V128 } from "../machine.js";
import { vxUnary } from "../vector-forms.js";
import { mapDoublewords, mapWords, splat } from "../vector-lanes.js";

function popcntHalfwords(m: Machine, a: V128): V128 {
  const bytes = m.i8x16.popcnt(a);
  return m.i16x8.add(m.i16x8.shrU(bytes, m.i32.const(8)), m.v128.and(bytes, splat(m, 16, 0xff)));
}

/** The ones below the lowest bit set, as many as there are trailing zeros. */
function belowLowest<T>(m: Machine, lanes: LaneOps<T>, a: V128, one: V128): V128 {
  return m.v128.andnot(lanes.sub(a, one), a);
}

/** The zeros above the highest bit set, turned into ones. */
function aboveHighest(m: Machine, lanes: LaneOps<I32>, width: number, a: V128): V128 {
  let filled = a;
  for (let step = 1; step < width; step *= 2) filled = m.v128.or(filled, lanes.shrU(filled, m.i32.const(step)));
  return m.v128.not(filled);
}

/** The parity of the bytes' lowest bits. */
function byteParity<T extends I32 | I64>(ops: IntegerOps<T>, width: 32 | 64, a: T): T {
  let folded = a;
  for (let step = width / 2; step >= 8; step /= 2) folded = ops.xor(folded, ops.shrU(folded, ops.const(step)));
  return ops.and(folded, ops.const(1));
}

/** The lowest bit of every byte, lane 0 in bit 0. */
function lowBits(m: Machine, b: V128): I32 {
  return m.i8x16.bitmask(m.i8x16.shl(b, m.i32.const(7)));
}

/** The low `from` bits of each lane, sign-extended. */
function extendSign<T>(m: Machine, lanes: LaneOps<T>, width: number, from: number, b: V128): V128 {
  const n = m.i32.const(width - from);
  return lanes.shrS(lanes.shl(b, n), n);
}

export const vclzlsbb = insn(
  "vclzlsbb",
  "000100 rt:5 00000 vrb:5 11000000010",
  "rt, vrb",
  { facility: "vector" },
  (m, o) => {
    const { i32 } = m;
    // A one after the last byte ends the count at 16.
    const fromTop = i32.or(i32.shl(lowBits(m, m.vr(o.vrb)), i32.const(16)), i32.const(0x8000));
    m.setGpr(o.rt, m.i64.extendU(i32.clz(fromTop)));
  },
);

export const vctzlsbb = insn(
  "vctzlsbb",
  "000100 rt:5 00001 vrb:5 11000000010",
  "rt, vrb",
  { facility: "vector" },
  (m, o) => {
    const { i32 } = m;
    m.setGpr(o.rt, m.i64.extendU(i32.ctz(i32.or(lowBits(m, m.vr(o.vrb)), i32.const(0x10000)))));
  },
);

export const vectorCountInstructions = [
  vclzlsbb,
  vctzlsbb,
  vxUnary("vclzb", 1794, (m, b) => m.i8x16.popcnt(aboveHighest(m, m.i8x16, 8, b))),
  vxUnary("vclzh", 1858, (m, b) => popcntHalfwords(m, aboveHighest(m, m.i16x8, 16, b))),
  vxUnary("vclzw", 1922, (m, b) => mapWords(m, (x) => m.i32.clz(x), b)),
  vxUnary("vclzd", 1986, (m, b) => mapDoublewords(m, (x) => m.i64.clz(x), b)),
  vxUnary("vctzb", 1538, (m, b) => m.i8x16.popcnt(belowLowest(m, m.i8x16, b, splat(m, 8, 1))), 28),
  vxUnary("vctzh", 1538, (m, b) => popcntHalfwords(m, belowLowest(m, m.i16x8, b, splat(m, 16, 1))), 29),
  vxUnary("vctzw", 1538, (m, b) => mapWords(m, (x) => m.i32.ctz(x), b), 30),
  vxUnary("vctzd", 1538, (m, b) => mapDoublewords(m, (x) => m.i64.ctz(x), b), 31),
  vxUnary("vpopcntb", 1795, (m, b) => m.i8x16.popcnt(b)),
  vxUnary("vpopcnth", 1859, popcntHalfwords),
  vxUnary("vpopcntw", 1923, (m, b) => mapWords(m, (x) => m.i32.popcnt(x), b)),
  vxUnary("vpopcntd", 1987, (m, b) => mapDoublewords(m, (x) => m.i64.popcnt(x), b)),
  vxUnary("vprtybw", 1538, (m, b) => mapWords(m, (x) => byteParity(m.i32, 32, x), b), 8),
  vxUnary("vprtybd", 1538, (m, b) => mapDoublewords(m, (x) => byteParity(m.i64, 64, x), b), 9),
  vxUnary(
    "vprtybq",
    1538,
    (m, b) => m.v128.make(m.i64.const(0), byteParity(m.i64, 64, m.i64.xor(m.v128.high(b), m.v128.low(b)))),
    10,
  ),
  vxUnary("vextsb2w", 1538, (m, b) => extendSign(m, m.i32x4, 32, 8, b), 16),
  vxUnary("vextsh2w", 1538, (m, b) => extendSign(m, m.i32x4, 32, 16, b), 17),
  vxUnary("vextsb2d", 1538, (m, b) => extendSign(m, m.i64x2, 64, 8, b), 24),
  vxUnary("vextsh2d", 1538, (m, b) => extendSign(m, m.i64x2, 64, 16, b), 25),
  vxUnary("vextsw2d", 1538, (m, b) => extendSign(m, m.i64x2, 64, 32, b), 26),
];
