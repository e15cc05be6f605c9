/** The x87's instructions. Source: Intel SDM, volume 1, "Programming with the x87 FPU"; volume 2. */
import {
  FCW_precision,
  FCW_rounding,
  FLOAT_denormal,
  FLOAT_exceptions,
  FLOAT_invalid,
  FLOAT_overflow,
  FLOAT_precision,
  FLOAT_underflow,
  FLOAT_zeroDivide,
  FSW_busy,
  FSW_c0,
  FSW_c1,
  FSW_c2,
  FSW_c3,
  FSW_stackFault,
  FSW_summary,
  FSW_top,
  S_fault,
  S_floatControl,
  S_floatData,
  S_floatInstruction,
  S_floatRegister,
  S_floatStatus,
  S_floatTags,
  S_pc,
  X87_divide,
  X87_divideReversed,
  X87_multiply,
  X87_subtract,
  X87_subtractReversed,
  X87FROM_double,
  X87FROM_extended,
  X87FROM_integer16,
  X87FROM_integer32,
  X87FROM_integer64,
  X87FROM_single,
  X87FROM_stack,
  X87PLAIN_absolute,
  X87PLAIN_changeSign,
  X87PLAIN_decrement,
  X87PLAIN_examine,
  X87PLAIN_increment,
  X87PLAIN_nothing,
  X87PLAIN_root,
  X87PLAIN_test,
} from "../layout.generated";
import { loadSlow, storeSlow } from "../../../../../engine/runtime/access.as";
import {
  body,
  denormal,
  digits,
  FIRST,
  head,
  isQuiet,
  pack,
  power,
  put,
  putIndefinite,
  putInfinity,
  putZero,
  quiet,
  sign,
  take,
  UNSUPPORTED,
} from "./extended.as";
import { floatReady } from "./facility.as";
import { FINITE, INFINITE, NOT, ordered, ZERO } from "./numbers.as";
import {
  addEarly,
  addLate,
  becomesInfinite,
  DOWN,
  early,
  late,
  NEAREST,
  noExceptions,
  noteRise,
  product,
  quotient,
  root,
  roseUp,
  roundedExponent,
  roundedSignificand,
  roundTo,
  sum,
  tooLarge,
  UP,
} from "./round.as";

export let mode: i32 = 0;
let precision: i32 = 64;
export let masked: i32 = 0;
/** An empty register was read, or a full one was to be pushed over: with C1 for the latter. */
export let stackFault: bool = false;
export let overflowed: bool = false;

/** There is no room for what is to be pushed. */
export function noteOverflow(): void {
  addEarly(FLOAT_invalid);
  stackFault = true;
  overflowed = true;
}

/** Begins an instruction that is no control. False: a fault has been raised. */
export function begin(s: i32): bool {
  if (!floatReady(s)) return false;
  const control = load<i32>(s, S_floatControl);
  mode = (control >> FCW_rounding) & 3;
  const bits = (control >> FCW_precision) & 3;
  precision = bits == 0 ? 24 : bits == 2 ? 53 : 64;
  masked = control & FLOAT_exceptions;
  stackFault = false;
  overflowed = false;
  narrowDenormal = false;
  noExceptions();
  store<i64>(s, load<i64>(s, S_pc), S_floatInstruction);
  return true;
}

/**
 * Notes what was found. False: an exception that is not masked keeps the result from being stored. `keeps`: C1 stays if the stack
 * has no fault.
 */
export function finish(s: i32, keeps: bool = false): bool {
  const stopped = (early & ~masked) != 0;
  const found = stopped ? early : early | late;
  let status = load<i32>(s, S_floatStatus) | found;
  if (!keeps || stackFault) status &= ~FSW_c1;
  if (stackFault) {
    status |= FSW_stackFault;
    if (overflowed) status |= FSW_c1;
  } else if (!stopped && late & FLOAT_precision && (tooLarge ? becomesInfinite(mode, (head & 0x8000) != 0) : roseUp))
    status |= FSW_c1;
  if (found & ~masked) status |= FSW_summary | FSW_busy;
  store<i32>(s, status, S_floatStatus);
  return !stopped;
}

// The stack.

