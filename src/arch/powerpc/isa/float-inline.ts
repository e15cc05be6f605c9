/**
 * Scalar floating point by the host's arithmetic, in line. What happens nearly always is quick: rounding to nearest, nothing
 * enabled, a result that is comfortably normal, and either XX set already, so that inexactness changes no sticky bit, or a
 * result that is seen to be exact. Anything else calls the helper of the operation.
 *
 * FPRF, FR and FI are then not made: the operation and its operands are kept in `floatPending`, `floatA`, `floatB`, `floatC`,
 * and whoever looks has the helper do it once more (the recorder does that before each helper that touches them).
 * Source: Power ISA v3.0B, Book I "Floating-Point Exceptions", "Floating-Point Compare Instructions".
 */
import { fpscrLow, MulAdd, Rounding, recordCr1, settle, ToInteger } from "./float-forms.js";
import { PendingFloat } from "./float-pending.js";
import { Fpscr } from "./fpscr.js";
import type { F64, I32, I64, Machine } from "./machine.js";

export const XX = Number(Fpscr.XX);
/** XX, VE OE UE ZE XE NI RN. */
export const WATCHED = Number(Fpscr.XX | Fpscr.CONTROL);

/** Exponents of results that are far enough from the ends of the range: the lowest, and how many. */
const doubleRange = { lowest: 2, count: 0x7fc } as const;
const singleRange = { lowest: 0x382, count: 0x47d - 0x382 } as const;

export interface FloatOperation {
  readonly pending: number;
  readonly single: boolean;
  /** Its result by the host: rounded to double, whatever `single`. */
  host(m: Machine, a: F64, b: F64, c: F64): F64;
  /** Whether `r`, in the range, is exact; may say no though it is. */
  exact(m: Machine, r: F64, a: F64, b: F64, c: F64): I32;
  helper(m: Machine, a: I64, b: I64, c: I64): I64;
}

/** An upper bound of the bits of a product of two is 106 less the zeros at the end of both: it is a double if 53 remain. */
function productExact(m: Machine, a: F64, b: F64): I32 {
  const { i64, f64 } = m;
  return i64.geU(i64.add(i64.ctz(f64.bits(a)), i64.ctz(f64.bits(b))), i64.const(53));
}

/** a + b is r, by the error that the sum made (Knuth's two-sum). */
function sumExact({ f64, i64 }: Machine, r: F64, a: F64, b: F64): I32 {
  const t = f64.sub(r, a);
  const error = f64.add(f64.sub(a, f64.sub(r, t)), f64.sub(b, t));
  return f64.eq(error, f64.ofBits(i64.const(0)));
}

const none = (m: Machine): F64 => m.f64.ofBits(m.i64.const(0));

