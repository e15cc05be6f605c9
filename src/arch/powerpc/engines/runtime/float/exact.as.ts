/**
 * Exact arithmetic on binary128 operands, rounded once to any format: the path that is right for everything, and slow.
 * Each routine leaves the result in `resultHigh`/`resultLow` and adds to `exceptions` and `rounding`.
 * Source: Power ISA v3.0B, Book I "Floating-Point Execution Models" and the tables of each instruction.
 */
import { VXIDI, VXIMZ, VXISI, VXSNAN, VXSQRT, VXZDZ, ZX, addExceptions } from "./fpscr.as";
import {
  INF_HIGH,
  QUAD,
  QUIET_HIGH,
  SIGN,
  deliverSpecial,
  isInfinity,
  isNaN128,
  isSignaling,
  isZero,
  multiply64,
  productHigh,
  roundPack,
  setResult,
  split,
  splitExponent,
  splitHigh,
  splitLow,
} from "./wide.as";

const DEFAULT_NAN: u64 = 0x7fff800000000000;

function invalid(cause: u32, format: i32): void {
  addExceptions(cause);
  deliverSpecial(DEFAULT_NAN, 0, format);
}

/** If an operand is a NaN delivers the first one, quieted, and returns true. */
function propagate(ah: u64, al: u64, bh: u64, bl: u64, format: i32): bool {
  const a = isNaN128(ah, al);
  if (!a && !isNaN128(bh, bl)) return false;
  if (isSignaling(ah, al) || isSignaling(bh, bl)) addExceptions(VXSNAN);
  if (a) deliverSpecial(ah | QUIET_HIGH, al, format);
  else deliverSpecial(bh | QUIET_HIGH, bl, format);
  return true;
}

// A 256-bit number, most significant word first.
let w3: u64 = 0;
let w2: u64 = 0;
let w1: u64 = 0;
let w0: u64 = 0;

/** Shifts w right, ORing what is lost into its last bit. */
function shiftRightSticky(count: i32): void {
  let sticky: u64 = 0;
  if (count > 256) count = 256;
  while (count >= 64) {
    sticky |= w0;
    w0 = w1;
    w1 = w2;
    w2 = w3;
    w3 = 0;
    count -= 64;
  }
  if (count != 0) {
    const n = <u64>count;
    const m: u64 = 64 - n;
    sticky |= w0 << m;
    w0 = (w0 >> n) | (w1 << m);
    w1 = (w1 >> n) | (w2 << m);
    w2 = (w2 >> n) | (w3 << m);
    w3 >>= n;
  }
  if (sticky != 0) w0 |= 1;
}

/** Rounds w, of which the most significant bit may be anywhere, with exponent `e` if it stands at bit 255. */
function roundW(sign: bool, e: i32, format: i32, control: u32, mode: u32): void {
  while (w3 == 0) {
    w3 = w2;
    w2 = w1;
    w1 = w0;
    w0 = 0;
    e -= 64;
  }
  const n = <u64>clz(w3);
  let l = w2;
  let rest = w1 | w0;
  if (n != 0) {
    w3 = (w3 << n) | (w2 >> (64 - n));
    l = (w2 << n) | (w1 >> (64 - n));
    rest = (w1 << n) | w0;
  }
  roundPack(sign, e - <i32>n, w3, l | (rest != 0 ? 1 : 0), format, control, mode);
}

/**
 * w * 2^ew plus another 256-bit number, x * 2^ex, signs given: rounds and delivers. Both are normalised to bit 255
 * but for at most one leading zero.
 */
