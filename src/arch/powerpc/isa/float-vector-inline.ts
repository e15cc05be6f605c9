/**
 * VSX floating point on vectors by the host's arithmetic, in line, under the conditions of float-inline.ts; every lane has to
 * meet them. These instructions leave FPRF, FR and FI alone, so nothing is pending afterwards.
 * Source: Power ISA v3.0B, Book I "VSX Floating-Point Instructions".
 */
import { fpscrLow, MulAdd, settleVsr } from "./float-forms.js";
import { WATCHED, XX } from "./float-inline.js";
import type { I32, Machine, V128 } from "./machine.js";

/** The shapes, by the first part of their helpers' names. */
const shapes = { float64x2: "f64x2", float32x4: "f32x4" } as const;
export type Lanes = keyof typeof shapes;

const repeat = (value: bigint, bits: bigint): bigint =>
  bits === 64n ? (value << 64n) | value : value * 0x1_00000001_00000001_00000001n;

/** What is known of a shape's exponents. */
const formats = {
  /** Lanes whose exponent is 2 to the greatest finite but one have a bit of `middle` in it, plus 2. */
  float64x2: { fraction: 52, two: repeat(2n, 64n), middle: repeat(0x7fcn, 64n), large: repeat(0x780n, 64n) },
  /** `large`: a bit of it says that what a product loses is not below the smallest number. */
  float32x4: { fraction: 23, two: repeat(2n, 32n), middle: repeat(0xfcn, 32n), large: repeat(0xc0n, 32n) },
} as const;

const integers = (m: Machine, lanes: Lanes) => (lanes === "float64x2" ? m.i64x2 : m.i32x4);

/** 1 if no lane is zero, tiny, huge, infinite or a NaN. */
function usual(m: Machine, lanes: Lanes, r: V128): I32 {
  const { fraction, two, middle } = formats[lanes];
  const { shrU, add, allTrue } = integers(m, lanes);
  const exponents = shrU(r, m.i32.const(fraction));
  return allTrue(m.v128.and(add(exponents, m.v128.const(two)), m.v128.const(middle)));
}

/** A mask of the lanes whose magnitude is above a bound far above the smallest number. */
function large(m: Machine, lanes: Lanes, r: V128): V128 {
  const { fraction, large } = formats[lanes];
  const { shrU, ne } = integers(m, lanes);
  return ne(m.v128.and(shrU(r, m.i32.const(fraction)), m.v128.const(large)), m.v128.const(0n));
}

const isZero = (m: Machine, lanes: Lanes, r: V128): V128 => m[shapes[lanes]].eq(r, m.v128.const(0n));

/** A mask of the lanes where r is a + b, by the error that the sum made (Knuth's two-sum). */
function sumExact(m: Machine, lanes: Lanes, r: V128, a: V128, b: V128): V128 {
  const { add, sub } = m[shapes[lanes]];
  const t = sub(r, a);
  return isZero(m, lanes, add(sub(a, sub(r, t)), sub(b, t)));
}

/** A mask of the lanes where r is a * b. */
function productExact(m: Machine, lanes: Lanes, r: V128, a: V128, b: V128): V128 {
  const { mulAdd, neg } = m[shapes[lanes]];
  const zero = m.v128.or(isZero(m, lanes, a), isZero(m, lanes, b));
  return m.v128.or(zero, m.v128.and(large(m, lanes, r), isZero(m, lanes, mulAdd(a, b, neg(r)))));
}

/** What an operation on vectors is for the host. */
interface VectorOperation {
  host(m: Machine, lanes: Lanes): V128;
  /** A mask of the lanes that are seen to be exact, or undefined: none ever is. */
  exact(m: Machine, lanes: Lanes, r: V128): V128 | undefined;
  helper(m: Machine): V128;
}

function operate(m: Machine, lanes: Lanes, xt: I32, { host, exact, helper }: VectorOperation): void {
  const { i32 } = m;
  const r = host(m, lanes);
  const status = i32.and(fpscrLow(m), i32.const(WATCHED));
  const inRange = usual(m, lanes, r);
  const call = () => settleVsr(m, xt, helper(m));
  m.if(
    i32.and(inRange, i32.eq(status, i32.const(XX))),
    () => m.setVsr(xt, r),
    () => {
      const known = exact(m, lanes, r);
      if (!known) {
        call();
        return;
      }
      const allExact = integers(m, lanes).allTrue(known);
      m.if(i32.and(i32.and(inRange, i32.eqz(status)), allExact), () => m.setVsr(xt, r), call);
    },
  );
}

/** `operation`: 0 add, 1 subtract, 2 multiply, 3 divide. */
export function operateVectors(m: Machine, lanes: Lanes, operation: number, xt: I32, a: V128, b: V128): void {
  const ops = m[shapes[lanes]];
  operate(m, lanes, xt, {
    host: () => [ops.add, ops.sub, ops.mul, ops.div][operation]?.(a, b) as V128,
    exact: (_, __, r) => {
      if (operation === 0) return sumExact(m, lanes, r, a, b);
      if (operation === 1) return sumExact(m, lanes, r, a, ops.neg(b));
      return operation === 2 && m.fused ? productExact(m, lanes, r, a, b) : undefined;
    },
    helper: () => m.call(`${lanes}Arithmetic`, a, b, m.i32.const(operation)),
  });
}

export function squareRoots(m: Machine, lanes: Lanes, xt: I32, b: V128): void {
  operate(m, lanes, xt, {
    host: () => m[shapes[lanes]].sqrt(b),
    exact: () => undefined,
    helper: () => m.call(`${lanes}Unary`, b, m.i32.const(0)),
  });
}

/** a * b + c; `kind` is a MulAdd. */
export function multiplyAddVectors(m: Machine, lanes: Lanes, kind: number, xt: I32, a: V128, b: V128, c: V128): void {
  const { add, mul, neg, mulAdd } = m[shapes[lanes]];
  const helper = () => m.call(`${lanes}MulAdd`, a, b, c, m.i32.const(kind));
  if (!m.fused) {
    settleVsr(m, xt, helper());
    return;
  }
  const addend = kind & MulAdd.subtract ? neg(c) : c;
  operate(m, lanes, xt, {
    host: () => {
      const r = mulAdd(a, b, addend);
      return kind & MulAdd.negativeAdd ? neg(r) : r;
    },
    exact: () => {
      const product = mul(a, b);
      const sum = sumExact(m, lanes, add(product, addend), product, addend);
      return m.v128.and(productExact(m, lanes, product, a, b), sum);
    },
    helper,
  });
}
