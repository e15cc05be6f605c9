/** What operations do to the flags, and what conditions ask of them. */
import type { I32, I64 } from "../../../semantics/values.js";
import { Flag, type FlagName, type X86Machine } from "./machine.js";

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

/** The flags of and, or, xor, test. */
export function logicFlags(m: X86Machine, size: number, result: I64): void {
  const none = m.i32.const(0);
  m.setFlags({ ...resultFlags(m, size, result), overflow: m.i64.const(0), carry: none, adjust: none });
}

/** a + b + carry of operands that are zero-extended, and what it does to the flags. */
export function sum(m: X86Machine, size: number, a: I64, b: I64, carry?: I32): { result: I64; flags: () => void } {
  const { i64, i32 } = m;
  const both = i64.add(a, b);
  const result = carry ? i64.add(both, i64.extendU(carry)) : both;
  const flags = () => {
    const extended = signed(m, size, result);
    const overflow = i64.and(i64.xor(signed(m, size, a), extended), i64.xor(signed(m, size, b), extended));
    let out: I32;
    if (size < 64) out = bit(m, result, size);
    else if (!carry) out = i64.ltU(result, a);
    else out = bit(m, i64.or(i64.and(a, b), i64.and(i64.or(a, b), i64.not(result))), 63);
    const adjust = i32.wrap(i64.xor(i64.xor(a, b), result));
    m.setFlags({ zero: extended, sign: extended, overflow, carry: out, adjust });
  };
  return { result, flags };
}

/** a - b - borrow of operands that are zero-extended, and what it does to the flags. */
export function difference(
  m: X86Machine,
  size: number,
  a: I64,
  b: I64,
  borrow?: I32,
): { result: I64; flags: () => void } {
  const { i64, i32 } = m;
  const both = i64.sub(a, b);
  const result = borrow ? i64.sub(both, i64.extendU(borrow)) : both;
  const flags = () => {
    const extended = signed(m, size, result);
    const x = signed(m, size, a);
    const overflow = i64.and(i64.xor(x, signed(m, size, b)), i64.xor(x, extended));
    let out: I32;
    if (!borrow) out = i64.ltU(a, b);
    else if (size < 64) out = bit(m, result, size);
    else out = bit(m, i64.or(i64.and(i64.not(a), b), i64.and(i64.or(i64.not(a), b), result)), 63);
    const adjust = i32.wrap(i64.xor(i64.xor(a, b), result));
    m.setFlags({ zero: extended, sign: extended, overflow, carry: out, adjust });
  };
  return { result, flags };
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

/** One of the sixteen conditions, 0 or 1. */
export function conditionHolds(m: X86Machine, condition: number): I32 {
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