function addWide(
  ws: bool,
  ew: i32,
  xs: bool,
  ex: i32,
  x3: u64,
  x2: u64,
  x1: u64,
  x0: u64,
  format: i32,
  control: u32,
  mode: u32,
): void {
  // Room for a carry: both go down by one bit, of which there are plenty below.
  shiftRightSticky(1);
  x0 = (x0 >> 1) | (x0 & 1) | (x1 << 63);
  x1 = (x1 >> 1) | (x2 << 63);
  x2 = (x2 >> 1) | (x3 << 63);
  x3 >>= 1;
  let e = ew;
  if (ew < ex) {
    // Let w be the one with the smaller exponent while shifting.
    shiftRightSticky(ex - ew);
    e = ex;
  } else if (ex < ew) {
    const y3 = w3,
      y2 = w2,
      y1 = w1,
      y0 = w0;
    w3 = x3;
    w2 = x2;
    w1 = x1;
    w0 = x0;
    shiftRightSticky(ew - ex);
    x3 = y3;
    x2 = y2;
    x1 = y1;
    x0 = y0;
    const t = ws;
    ws = xs;
    xs = t;
  }
  if (ws == xs) {
    const s0 = w0 + x0;
    const c0: u64 = s0 < x0 ? 1 : 0;
    const t1 = w1 + x1;
    const s1 = t1 + c0;
    const c1: u64 = (t1 < x1 ? 1 : 0) | (s1 < c0 ? 1 : 0);
    const t2 = w2 + x2;
    const s2 = t2 + c1;
    const c2: u64 = (t2 < x2 ? 1 : 0) | (s2 < c1 ? 1 : 0);
    w3 = w3 + x3 + c2;
    w2 = s2;
    w1 = s1;
    w0 = s0;
  } else {
    let less = w3 < x3;
    if (w3 == x3) {
      less = w2 < x2;
      if (w2 == x2) {
        less = w1 < x1;
        if (w1 == x1) {
          less = w0 < x0;
          if (w0 == x0) {
            deliverSpecial(mode == 3 ? SIGN : 0, 0, format);
            return;
          }
        }
      }
    }
    if (less) {
      const y3 = w3,
        y2 = w2,
        y1 = w1,
        y0 = w0;
      w3 = x3;
      w2 = x2;
      w1 = x1;
      w0 = x0;
      x3 = y3;
      x2 = y2;
      x1 = y1;
      x0 = y0;
      ws = xs;
    }
    const b0: u64 = w0 < x0 ? 1 : 0;
    w0 -= x0;
    const d1 = w1 - x1;
    const b1: u64 = (w1 < x1 ? 1 : 0) | (d1 < b0 ? 1 : 0);
    w1 = d1 - b0;
    const d2 = w2 - x2;
    const b2: u64 = (w2 < x2 ? 1 : 0) | (d2 < b1 ? 1 : 0);
    w2 = d2 - b1;
    w3 = w3 - x3 - b2;
  }
  roundW(ws, e + 1, format, control, mode);
}

/** a + b. */
export function addExact(ah: u64, al: u64, bh: u64, bl: u64, format: i32, control: u32, mode: u32): void {
  if (propagate(ah, al, bh, bl, format)) return;
  const sa = ah >> 63 != 0;
  const sb = bh >> 63 != 0;
  if (isInfinity(ah, al)) {
    if (isInfinity(bh, bl) && sa != sb) invalid(VXISI, format);
    else deliverSpecial(ah, al, format);
    return;
  }
  if (isInfinity(bh, bl)) {
    deliverSpecial(bh, bl, format);
    return;
  }
  const za = isZero(ah, al);
  const zb = isZero(bh, bl);
  if (za && zb) {
    // Zeros of unlike sign add up to +0, in round toward -infinity to -0.
    deliverSpecial(sa == sb ? ah : mode == 3 ? SIGN : 0, 0, format);
    return;
  }
  if (za || zb) {
    roundOperand(za ? bh : ah, za ? bl : al, format, control, mode);
    return;
  }
  split(bh, bl);
  const eb = splitExponent;
  const b3 = splitHigh;
  const b2 = splitLow;
  split(ah, al);
  w3 = splitHigh;
  w2 = splitLow;
  w1 = 0;
  w0 = 0;
  addWide(sa, splitExponent, sb, eb, b3, b2, 0, 0, format, control, mode);
}

/** A finite nonzero operand rounded to `format`. */
function roundOperand(h: u64, l: u64, format: i32, control: u32, mode: u32): void {
  split(h, l);
  roundPack(h >> 63 != 0, splitExponent, splitHigh, splitLow, format, control, mode);
}

/** a in another format: frsp, xscvdpsp, xscvqpdp and the rest. */
export function convertExact(ah: u64, al: u64, format: i32, control: u32, mode: u32): void {
  if (propagate(ah, al, ah, al, format)) return;
  if (isInfinity(ah, al) || isZero(ah, al)) deliverSpecial(ah, al, format);
  else roundOperand(ah, al, format, control, mode);
}

