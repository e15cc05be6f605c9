/**
 * Transcendental functions of numbers of 80 bits, to 120 bits and more: by series of fractions of 128 bits. What comes of it lies
 * in the registers of round.as.ts, where rounding it gives the number next to the true value in all but one of 2 ** 50 cases;
 * since no such value is a number (but for those that functions say), the last bit is set: it is inexact.
 *
 * Angles are taken off multiples of a quarter turn by the true pi. Intel's processors have one of 66 bits there, with which sines
 * near multiples of pi lose all that they have (Intel SDM, volume 1, "Approximation of Pi"); theirs are a fault that no program can
 * rely on, since AMD's are others, and what is asked of a result here, and in that manual, is the true value to one unit.
 */
import {
  exponent,
  high,
  low,
  multiplyHigh,
  negative,
  number,
  product,
  productWide,
  quotientWide,
  sumWide,
} from "./round.as";

const FIRST: u64 = 0x8000000000000000;
// Significands of 128 bits. That of pi / 2 goes on for 256.
const PI_0: u64 = 0xc90fdaa22168c234;
const PI_1: u64 = 0xc4c6628b80dc1cd1;
const PI_2: u64 = 0x29024e088a67cc74;
const PI_3: u64 = 0x020bbea63b139b22;
const TWO_OVER_PI_0: u64 = 0xa2f9836e4e441529;
const TWO_OVER_PI_1: u64 = 0xfc2757d1f534ddc0;
const LN2_0: u64 = 0xb17217f7d1cf79ab;
const LN2_1: u64 = 0xc9e3b39803f2f6af;
const LOG2E_0: u64 = 0xb8aa3b295c17f0bb;
const LOG2E_1: u64 = 0xbe87fed0691d3e88;
const ROOT_HALF: u64 = 0xb504f333f9de6484;

// A fraction: fh:fl / 2 ** 128.
let fh: u64 = 0;
let fl: u64 = 0;

function setFraction(h: u64, l: u64): void {
  fh = h;
  fl = l;
}

/** That of a number below 1. */
function toFraction(e: i32, h: u64, l: u64): void {
  const by = -1 - e;
  if (by > 127) setFraction(0, 0);
  else if (by >= 64) setFraction(0, h >> <u64>(by - 64));
  else if (by == 0) setFraction(h, l);
  else setFraction(h >> <u64>by, (h << (<u64>(64 - by))) | (l >> <u64>by));
}

function multiply(h: u64, l: u64): void {
  const first = multiplyHigh(fh, l);
  const second = multiplyHigh(fl, h);
  let top = multiplyHigh(fh, h);
  let bottom = fh * h + first;
  if (bottom < first) top++;
  bottom += second;
  if (bottom < second) top++;
  setFraction(top, bottom);
}

/** By a whole number of up to 32 bits. */
function divide(by: u64): void {
  const top = fh / by;
  const middle = ((fh % by) << 32) | (fl >> 32);
  const bottom = ((middle % by) << 32) | (fl & 0xffffffff);
  setFraction(top, ((middle / by) << 32) | (bottom / by));
}

function add(h: u64, l: u64): void {
  const sum = fl + l;
  setFraction(fh + h + (sum < l ? 1 : 0), sum);
}

/** What is given less the fraction. */
function subtractFrom(h: u64, l: u64): void {
  setFraction(h - fh - (l < fl ? 1 : 0), l - fl);
}

/** The number at hand times 1 + f, or 1 - f - 2 ** -128. */
function timesOneAnd(minus: bool): void {
  if (minus) productWide(negative, exponent, high, low, false, -1, ~fh, ~fl);
  else productWide(negative, exponent, high, low, false, 0, FIRST | (fh >> 1), (fh << 63) | (fl >> 1));
}

// Series: f is what is added to 1, or taken from it. How many terms there are, the largest argument decides.
const SINE = 0;
const COSINE = 1;
const EXPONENTIAL = 2;

