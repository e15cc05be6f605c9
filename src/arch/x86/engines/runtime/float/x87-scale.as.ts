/** The x87's remainders, scaling, extraction and decimal numbers. Source: Intel SDM, volume 2; volume 1, "x87 FPU Data Types". */
import {
  FLOAT_denormal,
  FLOAT_invalid,
  FLOAT_precision,
  FLOAT_zeroDivide,
  FSW_c0,
  FSW_c1,
  FSW_c2,
  FSW_c3,
  S_fault,
  S_floatData,
  S_floatStatus,
  S_floatTags,
  X87FROM_stack,
} from "../layout.generated";
import { loadSlow, storeSlow } from "../../../../../engine/runtime/access.as";
import {
  body,
  denormal,
  digits,
  FIRST,
  head,
  pack,
  power,
  put,
  putIndefinite,
  putInfinity,
  putZero,
  sign,
  take,
} from "./extended.as";
import { FINITE, INFINITE, ZERO } from "./numbers.as";
import { addEarly, addLate, early, noExceptions, product } from "./round.as";
import {
  begin,
  finish,
  fromInteger,
  get,
  inexactUnits,
  isThere,
  masked,
  mode,
  moveTop,
  noteOverflow,
  place,
  pop,
  propagated,
  push,
  register,
  roundUnits,
  setCodes,
  units,
  write,
} from "./x87.as";

// The two operands of an instruction, ST and ST(1).
let a: u64 = 0;
let ah: i32 = 0;
let b: u64 = 0;
let bh: i32 = 0;

/** Takes both. False: one is not there, and an indefinite number is what comes of it. */
function both(s: i32): bool {
  const top = register(s, 0);
  a = load<u64>(top);
  ah = load<u16>(top, 8);
  const next = register(s, 1);
  b = load<u64>(next);
  bh = load<u16>(next, 8);
  if (isThere(s, 0) && isThere(s, 1)) return true;
  putIndefinite();
  return false;
}

/** Of the quotient, the low three bits; 8: it was not reduced in whole; -1: there is none. */
let quotient: i32 = 0;

function remainder(nearest: bool): void {
  quotient = -1;
  const bk = take(b, bh);
  const be = power;
  const bd = digits;
  let denormals = denormal;
  const ak = take(a, ah);
  denormals = denormals || denormal;
  const an = sign;
  const ae = power;
  const ad = digits;
  if (propagated(ak, a, ah, bk, b, bh)) return;
  if (ak == INFINITE || bk == ZERO) {
    addEarly(FLOAT_invalid);
    putIndefinite();
    return;
  }
  if (denormals) addEarly(FLOAT_denormal);
  quotient = 0;
  const distance = ae - be;
  if (ak == ZERO || bk == INFINITE || distance < -1 || (distance < 0 && !nearest)) {
    if (ak == ZERO) putZero(an);
    else {
      product(an, ae, ad, false, 0, FIRST);
      pack(64, mode, masked);
    }
    return;
  }
  let minus = an;
  let rest = ad;
  let unit = be;
  if (distance < 0) {
    // Less than the divisor: the nearest multiple is 0 or 1 of it.
    unit = ae;
    if (ad > bd) {
      rest = (bd << 1) - ad;
      minus = !minus;
      quotient = 1;
    }
  } else {
    const steps = distance < 64 ? distance : (distance & 31) | 32;
    let q: u64 = 0;
    let over = false;
    for (let i = 0; ; i++) {
      if (over || rest >= bd) {
        rest -= bd;
        q |= 1;
      }
      if (i == steps) break;
      over = rest >> 63 != 0;
      rest <<= 1;
      q <<= 1;
    }
    if (distance >= 64) {
      unit = be + distance - steps;
      quotient = 8;
    } else {
      if (nearest && rest != 0 && (rest > bd - rest || (rest == bd - rest && (q & 1) != 0))) {
        rest = bd - rest;
        minus = !minus;
        q++;
      }
      quotient = <i32>(q & 7);
    }
  }
  if (rest == 0) {
    putZero(an);
    return;
  }
  const up = clz(rest);
  product(minus, unit - <i32>up, rest << up, false, 0, FIRST);
  pack(64, mode, masked);
}

/** FPREM, FPREM1. */
export function floatRemainder(s: i32, nearest: i32): void {
  if (!begin(s)) return;
  quotient = -1;
  if (both(s)) remainder(nearest != 0);
  // Where there is no quotient, C0 and C3 stay (seen on an AMD).
  store<i32>(s, load<i32>(s, S_floatStatus) & ~FSW_c2, S_floatStatus);
  if (!finish(s)) return;
  write(s, 0);
  if (quotient < 0) return;
  let codes = quotient & 4 ? FSW_c0 : 0;
  if (quotient & 2) codes |= FSW_c3;
  if (quotient & 8) codes |= FSW_c2;
  setCodes(s, codes);
  if (quotient & 1) store<i32>(s, load<i32>(s, S_floatStatus) | FSW_c1, S_floatStatus);
}

