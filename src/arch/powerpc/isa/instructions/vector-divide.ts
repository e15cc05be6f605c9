/**
 * Quotients, remainders, high halves of products and products of doublewords, all of v3.1.
 * Source: Power ISA v3.1B, Book I "Vector Integer Divide Instructions", "Vector Integer Modulo Instructions", "Vector Integer
 * Multiply Instructions".
 *
 * A quotient or remainder by zero, or of the one signed division that overflows, is undefined: it is that by 1. An extended
 * quotient that does not fit is undefined, too: it is cut off.
 */
import { highProduct, highProductSigned } from "../../../../semantics/products.js";
import { since } from "../levels.js";
import type { I32, I64, IntegerOps, Machine, V128 } from "../machine.js";
import { va, vx } from "../vector-forms.js";
import { addQuadword, mapDoublewords, mapWords } from "../vector-lanes.js";

/** `b`, or 1 where a division by it would have no result. */
function divisor<T extends I32 | I64>(
  m: Machine,
  ops: IntegerOps<T>,
  least: number | bigint,
  signed: boolean,
  a: T,
  b: T,
): T {
  const { i32 } = m;
  const zero = ops.eqz(b);
  const none = signed ? i32.or(zero, i32.and(ops.eq(a, ops.const(least)), ops.eq(b, ops.const(-1)))) : zero;
  return m.select(none, ops.const(1), b);
}

type Division = "divS" | "divU" | "remS" | "remU";

function words(division: Division) {
  return (m: Machine, a: V128, b: V128): V128 =>
    mapWords(m, (x, y) => m.i32[division](x, divisor(m, m.i32, -0x80000000, division.endsWith("S"), x, y)), a, b);
}

function doublewords(division: Division) {
  return (m: Machine, a: V128, b: V128): V128 =>
    mapDoublewords(
      m,
      (x, y) => m.i64[division](x, divisor(m, m.i64, -(1n << 63n), division.endsWith("S"), x, y)),
      a,
      b,
    );
}

/** (a << 32) / b of each word. */
function extendedWords(signed: boolean) {
  return (m: Machine, a: V128, b: V128): V128 => {
    const { i32, i64 } = m;
    const wide = (x: I32): I64 => (signed ? i64.extendS(x) : i64.extendU(x));
    return mapWords(
      m,
      (x, y) => {
        const by = wide(divisor(m, i32, -0x80000000, signed, x, y));
        const dividend = i64.shl(wide(x), i64.const(32));
        return i32.wrap(signed ? i64.divS(dividend, by) : i64.divU(dividend, by));
      },
      a,
      b,
    );
  };
}

/** Kinds of the run-time library's division: bits. */
const Kind = { signed: 1, extended: 2, remainder: 4 } as const;

const quadword = (kind: number) => (m: Machine, a: V128, b: V128) => m.call("divideQuadword", a, b, m.i32.const(kind));
const extendedDoublewords = (kind: number) => (m: Machine, a: V128, b: V128) =>
  mapDoublewords(m, (x, y) => m.call("divideDoubleword", x, y, m.i32.const(kind)), a, b);

const highWords = (signed: boolean) => (m: Machine, a: V128, b: V128) => {
  const { i32, i64 } = m;
  const wide = (x: I32): I64 => (signed ? i64.extendS(x) : i64.extendU(x));
  return mapWords(m, (x, y) => i32.wrap(i64.shrU(i64.mul(wide(x), wide(y)), i64.const(32))), a, b);
};

/** The whole product of two doublewords. */
const product = (half: "high" | "low", signed: boolean) => (m: Machine, a: V128, b: V128) => {
  const [x, y] = [m.v128[half](a), m.v128[half](b)];
  return m.v128.make((signed ? highProductSigned : highProduct)(m, x, y), m.i64.mul(x, y));
};

export const vectorDivideInstructions = since("3.1", [
  vx("vdivsw", 395, words("divS")),
  vx("vdivuw", 139, words("divU")),
  vx("vdivsd", 459, doublewords("divS")),
  vx("vdivud", 203, doublewords("divU")),
  vx("vdivsq", 267, quadword(Kind.signed)),
  vx("vdivuq", 11, quadword(0)),
  vx("vdivesw", 907, extendedWords(true)),
  vx("vdiveuw", 651, extendedWords(false)),
  vx("vdivesd", 971, extendedDoublewords(Kind.signed)),
  vx("vdiveud", 715, extendedDoublewords(0)),
  vx("vdivesq", 779, quadword(Kind.signed | Kind.extended)),
  vx("vdiveuq", 523, quadword(Kind.extended)),
  vx("vmodsw", 1931, words("remS")),
  vx("vmoduw", 1675, words("remU")),
  vx("vmodsd", 1995, doublewords("remS")),
  vx("vmodud", 1739, doublewords("remU")),
  vx("vmodsq", 1803, quadword(Kind.signed | Kind.remainder)),
  vx("vmoduq", 1547, quadword(Kind.remainder)),
  vx("vmulhsw", 905, highWords(true)),
  vx("vmulhuw", 649, highWords(false)),
  vx("vmulhsd", 969, (m, a, b) => mapDoublewords(m, (x, y) => highProductSigned(m, x, y), a, b)),
  vx("vmulhud", 713, (m, a, b) => mapDoublewords(m, (x, y) => highProduct(m, x, y), a, b)),
  vx("vmulld", 457, (m, a, b) => mapDoublewords(m, (x, y) => m.i64.mul(x, y), a, b)),
  vx("vmulesd", 968, product("high", true)),
  vx("vmuleud", 712, product("high", false)),
  vx("vmulosd", 456, product("low", true)),
  vx("vmuloud", 200, product("low", false)),
  // What of both products and the third number goes beyond 128 bits.
  va("vmsumcud", 23, (m, a, b, c) => {
    const zero = m.i64.const(0);
    const both = addQuadword(m, product("high", false)(m, a, b), product("low", false)(m, a, b), zero);
    return m.v128.make(zero, m.i64.add(both.carry, addQuadword(m, both.sum, c, zero).carry));
  }),
]);
