/**
 * Comparisons and tests of decimal numbers. Each gives a CR field, and puts it in FPCC.
 * Source: Power ISA v3.0B, Book I "DFP Compare Instructions" and "DFP Test Instructions".
 */
import { S_fpscr } from "../layout.generated";
import { VE, VXSNAN, VXVC, addExceptions, commitCompare } from "../float/fpscr.as";
import {
  FINITE,
  INFINITE,
  QUIET,
  SIGNALING,
  biasOf,
  digitAt,
  exponentOf,
  exponentsOf,
  isNaN,
  isNegative,
  isZero,
  kindOf,
  lengthOf,
  placeA,
  placeB,
  precisionOf,
  unpack,
} from "./number.as";
import { begin, isSubnormal } from "./round.as";

function deliver(s: i32, field: i32): i32 {
  commitCompare(s, field);
  return field;
}

/** The order of two magnitudes, infinities among them: negative, 0, positive. */
function compareMagnitudes(a: i32, b: i32): i32 {
  if (kindOf(a) != FINITE || kindOf(b) != FINITE) return kindOf(a) - kindOf(b);
  const la = lengthOf(a);
  const lb = lengthOf(b);
  if (la == 0 || lb == 0) return la - lb;
  const order = exponentOf(a) + la - exponentOf(b) - lb;
  if (order != 0) return order;
  for (let i = 1; i <= max(la, lb); i++) {
    const x = i <= la ? digitAt(a, la - i) : 0;
    const y = i <= lb ? digitAt(b, lb - i) : 0;
    if (x != y) return x - y;
  }
  return 0;
}

export function decimalCompare(s: i32, x: v128, y: v128, ordered: i32, format: i32): i32 {
  begin();
  const a = placeA(s);
  const b = placeB(s);
  unpack(a, x, format);
  unpack(b, y, format);
  if (isNaN(a) || isNaN(b)) {
    const signaling = kindOf(a) == SIGNALING || kindOf(b) == SIGNALING;
    if (signaling) addExceptions(VXSNAN);
    if (ordered && (!signaling || (load<u32>(s + S_fpscr) & VE) == 0)) addExceptions(VXVC);
    return deliver(s, 1);
  }
  if (isZero(a) && isZero(b)) return deliver(s, 2);
  const negative = isNegative(a);
  if (negative != isNegative(b)) return deliver(s, negative ? 8 : 4);
  const order = compareMagnitudes(a, b);
  return deliver(s, order == 0 ? 2 : order < 0 != negative ? 8 : 4);
}

/** dtstdc, dtstdg: the sign, and whether the number is of one of the classes asked for. */
function deliverClass(s: i32, n: i32, match: bool): i32 {
  return deliver(s, (isNegative(n) ? 8 : 0) | (match ? 2 : 0));
}

export function decimalTestClass(s: i32, x: v128, classes: i32, format: i32): i32 {
  begin();
  const a = placeA(s);
  unpack(a, x, format);
  const kind = kindOf(a);
  let one: i32;
  if (kind == SIGNALING) one = 1;
  else if (kind == QUIET) one = 2;
  else if (kind == INFINITE) one = 4;
  else one = isZero(a) ? 0x20 : isSubnormal(a, format) ? 0x10 : 8;
  return deliverClass(s, a, (classes & one) != 0);
}

export function decimalTestGroup(s: i32, x: v128, groups: i32, format: i32): i32 {
  begin();
  const a = placeA(s);
  unpack(a, x, format);
  const biased = exponentOf(a) + biasOf(format);
  const extreme = biased == 0 || biased == exponentsOf(format) - 1;
  let one: i32;
  if (kindOf(a) != FINITE) one = 1;
  else if (isZero(a)) one = extreme ? 0x10 : 0x20;
  else if (extreme || isSubnormal(a, format)) one = 8;
  else one = lengthOf(a) == precisionOf(format) ? 2 : 4;
  return deliverClass(s, a, (groups & one) != 0);
}

export function decimalTestExponent(s: i32, x: v128, y: v128, format: i32): i32 {
  begin();
  const a = placeA(s);
  const b = placeB(s);
  unpack(a, x, format);
  unpack(b, y, format);
  if (kindOf(a) != FINITE || kindOf(b) != FINITE) {
    const alike = isNaN(a) ? isNaN(b) : kindOf(a) == kindOf(b);
    return deliver(s, alike ? 2 : 1);
  }
  const order = exponentOf(a) - exponentOf(b);
  return deliver(s, order < 0 ? 8 : order > 0 ? 4 : 2);
}

/** How a number of digits compares with those that a number has; zero has none, and 0 is more than any. */
export function decimalTestSignificance(s: i32, digits: i32, y: v128, format: i32): i32 {
  begin();
  const b = placeB(s);
  unpack(b, y, format);
  if (kindOf(b) != FINITE) return deliver(s, 1);
  if (digits == 0 || isZero(b)) return deliver(s, 4);
  return deliver(s, digits < lengthOf(b) ? 8 : digits > lengthOf(b) ? 4 : 2);
}