export function place(s: i32, i: i32): i32 {
  return ((load<i32>(s, S_floatStatus) >> FSW_top) + i) & 7;
}
/** Where the register lies that is so far from the top of the stack. */
export function register(s: i32, i: i32): i32 {
  return s + S_floatRegister + 16 * place(s, i);
}
/** Whether a register has something in it; noted if not. */
export function isThere(s: i32, i: i32): bool {
  if ((load<i32>(s, S_floatTags) >> place(s, i)) & 1) return true;
  addEarly(FLOAT_invalid);
  stackFault = true;
  return false;
}
export function moveTop(s: i32, by: i32): void {
  const status = load<i32>(s, S_floatStatus);
  store<i32>(s, (status & ~(7 << FSW_top)) | ((((status >> FSW_top) + by) & 7) << FSW_top), S_floatStatus);
}
export function write(s: i32, i: i32): void {
  const at = register(s, i);
  store<u64>(at, body);
  store<u64>(at, <u64>(head & 0xffff), 8);
  store<i32>(s, load<i32>(s, S_floatTags) | (1 << place(s, i)), S_floatTags);
}
export function pop(s: i32): void {
  store<i32>(s, load<i32>(s, S_floatTags) & ~(1 << place(s, 0)), S_floatTags);
  moveTop(s, 1);
}
/** Pushes the result, if nothing keeps it. */
export function push(s: i32): void {
  // An operand that is not there comes before a place that is not free (seen on an AMD).
  if (!stackFault && (load<i32>(s, S_floatTags) >> place(s, -1)) & 1) {
    noExceptions();
    noteOverflow();
    putIndefinite();
  }
  if (!finish(s)) return;
  moveTop(s, -1);
  write(s, 0);
}

// Operands.

/** A number of fewer bits as one of 80. */
function widened(bits: u64, double: bool): void {
  const places: u64 = double ? 52 : 23;
  const top = double ? 0x7ff : 0xff;
  const minus = (double ? bits >> 63 : (bits >> 31) & 1) != 0 ? 0x8000 : 0;
  const biased = <i32>(bits >> places) & top;
  const fraction = (bits & (((<u64>1) << places) - 1)) << (63 - places);
  if (biased == top) {
    put(FIRST | fraction, minus | 0x7fff);
    return;
  }
  if (biased != 0) {
    put(FIRST | fraction, minus | (biased - (double ? 1023 : 127) + 16383));
    return;
  }
  if (fraction == 0) {
    put(0, minus);
    return;
  }
  const up = clz(fraction);
  put(fraction << up, minus | (16383 + 1 - (double ? 1023 : 127) - <i32>up));
  narrowDenormal = true;
}
/** The operand was a denormal number of 32 or 64 bits, and is none of 80. */
let narrowDenormal: bool = false;
export function fromInteger(value: i64): void {
  if (value == 0) {
    put(0, 0);
    return;
  }
  const magnitude: u64 = value < 0 ? 0 - value : value;
  const up = clz(magnitude);
  put(magnitude << up, (value < 0 ? 0x8000 : 0) | (16383 + 63 - <i32>up));
}

/** Gets an operand: of memory, or a register. False: it is not there (noted), or a fault has been raised. */
export function get(s: i32, from: i32, at: i64): bool {
  if (from == X87FROM_stack) {
    const here = register(s, <i32>at);
    put(load<u64>(here), load<u16>(here, 8));
    return isThere(s, <i32>at);
  }
  store<i64>(s, at, S_floatData);
  const size = from == X87FROM_integer16 ? 2 : from == X87FROM_single || from == X87FROM_integer32 ? 4 : 8;
  const bits = loadSlow(s, at, size, 0);
  if (load<i32>(s, S_fault)) return false;
  if (from == X87FROM_single) widened(bits, false);
  else if (from == X87FROM_double) widened(bits, true);
  else if (from == X87FROM_integer16) fromInteger(<i64>(<i16>bits));
  else if (from == X87FROM_integer32) fromInteger(<i64>(<i32>bits));
  else if (from == X87FROM_integer64) fromInteger(bits);
  else {
    const more = loadSlow(s, at + 8, 2, 0);
    if (load<i32>(s, S_fault)) return false;
    put(bits, <i32>more);
  }
  return true;
}

export function floatLoad(s: i32, from: i32, at: i64): void {
  if (!begin(s)) return;
  if (!get(s, from, at)) {
    if (load<i32>(s, S_fault)) return;
    putIndefinite();
  } else if (from == X87FROM_single || from == X87FROM_double) {
    // What is told does not keep it from the stack (seen on an AMD).
    if (narrowDenormal) addLate(FLOAT_denormal);
    if (take(body, head) == NOT && !isQuiet(body)) {
      addEarly(FLOAT_invalid);
      put(quiet(body), head);
    }
  }
  push(s);
}

