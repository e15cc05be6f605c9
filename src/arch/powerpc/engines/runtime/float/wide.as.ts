/**
 * The exact path's numbers: significands of 128 and 256 bits, and the formats they are rounded to.
 *
 * Every operand of the exact path is first widened to binary128 (two u64), which holds all narrower formats exactly,
 * NaN payloads included. `split` takes a finite one apart; `roundPack` rounds (-1)^sign * significand * 2^exponent to a
 * format, where the significand is h:l / 2^127 with its most significant bit set and its last bit sticky.
 * Module variables carry second results only.
 */
import { FI, FR, OE, OX, UE, UX, XX, addExceptions, setRounding } from "./fpscr.as";

export const INF_HIGH: u64 = 0x7fff000000000000;
export const QUIET_HIGH: u64 = 0x0000800000000000;
export const SIGN: u64 = 0x8000000000000000;

/** Formats that a result can have. DOUBLE_SINGLE: rounded as binary32, held as binary64. */
export const HALF: i32 = 0;
export const DOUBLE_SINGLE: i32 = 1;
export const DOUBLE: i32 = 2;
export const QUAD: i32 = 3;

/** Rounding modes beyond FPSCR[RN]: 0 nearest even, 1 toward zero, 2 up, 3 down. */
export const NEAREST_AWAY: u32 = 4;
export const TO_ODD: u32 = 5;

/** A binary128 or, for narrower formats, the low doubleword alone: the last result. */
export let resultHigh: u64 = 0;
export let resultLow: u64 = 0;
export function setResult(h: u64, l: u64): void {
  resultHigh = h;
  resultLow = l;
}

// ---- binary128 operands -------------------------------------------------------------------------------------------

export function isNaN128(h: u64, l: u64): bool {
  const magnitude = h & ~SIGN;
  return magnitude > INF_HIGH || (magnitude == INF_HIGH && l != 0);
}
export function isSignaling(h: u64, l: u64): bool {
  return isNaN128(h, l) && (h & QUIET_HIGH) == 0;
}
export function isInfinity(h: u64, l: u64): bool {
  return (h & ~SIGN) == INF_HIGH && l == 0;
}
export function isZero(h: u64, l: u64): bool {
  return ((h & ~SIGN) | l) == 0;
}

/** Parts of the operand last split: its significand with the most significant bit set, and its exponent. */
export let splitHigh: u64 = 0;
export let splitLow: u64 = 0;
export let splitExponent: i32 = 0;

/** Takes a finite nonzero binary128 apart. */
export function split(h: u64, l: u64): void {
  let e = <i32>((h >> 48) & 0x7fff);
  let sh = (h << 15) | (l >> 49);
  let sl = l << 15;
  if (e != 0) sh |= SIGN;
  else {
    // Subnormal: the fraction's weight is that of exponent 1.
    e = 1;
    if (sh == 0) {
      sh = sl;
      sl = 0;
      e -= 64;
    }
    const shift = <u64>clz(sh);
    if (shift) {
      sh = (sh << shift) | (sl >> (64 - shift));
      sl <<= shift;
      e -= <i32>shift;
    }
  }
  splitHigh = sh;
  splitLow = sl;
  splitExponent = e - 16383;
}

/** High doubleword of a binary64 as binary128; `wide64Low` gives the low one. NaNs stay as they are. */
export function wide64High(a: u64): u64 {
  const sign = a & SIGN;
  const e = (a >> 52) & 0x7ff;
  let fraction = a & 0x000fffffffffffff;
  if (e == 0x7ff) return sign | INF_HIGH | (fraction >> 4);
  if (e != 0) return sign | ((e + (16383 - 1023)) << 48) | (fraction >> 4);
  if (fraction == 0) return sign;
  const shift = <u64>clz(fraction) - 11;
  fraction = (fraction << shift) & 0x000fffffffffffff;
  return sign | ((16383 - 1022 - shift) << 48) | (fraction >> 4);
}
export function wide64Low(a: u64): u64 {
  let fraction = a & 0x000fffffffffffff;
  if ((a & 0x7ff0000000000000) == 0 && fraction != 0) fraction <<= <u64>clz(fraction) - 11;
  return fraction << 60;
}