function add(single: boolean): FloatOperation {
  return {
    pending: PendingFloat.add,
    single,
    host: ({ f64 }, a, b) => f64.add(a, b),
    exact: sumExact,
    helper: (m, a, b) => m.call(single ? "float32Add" : "float64Add", a, b),
  };
}
function sub(single: boolean): FloatOperation {
  return {
    pending: PendingFloat.sub,
    single,
    host: ({ f64 }, a, b) => f64.sub(a, b),
    exact: (m, r, a, b) => sumExact(m, r, a, m.f64.neg(b)),
    helper: (m, a, b) => m.call(single ? "float32Sub" : "float64Sub", a, b),
  };
}
function mul(single: boolean): FloatOperation {
  return {
    pending: PendingFloat.mul,
    single,
    host: ({ f64 }, a, b) => f64.mul(a, b),
    exact: (m, _r, a, b) => productExact(m, a, b),
    helper: (m, a, b) => m.call(single ? "float32Mul" : "float64Mul", a, b),
  };
}
function div(single: boolean): FloatOperation {
  return {
    pending: PendingFloat.div,
    single,
    host: ({ f64 }, a, b) => f64.div(a, b),
    exact: (m, r, a, b) => m.i32.and(productExact(m, r, b), m.f64.eq(m.f64.mul(r, b), a)),
    helper: (m, a, b) => m.call(single ? "float32Div" : "float64Div", a, b),
  };
}
function sqrt(single: boolean): FloatOperation {
  return {
    pending: PendingFloat.sqrt,
    single,
    host: ({ f64 }, a) => f64.sqrt(a),
    exact: (m, r, a) => m.i32.and(productExact(m, r, r), m.f64.eq(m.f64.mul(r, r), a)),
    helper: (m, a) => m.call(single ? "float32Sqrt" : "float64Sqrt", a),
  };
}
/** a * b + c. `kind`: a MulAdd. */
export function mulAdd(single: boolean, kind: number): FloatOperation {
  const addend = (m: Machine, c: F64) => (kind & MulAdd.subtract ? m.f64.neg(c) : c);
  return {
    pending: PendingFloat.mulAdd + kind,
    single,
    host: (m, a, b, c) => {
      const r = m.f64.mulAdd(a, b, addend(m, c));
      return kind & MulAdd.negativeAdd ? m.f64.neg(r) : r;
    },
    exact: (m, _r, a, b, c) => {
      const { f64, i32 } = m;
      const product = f64.mul(a, b);
      const d = addend(m, c);
      const normal = i32.ltU(distance(m, product, doubleRange.lowest), i32.const(doubleRange.count));
      const zero = i32.or(f64.eq(a, none(m)), f64.eq(b, none(m)));
      const known = i32.or(zero, i32.and(normal, productExact(m, a, b)));
      return i32.and(known, sumExact(m, f64.add(product, d), product, d));
    },
    helper: (m, a, b, c) => m.call(single ? "float32MulAdd" : "float64MulAdd", a, b, c, m.i32.const(kind)),
  };
}
const toSingle: FloatOperation = {
  pending: PendingFloat.toSingle,
  single: true,
  host: (_, a) => a,
  exact: (m) => m.i32.const(1),
  helper: (m, a) => m.call("float64ToSingle", a),
};
/** From a 64-bit integer, given as the double with the same bits. */
function fromInteger(single: boolean, unsigned: boolean): FloatOperation {
  return {
    pending: unsigned ? PendingFloat.fromUnsigned : PendingFloat.fromSigned,
    single,
    host: ({ f64 }, a) => (unsigned ? f64.fromUnsigned(f64.bits(a)) : f64.fromSigned(f64.bits(a))),
    exact: ({ i64, f64 }, _r, a) => {
      const bits = f64.bits(a);
      const high = i64.const(1n << 53n);
      if (unsigned) return i64.ltU(bits, high);
      return i64.ltU(i64.add(bits, high), i64.const(1n << 54n));
    },
    helper: (m, a) => m.call("float64FromInteger", a, m.i32.const((unsigned ? 1 : 0) | (single ? 2 : 0))),
  };
}

/** The operations, by name; those rounded to single have an s. */
export const floatOperations = {
  add: add(false),
  adds: add(true),
  sub: sub(false),
  subs: sub(true),
  mul: mul(false),
  muls: mul(true),
  div: div(false),
  divs: div(true),
  sqrt: sqrt(false),
  sqrts: sqrt(true),
  toSingle,
  fromSigned: fromInteger(false, false),
  fromUnsigned: fromInteger(false, true),
  fromSigneds: fromInteger(true, false),
  fromUnsigneds: fromInteger(true, true),
} as const satisfies Record<string, FloatOperation>;

/** How far the exponent lies above `lowest`; as an unsigned number, also for one below it. */
function distance(m: Machine, r: F64, lowest: number): I32 {
  const { i32, i64 } = m;
  const exponent = i32.and(i32.wrap(i64.shrU(m.f64.bits(r), i64.const(52))), i32.const(0x7ff));
  return i32.sub(exponent, i32.const(lowest));
}

/** Nonzero, with a high bit, where rounding `r` to single might go wrong: it is the midpoint of two singles, perhaps rounded. */
function midpoint(m: Machine, r: F64): I32 {
  const { i32, i64 } = m;
  const rest = i64.and(m.f64.bits(r), i64.const(0x1fffffff));
  return i32.shl(i64.eq(rest, i64.const(0x10000000)), i32.const(31));
}

/**
 * Does `operation` on up to three operands and gives its result to `write`, which may be called for each of several ways;
 * then CR1 if `rc`.
 */