/** z / d1 (1 ± z / d2 (1 ± ...)), whose divisors are those of factorials. */
function factorials(h: u64, l: u64, kind: i32, minus: bool): void {
  setFraction(0, 0);
  for (let k: u64 = kind == EXPONENTIAL ? 33 : 17; k != 0; k--) {
    multiply(h, l);
    if (minus) subtractFrom(h, l);
    else add(h, l);
    divide(kind == SINE ? 2 * k * (2 * k + 1) : kind == COSINE ? (2 * k - 1) * 2 * k : k + 1);
  }
}

/** z (1/3 ± z (1/5 ± ...)). */
function oddReciprocals(h: u64, l: u64, minus: bool): void {
  setFraction(0, 0);
  for (let k: u64 = 26; k != 0; k--) {
    const beforeHigh = fh;
    const beforeLow = fl;
    setFraction(u64.MAX_VALUE, u64.MAX_VALUE);
    divide(2 * k + 1);
    if (minus) {
      const one = fh;
      const rest = fl;
      setFraction(beforeHigh, beforeLow);
      subtractFrom(one, rest);
    } else add(beforeHigh, beforeLow);
    multiply(h, l);
  }
}

function inexact(n: bool): void {
  number(n, exponent, high, low | 1);
}

// Angles.

/** How many quarters of a turn were taken off, modulo 4; the rest is at hand, of pi / 4 at most. */
let quarters: i32 = 0;

/** Of a positive number below 2 ** 63. */
function reduce(e: i32, m: u64): void {
  quarters = 0;
  if (e < -1 || (e == -1 && m <= PI_0)) {
    number(false, e, m, 0);
    return;
  }
  let k: u64 = 1;
  if (e >= 0) {
    const carried = multiplyHigh(m, TWO_OVER_PI_1);
    const top = multiplyHigh(m, TWO_OVER_PI_0) + (m * TWO_OVER_PI_0 + carried < carried ? 1 : 0);
    k = (top + ((<u64>1) << (<u64>(62 - e)))) >> <u64>(63 - e);
  }
  quarters = <i32>k & 3;
  // In units of 2 ** -255: k times half of pi, from the lowest word.
  let w0 = k * PI_3;
  let carry = multiplyHigh(k, PI_3);
  let w1 = k * PI_2 + carry;
  carry = multiplyHigh(k, PI_2) + (w1 < carry ? 1 : 0);
  let w2 = k * PI_1 + carry;
  carry = multiplyHigh(k, PI_1) + (w2 < carry ? 1 : 0);
  let w3 = k * PI_0 + carry;
  let w4 = multiplyHigh(k, PI_0) + (w3 < carry ? 1 : 0);
  // The angle less that; its low words are 0 but for that of an angle below 1.
  const x2: u64 = e < 0 ? m << 63 : 0;
  const x3: u64 = e < 0 ? m >> 1 : m << (<u64>e);
  const x4: u64 = e > 0 ? m >> <u64>(64 - e) : 0;
  let borrow: u64 = w0 != 0 ? 1 : 0;
  w0 = 0 - w0;
  let next: u64 = w1 != 0 || borrow != 0 ? 1 : 0;
  w1 = 0 - w1 - borrow;
  borrow = next;
  next = x2 < w2 || (x2 == w2 && borrow != 0) ? 1 : 0;
  w2 = x2 - w2 - borrow;
  borrow = next;
  next = x3 < w3 || (x3 == w3 && borrow != 0) ? 1 : 0;
  w3 = x3 - w3 - borrow;
  w4 = x4 - w4 - next;
  const minus = w4 >> 63 != 0;
  if (minus) {
    w0 = ~w0 + 1;
    let up = w0 == 0;
    w1 = ~w1 + (up ? 1 : 0);
    up = up && w1 == 0;
    w2 = ~w2 + (up ? 1 : 0);
    up = up && w2 == 0;
    w3 = ~w3 + (up ? 1 : 0);
    up = up && w3 == 0;
    w4 = ~w4 + (up ? 1 : 0);
  }
  let top = 64;
  while (w4 == 0) {
    w4 = w3;
    w3 = w2;
    w2 = w1;
    w1 = w0;
    w0 = 0;
    top -= 64;
  }
  const n = <u64>clz(w4);
  const h = n == 0 ? w4 : (w4 << n) | (w3 >> (64 - n));
  const l = n == 0 ? w3 : (w3 << n) | (w2 >> (64 - n));
  number(minus, top - <i32>n, h, l);
}

