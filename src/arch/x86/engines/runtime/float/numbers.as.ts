/** Kinds of numbers, and their order: of SSE's and of the x87's. */

export const ZERO = 0;
export const FINITE = 1;
export const INFINITE = 2;
export const NOT = 3;

/** -1, 0, 1 for two numbers that are none of them NOT: their kinds, signs, exponents and significands. */
export function ordered(ak: i32, an: bool, ae: i32, av: u64, bk: i32, bn: bool, be: i32, bv: u64): i32 {
  if (ak == ZERO && bk == ZERO) return 0;
  if (ak == ZERO) return bn ? 1 : -1;
  if (bk == ZERO || an != bn) return an ? -1 : 1;
  let above: i32;
  if (ak == INFINITE || bk == INFINITE) above = i32(ak == INFINITE) - i32(bk == INFINITE);
  else if (ae != be) above = ae > be ? 1 : -1;
  else above = av > bv ? 1 : av < bv ? -1 : 0;
  return an ? -above : above;
}