export function operate(
  m: Machine,
  operation: FloatOperation,
  operands: readonly F64[],
  write: (result: F64) => void,
  rc = false,
): void {
  const { i32, f64 } = m;
  const { pending, single, host, exact, helper } = operation;
  const [a, b, c] = operands as [F64, F64, F64];
  const bits = operands.map((x) => f64.bits(x)) as [I64, I64, I64];
  const call = () => {
    const r = f64.ofBits(helper(m, ...bits));
    settle(m, () => write(r), rc);
  };
  if (operands.length === 3 && !m.fused) {
    call();
    return;
  }
  const wide = host(m, a, b, c);
  const result = single ? f64.toSingle(wide) : wide;
  const range = single ? singleRange : doubleRange;
  const inline = () => {
    write(result);
    m.set("floatPending", i32.const(pending + (single && operation !== toSingle ? PendingFloat.single : 0)));
    m.set("floatA", a);
    if (b) m.set("floatB", b);
    if (c) m.set("floatC", c);
    if (rc) recordCr1(m);
  };
  const status = i32.and(fpscrLow(m), i32.const(WATCHED));
  const far = distance(m, wide, range.lowest);
  const unusual = single ? i32.or(far, midpoint(m, wide)) : far;
  // Whatever the status has beside what is wanted ends above the range's count: one comparison sees to both.
  const fits = (wanted: number) =>
    i32.ltU(i32.or(unusual, i32.rotl(i32.xor(status, i32.const(wanted)), i32.const(24))), i32.const(range.count));
  m.if(fits(XX), inline, () => {
    let known = i32.and(fits(0), exact(m, wide, a, b, c));
    if (single) known = i32.and(known, f64.eq(wide, result));
    m.if(known, inline, call);
  });
}

/** Compares; the CR field goes to `bf` and to FPCC. `ordered`: 1 for fcmpo. */
export function compareDoubles(m: Machine, bf: I32, a: F64, b: F64, ordered: number): void {
  const { i32, f64 } = m;
  const place = (truth: I32, shift: number) => i32.shl(truth, i32.const(shift));
  const field = i32.or(i32.or(place(f64.lt(a, b), 3), place(f64.gt(a, b), 2)), place(f64.eq(a, b), 1));
  m.if(
    field,
    () => {
      m.setCrField(bf, field);
      const others = i32.and(m.get("floatPending"), i32.const(~0xf00));
      m.set("floatPending", i32.or(others, i32.shl(field, i32.const(8))));
    },
    () => {
      const unordered = m.call("float64Compare", f64.bits(a), f64.bits(b), i32.const(ordered));
      settle(m, () => m.setCrField(bf, unordered));
    },
  );
}

/** To an integral value, which finds nothing unless it is a NaN: `mode` is a Rounding. */
export function roundDouble(m: Machine, mode: number, b: F64, write: (result: F64) => void, rc = false): void {
  const { f64, i32 } = m;
  const call = () => {
    const r = f64.ofBits(m.call("float64Round", f64.bits(b), i32.const(mode)));
    settle(m, () => write(r), rc);
  };
  if (mode > Rounding.down) {
    call();
    return;
  }
  const r = [f64.nearest, f64.trunc, f64.ceil, f64.floor][mode]?.(b) as F64;
  m.if(
    f64.eq(b, b),
    () => {
      write(r);
      m.set("floatPending", i32.const(PendingFloat.round + mode));
      m.set("floatA", b);
      if (rc) recordCr1(m);
    },
    call,
  );
}

const bitsOf = (value: number): bigint => new BigUint64Array(new Float64Array([value]).buffer)[0] as bigint;

/** To an integer; `kind` is a ToInteger. `write` gets 64 bits, of a signed word sign-extended. */
export function convertToInteger(m: Machine, kind: number, b: F64, write: (result: I64) => void, rc = false): void {
  const { f64, i32, i64 } = m;
  const { unsigned, doubleword, towardZero } = ToInteger;
  const constant = (value: number) => f64.ofBits(i64.const(bitsOf(value)));
  const integral = kind & towardZero ? f64.trunc(b) : f64.nearest(b);
  // Of words all but the last that would fit: rounding may not reach beyond.
  const bound = 2 ** ((kind & doubleword ? 64 : 32) - (kind & unsigned ? 0 : 1)) - (kind & doubleword ? 0 : 1);
  const fits = f64.lt(kind & unsigned ? b : f64.abs(b), constant(bound));
  const inRange = kind & unsigned ? i32.and(fits, i64.geS(f64.bits(b), i64.const(0))) : fits;
  const status = i32.and(fpscrLow(m), i32.const(WATCHED));
  const allowed = i32.or(i32.eq(status, i32.const(XX)), i32.and(i32.eqz(status), f64.eq(integral, b)));
  m.if(
    i32.and(inRange, allowed),
    () => {
      write(kind & unsigned ? f64.toUnsigned(integral) : f64.toSigned(integral));
      const before = i32.and(m.get("floatPending"), i32.const(0xfff));
      m.set("floatPending", i32.or(before, i32.const(PendingFloat.toInteger | (kind << 16))));
      m.set("floatD", b);
      if (rc) recordCr1(m);
    },
    () => {
      const r = m.call("float64ToInteger", f64.bits(b), i32.const(kind));
      settle(m, () => write(r), rc);
    },
  );
}
