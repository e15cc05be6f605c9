/**
 * Where QEMU 7.2 is not the judge: results that the ISA leaves undefined, and QEMU's known departures from it. Everything
 * else that differs is a mistake of ours.
 */
import type { State } from "./record.js";

export interface ExceptionContext {
  /** An operand of the instruction, by name. */
  operand(name: string): number;
  readonly initial: State;
  /** QEMU's answer. */
  readonly expected: State;
  readonly littleEndian: boolean;
}

export interface Exception {
  readonly mnemonics: RegExp;
  readonly when?: (context: ExceptionContext) => boolean;
  /** "all": the case is not compared; otherwise bits to ignore, by register name as in compare.ts. */
  readonly ignore: "all" | ((operand: (name: string) => number) => readonly (readonly [string, bigint])[]);
  /** Why the ISA does not say what QEMU does. */
  readonly why: string;
}

const all = (1n << 64n) - 1n;

export const exceptions: readonly Exception[] = [
  {
    mnemonics: /^(copy|paste\.)$/,
    ignore: "all",
    why: "QEMU does not know copy and paste. and calls them illegal",
  },
  {
    mnemonics: /^icbt$/,
    ignore: "all",
    why: "QEMU knows icbt for embedded processors only; ISA 2.07 and later have it everywhere",
  },
];

/** A shorthand for the list above. */
export const wholeRegister = (name: string): readonly [string, bigint] => [name, all];
