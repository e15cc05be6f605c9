/**
 * The upper halves of 128-bit products, which WebAssembly has no instruction for. In line: a call would have every register
 * of the guest that is held in one of the host's stored before it and loaded behind it, which costs more than the product.
 */
import type { Operations } from "./operations.js";
import type { I64 } from "./values.js";

type Arithmetic = Pick<Operations, "i64">;

/** The upper 64 bits of an unsigned product. */
export function highProduct(m: Arithmetic, a: I64, b: I64): I64 {
  const { i64 } = m;
  const half = i64.const(32);
  const lowPart = (value: I64) => i64.and(value, i64.const(0xffffffffn));
  const [a0, a1, b0, b1] = [lowPart(a), i64.shrU(a, half), lowPart(b), i64.shrU(b, half)];
  const middle = i64.add(i64.mul(a1, b0), i64.shrU(i64.mul(a0, b0), half));
  const other = i64.add(i64.mul(a0, b1), lowPart(middle));
  return i64.add(i64.mul(a1, b1), i64.add(i64.shrU(middle, half), i64.shrU(other, half)));
}

/** The same of a signed one: a negative operand stands for itself less 2^64. */
export function highProductSigned(m: Arithmetic, a: I64, b: I64): I64 {
  const { i64 } = m;
  const sign = (value: I64) => i64.shrS(value, i64.const(63));
  return i64.sub(highProduct(m, a, b), i64.add(i64.and(sign(a), b), i64.and(sign(b), a)));
}
