/**
 * Fixed-point operations that WebAssembly has no instruction for.
 * Source: Power ISA v3.0B, Book I "Fixed-Point Arithmetic Instructions", "Binary Coded Decimal Assist Instructions".
 */
import { random, random64 } from "../../../../engine/runtime/random.as";

/** (a << 64) / b for a < b. Digits of 32 bits, each estimated by the divisor's upper half and then put right. */
function divideByDigits(a: u64, b: u64): u64 {
  const shift = clz(b);
  const divisor = b << shift;
  const high = divisor >> 32;
  const low = divisor & 0xffffffff;
  let rest = a << shift;
  let quotient: u64 = 0;
  for (let digit = 0; digit < 2; digit++) {
    let estimate = rest / high;
    let remainder = rest % high;
    while (estimate > 0xffffffff || estimate * low > remainder << 32) {
      estimate--;
      remainder += high;
      if (remainder > 0xffffffff) break;
    }
    // The true remainder is below the divisor, so wrapping does no harm.
    rest = (rest << 32) - estimate * divisor;
    quotient = (quotient << 32) | estimate;
  }
  return quotient;
}

/** divdeu: 0 if the quotient does not fit or the divisor is 0. */
export function divideExtendedU(a: u64, b: u64): u64 {
  return a < b ? divideByDigits(a, b) : 0;
}

/** divde: 0 if the quotient does not fit or the divisor is 0. */
export function divideExtendedS(a: i64, b: i64): i64 {
  const dividend: u64 = a < 0 ? -a : a;
  const divisor: u64 = b < 0 ? -b : b;
  if (dividend >= divisor) return 0;
  const quotient = divideByDigits(dividend, divisor);
  if ((a ^ b) < 0) return quotient <= 1 << 63 ? -(<i64>quotient) : 0;
  return <i64>quotient >= 0 ? <i64>quotient : 0;
}

/** bpermd. */
export function bitPermute(selectors: u64, source: u64): u64 {
  let result: u64 = 0;
  for (let i = 0; i < 8; i++) {
    const place = (selectors >> (8 * i)) & 0xff;
    if (place < 64) result |= ((source >> (63 - place)) & 1) << i;
  }
  return result;
}

/**
 * Ten bits of densely packed decimal to three BCD digits. The bits are named p q r s t u v w x y from the most significant.
 * A digit is small (three bits of its own) or large (8 or 9, one bit); v, w, x and s, t tell which are large.
 */
export function declet(bits: u64): u64 {
  const pqr = (bits >> 7) & 7;
  const st = (bits >> 5) & 3;
  const u = (bits >> 4) & 1;
  const wx = (bits >> 1) & 3;
  const y = bits & 1;
  const r = pqr & 1;
  const pq = pqr & 6;
  const stu = (st << 1) | u;
  if (!(bits & 8)) return (pqr << 8) | (stu << 4) | (wx << 1) | y;
  if (wx == 0) return (pqr << 8) | (stu << 4) | 8 | y;
  if (wx == 1) return (pqr << 8) | ((8 | u) << 4) | (st << 1) | y;
  if (wx == 2) return ((8 | r) << 8) | (stu << 4) | pq | y;
  if (st == 0) return ((8 | r) << 8) | ((8 | u) << 4) | pq | y;
  if (st == 1) return ((8 | r) << 8) | ((pq | u) << 4) | 8 | y;
  if (st == 2) return (pqr << 8) | ((8 | u) << 4) | 8 | y;
  return ((8 | r) << 8) | ((8 | u) << 4) | 8 | y;
}

/** Three BCD digits to ten bits of densely packed decimal. */
export function decletOf(digits: u64): u64 {
  const a = (digits >> 8) & 15;
  const b = (digits >> 4) & 15;
  const c = digits & 15;
  const large = (((a >> 3) & 1) << 2) | (((b >> 3) & 1) << 1) | ((c >> 3) & 1);
  const endings = ((a & 1) << 7) | ((b & 1) << 4) | (c & 1);
  // The upper two bits of each small digit, at the bottom.
  const aa = (a >> 1) & 3;
  const bb = (b >> 1) & 3;
  const cc = (c >> 1) & 3;
  switch (<i32>large) {
    case 0:
      return endings | (aa << 8) | (bb << 5) | (cc << 1);
    case 1:
      return endings | (aa << 8) | (bb << 5) | 8;
    case 2:
      return endings | (aa << 8) | (cc << 5) | 8 | 2;
    case 4:
      return endings | (cc << 8) | (bb << 5) | 8 | 4;
    case 6:
      return endings | (cc << 8) | 8 | 6;
    case 5:
      return endings | (bb << 8) | 0x20 | 8 | 6;
    case 3:
      return endings | (aa << 8) | 0x40 | 8 | 6;
    default:
      return endings | 0x60 | 8 | 6;
  }
}

/** cdtbcd: in each word, two declets (20 bits) to six BCD digits (24 bits). */
export function declets(value: u64): u64 {
  let result: u64 = 0;
  for (let word = 0; word < 64; word += 32) {
    const bits = value >> word;
    result |= ((declet((bits >> 10) & 0x3ff) << 12) | declet(bits & 0x3ff)) << word;
  }
  return result;
}

/** cbcdtd: in each word, six BCD digits to two declets. */
export function decletsFromDecimal(value: u64): u64 {
  let result: u64 = 0;
  for (let word = 0; word < 64; word += 32) {
    const digits = value >> word;
    result |= ((decletOf((digits >> 12) & 0xfff) << 10) | decletOf(digits & 0xfff)) << word;
  }
  return result;
}

/** darn. L = 0: 32 bits, 1 conditioned and 2 raw: 64 bits, which here are the same. All ones means that there is none. */
export function deliverRandom(s: i32, l: i32): i64 {
  if (l == 3) return -1;
  if (l == 0) return <u64>(<u32>random());
  const value = random64();
  return value == u64.MAX_VALUE ? 0 : value;
}

/** pdepd: the low bits of `s`, in order, at the ones of the mask. */
export function depositBits(s: i64, mask: i64): i64 {
  let rest: u64 = mask;
  let bits: u64 = s;
  let result: u64 = 0;
  while (rest) {
    const lowest = rest & -rest;
    if (bits & 1) result |= lowest;
    bits >>= 1;
    rest ^= lowest;
  }
  return result;
}

/** pextd: the bits of `s` at the ones of the mask, in order, at the right. */
export function extractBits(s: i64, mask: i64): i64 {
  let rest: u64 = mask;
  let result: u64 = 0;
  for (let place: u64 = 0; rest; place++) {
    const lowest = rest & -rest;
    if (<u64>s & lowest) result |= (<u64>1) << place;
    rest ^= lowest;
  }
  return result;
}
