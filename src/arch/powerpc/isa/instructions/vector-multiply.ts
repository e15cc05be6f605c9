/**
 * Vector products, and products added up.
 * Source: Power ISA v3.0B, Book I "Vector Integer Multiply Instructions", "Vector Integer Multiply-Add/Sum Instructions".
 */
import { highProduct } from "../../../../semantics/products.js";
import type { Machine, V128 } from "../machine.js";
import { va, vx } from "../vector-forms.js";
import { addQuadword, saturated, splat } from "../vector-lanes.js";
import { addWordsSatU } from "./vector-add.js";

type Half = "even" | "odd";
type Sign = "signed" | "unsigned";

/**
 * The even or odd elements of a shape, each widened to the next one. The manual's even elements are the more
 * significant halves of the wider ones.
 */
function widen(m: Machine, from: 8 | 16, half: Half, sign: Sign, a: V128): V128 {
  const lanes = from === 8 ? m.i16x8 : m.i32x4;
  const n = m.i32.const(from);
  if (half === "even") return sign === "signed" ? lanes.shrS(a, n) : lanes.shrU(a, n);
  if (sign === "signed") return lanes.shrS(lanes.shl(a, n), n);
  return m.v128.and(a, from === 8 ? splat(m, 16, 0xff) : splat(m, 32, 0xffff));
}

function multiplyHalf(m: Machine, from: 8 | 16, half: Half, sign: Sign, a: V128, b: V128): V128 {
  const lanes = from === 8 ? m.i16x8 : m.i32x4;
  return lanes.mul(widen(m, from, half, sign, a), widen(m, from, half, sign, b));
}

/** Words: the halves wanted are brought to the low end, where one instruction widens and multiplies. */
function multiplyWords(m: Machine, half: Half, sign: Sign, a: V128, b: V128): V128 {
  const first = half === "even" ? 4 : 0;
  const lanes = [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11].map((n) => n + first);
  const [x, y] = [m.i8x16.shuffle(a, a, lanes), m.i8x16.shuffle(b, b, lanes)];
  return sign === "signed" ? m.i64x2.extmulLowS(x, y) : m.i64x2.extmulLowU(x, y);
}

export const vmulesb = vx("vmulesb", 776, (m, a, b) => multiplyHalf(m, 8, "even", "signed", a, b));
export const vmulosb = vx("vmulosb", 264, (m, a, b) => multiplyHalf(m, 8, "odd", "signed", a, b));
export const vmuleub = vx("vmuleub", 520, (m, a, b) => multiplyHalf(m, 8, "even", "unsigned", a, b));
export const vmuloub = vx("vmuloub", 8, (m, a, b) => multiplyHalf(m, 8, "odd", "unsigned", a, b));
export const vmulesh = vx("vmulesh", 840, (m, a, b) => multiplyHalf(m, 16, "even", "signed", a, b));
export const vmulosh = vx("vmulosh", 328, (m, a, b) => multiplyHalf(m, 16, "odd", "signed", a, b));
export const vmuleuh = vx("vmuleuh", 584, (m, a, b) => multiplyHalf(m, 16, "even", "unsigned", a, b));
export const vmulouh = vx("vmulouh", 72, (m, a, b) => multiplyHalf(m, 16, "odd", "unsigned", a, b));
export const vmulesw = vx("vmulesw", 904, (m, a, b) => multiplyWords(m, "even", "signed", a, b));
export const vmulosw = vx("vmulosw", 392, (m, a, b) => multiplyWords(m, "odd", "signed", a, b));
export const vmuleuw = vx("vmuleuw", 648, (m, a, b) => multiplyWords(m, "even", "unsigned", a, b));
export const vmulouw = vx("vmulouw", 136, (m, a, b) => multiplyWords(m, "odd", "unsigned", a, b));
export const vmuluwm = vx("vmuluwm", 137, (m, a, b) => m.i32x4.mul(a, b));

/** ((product + rounding) >> 15) + c of each halfword, saturating. */
function multiplyHighAdd(m: Machine, rounding: number, a: V128, b: V128, c: V128): V128 {
  const { i32x4, i16x8 } = m;
  const part = (product: V128, addend: V128) =>
    i32x4.add(i32x4.shrS(i32x4.add(product, splat(m, 32, rounding)), m.i32.const(15)), addend);
  const low = part(i32x4.extmulLowS(a, b), i32x4.extendLowS(c));
  const high = part(i32x4.extmulHighS(a, b), i32x4.extendHighS(c));
  const result = i16x8.narrowS(low, high);
  saturated(m, m.v128.xor(i32x4.extendLowS(result), low));
  saturated(m, m.v128.xor(i32x4.extendHighS(result), high));
  return result;
}

