/**
 * Addition, subtraction, multiplication, division and the quantum adjustments of decimal numbers.
 * Source: Power ISA v3.0B, Book I "DFP Arithmetic Instructions" and "DFP Quantum Adjustment Instructions".
 */
import { S_fpscr } from "../layout.generated";
import { VXCVI, VXIDI, VXIMZ, VXISI, VXZDZ, ZX, addExceptions } from "../float/fpscr.as";
import {
  FINITE,
  INFINITE,
  appendZeros,
  biasOf,
  digitAt,
  dropDigits,
  exponentOf,
  exponentsOf,
  isNaN,
  isNegative,
  isZero,
  kindOf,
  lengthOf,
  placeA,
  placeB,
  placeT,
  precisionOf,
  setDigit,
  setExponent,
  setFinite,
  setLength,
  setNegative,
  setSpecial,
  unpack,
} from "./number.as";
import {
  DOWN,
  begin,
  cut,
  finish,
  noteInexact,
  roundToFormat,
  roundingMode,
  setInvalid,
  takeNaN,
  takeNaNs,
} from "./round.as";

const CURRENT: i32 = 8;

/** The order of two numbers' digits as integers: negative, 0, positive. */
function compareDigits(a: i32, b: i32): i32 {
  const order = lengthOf(a) - lengthOf(b);
  if (order != 0) return order;
  for (let i = lengthOf(a) - 1; i >= 0; i--) {
    const difference = digitAt(a, i) - digitAt(b, i);
    if (difference != 0) return difference;
  }
  return 0;
}
function addDigits(t: i32, a: i32, b: i32): void {
  const length = max(lengthOf(a), lengthOf(b));
  let carry = 0;
  for (let i = 0; i < length; i++) {
    const sum = digitAt(a, i) + digitAt(b, i) + carry;
    carry = sum > 9 ? 1 : 0;
    setDigit(t, i, sum - 10 * carry);
  }
  setDigit(t, length, carry);
  setLength(t, length + 1);
}
/** a - b, of which a is not the lesser. */
function subtractDigits(t: i32, a: i32, b: i32): void {
  const length = lengthOf(a);
  let borrow = 0;
  for (let i = 0; i < length; i++) {
    const difference = digitAt(a, i) - digitAt(b, i) - borrow;
    borrow = difference < 0 ? 1 : 0;
    setDigit(t, i, difference + 10 * borrow);
  }
  setLength(t, length);
}

/** Room for an aligned sum: more than twice the most digits of a format, fewer than a place has. */
const ALIGNED: i32 = 76;

/**
 * Gives two finite numbers one exponent, `high` having the greater. Where they are too far apart for that, `low` is beyond
 * all that rounding looks at, and one unit of the last digit stands for it.
 */
function align(high: i32, low: i32, precision: i32): void {
  const distance = exponentOf(high) - exponentOf(low);
  if (lengthOf(high) == 0) {
    setExponent(high, exponentOf(low));
    return;
  }
  const room = (lengthOf(low) == 0 ? precision : ALIGNED) - lengthOf(high);
  const zeros = min(distance, room);
  appendZeros(high, zeros);
  setExponent(high, exponentOf(high) - zeros);
  if (zeros == distance) return;
  if (lengthOf(low) != 0) {
    setDigit(low, 0, 1);
    setLength(low, 1);
  }
  setExponent(low, exponentOf(high));
}

function add(t: i32, a: i32, b: i32, format: i32, mode: i32): void {
  const na = isNegative(a);
  const nb = isNegative(b);
  if (kindOf(a) == INFINITE || kindOf(b) == INFINITE) {
    if (kindOf(a) == kindOf(b) && na != nb) setInvalid(t, VXISI);
    else setSpecial(t, INFINITE, kindOf(a) == INFINITE ? na : nb);
    return;
  }
  if (exponentOf(a) >= exponentOf(b)) align(a, b, precisionOf(format));
  else align(b, a, precisionOf(format));
  setFinite(t, na, exponentOf(a));
  if (na == nb) {
    addDigits(t, a, b);
    return;
  }
  const order = compareDigits(a, b);
  if (order == 0) setNegative(t, mode == DOWN);
  else if (order > 0) subtractDigits(t, a, b);
  else {
    subtractDigits(t, b, a);
    setNegative(t, nb);
  }
}

function multiply(t: i32, a: i32, b: i32): void {
  const negative = isNegative(a) != isNegative(b);
  if (kindOf(a) == INFINITE || kindOf(b) == INFINITE) {
    if (isZero(a) || isZero(b)) setInvalid(t, VXIMZ);
    else setSpecial(t, INFINITE, negative);
    return;
  }
  setFinite(t, negative, exponentOf(a) + exponentOf(b));
  const la = lengthOf(a);
  const lb = lengthOf(b);
  for (let i = 0; i < la + lb; i++) setDigit(t, i, 0);
  for (let i = 0; i < la; i++) {
    const digit = digitAt(a, i);
    let carry = 0;
    for (let j = 0; j < lb; j++) {
      const sum = <i32>load<u8>(t + i + j) + digit * digitAt(b, j) + carry;
      carry = sum / 10;
      setDigit(t, i + j, sum - 10 * carry);
    }
    setDigit(t, i + lb, carry);
  }
  setLength(t, la + lb);
}