/** What is between two numbers of which one is NaN: the larger significand, quiet. False: neither is. */
export function propagated(ak: i32, a: u64, ah: i32, bk: i32, b: u64, bh: i32): bool {
  if (ak == UNSUPPORTED || bk == UNSUPPORTED) {
    addEarly(FLOAT_invalid);
    putIndefinite();
    return true;
  }
  if (ak != NOT && bk != NOT) return false;
  const as_ = ak == NOT && !isQuiet(a);
  const bs = bk == NOT && !isQuiet(b);
  if (as_ || bs) addEarly(FLOAT_invalid);
  let first = ak == NOT;
  if (ak == NOT && bk == NOT) {
    if (as_ != bs) first = bs;
    else if (a != b) first = a > b;
    else first = !(ah & 0x8000);
  }
  if (first) put(quiet(a), ah);
  else put(quiet(b), bh);
  return true;
}

/** One of the four operations, of two numbers of 80 bits. */
function operate(operation: i32, a: u64, ah: i32, b: u64, bh: i32): void {
  const bk = take(b, bh);
  const bn = sign;
  const be = power;
  const bd = digits;
  let denormals = denormal || narrowDenormal;
  const ak = take(a, ah);
  denormals = denormals || denormal;
  const an = sign;
  if (propagated(ak, a, ah, bk, b, bh)) return;
  const minus = an != bn;
  if (operation == X87_multiply) {
    if ((ak == INFINITE && bk == ZERO) || (ak == ZERO && bk == INFINITE)) {
      addEarly(FLOAT_invalid);
      putIndefinite();
      return;
    }
    if (denormals) addEarly(FLOAT_denormal);
    if (ak == INFINITE || bk == INFINITE) putInfinity(minus);
    else if (ak == ZERO || bk == ZERO) putZero(minus);
    else {
      product(an, power, digits, bn, be, bd);
      pack(precision, mode, masked);
    }
    sign = minus;
    return;
  }
  if (operation == X87_divide) {
    if ((ak == INFINITE && bk == INFINITE) || (ak == ZERO && bk == ZERO)) {
      addEarly(FLOAT_invalid);
      putIndefinite();
      return;
    }
    if (ak == FINITE && bk == ZERO) {
      addEarly(FLOAT_zeroDivide);
      putInfinity(minus);
      return;
    }
    if (denormals) addEarly(FLOAT_denormal);
    if (ak == INFINITE) putInfinity(minus);
    else if (bk == INFINITE || ak == ZERO) putZero(minus);
    else {
      quotient(an, power, digits, bn, be, bd);
      pack(precision, mode, masked);
    }
    return;
  }
  const other = operation == X87_subtract ? !bn : bn;
  if (ak == INFINITE && bk == INFINITE && an != other) {
    addEarly(FLOAT_invalid);
    putIndefinite();
    return;
  }
  if (denormals) addEarly(FLOAT_denormal);
  if (ak == INFINITE) putInfinity(an);
  else if (bk == INFINITE) putInfinity(other);
  else if (ak == ZERO && bk == ZERO) putZero(an != other ? mode == DOWN : an);
  else {
    if (ak == ZERO) product(other, be, bd, false, 0, FIRST);
    else if (bk == ZERO) product(an, power, digits, false, 0, FIRST);
    else if (!sum(an, power, digits, other, be, bd)) {
      putZero(mode == DOWN);
      return;
    }
    pack(precision, mode, masked);
  }
}

/**
 * ST and an operand: an operation whose result goes to ST, or (`to` set) to the register that the operand is, and then may pop.
 * `reversed`: the operand comes first.
 */
export function floatArithmetic(s: i32, kind: i32, from: i32, at: i64, to: i32, pops: i32): void {
  if (!begin(s)) return;
  const there = get(s, from, at);
  if (load<i32>(s, S_fault)) return;
  const b = body;
  const bh = head;
  const top = register(s, 0);
  const a = load<u64>(top);
  const ah = <i32>load<u16>(top, 8);
  if (!isThere(s, 0) || !there) {
    noExceptions();
    addEarly(FLOAT_invalid);
    putIndefinite();
  } else {
    // With the result in the other register, that one is the first.
    const reversed = (kind == X87_subtractReversed || kind == X87_divideReversed) != (to != 0);
    const operation = kind == X87_subtractReversed ? X87_subtract : kind == X87_divideReversed ? X87_divide : kind;
    if (reversed) operate(operation, b, bh, a, ah);
    else operate(operation, a, ah, b, bh);
  }
  if (!finish(s)) return;
  write(s, to ? <i32>at : 0);
  if (pops) pop(s);
}

