/** What an exception from the comparison with QEMU in user mode is, and what the lists of them are written with. */
import { offsets, type State } from "./record.js";

export interface ExceptionContext {
  /** An operand of the instruction, by name. */
  operand(name: string): number;
  readonly mnemonic: string;
  /** Its address. */
  readonly at: bigint;
  /** Names of the pattern's fields. */
  readonly operandNames: readonly string[];
  readonly initial: State;
  /** QEMU's answer. */
  readonly expected: State;
}

/** Bits that are not compared, by register name as in compare.ts. */
export type Masks = readonly (readonly [register: string, bits: bigint])[];

/** A wrong answer by which a fault is recognised, in the case itself, and the right one, to which the engines are held. */
export interface Correction {
  readonly register: string;
  readonly wrong: bigint;
  readonly right: bigint;
}

export interface Exception {
  readonly mnemonics: RegExp;
  /** Only in these cases. In a sequence the operands are not known: an exception that concerns FPSCR alone then holds. */
  readonly when?: (context: ExceptionContext) => boolean;
  /**
   * "all": the case is not compared; "fpscr" bits, which leave the instruction fit for sequences; or any register's bits.
   * `correct`: QEMU's answer is replaced where it is the wrong one, whichever host it runs on.
   */
  readonly ignore:
    | "all"
    | { readonly fpscr: bigint }
    | ((context: ExceptionContext) => Masks)
    | { readonly correct: (context: ExceptionContext) => readonly Correction[] };
  /** Concerns cases with floating-point exceptions enabled, of which sequences have none: they draw it all the same. */
  readonly enabledOnly?: true;
  /** Why the ISA does not say what QEMU does. */
  readonly why: string;
}

export const all = (1n << 64n) - 1n;

/** FPSCR bits. */
export const FX = 1n << 31n;
export const FEX = 1n << 30n;
export const FR = 1n << 18n;
export const FI = 1n << 17n;
export const C = 1n << 16n;
export const FPRF = 0x1f000n;
export const exceptionBits = 0x1ff8_0700n;

export const ZX = 1n << 26n;
export const UX = 1n << 27n;
export const OX = 1n << 28n;
export const XX = 1n << 25n;

/** Reciprocals, exponentials and logarithms of which the ISA only bounds the error. */
export const estimates =
  /^(fres?|frsqrtes?|xsre[sd]p|xsrsqrte[sd]p|xvre[sd]p|xvrsqrte[sd]p|vrefp|vrsqrtefp|vlogefp|vexptefp)\.?$/;

/** The whole of decimal floating point. */
export const decimalFloat =
  /^d(add|sub|mul|div|cmp|tst|qua|rrnd|rint|ctdp|ctqpq|rsp|rdpq|cffix|ctfix|dedpd|enbcd|xex|iex|scl|scr)/;

/** Whether the case began with a floating-point exception enabled. */
export const enabled = (initial: State): boolean => (initial.get(offsets.fpscr) & 0xf8n) !== 0n;

export const roundsDown = ({ initial }: ExceptionContext) => (initial.get(offsets.fpscr) & 2n) !== 0n;

/** The doublewords or words of a vector-scalar register before the case. */
export function lanes(initial: State, register: number, bits: 32 | 64): bigint[] {
  const [high, low] = initial.vsr(register);
  return bits === 64 ? [high, low] : [high >> 32n, high & 0xffff_ffffn, low >> 32n, low & 0xffff_ffffn];
}
export const isNan = (value: bigint, bits: 32 | 64): boolean =>
  bits === 64 ? (value & 0x7fff_ffff_ffff_ffffn) > 0x7ff0_0000_0000_0000n : (value & 0x7fff_ffffn) > 0x7f80_0000n;
export const isZero = (value: bigint, bits: 32 | 64): boolean => BigInt.asUintN(bits - 1, value) === 0n;

/** LT, GT and EQ of CR0, where a result that is undefined is compared. */
export const cr0 = 0xe000_0000n;
/** FX and FEX as a record form copies them to CR1. */
export const cr1Fx = 0x0800_0000n;
export const cr1Fex = 0x0400_0000n;

export const rtAndCr0 = ({ operand, mnemonic }: ExceptionContext): Masks => [
  [`r${operand("rt")}`, all],
  ...(mnemonic.endsWith(".") ? [["cr", cr0] as const] : []),
];

/** Whether a division's quotient does not fit its register: the ISA leaves the result undefined. */
export function quotientUndefined({ mnemonic, operand, initial }: ExceptionContext): boolean {
  const [, width, extended, unsigned] = /^div([wd])(e?)(u?)/.exec(mnemonic) ?? [];
  const bits = width === "w" ? 32 : 64;
  const read = (name: string) => {
    const value = initial.gpr(operand(name));
    return unsigned ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value);
  };
  const divisor = read("rb");
  if (divisor === 0n) return true;
  const quotient = (read("ra") << BigInt(extended ? bits : 0)) / divisor;
  return quotient !== (unsigned ? BigInt.asUintN(bits, quotient) : BigInt.asIntN(bits, quotient));
}

export function remainderUndefined({ mnemonic, operand, initial }: ExceptionContext): boolean {
  const bits = mnemonic.endsWith("w") ? 32 : 64;
  const divisor = BigInt.asUintN(bits, initial.gpr(operand("rb")));
  const dividend = BigInt.asUintN(bits, initial.gpr(operand("ra")));
  return divisor === 0n || (dividend === 1n << BigInt(bits - 1) && divisor === (1n << BigInt(bits)) - 1n);
}

/** Effective address of a storage access by (RA|0) + RB, or RA alone where there is no RB. */
export function address({ operand, initial }: ExceptionContext, withRb: boolean): bigint {
  const base = operand("ra") === 0 ? 0n : initial.gpr(operand("ra"));
  return withRb ? base + initial.gpr(operand("rb")) : base;
}
