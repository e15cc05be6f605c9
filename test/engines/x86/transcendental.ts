/** The x87's transcendental functions by whole numbers of any length, for tests: to more than 250 bits, slowly. */

/** A number: n * 2 ** e. */
export interface Wide {
  readonly n: bigint;
  readonly e: number;
}

/** Bits behind the point of what is computed with. */
const places = 420n;
const one = 1n << places;
/** Cut off toward zero, so that series end. */
const product = (a: bigint, b: bigint): bigint => (a * b) / one;
const quotient = (a: bigint, b: bigint): bigint => (a << places) / b;

/** Sums a series: its first term, and what makes each of the one before. */
function series(first: bigint, next: (term: bigint, k: bigint) => bigint): bigint {
  let sum = 0n;
  let term = first;
  for (let k = 1n; term !== 0n; k++) {
    sum += term;
    term = next(term, k);
  }
  return sum;
}
/** x (1 ∓ x² / 3 ± x⁴ / 5 ...): atan and atanh. */
function odds(x: bigint, sign: bigint): bigint {
  const square = product(x, x);
  let sum = 0n;
  let power = x;
  for (let k = 1n; power !== 0n; k += 2n) {
    sum += power / k;
    power = sign * product(power, square);
  }
  return sum;
}
function root(x: bigint): bigint {
  let guess = 1n << BigInt((x.toString(2).length >> 1) + 1);
  for (;;) {
    const better = (guess + x / guess) >> 1n;
    if (better >= guess) return guess;
    guess = better;
  }
}
/** Of what is positive: by half of the angle, three times. */
function arc(x: bigint): bigint {
  let tangent = x;
  for (let i = 0; i < 3; i++) tangent = quotient(tangent, one + root((one + product(tangent, tangent)) << places));
  return odds(tangent, -1n) * 8n;
}

const pi = 16n * odds(one / 5n, -1n) - 4n * odds(one / 239n, -1n);
const ln2 = 2n * odds(one / 3n, 1n);

/** A number with the point where `one` has it. */
const fixed = ({ n, e }: Wide): bigint => {
  const by = BigInt(e) + places;
  return by >= 0n ? n << by : n >> -by;
};
/** Below this, what is computed with has too few bits left, and one term more than the first is enough. */
const isTiny = ({ n, e }: Wide): boolean => n.toString(2).replace("-", "").length + e < -100;
const known = (n: bigint): Wide => ({ n, e: -Number(places) });
/** x times a number near to 1. */
const nearly = ({ n, e }: Wide, factor: bigint): Wide => ({ n: n * factor, e: e - Number(places) });
/** Not 0, whatever was cut off. */
const atLeast = (x: bigint): bigint => (x === 0n ? 1n : x);

const sinOf = (x: bigint): bigint => series(x, (term, k) => -product(product(term, x), x) / (2n * k * (2n * k + 1n)));
const cosOf = (x: bigint): bigint => series(one, (term, k) => -product(product(term, x), x) / (2n * k * (2n * k - 1n)));

/** The angle without its quarters of a turn, and how many these are. */
function reduced(x: Wide): { readonly rest: bigint; readonly quarters: number } {
  const whole = fixed(x);
  const half = pi / 2n;
  let k = (2n * whole + half) / (2n * half);
  if (2n * whole + half < 0n) k--;
  return { rest: whole - k * half, quarters: Number(((k % 4n) + 4n) % 4n) };
}
export function sine(x: Wide): Wide {
  const f = fixed(x);
  if (isTiny(x)) return nearly(x, one - atLeast(product(f, f) / 6n));
  const { rest, quarters } = reduced(x);
  return known((quarters & 2 ? -1n : 1n) * (quarters & 1 ? cosOf(rest) : sinOf(rest)));
}
export function cosine(x: Wide): Wide {
  const f = fixed(x);
  if (isTiny(x)) return known(one - atLeast(product(f, f) / 2n));
  const { rest, quarters } = reduced(x);
  return known(((quarters + 1) & 2 ? -1n : 1n) * (quarters & 1 ? sinOf(rest) : cosOf(rest)));
}
export function tangent(x: Wide): Wide {
  const f = fixed(x);
  if (isTiny(x)) return nearly(x, one + atLeast(product(f, f) / 3n));
  const { rest, quarters } = reduced(x);
  const [s, c] = [sinOf(rest), cosOf(rest)];
  return known(quarters & 1 ? -quotient(c, s) : quotient(s, c));
}
export function powerMinusOne(x: Wide): Wide {
  const w = product(fixed(x), ln2);
  if (isTiny(x)) return { n: x.n * ln2 * (2n * one + w), e: x.e - 2 * Number(places) - 1 };
  return known(series(w, (term, k) => product(term, w) / (k + 1n)));
}
const times = (a: Wide, b: Wide): Wide => ({ n: a.n * b.n, e: a.e + b.e });
const inBits = (natural: bigint): bigint => quotient(natural, ln2);

