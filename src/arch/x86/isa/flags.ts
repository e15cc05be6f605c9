/** What operations do to the flags, and what conditions ask of them. */
import type { I32, I64 } from "../../../semantics/values.js";
import { Flag, type FlagName, type FlagSource, type FlagValues, type Shift, type X86Machine } from "./machine.js";
import type { Size } from "./registers.js";

/** Sign-extended from `size` bits. */
export function signed(m: X86Machine, size: number, value: I64): I64 {
  if (size === 64) return value;
  if (size === 32) return m.i64.extend32S(value);
  return size === 16 ? m.i64.extend16S(value) : m.i64.extend8S(value);
}

/** The low `size` bits. */
export function low(m: X86Machine, size: number, value: I64): I64 {
  return size === 64 ? value : m.i64.and(value, m.i64.const((1n << BigInt(size)) - 1n));
}

/** Bit `number` as 0 or 1. */
export const bit = (m: X86Machine, value: I64, number: number | I64): I32 =>
  m.i32.wrap(m.i64.and(m.i64.shrU(value, typeof number === "number" ? m.i64.const(number) : number), m.i64.const(1)));

/** A flag's bit in RFLAGS. */
export const maskOf = (name: keyof typeof Flag): bigint => 1n << BigInt(Flag[name]);

/** ZF, SF and PF of a result of `size` bits. */
export function resultFlags(m: X86Machine, size: number, result: I64): { zero: I64; sign: I64 } {
  const extended = signed(m, size, result);
  return { zero: extended, sign: extended };
}

/** The flags that an operation leaves, each from its operands. Of a sum or difference with carry or borrow, `carry` says which. */
export function flagsOf(m: X86Machine, { operation, size, a, b, result }: FlagSource, carry?: I32): FlagValues {
  const { i64, i32 } = m;
  if (operation === "logic") {
    const none = i32.const(0);
    return { ...resultFlags(m, size, a), overflow: i64.const(0), carry: none, adjust: none };
  }
  if (operation !== "sum" && operation !== "difference") return shifted(m, operation, size, a, b, result);
  const isSum = operation === "sum";
  const whole = result ?? (isSum ? i64.add(a, b) : i64.sub(a, b));
  const extended = signed(m, size, whole);
  const x = signed(m, size, a);
  const y = signed(m, size, b);
  const overflow = i64.and(i64.xor(x, isSum ? extended : y), isSum ? i64.xor(y, extended) : i64.xor(x, extended));
  let out: I32;
  if (!carry && !isSum) out = i64.ltU(a, b);
  else if (size < 64) out = bit(m, whole, size);
  else if (!carry) out = i64.ltU(whole, a);
  else {
    const first = isSum ? a : i64.not(a);
    out = bit(m, i64.or(i64.and(first, b), i64.and(i64.or(first, b), isSum ? i64.not(whole) : whole)), 63);
  }
  const adjust = i32.wrap(i64.xor(i64.xor(a, b), whole));
  return { zero: extended, sign: extended, overflow, carry: out, adjust };
}

/** The bit in the place of the sign. */
export const top = (m: X86Machine, flag: I32): I64 => m.i64.shl(m.i64.extendU(flag), m.i64.const(63));

/** What a shift gives by a count that is not 0: zero-extended if the value is and it is to the right. */
export function shift(m: X86Machine, operation: Shift, size: Size, value: I64, count: I64): I64 {
  if (operation === "shl") return m.i64.shl(value, count);
  return operation === "shr" ? m.i64.shrU(value, count) : m.i64.shrS(signed(m, size, value), count);
}

function shifted(
  m: X86Machine,
  operation: Shift,
  size: Size,
  value: I64,
  count: I64,
  known: I64 | undefined,
): FlagValues {
  const { i64 } = m;
  const result = known ?? shift(m, operation, size, value, count);
  const flags = resultFlags(m, size, result);
  const adjust = m.i32.const(0);
  if (operation === "shl") {
    const carry = bit(m, size === 64 ? value : result, size === 64 ? i64.sub(i64.const(64), count) : size);
    return { ...flags, carry, overflow: i64.xor(flags.sign, top(m, carry)), adjust };
  }
  const extended = signed(m, size, value);
  const last = i64.sub(count, i64.const(1));
  if (operation === "shr") return { ...flags, carry: bit(m, value, last), overflow: extended, adjust };
  return { ...flags, carry: bit(m, i64.shrS(extended, last), 0), overflow: i64.const(0), adjust };
}

/** The flags of and, or, xor, test. */
export function logicFlags(m: X86Machine, size: Size, result: I64): void {
  m.deriveFlags({ operation: "logic", size, a: result, b: result, result });
}

/** What an addition or subtraction gives, and what it does to the flags: all but those that are kept. */
interface Calculated {
  readonly result: I64;
  flags(kept?: Partial<FlagValues>): void;
}