/** ST times 2 to the power of ST(1), cut to a whole number. */
function scaled(): void {
  const bk = take(b, bh);
  const bn = sign;
  const be = power;
  const bd = digits;
  let denormals = denormal;
  const ak = take(a, ah);
  denormals = denormals || denormal;
  const an = sign;
  if (propagated(ak, a, ah, bk, b, bh)) return;
  if (bk == INFINITE) {
    if (bn ? ak == INFINITE : ak == ZERO) {
      addEarly(FLOAT_invalid);
      putIndefinite();
      return;
    }
    if (denormals) addEarly(FLOAT_denormal);
    if (bn) putZero(an);
    else putInfinity(an);
    return;
  }
  if (denormals) addEarly(FLOAT_denormal);
  if (ak != FINITE || bk == ZERO || be < 0) {
    put(a, ah);
    if (ak == FINITE) {
      product(an, power, digits, false, 0, FIRST);
      pack(64, mode, masked);
    }
    return;
  }
  const by = be > 16 ? 0x20000 : <i32>(bd >> <u64>(63 - be));
  product(an, power + (bn ? -by : by), digits, false, 0, FIRST);
  pack(64, mode, masked);
}

export function floatScale(s: i32): void {
  if (!begin(s)) return;
  if (both(s)) scaled();
  if (finish(s)) write(s, 0);
}

/** FXTRACT: ST becomes its exponent, and its significand is pushed. */
export function floatExtract(s: i32): void {
  if (!begin(s)) return;
  const there = get(s, X87FROM_stack, 0);
  if (there && (load<i32>(s, S_floatTags) >> place(s, -1)) & 1) {
    noExceptions();
    noteOverflow();
    putIndefinite();
    if (!finish(s)) return;
    write(s, 0);
    push(s);
    return;
  }
  const given = body;
  const givenHead = head;
  if (!there) putIndefinite();
  let significand = body;
  let rest = head;
  if (there) {
    const kind = take(given, givenHead);
    const minus = sign;
    if (propagated(kind, given, givenHead, ZERO, 0, 0)) {
      significand = body;
      rest = head;
    } else if (kind == ZERO) {
      addEarly(FLOAT_zeroDivide);
      putInfinity(true);
      significand = 0;
      rest = givenHead & 0x8000;
    } else if (kind == INFINITE) {
      putInfinity(false);
    } else {
      if (denormal) addEarly(FLOAT_denormal);
      significand = digits;
      rest = (minus ? 0x8000 : 0) | 0x3fff;
      fromInteger(power);
    }
  }
  if (!finish(s)) return;
  write(s, 0);
  put(significand, rest);
  moveTop(s, -1);
  write(s, 0);
}

/** FBLD: eighteen digits, and a sign. */
export function floatLoadDecimal(s: i32, at: i64): void {
  if (!begin(s)) return;
  store<i64>(s, at, S_floatData);
  const low = <u64>loadSlow(s, at, 8, 0);
  if (load<i32>(s, S_fault)) return;
  const high = <u64>loadSlow(s, at + 8, 2, 0);
  if (load<i32>(s, S_fault)) return;
  let value: u64 = 0;
  for (let i = 17; i >= 0; i--) {
    const digit = (i >= 16 ? high >> <u64>(4 * (i - 16)) : low >> <u64>(4 * i)) & 15;
    value = value * 10 + digit;
  }
  fromInteger(value);
  put(body, head | (high & 0x8000 ? 0x8000 : 0));
  push(s);
}

const MOST: u64 = 999999999999999999;

/** FBSTP: ST as a whole number in digits; what has more is indefinite. */
export function floatStoreDecimal(s: i32, at: i64): void {
  if (!begin(s)) return;
  store<i64>(s, at, S_floatData);
  const there = get(s, X87FROM_stack, 0);
  let low: u64 = 0xc000000000000000;
  let high: u64 = 0xffff;
  if (there) {
    const kind = take(body, head);
    let value: u64 = 0;
    let fits = kind == ZERO;
    if (kind == FINITE && power < 63) {
      roundUnits(mode);
      value = units;
      fits = value <= MOST;
      if (fits && inexactUnits) addLate(FLOAT_precision);
    }
    if (fits) {
      low = 0;
      high = sign ? 0x8000 : 0;
      for (let i = 0; i < 18; i++) {
        const digit = value % 10;
        if (i < 16) low |= digit << (<u64>(4 * i));
        else high |= digit << (<u64>(4 * (i - 16)));
        value /= 10;
      }
    } else {
      noExceptions();
      addEarly(FLOAT_invalid);
    }
  }
  // Memory first: a fault there leaves the status as it was.
  if (early & ~masked) {
    finish(s);
    return;
  }
  storeSlow(s, at, 8, low, 0);
  if (load<i32>(s, S_fault)) return;
  storeSlow(s, at + 8, 2, high, 0);
  if (load<i32>(s, S_fault)) return;
  if (finish(s)) pop(s);
}

/** FFREEP: not in Intel's manual, and on all processors. */
export function floatFreePop(s: i32, i: i32): void {
  if (!begin(s)) return;
  store<i32>(s, load<i32>(s, S_floatTags) & ~(1 << place(s, i)), S_floatTags);
  store<i32>(s, load<i32>(s, S_floatStatus) & ~FSW_c1, S_floatStatus);
  pop(s);
}