/** w = the product of two significands; returns its exponent (of bit 255). */
function multiplySignificands(ah: u64, al: u64, bh: u64, bl: u64): i32 {
  split(bh, bl);
  const eb = splitExponent;
  const bsh = splitHigh;
  const bsl = splitLow;
  split(ah, al);
  const ash = splitHigh;
  const asl = splitLow;
  w2 = multiply64(ash, bsh);
  w3 = productHigh;
  w1 = 0;
  w0 = 0;
  if ((asl | bsl) != 0) {
    w0 = multiply64(asl, bsl);
    w1 = productHigh;
    for (let i = 0; i < 2; i++) {
      const low = i == 0 ? multiply64(ash, bsl) : multiply64(asl, bsh);
      const high = productHigh;
      w1 += low;
      const c: u64 = w1 < low ? 1 : 0;
      const t = w2 + high;
      let carry: u64 = t < high ? 1 : 0;
      w2 = t + c;
      if (w2 < c) carry++;
      w3 += carry;
    }
  }
  return splitExponent + eb + 1;
}

/** a * b. */
export function multiplyExact(ah: u64, al: u64, bh: u64, bl: u64, format: i32, control: u32, mode: u32): void {
  if (propagate(ah, al, bh, bl, format)) return;
  const sign = (ah ^ bh) & SIGN;
  const ia = isInfinity(ah, al);
  const ib = isInfinity(bh, bl);
  const za = isZero(ah, al);
  const zb = isZero(bh, bl);
  if ((ia && zb) || (ib && za)) invalid(VXIMZ, format);
  else if (ia || ib) deliverSpecial(sign | INF_HIGH, 0, format);
  else if (za || zb) deliverSpecial(sign, 0, format);
  else {
    const e = multiplySignificands(ah, al, bh, bl);
    roundW(sign != 0, e, format, control, mode);
  }
}

/** a * b + c, rounded once. NaNs are chosen in the order a, c, b: the manual's FRA, FRB, FRC. */
export function multiplyAddExact(
  ah: u64,
  al: u64,
  bh: u64,
  bl: u64,
  ch: u64,
  cl: u64,
  format: i32,
  control: u32,
  mode: u32,
): void {
  const ia = isInfinity(ah, al);
  const ib = isInfinity(bh, bl);
  const za = isZero(ah, al);
  const zb = isZero(bh, bl);
  const badProduct = (ia && zb) || (ib && za);
  if (badProduct) addExceptions(VXIMZ);
  if (isNaN128(ah, al) || isNaN128(bh, bl) || isNaN128(ch, cl)) {
    if (isSignaling(ah, al) || isSignaling(bh, bl) || isSignaling(ch, cl)) addExceptions(VXSNAN);
    if (isNaN128(ah, al)) deliverSpecial(ah | QUIET_HIGH, al, format);
    else if (isNaN128(ch, cl)) deliverSpecial(ch | QUIET_HIGH, cl, format);
    else deliverSpecial(bh | QUIET_HIGH, bl, format);
    return;
  }
  if (badProduct) {
    deliverSpecial(DEFAULT_NAN, 0, format);
    return;
  }
  const productSign = (ah ^ bh) & SIGN;
  const addendSign = ch & SIGN;
  if (ia || ib) {
    if (isInfinity(ch, cl) && productSign != addendSign) invalid(VXISI, format);
    else deliverSpecial(productSign | INF_HIGH, 0, format);
    return;
  }
  if (isInfinity(ch, cl)) {
    deliverSpecial(ch, cl, format);
    return;
  }
  if (za || zb) {
    if (isZero(ch, cl)) deliverSpecial(productSign == addendSign ? ch : mode == 3 ? SIGN : 0, 0, format);
    else roundOperand(ch, cl, format, control, mode);
    return;
  }
  if (isZero(ch, cl)) {
    const e = multiplySignificands(ah, al, bh, bl);
    roundW(productSign != 0, e, format, control, mode);
    return;
  }
  split(ch, cl);
  const ec = splitExponent;
  const c3 = splitHigh;
  const c2 = splitLow;
  const e = multiplySignificands(ah, al, bh, bl);
  addWide(productSign != 0, e, addendSign != 0, ec, c3, c2, 0, 0, format, control, mode);
}

