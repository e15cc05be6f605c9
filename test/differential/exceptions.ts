/**
 * Where QEMU 7.2 is not the judge: results that the ISA leaves undefined, and QEMU's known departures from it. Everything
 * else that differs is a mistake of ours. An instruction with an exception is not drawn in sequences: a difference that is
 * allowed in its result would show in all that follows.
 */
import { offsets, type State } from "./record.js";

export interface ExceptionContext {
  readonly mnemonic: string;
  readonly word: number;
  readonly operandNames: readonly string[];
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

/** The address of an indexed access, and of one with a displacement. */
const indexed = ({ operand, initial }: ExceptionContext): bigint =>
  ((operand("ra") === 0 ? 0n : initial.gpr(operand("ra"))) + initial.gpr(operand("rb"))) & all;
const displaced = ({ operand, initial }: ExceptionContext, displacement: string): bigint =>
  ((operand("ra") === 0 ? 0n : initial.gpr(operand("ra"))) + BigInt(operand(displacement))) & all;
const magnitude = (value: bigint): bigint => (value >> 63n ? (1n << 64n) - value : value);

/** Bytes of a storage access, by the letter of its mnemonic. */
const sizeOf: Readonly<Record<string, bigint>> = { b: 1n, h: 2n, w: 4n, d: 8n, q: 16n };
const storeConditional =
  (size: string) =>
  (context: ExceptionContext): boolean =>
    indexed(context) % (sizeOf[size] as bigint) !== 0n;

/** Bytes of the elements that an extract or insert moves. */
const elementSize = (mnemonic: string): number => (/h[lr]?x?$/.test(mnemonic) ? 2 : /w[lr]?x?$/.test(mnemonic) ? 4 : 8);

/** Doubleword 1 of VSR[XT]. */
const secondDoubleword: Exception["ignore"] = (operand) => [[`vs${operand("xt")}.1`, all]];

export const exceptions: readonly Exception[] = [
  {
    mnemonics: /^(lxsdx|lxsspx|lxsi(wax|wzx|bzx|hzx)|mtvsr(d|wa|wz))$/,
    ignore: secondDoubleword,
    why: "doubleword 1 is undefined: POWER9 clears it, QEMU leaves it",
  },
  {
    mnemonics: /^(vextract|vinsert|xxextract|xxinsert)(uh|h|uw|w|d)$/,
    when: ({ operand, mnemonic }) => operand("uim") > 16 - elementSize(mnemonic),
    ignore: "all",
    why: "an element that would reach beyond the register is undefined",
  },
  {
    mnemonics: /^vextu[hw][lr]x$/,
    when: ({ operand, initial, mnemonic }) => Number(initial.gpr(operand("ra")) & 15n) > 16 - elementSize(mnemonic),
    ignore: "all",
    why: "an element that would reach beyond the register is undefined",
  },
  {
    mnemonics: /^mtvscr$/,
    ignore: () => [],
    why: "QEMU keeps the reserved bits, and mfvscr would show them",
  },
  {
    mnemonics: /^dst(st)?t?$/,
    when: ({ operand }) => operand("ra") === 0,
    ignore: "all",
    why: "RA 0 is an invalid form; QEMU calls it illegal, POWER9 takes the data stream hints as no-operations",
  },
  ...["h", "w", "d", "q"].map((size) => ({
    mnemonics: new RegExp(`^st${size}cx\\.$`),
    when: storeConditional(size),
    ignore: "all" as const,
    why: "a misaligned store conditional is an Alignment interrupt; QEMU looks for the reservation first",
  })),
  {
    mnemonics: /^(lq|stq)$/,
    when: (context) => displaced(context, context.operandNames.includes("dq") ? "dq" : "d") % 16n !== 0n,
    ignore: "all",
    why: "a misaligned lq or stq is an Alignment interrupt on POWER9; QEMU performs it",
  },
  {
    mnemonics: /^divdeo?\.?$/,
    when: ({ operand, initial }) => {
      const [a, b] = [initial.gpr(operand("ra")), initial.gpr(operand("rb"))];
      if (b === 0n || magnitude(a) >= magnitude(b)) return false;
      const quotient = (magnitude(a) << 64n) / magnitude(b);
      return quotient > ((a ^ b) >> 63n ? 1n << 63n : (1n << 63n) - 1n);
    },
    ignore: "all",
    why: "QEMU does not notice that a quotient of 64 bits leaves no place for the sign",
  },
  {
    mnemonics: /^(lwat|stwat)$/,
    when: ({ operand }) => operand("fc") === 5 || operand("fc") === 7,
    ignore: "all",
    why: "QEMU compares words as unsigned doublewords for the signed minimum and maximum",
  },
  {
    mnemonics: /^(lwat|ldat)$/,
    when: ({ operand, expected }) =>
      [24, 25, 28].includes(operand("fc")) && expected.gpr(operand("rt")) === 0xffff_ffff_8000_0000n,
    ignore: (operand) => [wholeRegister(`r${operand("rt")}`)],
    why: "the least number that tells of failure is of the access's size; QEMU computes it as a C int",
  },
  {
    mnemonics: /^lswx$/,
    when: ({ operand, initial }) => {
      const registers = Math.ceil((Number(initial.get(offsets.xer)) & 0x7f) / 4);
      const loads = (n: number) => ((n - operand("rt")) & 31) < registers;
      return loads(operand("ra")) || loads(operand("rb"));
    },
    ignore: "all",
    why: "a string that covers its own address registers is an invalid form",
  },
  {
    mnemonics: /^dcbf$/,
    when: ({ word }) => ((word >>> 21) & 3) === 3,
    ignore: "all",
    why: "QEMU does not know dcbflp",
  },
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