/** Binary32 to binary64 without arithmetic: the manual's DOUBLE. Exact, NaNs unchanged. */
export function doubleFromSingle(x: u32): u64 {
  const sign = (<u64>(x & 0x80000000)) << 32;
  const e = (x >> 23) & 0xff;
  const fraction = <u64>(x & 0x7fffff);
  if (e == 0xff) return sign | 0x7ff0000000000000 | (fraction << 29);
  if (e != 0) return sign | ((<u64>(e + 896)) << 52) | (fraction << 29);
  if (fraction == 0) return sign;
  const shift = <u64>clz(fraction) - 40;
  return sign | ((897 - shift) << 52) | (((fraction << shift) & 0x7fffff) << 29);
}

/** Binary64 to binary32 without arithmetic: the manual's SINGLE. Exact for what binary32 can hold; else truncated. */
export function singleFromDouble(x: u64): u32 {
  const e = <i32>((x >> 52) & 0x7ff);
  if (e > 896) return (<u32>(x >> 32) & 0xc0000000) | (<u32>(x >> 29) & 0x3fffffff);
  const sign = <u32>(x >> 32) & 0x80000000;
  if (e < 874) return sign;
  return sign | <u32>((((<u64>1) << 52) | (x & 0x000fffffffffffff)) >> (896 + 30 - <u64>e));
}

/** Binary16 to binary64, exact, NaNs unchanged. */
export function doubleFromHalf(x: u32): u64 {
  const sign = (<u64>(x & 0x8000)) << 48;
  const e = (x >> 10) & 0x1f;
  const fraction = <u64>(x & 0x3ff);
  if (e == 0x1f) return sign | 0x7ff0000000000000 | (fraction << 42);
  if (e != 0) return sign | ((<u64>(e + 1008)) << 52) | (fraction << 42);
  if (fraction == 0) return sign;
  const shift = <u64>clz(fraction) - 53;
  return sign | ((1009 - shift) << 52) | (((fraction << shift) & 0x3ff) << 42);
}

// ---- Delivering ---------------------------------------------------------------------------------------------------

/** Delivers a NaN, an infinity or a zero, given as binary128, in `format`. */
export function deliverSpecial(h: u64, l: u64, format: i32): void {
  if (format == QUAD) {
    setResult(h, l);
    return;
  }
  const sign = h & SIGN;
  const nonzero = (h & INF_HIGH) != 0;
  const fraction = ((h & 0x0000ffffffffffff) << 4) | (l >> 60);
  if (format == HALF) setResult(0, (sign >> 48) | (nonzero ? 0x7c00 | (fraction >> 42) : 0));
  else {
    // A single's NaN has no more fraction bits than a single.
    const kept = format == DOUBLE_SINGLE ? fraction & ~(<u64>0x1fffffff) : fraction;
    setResult(0, sign | (nonzero ? 0x7ff0000000000000 | kept : 0));
  }
}

/** Delivers infinity or, as the mode wants, the largest finite number. */
function deliverOverflow(sign: bool, format: i32, mode: u32): void {
  let infinite = mode == 0 || mode == NEAREST_AWAY;
  if (mode == 2) infinite = !sign;
  if (mode == 3) infinite = sign;
  const s: u64 = sign ? SIGN : 0;
  addExceptions(OX | XX);
  setRounding(infinite ? FI | FR : FI);
  if (infinite) deliverSpecial(s | INF_HIGH, 0, format);
  else if (format == QUAD) setResult(s | (INF_HIGH - 1), ~(<u64>0));
  else if (format == DOUBLE) setResult(0, s | 0x7fefffffffffffff);
  else if (format == DOUBLE_SINGLE) setResult(0, s | 0x47efffffe0000000);
  else setResult(0, (s >> 48) | 0x7bff);
}

/** 1 if the discarded part `rest` (of which `half` is one half of the last place) makes the magnitude go up. */
export function roundsUp(mode: u32, sign: bool, odd: bool, rest: u64, half: u64): bool {
  switch (mode) {
    case 0:
      return rest > half || (rest == half && odd);
    case 2:
      return !sign && rest != 0;
    case 3:
      return sign && rest != 0;
    case 4:
      return rest >= half;
    default:
      return false;
  }
}

/**
 * Rounds to `format` and delivers, with OX, UX, XX and FR, FI. `control` holds the enables of FPSCR (they decide about
 * adjusted exponents), `mode` the rounding mode. Tininess is detected before rounding.
 */