function calculated(m: X86Machine, source: FlagSource & { readonly result: I64 }, carry: I32 | undefined): Calculated {
  return {
    result: source.result,
    flags: (kept) => {
      if (carry || kept) m.setFlags({ ...flagsOf(m, source, carry), ...kept });
      else m.deriveFlags(source);
    },
  };
}

/** a + b + carry of operands that are zero-extended. */
export function sum(m: X86Machine, size: Size, a: I64, b: I64, carry?: I32): Calculated {
  const both = m.i64.add(a, b);
  const result = carry ? m.i64.add(both, m.i64.extendU(carry)) : both;
  return calculated(m, { operation: "sum", size, a, b, result }, carry);
}

/** a - b - borrow of operands that are zero-extended. */
export function difference(m: X86Machine, size: Size, a: I64, b: I64, borrow?: I32): Calculated {
  const both = m.i64.sub(a, b);
  const result = borrow ? m.i64.sub(both, m.i64.extendU(borrow)) : both;
  return calculated(m, { operation: "difference", size, a, b, result }, borrow);
}

const negative = (m: X86Machine, value: I64): I32 => m.i64.ltS(value, m.i64.const(0));

/** One arithmetic flag, 0 or 1. */
export function flagBit(m: X86Machine, name: FlagName | "parity"): I32 {
  switch (name) {
    case "carry":
      return m.flag("carry");
    case "zero":
      return m.i64.eqz(m.flag("zero"));
    case "sign":
      return negative(m, m.flag("sign"));
    case "overflow":
      return negative(m, m.flag("overflow"));
    case "adjust":
      return m.i32.and(m.i32.shrU(m.flag("adjust"), m.i32.const(4)), m.i32.const(1));
    default: {
      const byte = m.i64.and(m.flag("sign"), m.i64.const(0xff));
      return m.i32.and(m.i32.xor(m.i32.wrap(m.i64.popcnt(byte)), m.i32.const(1)), m.i32.const(1));
    }
  }
}

/** Of the sixteen conditions, every other one: those that are one comparison of what the flags come from. */
function comparison(m: X86Machine, { operation, size, a, b }: FlagSource): readonly ((() => I32) | undefined)[] {
  const { i64 } = m;
  const x = () => signed(m, size, a);
  if (operation === "logic") {
    const never = () => m.i32.const(0);
    const zero = () => i64.eqz(x());
    const sign = () => negative(m, x());
    return [never, never, zero, zero, sign, undefined, sign, () => i64.leS(x(), i64.const(0))];
  }
  if (operation !== "difference") return [];
  const y = () => signed(m, size, b);
  return [
    ...[undefined, () => i64.ltU(a, b), () => i64.eq(a, b), () => i64.leU(a, b), undefined, undefined],
    ...[() => i64.ltS(x(), y()), () => i64.leS(x(), y())],
  ];
}

/** One of the sixteen conditions, 0 or 1. */
export function conditionHolds(m: X86Machine, condition: number): I32 {
  const source = m.flagSource();
  const compared = source && comparison(m, source)[condition >> 1];
  if (compared) return condition & 1 ? m.i32.eqz(compared()) : compared();
  const less = () => negative(m, m.i64.xor(m.flag("sign"), m.flag("overflow")));
  const pairs: readonly (() => I32)[] = [
    () => flagBit(m, "overflow"),
    () => flagBit(m, "carry"),
    () => flagBit(m, "zero"),
    () => m.i32.or(flagBit(m, "carry"), flagBit(m, "zero")),
    () => flagBit(m, "sign"),
    () => flagBit(m, "parity"),
    less,
    () => m.i32.or(flagBit(m, "zero"), less()),
  ];
  const holds = (pairs[condition >> 1] as () => I32)();
  return condition & 1 ? m.i32.eqz(holds) : holds;
}

const placed = (m: X86Machine, flag: I32, place: number): I64 => m.i64.shl(m.i64.extendU(flag), m.i64.const(place));

/** RFLAGS as pushf and lahf have it. */
export function flagsImage(m: X86Machine): I64 {
  const names = ["carry", "parity", "adjust", "zero", "sign", "overflow"] as const;
  return names.reduce((all, name) => m.i64.or(all, placed(m, flagBit(m, name), Flag[name])), m.systemFlags());
}

/** Sets the arithmetic flags from an image; OF only if asked for. */
export function setFlagsFrom(m: X86Machine, image: I64, overflow: boolean): void {
  const { i64, i32 } = m;
  const at = (name: keyof typeof Flag) => bit(m, image, Flag[name]);
  // One bit set in the low byte is odd, none even.
  const sign = i64.or(placed(m, at("sign"), 63), i64.extendU(i32.xor(at("parity"), i32.const(1))));
  m.setFlags({
    zero: i64.extendU(i32.xor(at("zero"), i32.const(1))),
    sign,
    carry: at("carry"),
    adjust: i32.wrap(image),
    ...(overflow ? { overflow: placed(m, at("overflow"), 63) } : {}),
  });
}