/** -1, 0, 1, or 2 for no order, of ST against the operand. */
function order(s: i32, quietly: bool, a: u64, ah: i32, b: u64, bh: i32): i32 {
  const bk = take(b, bh);
  const bn = sign;
  const be = power;
  const bd = digits;
  let denormals = denormal || narrowDenormal;
  const ak = take(a, ah);
  denormals = denormals || denormal;
  const an = sign;
  if (ak >= NOT || bk >= NOT) {
    const bad = ak == UNSUPPORTED || bk == UNSUPPORTED || (ak == NOT && !isQuiet(a)) || (bk == NOT && !isQuiet(b));
    if (bad || !quietly) addEarly(FLOAT_invalid);
    return 2;
  }
  if (denormals) addEarly(FLOAT_denormal);
  return ordered(ak, an, power, digits, bk, bn, be, bd);
}

/** Compares; 3: memory faulted. An exception that is not masked keeps the stack from being popped, and nothing else. */
function compared(s: i32, from: i32, at: i64, quietly: bool, pops: i32, keeps: bool): i32 {
  const there = get(s, from, at);
  if (load<i32>(s, S_fault)) return 3;
  const b = body;
  const bh = head;
  const top = register(s, 0);
  let which = 2;
  if (!isThere(s, 0) || !there) {
    noExceptions();
    addEarly(FLOAT_invalid);
  } else which = order(s, quietly, load<u64>(top), load<u16>(top, 8), b, bh);
  if (finish(s, keeps)) for (let i = 0; i < pops; i++) pop(s);
  return which;
}

export const CODES = FSW_c0 | FSW_c2 | FSW_c3;

export function setCodes(s: i32, codes: i32): void {
  store<i32>(s, (load<i32>(s, S_floatStatus) & ~CODES) | codes, S_floatStatus);
}

/** FCOM and the like. */
export function floatCompare(s: i32, from: i32, at: i64, quietly: i32, pops: i32): void {
  if (!begin(s)) return;
  const which = compared(s, from, at, quietly != 0, pops, false);
  if (which != 3) setCodes(s, which == 2 ? CODES : which == 0 ? FSW_c3 : which < 0 ? FSW_c0 : 0);
}

/** FCOMI and the like: as the flags are to be, or 3 for as they were. */
export function floatOrder(s: i32, i: i32, quietly: i32, pops: i32): i32 {
  if (!begin(s)) return 3;
  return compared(s, X87FROM_stack, i, quietly != 0, pops, true);
}

/** ST as a number of so many bits for memory, in `body`; what was found is noted. */
function narrowed(s: i32, double: bool): void {
  const kind = take(body, head);
  const minus: u64 = sign ? (double ? FIRST : 0x80000000) : 0;
  const top: u64 = double ? 0x7ff0000000000000 : 0x7f800000;
  if (kind == UNSUPPORTED) {
    addEarly(FLOAT_invalid);
    put(double ? 0xfff8000000000000 : 0xffc00000, head);
  } else if (kind == NOT) {
    if (!isQuiet(body)) addEarly(FLOAT_invalid);
    const fraction = quiet(body) << 1;
    put(minus | top | (double ? fraction >> 12 : fraction >> 41), head);
  } else if (kind == INFINITE) put(minus | top, head);
  else if (kind == ZERO) put(minus, head);
  else {
    const bias = double ? 1023 : 127;
    roundTo(sign, power, digits, 0, double ? 53 : 24, 1 - bias, bias, mode, masked, false);
    // To memory goes nothing that overflows or underflows, if somebody waits for it.
    if (late & ~masked & (FLOAT_overflow | FLOAT_underflow)) addEarly(late & (FLOAT_overflow | FLOAT_underflow));
    const significand = roundedSignificand;
    const biased: u64 = significand & FIRST ? <u64>(roundedExponent + bias) : 0;
    if (tooLarge) put((minus | top) - (becomesInfinite(mode, sign) ? 0 : 1), head);
    else if (double) put(minus | (biased << 52) | ((significand >> 11) & 0xfffffffffffff), head);
    else put(minus | (biased << 23) | ((significand >> 40) & 0x7fffff), head);
  }
}