/** a / b. */
export function divideExact(ah: u64, al: u64, bh: u64, bl: u64, format: i32, control: u32, mode: u32): void {
  if (propagate(ah, al, bh, bl, format)) return;
  const sign = (ah ^ bh) & SIGN;
  const ia = isInfinity(ah, al);
  const ib = isInfinity(bh, bl);
  const za = isZero(ah, al);
  const zb = isZero(bh, bl);
  if (ia && ib) invalid(VXIDI, format);
  else if (za && zb) invalid(VXZDZ, format);
  else if (ia) deliverSpecial(sign | INF_HIGH, 0, format);
  else if (ib || za) deliverSpecial(sign, 0, format);
  else if (zb) {
    addExceptions(ZX);
    deliverSpecial(sign | INF_HIGH, 0, format);
  } else {
    split(bh, bl);
    let e = -splitExponent;
    const dh = splitHigh;
    const dl = splitLow;
    split(ah, al);
    e += splitExponent;
    let nh = splitHigh;
    let nl = splitLow;
    let over = false;
    if (nh < dh || (nh == dh && nl < dl)) {
      over = true;
      nh = (nh << 1) | (nl >> 63);
      nl <<= 1;
      e--;
    }
    // Restoring division, one bit a step; two bits more than the format needs, then a sticky bit.
    const bits = format == QUAD ? 115 : 55;
    let qh: u64 = 0;
    let ql: u64 = 0;
    for (let i = 0; i < bits; i++) {
      qh = (qh << 1) | (ql >> 63);
      ql <<= 1;
      if (over || nh > dh || (nh == dh && nl >= dl)) {
        ql |= 1;
        nh = nh - dh - (nl < dl ? 1 : 0);
        nl -= dl;
      }
      over = nh >> 63 != 0;
      nh = (nh << 1) | (nl >> 63);
      nl <<= 1;
    }
    const up = <u64>(128 - bits);
    if (up >= 64) {
      qh = ql << (up - 64);
      ql = 0;
    } else {
      qh = (qh << up) | (ql >> (64 - up));
      ql <<= up;
    }
    roundPack(sign != 0, e, qh, ql | (over || (nh | nl) != 0 ? 1 : 0), format, control, mode);
  }
}

/** Square root of a. */
export function squareRootExact(ah: u64, al: u64, format: i32, control: u32, mode: u32): void {
  if (propagate(ah, al, ah, al, format)) return;
  if (isZero(ah, al)) {
    deliverSpecial(ah, al, format);
    return;
  }
  if (ah >> 63) {
    invalid(VXSQRT, format);
    return;
  }
  if (isInfinity(ah, al)) {
    deliverSpecial(ah, al, format);
    return;
  }
  split(ah, al);
  let h = splitHigh;
  let l = splitLow;
  let e = splitExponent;
  if (e & 1) e--;
  else {
    l = (l >> 1) | (h << 63);
    h >>= 1;
  }
  // h:l is the radicand in [1, 4) with two bits before the point; two of its bits give one of the root.
  const bits = format == QUAD ? 115 : 55;
  let rh: u64 = 0;
  let rl: u64 = 0;
  let mh: u64 = 0;
  let ml: u64 = 0;
  for (let i = 0; i < bits; i++) {
    mh = (mh << 2) | (ml >> 62);
    ml = (ml << 2) | (h >> 62);
    h = (h << 2) | (l >> 62);
    l <<= 2;
    const th = (rh << 2) | (rl >> 62);
    const tl = (rl << 2) | 1;
    rh = (rh << 1) | (rl >> 63);
    rl <<= 1;
    if (mh > th || (mh == th && ml >= tl)) {
      mh = mh - th - (ml < tl ? 1 : 0);
      ml -= tl;
      rl |= 1;
    }
  }
  const up = <u64>(128 - bits);
  if (up >= 64) {
    rh = rl << (up - 64);
    rl = 0;
  } else {
    rh = (rh << up) | (rl >> (64 - up));
    rl <<= up;
  }
  roundPack(false, e >> 1, rh, rl | ((mh | ml) != 0 ? 1 : 0), format, control, mode);
}

/** A 64-bit integer to `format`. */
export function fromInteger128(high: u64, low: u64, signed: bool, format: i32, control: u32, mode: u32): void {
  const negative = signed && high >> 63 != 0;
  if (negative) {
    high = ~high + (low == 0 ? 1 : 0);
    low = 0 - low;
  }
  if (high == 0) {
    high = low;
    low = 0;
    if (high == 0) {
      setResult(0, 0);
      return;
    }
    const shift = <u64>clz(high);
    roundPack(negative, 63 - <i32>shift, high << shift, 0, format, control, mode);
    return;
  }
  const shift = <u64>clz(high);
  if (shift != 0) high = (high << shift) | (low >> (64 - shift));
  roundPack(negative, 127 - <i32>shift, high, low << shift, format, control, mode);
}
export function fromInteger(value: u64, signed: bool, format: i32, control: u32, mode: u32): void {
  const negative = signed && value >> 63 != 0;
  const magnitude: u64 = negative ? 0 - value : value;
  if (magnitude == 0) {
    setResult(0, 0);
    return;
  }
  const shift = <u64>clz(magnitude);
  roundPack(negative, 63 - <i32>shift, magnitude << shift, 0, format, control, mode);
}
