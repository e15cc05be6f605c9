/**
 * The conversions between single and double format that loads and stores make: exact, quiet, without FPSCR.
 * Source: Power ISA v3.0B, Book I "Floating-Point Load Instructions" (DOUBLE) and "Floating-Point Store Instructions"
 * (SINGLE).
 */
import type { F64, I64, Machine } from "./machine.js";

/** The double with the value of a single, given as a word; NaNs keep their payload and stay signalling or quiet. */
export function doubleFromSingle(m: Machine, word: I64): I64 {
  const { i64 } = m;
  const c = (value: bigint) => i64.const(value);
  const sign = i64.shl(i64.and(word, c(0x80000000n)), c(32n));
  const magnitude = i64.and(word, c(0x7fffffffn));
  // Exponents are rebiased by 1023 - 127; infinities and NaNs keep theirs at the maximum.
  const special = i64.geU(magnitude, c(0x7f800000n));
  const bias = m.select(special, c(1792n << 52n), c(896n << 52n));
  const normal = i64.add(i64.shl(magnitude, c(29n)), bias);
  // A denormal's highest one becomes the implicit bit; it adds 1 to the exponent.
  const zeros = i64.clz(magnitude);
  const fraction = i64.shl(magnitude, i64.sub(zeros, c(11n)));
  const denormal = i64.add(fraction, i64.shl(i64.sub(c(936n), zeros), c(52n)));
  const small = m.select(i64.eqz(magnitude), c(0n), denormal);
  return i64.or(sign, m.select(i64.ltU(magnitude, c(0x800000n)), small, normal));
}

/**
 * The single (as a word) that holds a double's value; bits that a single has no room for are dropped, and a magnitude
 * below the denormals, for which the result is undefined, gives zero.
 */
export function singleFromDouble(m: Machine, double: I64): I64 {
  const { i64 } = m;
  const c = (value: bigint) => i64.const(value);
  const exponent = i64.and(i64.shrU(double, c(52n)), c(0x7ffn));
  const top = i64.and(i64.shrU(double, c(32n)), c(0xc0000000n));
  const normal = i64.or(top, i64.and(i64.shrU(double, c(29n)), c(0x3fffffffn)));
  const sign = i64.and(top, c(0x80000000n));
  const fraction = i64.or(i64.and(double, c((1n << 52n) - 1n)), c(1n << 52n));
  const denormal = i64.or(sign, i64.shrU(fraction, i64.sub(c(926n), exponent)));
  const small = m.select(i64.ltU(exponent, c(874n)), sign, denormal);
  return m.select(i64.gtU(exponent, c(896n)), normal, small);
}

/** Gives the double that a single, given as a word, is: by the host, which would quieten NaNs. `write` is called for each way. */
export function widenSingle(m: Machine, word: I64, write: (double: F64) => void): void {
  const { i64, i32, f64 } = m;
  const w = i32.wrap(word);
  const exponent = i32.const(0x7f800000);
  m.if(
    i32.eq(i32.and(w, exponent), exponent),
    () => write(f64.ofBits(doubleFromSingle(m, i64.extendU(w)))),
    () => write(f64.fromSingle(w)),
  );
}

/** Gives the single, as a word, that holds a double's value: by the host, if there is one; otherwise as singleFromDouble. */
export function narrowDouble(m: Machine, double: F64, write: (word: I64) => void): void {
  const { i64, f64 } = m;
  m.if(
    f64.eq(f64.toSingle(double), double),
    () => write(i64.extendU(f64.singleBits(double))),
    () => write(singleFromDouble(m, f64.bits(double))),
  );
}