export function roundPack(sign: bool, e: i32, h: u64, l: u64, format: i32, control: u32, mode: u32): void {
  const precision = format == QUAD ? 113 : format == DOUBLE ? 53 : format == DOUBLE_SINGLE ? 24 : 11;
  const maximum = format == QUAD ? 16383 : format == DOUBLE ? 1023 : format == DOUBLE_SINGLE ? 127 : 15;
  const adjustment = format == QUAD ? 24576 : format == DOUBLE ? 1536 : format == DOUBLE_SINGLE ? 192 : 24;
  const minimum = 1 - maximum;
  const tiny = e < minimum;
  let found: u32 = 0;
  if (tiny) {
    if (control & UE) {
      e += adjustment;
      found = UX;
    } else {
      let shift = <u64>(minimum - e);
      e = minimum;
      if (shift >= 128) {
        h = 0;
        l = 1;
      } else {
        if (shift >= 64) {
          l = h | (l != 0 ? 1 : 0);
          h = 0;
          shift -= 64;
        }
        if (shift) {
          const lost = l << (64 - shift) != 0;
          l = (l >> shift) | (h << (64 - shift)) | (lost ? 1 : 0);
          h >>= shift;
        }
      }
    }
  }
  // The integer significand mh:ml, and what lies below it.
  let mh: u64 = 0;
  let ml: u64;
  let rest: u64;
  let half: u64;
  if (format == QUAD) {
    mh = h >> 15;
    ml = (h << 49) | (l >> 15);
    rest = l & 0x7fff;
    half = 0x4000;
  } else {
    const below = <u64>(64 - precision);
    ml = h >> below;
    half = (<u64>1) << (below - 1);
    rest = (h & (((<u64>1) << below) - 1)) | (l != 0 ? 1 : 0);
  }
  let rounded: u32 = 0;
  if (rest != 0) {
    rounded = FI;
    found |= XX;
    if (tiny) found |= UX;
    if (mode == TO_ODD) ml |= 1;
    else if (roundsUp(mode, sign, (ml & 1) != 0, rest, half)) {
      rounded |= FR;
      if (++ml == 0) mh++;
    }
  }
  // Carry out of the significand.
  if (format == QUAD) {
    if (mh >> 49) {
      mh >>= 1;
      e++;
    }
  } else if (ml >> <u64>precision) {
    ml >>= 1;
    e++;
  }
  if (e > maximum && !(tiny && control & UE)) {
    if (!(control & OE)) {
      addExceptions(found);
      deliverOverflow(sign, format, mode);
      return;
    }
    e -= adjustment;
    found |= OX;
  }
  addExceptions(found);
  setRounding(rounded);
  if (format == QUAD) {
    const normal = mh >> 48;
    setResult((sign ? SIGN : 0) | ((normal ? <u64>(e + 16383) & 0x7fff : 0) << 48) | (mh & 0xffffffffffff), ml);
  } else if (format == DOUBLE) {
    const normal = ml >> 52;
    setResult(0, (sign ? SIGN : 0) | ((normal ? <u64>(e + 1023) & 0x7ff : 0) << 52) | (ml & 0xfffffffffffff));
  } else if (format == HALF) {
    const normal = ml >> 10;
    setResult(0, (sign ? 0x8000 : 0) | ((normal ? <u64>(e + 15) & 0x1f : 0) << 10) | (ml & 0x3ff));
  } else {
    // A single held as a double is always normal there.
    const s: u64 = sign ? SIGN : 0;
    if (ml == 0) {
      setResult(0, s);
      return;
    }
    const shift = <u64>clz(ml) - 11;
    const fraction = (ml << shift) & 0xfffffffffffff;
    setResult(0, s | ((<u64>(e + 1023 + 29 - <i32>shift) & 0x7ff) << 52) | fraction);
  }
}

// ---- Multiplication -----------------------------------------------------------------------------------------------

/** High half of the last `multiply64`. */
export let productHigh: u64 = 0;

/** 64 x 64 to 128 bits: returns the low half. */
export function multiply64(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const middle = ah * bl + ((al * bl) >> 32);
  const middle2 = al * bh + (middle & 0xffffffff);
  productHigh = ah * bh + (middle >> 32) + (middle2 >> 32);
  return a * b;
}
