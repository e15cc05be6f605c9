/** Results of users' instructions that Power ISA v3.0B leaves undefined: nobody judges these. */
import {
  all,
  cr0,
  type Exception,
  type ExceptionContext,
  estimates,
  FI,
  FPRF,
  FR,
  FX,
  quotientUndefined,
  remainderUndefined,
  rtAndCr0,
  XX,
} from "./exception.js";
import { invalidPacked } from "./packed-decimal.js";
import { offsets } from "./record.js";

/** Whether some element's (a << width) / b is not a number of the element's width. */
function extendedQuotientUndefined({ mnemonic, operand, initial }: ExceptionContext): boolean {
  const width = { w: 32, d: 64, q: 128 }[mnemonic.at(-1) as "w" | "d" | "q"];
  const signed = mnemonic[5] === "s";
  const elements = (name: string): bigint[] => {
    const [high, low] = initial.vsr(operand(name) + 32);
    const whole = (high << 64n) | low;
    const count = 128 / width;
    return Array.from({ length: count }, (_, i) => {
      const element = BigInt.asUintN(width, whole >> BigInt(i * width));
      return signed ? BigInt.asIntN(width, element) : element;
    });
  };
  const divisors = elements("vrb");
  return elements("vra").some((a, i) => {
    const b = divisors[i] ?? 0n;
    if (b === 0n) return true;
    const quotient = (a << BigInt(width)) / b;
    return quotient !== (signed ? BigInt.asIntN(width, quotient) : BigInt.asUintN(width, quotient));
  });
}

export const undefinedResults: readonly Exception[] = [
  {
    mnemonics: /^div/,
    when: quotientUndefined,
    ignore: rtAndCr0,
    why: "the quotient of a division by zero or one that overflows is undefined",
  },
  {
    mnemonics: /^div[wd]/,
    when: ({ mnemonic }) => /^divw/.test(mnemonic),
    ignore: (context) => [
      [`r${context.operand("rt")}`, 0xffff_ffff_0000_0000n],
      ...(context.mnemonic.endsWith(".") ? [["cr", cr0] as const] : []),
    ],
    why: "the high half of a 32-bit division's target is undefined, and so in 64-bit mode is its comparison with zero",
  },
  {
    mnemonics: /^mulhwu?\.?$/,
    ignore: (context) => [
      [`r${context.operand("rt")}`, 0xffff_ffff_0000_0000n],
      ...(context.mnemonic.endsWith(".") ? [["cr", cr0] as const] : []),
    ],
    why: "the high half of the target is undefined, and so in 64-bit mode is its comparison with zero",
  },
  {
    mnemonics: /^mod[su][wd]$/,
    when: remainderUndefined,
    ignore: rtAndCr0,
    why: "the remainder of a division by zero or of one that overflows is undefined",
  },
  {
    mnemonics: /^(vextractu[hw]|vextractd|vinsert[hwd]|xxextractuw|xxinsertw)$/,
    when: ({ operand, mnemonic }) => {
      const size = /h$/.test(mnemonic) ? 2 : /d$/.test(mnemonic) ? 8 : 4;
      return operand("uim") > 16 - size;
    },
    ignore: "all",
    why: "an element that reaches beyond the register is undefined",
  },
  {
    mnemonics: /^vextu[hw][lr]x$/,
    when: ({ operand, mnemonic, initial }) =>
      Number(initial.gpr(operand("ra")) & 15n) > 16 - (mnemonic[5] === "h" ? 2 : 4),
    ignore: "all",
    why: "an element that reaches beyond the register is undefined",
  },
  {
    mnemonics: /^vdive[su][wdq]$/,
    when: extendedQuotientUndefined,
    ignore: "all",
    why: "an extended quotient of vectors that does not fit is undefined",
  },
  {
    mnemonics: /^vgnb$/,
    when: ({ operand }) => operand("n") < 2,
    ignore: "all",
    why: "every bit, or every 0th, gathered is undefined",
  },
  {
    mnemonics: /^fctiwu?z?\.?$/,
    ignore: ({ operand }) => [[`vs${operand("frt")}.0`, 0xffff_ffff_0000_0000n]],
    why: "the high word of the target is undefined",
  },
  {
    mnemonics: estimates,
    ignore: { fpscr: FX | XX | FR | FI },
    why: "an estimate's FR, FI and XX are undefined",
  },
  {
    mnemonics: /^(lxsdx|lxsspx|lxsi[wbh][az]x|lxsd|lxssp|mtvsr(d|wa|wz)|xxextractuw)$/,
    ignore: ({ operand, mnemonic }) => [
      [`vs${operand(/^lxss?[dp]$/.test(mnemonic) ? "vrt" : "xt") + (/^lxss?[dp]$/.test(mnemonic) ? 32 : 0)}.1`, all],
    ],
    why: "doubleword 1 of the target is undefined",
  },
  {
    mnemonics: /^(fcti|xscv(dp|qp)[su]|dctfix)/,
    ignore: { fpscr: FPRF },
    why: "FPRF is undefined after a conversion to an integer",
  },
  {
    mnemonics: /^bcd/,
    when: (context) => ((context.expected.get(offsets.cr) >> 4n) & 15n) === 1n || invalidPacked(context),
    ignore: ({ operand }) => [
      [`vs${operand("vrt") + 32}.0`, all],
      [`vs${operand("vrt") + 32}.1`, all],
    ],
    why: "the result of an invalid decimal operand is undefined",
  },
  {
    mnemonics: /^bcdcfsq/,
    when: ({ expected }) => (expected.get(offsets.cr) & 0x10n) !== 0n,
    ignore: ({ operand }) => [
      [`vs${operand("vrt") + 32}.0`, all],
      [`vs${operand("vrt") + 32}.1`, all],
    ],
    why: "an integer of more than 31 digits has no decimal number",
  },
];