/** y times the logarithm of x to the base of 2. */
export function logarithm(x: Wide, y: Wide): Wide {
  const bits = BigInt(x.n.toString(2).length);
  const m = (x.n << places) >> (bits - 1n);
  const whole = BigInt(x.e) + bits - 1n;
  return times(known(whole * one + inBits(2n * odds(quotient(m - one, m + one), 1n))), y);
}
export function logarithmPlusOne(x: Wide, y: Wide): Wide {
  if (isTiny(x)) return times(times(x, known(quotient(one, ln2))), times(y, known(one - fixed(x) / 2n)));
  const f = fixed(x);
  if (f < -one / 2n || f > one) return logarithm(known(one + f), y);
  return times(known(inBits(2n * odds(quotient(f, 2n * one + f), 1n))), y);
}
export function arctangent(x: Wide, y: Wide): Wide {
  const [a, b] = [y.n < 0n ? -y.n : y.n, x.n < 0n ? -x.n : x.n];
  const sign = y.n < 0n ? -1n : 1n;
  const ratio: Wide = { n: (a << 300n) / b, e: y.e - x.e - 300 };
  const size = ratio.n.toString(2).length + ratio.e;
  if (size < -100 && x.n > 0n) {
    const f = fixed(ratio);
    return nearly({ n: sign * ratio.n, e: ratio.e }, one - atLeast(product(f, f) / 3n));
  }
  // Of whichever is the smaller.
  const angle =
    size > 1 ? pi / 2n - atLeast(arc(fixed({ n: (b << 300n) / a, e: x.e - y.e - 300 }))) : arc(fixed(ratio));
  return known(sign * (x.n < 0n ? pi - atLeast(angle) : angle));
}

/** A number of 80 bits: sign and exponent, significand. */
export interface Extended {
  readonly head: number;
  readonly significand: bigint;
}
export const wideOf = ({ head, significand }: Extended): Wide => ({
  n: head & 0x8000 ? -significand : significand,
  e: (head & 0x7fff || 1) - 16383 - 63,
});

/**
 * What is not a number of 80 bits, as one: to the nearest, down, up, toward zero (0 to 3); whether its magnitude went up. Undefined:
 * too large, or smaller than all of them.
 */
export function rounded({ n, e }: Wide, mode: number): (Extended & { readonly up: boolean }) | undefined {
  const minus = n < 0n;
  const magnitude = minus ? -n : n;
  const bits = magnitude.toString(2).length;
  const lowest = -16382;
  let exponent = e + bits - 1;
  const keep = exponent < lowest ? 64 - (lowest - exponent) : 64;
  if (keep < 1 || exponent > 16383) return undefined;
  const drop = BigInt(bits - keep);
  if (drop < 1n) throw new Error("it has too few bits to be rounded");
  let significand = magnitude >> drop;
  const half = ((magnitude >> (drop - 1n)) & 1n) !== 0n;
  const up = mode === 0 ? half : mode === 1 ? minus : mode === 2 ? !minus : false;
  if (up) significand++;
  if (significand === 1n << 64n) {
    significand >>= 1n;
    exponent++;
  }
  if (exponent > 16383) return undefined;
  const normal = significand >> 63n !== 0n;
  const biased = normal ? Math.max(exponent, lowest) + 16383 : 0;
  return { head: (minus ? 0x8000 : 0) | biased, significand, up };
}