/** ST, rounded to a whole number, as an integer of so many bits, in `body`. */
function whole(size: i32, by: i32): void {
  const none = (<u64>1) << (<u64>size - 1);
  const kind = take(body, head);
  if (kind == ZERO) {
    put(0, head);
    return;
  }
  if (kind != FINITE || power > size - 1) {
    addEarly(FLOAT_invalid);
    put(none, head);
    return;
  }
  roundUnits(by);
  const integer = units;
  if (integer > none - (sign ? 0 : 1)) {
    addEarly(FLOAT_invalid);
    put(none, head);
    return;
  }
  if (inexactUnits) addLate(FLOAT_precision);
  put(sign ? 0 - integer : integer, head);
}

export let units: u64 = 0;
export let inexactUnits: bool = false;
let unitsRose: bool = false;
/** Rounds the magnitude of the number that was taken apart last, less than 2 ** 64, to a whole one. */
export function roundUnits(by: i32): void {
  let given: u64 = 0;
  // One half is bit 62. Of what is below one, it only counts whether it is above, at or below a half.
  let fraction: u64 = 1;
  if (power == 63) {
    given = digits;
    fraction = 0;
  } else if (power >= 0) {
    given = digits >> <u64>(63 - power);
    fraction = (digits << (<u64>power + 1)) >> 1;
  } else if (power == -1) fraction = (digits >> 1) | (digits & 1);
  const half: u64 = 0x4000000000000000;
  inexactUnits = fraction != 0;
  if (by == NEAREST) unitsRose = fraction > half || (fraction == half && (given & 1) != 0);
  else unitsRose = inexactUnits && (by == DOWN ? sign : by == UP ? !sign : false);
  units = given + (unitsRose ? 1 : 0);
  noteRise(unitsRose);
}

/**
 * Stores ST to memory or another register. `truncates`: toward zero. `pops`: 1 pops it; 2, too, and an empty ST, which then is not
 * stored, is no fault of the stack (FSTPNCE).
 */
export function floatStore(s: i32, to: i32, at: i64, truncates: i32, pops: i32): void {
  if (!begin(s)) return;
  const there = get(s, X87FROM_stack, 0);
  const by = truncates ? 3 : mode;
  if (to == X87FROM_stack) {
    if (!there && pops == 2) {
      noExceptions();
      stackFault = false;
      finish(s);
      pop(s);
      return;
    }
    if (!there) putIndefinite();
    if (!finish(s)) return;
    write(s, <i32>at);
    if (pops) pop(s);
    return;
  }
  store<i64>(s, at, S_floatData);
  let size = 8;
  const last = head;
  switch (to) {
    case X87FROM_single:
      size = 4;
      if (there) narrowed(s, false);
      else put(0xffc00000, 0);
      break;
    case X87FROM_double:
      if (there) narrowed(s, true);
      else put(0xfff8000000000000, 0);
      break;
    case X87FROM_extended:
      if (!there) putIndefinite();
      break;
    default: {
      const bits = to == X87FROM_integer16 ? 16 : to == X87FROM_integer32 ? 32 : 64;
      size = bits >> 3;
      if (there) whole(bits, by);
      else put((<u64>1) << (<u64>bits - 1), 0);
    }
  }
  // Memory first: a fault there leaves the status as it was.
  if (!(early & ~masked)) {
    storeSlow(s, at, size, body, 0);
    if (load<i32>(s, S_fault)) return;
    if (to == X87FROM_extended) {
      storeSlow(s, at + 8, 2, there ? last : 0xffff, 0);
      if (load<i32>(s, S_fault)) return;
    }
  }
  put(body, last);
  if (finish(s) && pops) pop(s);
}

export function floatExchange(s: i32, i: i32): void {
  if (!begin(s)) return;
  const other = register(s, i);
  if (!isThere(s, i)) putIndefinite();
  else put(load<u64>(other), load<u16>(other, 8));
  const first = body;
  const firstHead = head;
  const top = register(s, 0);
  if (!isThere(s, 0)) putIndefinite();
  else put(load<u64>(top), load<u16>(top, 8));
  if (!finish(s)) return;
  write(s, i);
  put(first, firstHead);
  write(s, 0);
}

