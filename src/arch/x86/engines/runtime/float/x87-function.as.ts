/**
 * The x87's transcendental instructions: what is special about their operands. Source: Intel SDM, volume 2, FSIN, FCOS, FSINCOS,
 * FPTAN, F2XM1, FPATAN, FYL2X, FYL2XP1. Where their pages leave results open, these are an AMD's.
 */
import {
  FLOAT_denormal,
  FLOAT_invalid,
  FLOAT_precision,
  FLOAT_zeroDivide,
  FSW_c1,
  FSW_c2,
  S_floatStatus,
  S_floatTags,
  X87FROM_stack,
  X87FUNCTION_arctangent,
  X87FUNCTION_cosine,
  X87FUNCTION_logarithm,
  X87FUNCTION_logarithmPlusOne,
  X87FUNCTION_powerMinusOne,
  X87FUNCTION_sine,
  X87FUNCTION_sineAndCosine,
  X87FUNCTION_tangent,
} from "../layout.generated";
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
import { addEarly, addLate, noExceptions, noteRise } from "./round.as";
import {
  arctangent,
  cosine,
  logarithm,
  logarithmPlusOne,
  partOfPi,
  powerMinusOne,
  sine,
  tangent,
} from "./transcendental.as";
import {
  begin,
  finish,
  get,
  isThere,
  masked,
  mode,
  moveTop,
  noteOverflow,
  place,
  pop,
  propagated,
  register,
  write,
} from "./x87.as";

const ONE = 0x3fff;

/** The result, rounded. It is inexact to the processor, even where it is not: 2 to a whole power, and logarithms of those. */
function round(): void {
  pack(64, mode, masked);
  addLate(FLOAT_precision);
}

/** The result of what there is none of. */
function keep(significand: u64, signAndExponent: i32): void {
  put(significand, signAndExponent);
  noteRise(false);
  addLate(FLOAT_precision);
}

function invalid(): void {
  addEarly(FLOAT_invalid);
  putIndefinite();
}

// What two results are: the first goes to ST(1), where the operand was, the second on top of it.
let firstBody: u64 = 0;
let firstHead: i32 = 0;

function setC2(s: i32, outside: bool): void {
  const status = load<i32>(s, S_floatStatus) & ~FSW_c2;
  store<i32>(s, outside ? (status | FSW_c2) & ~FSW_c1 : status, S_floatStatus);
}

/** Functions of angles. False: the angle is too large, and nothing comes of it. */
function ofAngle(which: i32): bool {
  const kind = take(body, head);
  const n = sign;
  const e = power;
  const m = digits;
  if (kind == FINITE && e >= 63) return false;
  if (kind == INFINITE) invalid();
  else if (!propagated(kind, body, head, ZERO, 0, 0)) {
    const zero = kind == ZERO;
    if (denormal) addEarly(FLOAT_denormal);
    if (which == X87FUNCTION_cosine) {
      if (zero) put(FIRST, ONE);
      else {
        cosine(e, m);
        round();
      }
      return true;
    }
    if (zero) putZero(n);
    else {
      if (which == X87FUNCTION_tangent) tangent(n, e, m);
      else sine(n, e, m);
      round();
    }
    firstBody = body;
    firstHead = head;
    if (which == X87FUNCTION_tangent || zero) put(FIRST, ONE);
    else if (which == X87FUNCTION_sineAndCosine) {
      cosine(e, m);
      round();
    }
    if (which == X87FUNCTION_sine) put(firstBody, firstHead);
    return true;
  }
  firstBody = body;
  firstHead = head;
  return true;
}

/** F2XM1: from -1 to 1. What is above stays as it is, as 1 does. */
function power2(): void {
  const kind = take(body, head);
  const n = sign;
  if (kind == INFINITE) {
    if (n) put(FIRST, 0x8000 | ONE);
    return;
  }
  if (propagated(kind, body, head, ZERO, 0, 0) || kind == ZERO) return;
  if (denormal) addEarly(FLOAT_denormal);
  if (power >= 0) {
    keep(body, n && power == 0 && digits == FIRST ? 0x8000 | (ONE - 1) : head);
    return;
  }
  powerMinusOne(n, power, digits);
  round();
}

/** The sign of a logarithm of a positive number: -1, 0, 1. */
function order1(e: i32, m: u64): i32 {
  return e < 0 ? -1 : e == 0 && m == FIRST ? 0 : 1;
}