function divide(t: i32, a: i32, b: i32, format: i32): void {
  const negative = isNegative(a) != isNegative(b);
  if (kindOf(a) == INFINITE) {
    if (kindOf(b) == INFINITE) setInvalid(t, VXIDI);
    else setSpecial(t, INFINITE, negative);
    return;
  }
  if (kindOf(b) == INFINITE) {
    setFinite(t, negative, -biasOf(format));
    return;
  }
  if (isZero(b)) {
    if (isZero(a)) setInvalid(t, VXZDZ);
    else {
      addExceptions(ZX);
      setSpecial(t, INFINITE, negative);
    }
    return;
  }
  const ideal = exponentOf(a) - exponentOf(b);
  setFinite(t, negative, ideal);
  if (isZero(a)) return;
  // One digit more than the format has, at the least.
  const lb = lengthOf(b);
  const zeros = max(precisionOf(format) + 1 + lb - lengthOf(a), 0);
  appendZeros(a, zeros);
  let exponent = ideal - zeros;
  const la = lengthOf(a);
  setDigit(a, la, 0);
  for (let i = la - lb; i >= 0; i--) {
    let digit = 0;
    while (takesAway(a + i, b, lb)) digit++;
    setDigit(t, i, digit);
  }
  setLength(t, la - lb + 1);
  let remainder = false;
  for (let i = 0; i < lb; i++) remainder = remainder || load<u8>(a + i) != 0;
  if (remainder) {
    appendZeros(t, 1);
    setDigit(t, 0, 1);
    exponent--;
  } else {
    let spare = 0;
    while (exponent + spare < ideal && digitAt(t, spare) == 0) spare++;
    dropDigits(t, spare);
    exponent += spare;
  }
  setExponent(t, exponent);
}
/** Subtracts b's digits from those at `at` and one above, if these are not less. */
function takesAway(at: i32, b: i32, length: i32): bool {
  if (load<u8>(at + length) == 0) {
    for (let i = length - 1; i >= 0; i--) {
      const difference = <i32>load<u8>(at + i) - <i32>load<u8>(b + i);
      if (difference < 0) return false;
      if (difference > 0) break;
    }
  }
  let borrow = 0;
  for (let i = 0; i < length; i++) {
    const difference = <i32>load<u8>(at + i) - <i32>load<u8>(b + i) - borrow;
    borrow = difference < 0 ? 1 : 0;
    store<u8>(at + i, difference + 10 * borrow);
  }
  store<u8>(at + length, <i32>load<u8>(at + length) - borrow);
  return true;
}

export function decimalArithmetic(s: i32, x: v128, y: v128, operation: i32, format: i32): v128 {
  begin();
  const a = placeA(s);
  const b = placeB(s);
  const t = placeT(s);
  unpack(a, x, format);
  unpack(b, y, format);
  if (!takeNaNs(t, a, b)) {
    const mode = roundingMode(s, CURRENT);
    if (operation == 1) setNegative(b, !isNegative(b));
    if (operation < 2) add(t, a, b, format, mode);
    else if (operation == 2) multiply(t, a, b);
    else divide(t, a, b, format);
    if (kindOf(t) == FINITE) roundToFormat(t, format, mode, load<u32>(s + S_fpscr));
  }
  return finish(s, t, format);
}

/** Gives a finite number this exponent; it is invalid if it then has too many digits. */
function quantize(n: i32, exponent: i32, precision: i32, mode: i32): void {
  const zeros = exponentOf(n) - exponent;
  setExponent(n, exponent);
  if (lengthOf(n) == 0) return;
  if (zeros < 0) {
    cut(n, -zeros, mode);
    noteInexact();
  } else if (lengthOf(n) + zeros > precision) setInvalid(n, VXCVI);
  else appendZeros(n, zeros);
}

export function decimalQuantize(s: i32, x: v128, y: v128, mode: i32, format: i32): v128 {
  begin();
  const a = placeA(s);
  const b = placeB(s);
  unpack(a, x, format);
  unpack(b, y, format);
  if (isNaN(a) || isNaN(b)) {
    takeNaNs(placeT(s), a, b);
    return finish(s, placeT(s), format);
  }
  if (kindOf(a) != kindOf(b)) setInvalid(b, VXCVI);
  else if (kindOf(b) == FINITE) quantize(b, exponentOf(a), precisionOf(format), roundingMode(s, mode));
  return finish(s, b, format);
}

export function decimalQuantizeTo(s: i32, exponent: i32, y: v128, mode: i32, format: i32): v128 {
  begin();
  const b = placeB(s);
  unpack(b, y, format);
  if (kindOf(b) == INFINITE) setInvalid(b, VXCVI);
  else if (!takeNaN(b, b)) quantize(b, exponent, precisionOf(format), roundingMode(s, mode));
  return finish(s, b, format);
}

export function decimalReround(s: i32, digits: i32, y: v128, mode: i32, format: i32): v128 {
  begin();
  const b = placeB(s);
  unpack(b, y, format);
  if (!takeNaN(b, b) && kindOf(b) == FINITE && digits != 0 && lengthOf(b) > digits) {
    const greatest = exponentsOf(format) - 1 - biasOf(format);
    let exponent = exponentOf(b) + lengthOf(b) - digits;
    if (exponent > greatest) setInvalid(b, VXCVI);
    else {
      cut(b, lengthOf(b) - digits, roundingMode(s, mode));
      if (lengthOf(b) > digits) {
        dropDigits(b, 1);
        exponent++;
      }
      setExponent(b, exponent);
      if (exponent > greatest) setInvalid(b, VXCVI);
      else noteInexact();
    }
  }
  return finish(s, b, format);
}

export function decimalToIntegral(s: i32, y: v128, mode: i32, exact: i32, format: i32): v128 {
  begin();
  const b = placeB(s);
  unpack(b, y, format);
  if (!takeNaN(b, b) && kindOf(b) == FINITE && exponentOf(b) < 0) {
    cut(b, -exponentOf(b), roundingMode(s, mode));
    setExponent(b, 0);
    if (exact) noteInexact();
  }
  return finish(s, b, format);
}