/** FFREE. C1 is undefined; processors clear it. */
export function floatFree(s: i32, i: i32): void {
  if (!begin(s)) return;
  store<i32>(s, load<i32>(s, S_floatTags) & ~(1 << place(s, i)), S_floatTags);
  store<i32>(s, load<i32>(s, S_floatStatus) & ~FSW_c1, S_floatStatus);
}

/** FCMOV: ST becomes ST(i) if it is so. */
export function floatMove(s: i32, so: i32, i: i32): void {
  if (!begin(s)) return;
  const both = isThere(s, 0) && get(s, X87FROM_stack, i);
  if (!both) putIndefinite();
  if (!finish(s, true)) return;
  if (so || !both) write(s, 0);
}

/** FLD1 and the like: the significand and the rest, for which the mode may take the last bit up or down. */
export function floatConstant(s: i32, significand: i64, exponent: i32, up: i32): void {
  if (!begin(s)) return;
  // What is kept has more bits: whether they are above a half of the last.
  let bits: u64 = significand;
  if (up == 1 && mode == UP) bits++;
  else if (up == 2 && mode != UP && mode != NEAREST) bits--;
  put(bits, exponent);
  push(s);
}

function examined(s: i32): void {
  const at = register(s, 0);
  const bits = load<u64>(at);
  const rest = <i32>load<u16>(at, 8);
  const kind = take(bits, rest);
  let codes = rest & 0x8000 ? FSW_c1 : 0;
  if (!((load<i32>(s, S_floatTags) >> place(s, 0)) & 1)) codes |= FSW_c3 | FSW_c0;
  else if (kind == NOT) codes |= FSW_c0;
  else if (kind == INFINITE) codes |= FSW_c2 | FSW_c0;
  else if (kind == ZERO) codes |= FSW_c3;
  else if (kind == FINITE) codes |= denormal ? FSW_c3 | FSW_c2 : FSW_c2;
  store<i32>(s, (load<i32>(s, S_floatStatus) & ~(CODES | FSW_c1)) | codes, S_floatStatus);
}

/** ST as a whole number of 80 bits. */
function rounded(): void {
  const given = head;
  if (power >= 63) return;
  roundUnits(mode);
  if (inexactUnits) addLate(FLOAT_precision);
  if (units == 0) put(0, given & 0x8000);
  else {
    const up = clz(units);
    put(units << up, (given & 0x8000) | (16383 + 63 - <i32>up));
  }
}

/** Instructions of ST alone. */
export function floatPlain(s: i32, which: i32): void {
  if (!begin(s)) return;
  if (which == X87PLAIN_nothing) return;
  if (which == X87PLAIN_examine) {
    examined(s);
    return;
  }
  if (which == X87PLAIN_increment || which == X87PLAIN_decrement) {
    finish(s);
    moveTop(s, which == X87PLAIN_increment ? 1 : -1);
    return;
  }
  const there = get(s, X87FROM_stack, 0);
  if (which == X87PLAIN_test) {
    let order_ = 2;
    if (there) order_ = order(s, false, body, head, 0, 0);
    finish(s);
    setCodes(s, order_ == 2 ? CODES : order_ == 0 ? FSW_c3 : order_ < 0 ? FSW_c0 : 0);
    return;
  }
  if (!there) putIndefinite();
  else if (which == X87PLAIN_absolute) put(body, head & 0x7fff);
  else if (which == X87PLAIN_changeSign) put(body, head ^ 0x8000);
  else {
    const given = body;
    const kind = take(body, head);
    const minus = sign;
    if (kind == UNSUPPORTED || (kind == NOT && !isQuiet(given))) {
      addEarly(FLOAT_invalid);
      if (kind == NOT) put(quiet(given), head);
      else putIndefinite();
    } else if (kind == FINITE && which == X87PLAIN_root && minus) {
      addEarly(FLOAT_invalid);
      putIndefinite();
    } else if (kind == FINITE) {
      if (denormal) addEarly(FLOAT_denormal);
      if (which == X87PLAIN_root) {
        root(power, digits);
        pack(precision, mode, masked);
      } else rounded();
    } else if (kind == INFINITE && which == X87PLAIN_root && minus) {
      addEarly(FLOAT_invalid);
      putIndefinite();
    }
  }
  if (finish(s)) write(s, 0);
}