// The angle's rest, and its square.
let rn: bool = false;
let re: i32 = 0;
let rh: u64 = 0;
let rl: u64 = 0;
let zh: u64 = 0;
let zl: u64 = 0;

function square(): void {
  rn = negative;
  re = exponent;
  rh = high;
  rl = low;
  productWide(false, re, rh, rl, false, re, rh, rl);
  toFraction(exponent, high, low);
  zh = fh;
  zl = fl;
}

function sineOfRest(): void {
  factorials(zh, zl, SINE, true);
  number(rn, re, rh, rl);
  timesOneAnd(true);
}

function cosineOfRest(): void {
  factorials(zh, zl, COSINE, true);
  number(false, -1, ~fh, ~fl);
}

/** Of a number below 2 ** 63 that is not 0. */
export function sine(n: bool, e: i32, m: u64): void {
  reduce(e, m);
  square();
  if (quarters & 1) cosineOfRest();
  else sineOfRest();
  inexact((negative != n) != ((quarters & 2) != 0));
}

export function cosine(e: i32, m: u64): void {
  reduce(e, m);
  square();
  if (quarters & 1) sineOfRest();
  else cosineOfRest();
  inexact(negative != (((quarters + 1) & 2) != 0));
}

export function tangent(n: bool, e: i32, m: u64): void {
  reduce(e, m);
  square();
  if (re < -40 && !(quarters & 1)) {
    // x (1 + x² / 3): above x, however little. What a quotient lacks might be more.
    setFraction(zh, zl);
    divide(3);
    number(rn, re, rh, rl);
    timesOneAnd(false);
    inexact(negative != n);
    return;
  }
  sineOfRest();
  const sn = negative;
  const se = exponent;
  const sh = high;
  const sl = low;
  cosineOfRest();
  if (quarters & 1) quotientWide(true, exponent, high, low, sn, se, sh, sl);
  else quotientWide(sn, se, sh, sl, false, exponent, high, low);
  inexact(negative != n);
}

/** A quarter's multiple of pi: of 1 to 4 quarters. */
export function partOfPi(n: bool, parts: i32): void {
  const times = <u64>parts;
  const up = clz(times);
  productWide(n, -1, PI_0, PI_1, false, 63 - <i32>up, times << up, 0);
  inexact(n);
}

/** The angle of y and x, neither of which is 0. */
export function arctangent(yn: bool, ye: i32, ym: u64, xn: bool, xe: i32, xm: u64): void {
  const swapped = ye > xe || (ye == xe && ym > xm);
  const ne = swapped ? xe : ye;
  const nm = swapped ? xm : ym;
  const de = swapped ? ye : xe;
  const dm = swapped ? ym : xm;
  // The nearest of 0, 1/4 ... 1 to the quotient: atan q = atan c + atan((q - c) / (1 + q c)).
  let near = 0;
  if (de - ne < 4) near = <i32>nearest((4 * (<f64>nm / <f64>dm)) / <f64>(1 << (de - ne)));
  let there = true;
  if (near == 0) quotientWide(false, ne, nm, 0, false, de, dm, 0);
  else {
    const up = clz(<u64>near);
    const ce = 61 - <i32>up;
    const c = (<u64>near) << up;
    product(true, de, dm, false, ce, c);
    there = sumWide(false, ne, nm, 0, true, exponent, high, low);
    const un = negative;
    const ue = exponent;
    const uh = high;
    const ul = low;
    product(false, ne, nm, false, ce, c);
    sumWide(false, de, dm, 0, false, exponent, high, low);
    if (there) quotientWide(un, ue, uh, ul, false, exponent, high, low);
  }
  if (there) {
    square();
    oddReciprocals(zh, zl, true);
    number(rn, re, rh, rl);
    timesOneAnd(true);
  }
  if (near != 0) {
    let be = -1;
    let bh = PI_0;
    let bl = PI_1;
    if (near == 1) {
      be = -3;
      bh = 0xfadbafc96406eb15;
      bl = 0x6dc79ef5f7a217e5;
    } else if (near == 2) {
      be = -2;
      bh = 0xed63382b0dda7b45;
      bl = 0x6fe445ecbc3a8d03;
    } else if (near == 3) {
      bh = 0xa4bc7d1934f70924;
      bl = 0x19a87f2a457dac9e;
    }
    if (there) sumWide(false, be, bh, bl, negative, exponent, high, low);
    else number(false, be, bh, bl);
  }
  if (swapped) sumWide(false, 0, PI_0, PI_1, !xn, exponent, high, low);
  else if (xn) sumWide(false, 1, PI_0, PI_1, true, exponent, high, low);
  inexact(yn);
}