/** ST and ST(1): x, of which the logarithm is, or to which the angle is; and y. */
function ofBoth(which: i32, x: u64, xh: i32, y: u64, yh: i32): void {
  const yk = take(y, yh);
  const yn = sign;
  const ye = power;
  const ym = digits;
  let denormals = denormal;
  const xk = take(x, xh);
  const xn = sign;
  const xe = power;
  const xm = digits;
  denormals = denormals || denormal;
  if (propagated(xk, x, xh, yk, y, yh)) return;
  if (which == X87FUNCTION_arctangent) {
    if (denormals) addEarly(FLOAT_denormal);
    // Of a quarter turn.
    let parts = 0;
    if (yk == INFINITE) parts = xk == INFINITE ? (xn ? 3 : 1) : 2;
    else if (xk == INFINITE || yk == ZERO) parts = xn ? 4 : -1;
    else if (xk == ZERO) parts = 2;
    if (parts < 0) {
      putZero(yn);
      return;
    }
    if (parts != 0) partOfPi(yn, parts);
    else arctangent(yn, ye, ym, xn, xe, xm);
    round();
    return;
  }
  // Which side of 0 the logarithm is on.
  let side = 0;
  if (which == X87FUNCTION_logarithm) {
    if (xk == ZERO) side = -1;
    else if (xn) {
      invalid();
      return;
    } else side = xk == INFINITE ? 1 : order1(xe, xm);
  } else if (xk != ZERO) {
    if (xn && xk == INFINITE) {
      invalid();
      return;
    }
    side = xn ? -1 : 1;
  }
  const minus = which == X87FUNCTION_logarithmPlusOne && xk == ZERO ? xn != yn : side < 0 != yn;
  const endless = xk == INFINITE || (which == X87FUNCTION_logarithm && xk == ZERO);
  if ((yk == INFINITE && side == 0) || (yk == ZERO && endless)) {
    invalid();
    return;
  }
  if (yk != INFINITE && xk == ZERO && endless) {
    addEarly(FLOAT_zeroDivide);
    putInfinity(minus);
    return;
  }
  if (denormals) addEarly(FLOAT_denormal);
  if (yk == INFINITE || endless) putInfinity(minus);
  else if (yk == ZERO || side == 0) putZero(minus);
  // From -1 on downwards, one more has no logarithm.
  else if (which == X87FUNCTION_logarithmPlusOne && xn && xe >= 0) keep(x, xh);
  else {
    if (which == X87FUNCTION_logarithm) logarithm(xe, xm, yn, ye, ym);
    else logarithmPlusOne(xn, xe, xm, yn, ye, ym);
    round();
  }
}

/** A function of ST and ST(1), whose result goes to the latter, and becomes the top. */
function binary(s: i32, which: i32): void {
  const top = register(s, 0);
  const next = register(s, 1);
  if (isThere(s, 0) && isThere(s, 1))
    ofBoth(which, load<u64>(top), load<u16>(top, 8), load<u64>(next), load<u16>(next, 8));
  else putIndefinite();
  if (!finish(s)) return;
  write(s, 1);
  pop(s);
}

/** One of `FloatFunction`. */
export function floatFunction(s: i32, which: i32): void {
  if (!begin(s)) return;
  if (which >= X87FUNCTION_arctangent) {
    binary(s, which);
    return;
  }
  const there = get(s, X87FROM_stack, 0);
  if (which == X87FUNCTION_powerMinusOne) {
    if (there) power2();
    else putIndefinite();
    if (finish(s)) write(s, 0);
    return;
  }
  const two = which == X87FUNCTION_sineAndCosine || which == X87FUNCTION_tangent;
  if (there && two && (load<i32>(s, S_floatTags) >> place(s, -1)) & 1) {
    noExceptions();
    noteOverflow();
    putIndefinite();
    firstBody = body;
    firstHead = head;
  } else if (!there) {
    putIndefinite();
    firstBody = body;
    firstHead = head;
  } else if (!ofAngle(which)) {
    finish(s);
    setC2(s, true);
    return;
  }
  setC2(s, false);
  if (!finish(s)) return;
  if (!two) {
    write(s, 0);
    return;
  }
  const second = body;
  const secondHead = head;
  put(firstBody, firstHead);
  write(s, 0);
  moveTop(s, -1);
  put(second, secondHead);
  write(s, 0);
}
