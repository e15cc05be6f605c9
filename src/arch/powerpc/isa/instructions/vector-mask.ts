/**
 * Masks of elements to and from other forms, bits gathered and scattered in doublewords, all of v3.1.
 * Source: Power ISA v3.1B, Book I "Vector Mask Manipulation Instructions", "Vector Bit Manipulation Instructions", "Vector
 * Gather Every Nth Bit", "Move To/From Vector-Scalar Register Instructions".
 */
import { insn } from "../insn.js";
import { since } from "../levels.js";
import type { I32, I64, Machine, V128 } from "../machine.js";
import { bits, vx, vxUnary } from "../vector-forms.js";
import { type ElementBits, mapDoublewords } from "../vector-lanes.js";
import { centrifuge, deposit, extract, leadingUnderMask, trailingUnderMask } from "./fixed-bits.js";

const vector = { facility: "vector" } as const;
const lanesOf = { 8: "i8x16", 16: "i16x8", 32: "i32x4", 64: "i64x2" } as const;
const letters = [
  ["b", 8],
  ["h", 16],
  ["w", 32],
  ["d", 64],
] as const;

/** All ones in the elements whose first bit is 1. */
const expand = (width: ElementBits) => (m: Machine, b: V128) => m[lanesOf[width]].shrS(b, m.i32.const(width - 1));

const expandQuadword = (m: Machine, b: V128): V128 => m.i64x2.splat(m.i64.shrS(m.v128.high(b), m.i64.const(63)));

/** The first bits of the elements, the first element's leftmost. */
const firstBits = (m: Machine, width: ElementBits, b: V128): I32 => m[lanesOf[width]].bitmask(b);

function toGpr(name: string, second: number, f: (m: Machine, b: V128) => I64) {
  return insn(name, `000100 rt:5 ${bits(second, 5)} vrb:5 11001000010` as "rt:5 vrb:5", "rt, vrb", vector, (m, o) =>
    m.setGpr(o.rt, f(m, m.vr(o.vrb))),
  );
}

/** All ones in lane i if bit i of `value` is 1. */
function spread(m: Machine, width: ElementBits, value: I32): V128 {
  const { i32 } = m;
  if (width === 8) {
    const [low, high] = [m.i8x16.splat(value), m.i8x16.splat(i32.shrU(value, i32.const(8)))];
    const bytes = m.v128.make(m.v128.low(high), m.v128.low(low));
    const places = m.v128.const(0x80402010080402018040201008040201n);
    return m.i8x16.eq(m.v128.and(bytes, places), places);
  }
  let places = 0n;
  for (let lane = 0; lane < 128 / width; lane++) places |= 1n << BigInt(lane * width + lane);
  const constant = m.v128.const(places);
  if (width === 64) return m.i64x2.eq(m.v128.and(m.i64x2.splat(m.i64.extendU(value)), constant), constant);
  const lanes = m[lanesOf[width]];
  return lanes.eq(m.v128.and(lanes.splat(value), constant), constant);
}

function fromGpr(name: string, second: number, f: (m: Machine, b: I64) => V128) {
  return insn(name, `000100 vrt:5 ${bits(second, 5)} rb:5 11001000010` as "vrt:5 rb:5", "vrt, rb", vector, (m, o) =>
    m.setVr(o.vrt, f(m, m.gpr(o.rb))),
  );
}

/** How many elements begin with MP; counted in bytes, at the left end. */
function countMask(letter: string, width: ElementBits, second: string, step: number) {
  const pattern = `000100 rt:5 ${second} mp:1 vrb:5 11001000010` as "rt:5 mp:1 vrb:5";
  return insn(`vcntmb${letter}`, pattern, "rt, vrb, mp", vector, (m, o) => {
    const { i32, i64 } = m;
    const ones = i32.popcnt(firstBits(m, width, m.vr(o.vrb)));
    const count = m.select(o.mp, ones, i32.sub(i32.const(128 / width), ones));
    m.setGpr(o.rt, i64.shl(i64.extendU(count), i64.const(56 + step)));
  });
}

const vgnb = insn("vgnb", "000100 rt:5 - - n:3 vrb:5 10011001100", "rt, vrb, n", vector, (m, o) =>
  m.setGpr(o.rt, m.call("gatherEveryNth", m.vr(o.vrb), o.n)),
);

const mtvsrbmi = insn("mtvsrbmi", "000100 vrt:5 bm:5@1 bm:10@6 01010 bm:1", "vrt, bm", vector, (m, o) =>
  m.setVr(o.vrt, spread(m, 8, o.bm)),
);

const masked = (name: string, xo: number, f: (m: Machine, s: I64, mask: I64) => I64) =>
  vx(name, xo, (m, a, b) => mapDoublewords(m, (x, y) => f(m, x, y), a, b));

export const vectorMaskInstructions = since("3.1", [
  ...letters.map(([letter, width], i) => vxUnary(`vexpand${letter}m`, 1602, expand(width), i)),
  vxUnary("vexpandqm", 1602, expandQuadword, 4),
  ...letters.map(([letter, width], i) =>
    toGpr(`vextract${letter}m`, 8 + i, (m, b) => m.i64.extendU(firstBits(m, width, b))),
  ),
  toGpr("vextractqm", 12, (m, b) => m.i64.shrU(m.v128.high(b), m.i64.const(63))),
  ...letters.map(([letter, width], i) => fromGpr(`mtvsr${letter}m`, 16 + i, (m, b) => spread(m, width, m.i32.wrap(b)))),
  fromGpr("mtvsrqm", 20, (m, b) => m.i64x2.splat(m.i64.neg(m.i64.and(b, m.i64.const(1))))),
  mtvsrbmi,
  ...letters.map(([letter, width], i) => countMask(letter, width, bits(12 + i, 4), i)),
  vgnb,
  masked("vclzdm", 1924, leadingUnderMask),
  masked("vctzdm", 1988, trailingUnderMask),
  masked("vpdepd", 1485, deposit),
  masked("vpextd", 1421, extract),
  masked("vcfuged", 1357, centrifuge),
]);