// Powers and logarithms to the base of 2.

/** 2 to the power of a number, less 1; of what is below 1, and not 0. */
export function powerMinusOne(n: bool, e: i32, m: u64): void {
  productWide(n, e, m, 0, false, -1, LN2_0, LN2_1);
  const we = exponent;
  const wh = high;
  const wl = low;
  toFraction(we, wh, wl);
  factorials(fh, fl, EXPONENTIAL, n);
  number(n, we, wh, wl);
  timesOneAnd(n);
  inexact(n);
}

/** atanh of the number at hand, twice, as a logarithm to the base of 2. */
function logarithmOf(): void {
  square();
  oddReciprocals(zh, zl, false);
  number(rn, re, rh, rl);
  timesOneAnd(false);
  productWide(negative, exponent, high, low, false, 1, LOG2E_0, LOG2E_1);
}

/** Of a positive number of 128 bits. False: it is 0. Those of powers of 2 are exact. */
function wideLogarithm(e: i32, h: u64, l: u64): bool {
  // By m from the root of a half to that of 2: log m = 2 atanh((m - 1) / (m + 1)).
  const above = h >= ROOT_HALF;
  const k = above ? e + 1 : e;
  const numerator = above ? 0 - h - (l != 0 ? 1 : 0) : h & ~FIRST;
  const rest = above ? 0 - l : l;
  const there = (numerator | rest) != 0;
  if (there) {
    const half = (h << 63) | (l >> 1);
    number(above, above ? -1 : 0, numerator, rest);
    if (above) quotientWide(negative, exponent, high, low, false, 0, FIRST | (h >> 1), half);
    else quotientWide(negative, exponent, high, low, false, 1, (h >> 1) + (FIRST >> 1), half);
    logarithmOf();
  }
  if (k == 0) return there;
  const whole = <u64>abs(k);
  const up = clz(whole);
  if (there) sumWide(negative, exponent, high, low, k < 0, 63 - <i32>up, whole << up, 0);
  else number(k < 0, 63 - <i32>up, whole << up, 0);
  return true;
}

/** y times the logarithm of a positive number. False: that is 0. */
export function logarithm(e: i32, m: u64, yn: bool, ye: i32, ym: u64): bool {
  if (!wideLogarithm(e, m, 0)) return false;
  productWide(negative, exponent, high, low, yn, ye, ym, 0);
  if (m != FIRST) inexact(negative);
  return true;
}

/** y times the logarithm of 1 + x; of x that is not 0, and above -1. */
export function logarithmPlusOne(xn: bool, xe: i32, xm: u64, yn: bool, ye: i32, ym: u64): void {
  let exact = false;
  if (xe < -2) {
    // x / (2 + x), which keeps all its bits however small it is.
    sumWide(xn, xe, xm, 0, false, 1, FIRST, 0);
    quotientWide(xn, xe, xm, 0, false, exponent, high, low);
    logarithmOf();
  } else {
    sumWide(xn, xe, xm, 0, false, 0, FIRST, 0);
    exact = high == FIRST && low == 0;
    wideLogarithm(exponent, high, low);
  }
  productWide(negative, exponent, high, low, yn, ye, ym, 0);
  if (!exact) inexact(negative);
}
