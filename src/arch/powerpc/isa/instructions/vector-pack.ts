/**
 * Vector pack and unpack: elements made narrower (modulo, saturating, as pixels) and wider.
 * Source: Power ISA v3.0B, Book I "Vector Pack and Unpack Instructions".
 */
import type { Machine, V128 } from "../machine.js";
import { vx, vxUnary } from "../vector-forms.js";
import { pick, saturated, splat } from "../vector-lanes.js";

/** The less significant half of each element: a's, then b's. */
function packModulo(m: Machine, to: 8 | 16 | 32, a: V128, b: V128): V128 {
  return pick(
    m,
    to,
    a,
    b,
    Array.from({ length: 128 / to }, (_, i) => 2 * i + 1),
  );
}

/** A narrowing from signed elements, and whether widening gives its operands back. */
function packSigned(m: Machine, to: 8 | 16, sign: "signed" | "unsigned", a: V128, b: V128): V128 {
  const { narrow, wide } = to === 8 ? { narrow: m.i8x16, wide: m.i16x8 } : { narrow: m.i16x8, wide: m.i32x4 };
  const result = sign === "signed" ? narrow.narrowS(b, a) : narrow.narrowU(b, a);
  const low = sign === "signed" ? wide.extendLowS(result) : wide.extendLowU(result);
  const high = sign === "signed" ? wide.extendHighS(result) : wide.extendHighU(result);
  saturated(m, m.v128.or(m.v128.xor(low, b), m.v128.xor(high, a)));
  return result;
}

/** From unsigned elements: the maximum is taken while they are still wide. */
function packUnsigned(m: Machine, to: 8 | 16, a: V128, b: V128): V128 {
  const wide = to === 8 ? m.i16x8 : m.i32x4;
  const max = to === 8 ? splat(m, 16, 0xff) : splat(m, 32, 0xffff);
  const clamp = (x: V128) => {
    const clamped = wide.minU(x, max);
    saturated(m, m.v128.xor(clamped, x));
    return clamped;
  };
  return packModulo(m, to, clamp(a), clamp(b));
}

/** Doublewords made to fit the word below them, whatever is left above. */
function clampDoubleword(m: Machine, sign: "signed" | "unsigned" | "signedToUnsigned", x: V128): V128 {
  const { i64x2, v128 } = m;
  const zero = v128.const(0n);
  switch (sign) {
    case "signed": {
      const n = m.i32.const(32);
      const over = i64x2.ne(i64x2.shrS(i64x2.shl(x, n), n), x);
      saturated(m, over);
      const limit = v128.xor(i64x2.shrS(x, m.i32.const(63)), splat(m, 64, 0x7fffffff));
      return v128.bitselect(limit, x, over);
    }
    case "unsigned": {
      const over = i64x2.ne(i64x2.shrU(x, m.i32.const(32)), zero);
      saturated(m, over);
      return v128.or(x, over);
    }
    case "signedToUnsigned": {
      const under = i64x2.ltS(x, zero);
      const over = i64x2.gtS(x, splat(m, 64, 0xffffffff));
      saturated(m, v128.or(under, over));
      return v128.or(v128.andnot(x, under), over);
    }
  }
}

/** Words as 1/5/5/5-bit pixels. */
function packPixels(m: Machine, x: V128): V128 {
  const { i32x4, v128 } = m;
  const field = (right: number, mask: number) => v128.and(i32x4.shrU(x, m.i32.const(right)), splat(m, 32, mask));
  return v128.or(field(9, 0xfc00), v128.or(field(6, 0x3e0), field(3, 0x1f)));
}

/** 1/5/5/5-bit pixels, each sign-extended to a word, as four bytes; the first bit fills its byte. */
function unpackPixels(m: Machine, x: V128): V128 {
  const { i32x4, v128 } = m;
  const field = (left: number, mask: number) => v128.and(i32x4.shl(x, m.i32.const(left)), splat(m, 32, mask));
  return v128.or(v128.or(field(0, 0xff00001f), field(6, 0x1f0000)), field(3, 0x1f00));
}

export const vectorPackInstructions = [
  vx("vpkuhum", 14, (m, a, b) => packModulo(m, 8, a, b)),
  vx("vpkuwum", 78, (m, a, b) => packModulo(m, 16, a, b)),
  vx("vpkudum", 1102, (m, a, b) => packModulo(m, 32, a, b)),
  vx("vpkuhus", 142, (m, a, b) => packUnsigned(m, 8, a, b)),
  vx("vpkuwus", 206, (m, a, b) => packUnsigned(m, 16, a, b)),
  vx("vpkudus", 1230, (m, a, b) =>
    packModulo(m, 32, clampDoubleword(m, "unsigned", a), clampDoubleword(m, "unsigned", b)),
  ),
  vx("vpkshus", 270, (m, a, b) => packSigned(m, 8, "unsigned", a, b)),
  vx("vpkswus", 334, (m, a, b) => packSigned(m, 16, "unsigned", a, b)),
  vx("vpksdus", 1358, (m, a, b) =>
    packModulo(m, 32, clampDoubleword(m, "signedToUnsigned", a), clampDoubleword(m, "signedToUnsigned", b)),
  ),
  vx("vpkshss", 398, (m, a, b) => packSigned(m, 8, "signed", a, b)),
  vx("vpkswss", 462, (m, a, b) => packSigned(m, 16, "signed", a, b)),
  vx("vpksdss", 1486, (m, a, b) => packModulo(m, 32, clampDoubleword(m, "signed", a), clampDoubleword(m, "signed", b))),
  vx("vpkpx", 782, (m, a, b) => packModulo(m, 16, packPixels(m, a), packPixels(m, b))),
  vxUnary("vupkhsb", 526, (m, b) => m.i16x8.extendHighS(b)),
  vxUnary("vupkhsh", 590, (m, b) => m.i32x4.extendHighS(b)),
  vxUnary("vupkhsw", 1614, (m, b) => m.i64x2.extendHighS(b)),
  vxUnary("vupklsb", 654, (m, b) => m.i16x8.extendLowS(b)),
  vxUnary("vupklsh", 718, (m, b) => m.i32x4.extendLowS(b)),
  vxUnary("vupklsw", 1742, (m, b) => m.i64x2.extendLowS(b)),
  vxUnary("vupkhpx", 846, (m, b) => unpackPixels(m, m.i32x4.extendHighS(b))),
  vxUnary("vupklpx", 974, (m, b) => unpackPixels(m, m.i32x4.extendLowS(b))),
];