export const vmhaddshs = va("vmhaddshs", 32, (m, a, b, c) => multiplyHighAdd(m, 0, a, b, c));
export const vmhraddshs = va("vmhraddshs", 33, (m, a, b, c) => multiplyHighAdd(m, 0x4000, a, b, c));
export const vmladduhm = va("vmladduhm", 34, (m, a, b, c) => m.i16x8.add(m.i16x8.mul(a, b), c));

export const vmsumubm = va("vmsumubm", 36, (m, a, b, c) => {
  const { i32x4 } = m;
  const even = multiplyHalf(m, 8, "even", "unsigned", a, b);
  const odd = multiplyHalf(m, 8, "odd", "unsigned", a, b);
  const pairs = (x: V128) => i32x4.add(widen(m, 16, "even", "unsigned", x), widen(m, 16, "odd", "unsigned", x));
  return i32x4.add(i32x4.add(pairs(even), pairs(odd)), c);
});

export const vmsummbm = va("vmsummbm", 37, (m, a, b, c) => {
  // Signed times unsigned bytes: a product fits a signed halfword.
  const { i32x4, i16x8 } = m;
  const products = (half: Half) => i16x8.mul(widen(m, 8, half, "signed", a), widen(m, 8, half, "unsigned", b));
  const pairs = (x: V128) => i32x4.add(widen(m, 16, "even", "signed", x), widen(m, 16, "odd", "signed", x));
  return i32x4.add(i32x4.add(pairs(products("even")), pairs(products("odd"))), c);
});

export const vmsumuhm = va("vmsumuhm", 38, (m, a, b, c) => {
  const even = multiplyHalf(m, 16, "even", "unsigned", a, b);
  const odd = multiplyHalf(m, 16, "odd", "unsigned", a, b);
  return m.i32x4.add(m.i32x4.add(even, odd), c);
});

export const vmsumuhs = va("vmsumuhs", 39, (m, a, b, c) => {
  // Nothing is ever subtracted, so saturating in between gives the same as saturating the exact sum.
  const even = multiplyHalf(m, 16, "even", "unsigned", a, b);
  const odd = multiplyHalf(m, 16, "odd", "unsigned", a, b);
  return addWordsSatU(m, addWordsSatU(m, even, odd), c);
});

export const vmsumshm = va("vmsumshm", 40, (m, a, b, c) => m.i32x4.add(m.i32x4.dotS(a, b), c));

export const vmsumshs = va("vmsumshs", 41, (m, a, b, c) => {
  // The sum of two products overflows a word only as +2^31, which no other pair gives: it then reads as -2^31. Adding a
  // negative c to +2^31 brings it back into range, where the modular sum is right.
  const { i32x4, v128 } = m;
  const bit31 = m.i32.const(31);
  const products = i32x4.dotS(a, b);
  const sum = i32x4.add(products, c);
  const wrapped = i32x4.eq(products, splat(m, 32, 0x80000000));
  const overflow = i32x4.shrS(v128.and(v128.xor(products, sum), v128.xor(c, sum)), bit31);
  const negative = i32x4.shrS(c, bit31);
  const over = v128.bitselect(v128.not(negative), overflow, wrapped);
  const limit = v128.xor(negative, splat(m, 32, 0x7fffffff));
  saturated(m, over);
  return v128.bitselect(limit, sum, over);
});

export const vmsumudm = va("vmsumudm", 35, (m, a, b, c) => {
  const { i64, v128 } = m;
  const product = (x: "high" | "low") =>
    v128.make(highProduct(m, v128[x](a), v128[x](b)), i64.mul(v128[x](a), v128[x](b)));
  const both = addQuadword(m, product("high"), product("low"), i64.const(0)).sum;
  return addQuadword(m, both, c, i64.const(0)).sum;
});

export const vectorMultiplyInstructions = [
  vmulesb,
  vmulosb,
  vmuleub,
  vmuloub,
  vmulesh,
  vmulosh,
  vmuleuh,
  vmulouh,
  vmulesw,
  vmulosw,
  vmuleuw,
  vmulouw,
  vmuluwm,
  vmhaddshs,
  vmhraddshs,
  vmladduhm,
  vmsumubm,
  vmsummbm,
  vmsumuhm,
  vmsumuhs,
  vmsumshm,
  vmsumshs,
  vmsumudm,
];
