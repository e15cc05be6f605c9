/** Where QEMU 7.2 in user mode departs from Power ISA v3.0B, and who judges instead. */

import type { Judged } from "../oracles/oracles.js";
import { invalidDigits, isInfiniteDecimal, isNaNDecimal, isSpecialDecimal } from "./decimal-float.js";
import {
  address,
  all,
  C,
  type Correction,
  cr1Fex,
  cr1Fx,
  decimalFloat,
  type Exception,
  type ExceptionContext,
  enabled,
  estimates,
  exceptionBits,
  FEX,
  FI,
  FPRF,
  FR,
  FX,
  isNan,
  isZero,
  lanes,
  OX,
  quotientUndefined,
  roundsDown,
  rtAndCr0,
  UX,
  XX,
  ZX,
} from "./exception.js";
import { invalidity, orderOfSource, zeroSum } from "./packed-decimal.js";
import { offsets, Signal } from "./record.js";

/** Power ISA v3.0B, Book I, Vector Rotate Left Doubleword then Mask Insert. QEMU's wrong answer lacks what is inserted into. */
function rotateThenMaskInsert({ operand, initial }: ExceptionContext): readonly Correction[] {
  const register = operand("vrt") + 32;
  const [target, source, control] = [
    initial.vsr(register),
    initial.vsr(operand("vra") + 32),
    initial.vsr(operand("vrb") + 32),
  ];
  return [0, 1].map((half) => {
    const [t, a, b] = [target[half], source[half], control[half]] as [bigint, bigint, bigint];
    const [shift, end, begin] = [b & 63n, (b >> 8n) & 63n, (b >> 16n) & 63n];
    const rotated = ((a << shift) | (a >> (64n - shift))) & all;
    // Bits begin to end, counted from the left, around the end of the doubleword if need be.
    const [fromBegin, throughEnd] = [all >> begin, (all << (63n - end)) & all];
    const mask = begin <= end ? fromBegin & throughEnd : fromBegin | throughEnd;
    const wrong = rotated & mask;
    return { register: `vs${register}.${half}`, wrong, right: wrong | (t & ~mask) };
  });
}

/** A fault is recognised in the case itself: by the instruction, by `when`, or by the wrong answer that `correct` tells. */
export interface QemuFault extends Exception, Judged {}

export const qemuFaults: readonly QemuFault[] = [
  {
    mnemonics: /^(f(?!cmp)|xs|(pm)?xv|v.*fp)/,
    ignore: { fpscr: FR },
    why: "QEMU never changes FR",
    judge: "float-enabled.txt: FR",
  },
  {
    mnemonics: /^(f|xs|(pm)?xv)/,
    when: ({ initial, expected }) => (expected.get(offsets.fpscr) & ~initial.get(offsets.fpscr) & exceptionBits) === 0n,
    ignore: { fpscr: FX },
    why: "QEMU sets FX whenever an exception occurs; the ISA only if an exception bit goes from 0 to 1",
    judge: "where-qemu-errs.txt: FX is set only when an exception bit goes from 0 to 1",
  },
  {
    mnemonics: /^f.*\.$/,
    when: ({ initial, expected }) => (expected.get(offsets.fpscr) & ~initial.get(offsets.fpscr) & exceptionBits) === 0n,
    ignore: () => [["cr", cr1Fx]],
    why: "the same FX, copied to CR1",
    judge: "where-qemu-errs.txt: and so CR1 does not get it",
  },
  {
    mnemonics: /^(fcmp[uo]|xscmp[uo][dq]p|(pm)?xv)/,
    ignore: { fpscr: FI },
    why: "QEMU clears or sets FI; comparisons and vector instructions do not alter it",
    judge: "where-qemu-errs.txt: a comparison leaves FR and FI alone",
  },
  {
    mnemonics: /^(f.*s\.?|frsp\.?|xs.*sp|fcfidus?\.?)$/,
    ignore: { fpscr: C },
    why: "QEMU classes a result that is denormal as a single by its double format, as normal",
    judge: "where-qemu-errs.txt: a result that is denormal as a single has that class",
  },
  {
    mnemonics: /^fcfid(u|s|us)\.?$/,
    ignore: { fpscr: FPRF },
    why: "QEMU leaves FPRF alone",
    judge: "where-qemu-errs.txt: a conversion from an integer sets FPRF",
  },
  {
    mnemonics: /^mtfsb1\.?$/,
    ignore: ({ mnemonic }) => [["fpscr", FX], ...(mnemonic.endsWith(".") ? [["cr", cr1Fx] as const] : [])],
    why: "QEMU does not set FX when mtfsb1 sets an exception bit; the ISA exempts only mtfsf and mtfsfi",
    judge: "where-qemu-errs.txt: mtfsb1 of an exception bit sets FX",
  },
  {
    mnemonics: /^(fcmpo|fcmpu|xscmpo[dq]p|xscmpu[dq]p)$/,
    ignore: { fpscr: C },
    why: "QEMU sets C with an invalid comparison; the ISA alters FPCC only",
    judge: "where-qemu-errs.txt: an invalid comparison alters FPCC, not C",
  },
  {
    mnemonics: /^((fn|xsn|xvn)m(add|sub)|(pm)?xvf(32|64)gern)/,
    when: (context) => roundsDown(context) && !/o$/.test(context.mnemonic),
    ignore: "all",
    why: "QEMU negates before it rounds; the ISA rounds, then negates: toward an infinity that is not the same",
    judge: "where-qemu-errs.txt: a negated result is rounded, then negated",
  },
  {
    mnemonics: /^xsn.*qpo$/,
    when: ({ initial }) => (initial.get(offsets.fpscr) & 3n) === 2n,
    ignore: "all",
    why: "QEMU negates before it rounds",
    judge: "where-qemu-errs.txt: so is a negated quad that is rounded to odd, whatever RN says",
  },
  {
    mnemonics: /^fres?\.?$/,
    when: ({ operand, initial }) => isZero(lanes(initial, operand("frb"), 64)[0] as bigint, 64),
    ignore: "all",
    why: "QEMU gives 1/2 for the reciprocal of 0; the ISA an infinity",
    judge: "where-qemu-errs.txt: the reciprocal of zero is an infinity",
  },
  {
    mnemonics: /^x[sv]r(sqrt)?e[sd]p$/,
    ignore: { fpscr: ZX | FX },
    why: "QEMU's VSX estimates do not report a zero divide",
    judge: "where-qemu-errs.txt: an estimate reports a zero divide",
  },
  {
    mnemonics: /^vexptefp$/,
    ignore: "all",
    why: "QEMU's power of 2 is the beginning of a series, wrong beyond the neighbourhood of 0: 2^-7.75 comes out negative",
    judge: "where-qemu-errs.txt: a whole power of 2 is exact",
  },
  {
    mnemonics: /^xsnmsubqpo$/,
    ignore: "all",
    why: "QEMU rounds it by FPSCR[RN], not to odd",
    judge: "where-qemu-errs.txt: and a negated difference",
  },
  {
    mnemonics: /^mtvscr$/,
    ignore: () => [],
    why: "QEMU keeps the reserved bits, and mfvscr would show them",
    judge: "where-qemu-errs.txt: VSCR has two bits",
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
    judge: "system.txt: an indexed string must spare the register of its second address, too",
  },
  {
    mnemonics: /^(pm)?xv/,
    when: ({ expected }) => (expected.get(offsets.fpscr) & OX) !== 0n,
    ignore: { fpscr: UX },
    why: "QEMU loses an underflow in one element if another overflows",
    judge: "where-qemu-errs.txt: an underflow in one element is told beside an overflow in another",
  },
  {
    mnemonics: /^xvcv[sd]p[su]x[wd]s$/,
    when: ({ operand, initial, mnemonic }) => {
      const bits = mnemonic[4] === "s" ? 32 : 64;
      return lanes(initial, operand("xb"), bits).some((v) => isNan(v, bits));
    },
    ignore: "all",
    why: "QEMU converts a NaN as if it were large, once an element before it was out of range",
    judge: "where-qemu-errs.txt: a NaN converts to the least integer, beside a number that is too large",
  },
  {
    mnemonics: /^xs(add|sub|mul|div|sqrt)sp$/,
    when: ({ operand, operandNames, initial }) =>
      ["xa", "xb"].some((name) => {
        if (!operandNames.includes(name)) return false;
        const [value] = initial.vsr(operand(name));
        const exponent = (value >> 52n) & 0x7ffn;
        return (value & 0x1fff_ffffn) !== 0n || exponent < 0x381n || exponent === 0x7ffn;
      }),
    ignore: ({ operand }) => [
      [`vs${operand("xt")}.0`, all],
      ["fpscr", FPRF | FX | OX | UX | XX | FI],
    ],
    why: "QEMU rounds to double, then to single; the ISA rounds once, which only doubles as operands can tell apart",
    judge: "where-qemu-errs.txt: a sum of doubles is rounded to single once",
  },
  {
    mnemonics: /^xststdcsp$/,
    when: ({ operand, initial }) => {
      const exponent = (initial.vsr(operand("xb"))[0] >> 52n) & 0x7ffn;
      return exponent > 0n && exponent < 0x381n;
    },
    ignore: "all",
    why: "QEMU classes a number too small for a single as zero; the ISA as denormal, by its exponent",
    judge: "where-qemu-errs.txt: a number too small for a single is of the class denormal",
  },
  {
    mnemonics: /^xsrqp(i|ix|xp)$/,
    when: ({ operand, initial }) =>
      operand("r") === 0 && (operand("rmc") === 1 || operand("rmc") === 2 || (initial.get(offsets.fpscr) & 1n) !== 0n),
    ignore: "all",
    why: "R = 0 with RMC 1 or 2 is reserved; with RMC 3 QEMU confuses the roundings toward zero and minus infinity",
    judge: "where-qemu-errs.txt: RMC 3 rounds as RN says: toward minus infinity",
  },
  {
    mnemonics: /^mtfsb1\.?$/,
    ignore: { fpscr: 4n },
    why: "FPSCR[NI] has no meaning with VSX; QEMU does not let mtfsb1 set it",
    judge: "where-qemu-errs.txt: mtfsb1 sets NI",
  },
  {
    mnemonics: /^xsrqpxp$/,
    ignore: { fpscr: UX | FX },
    why: "QEMU reports an underflow; the instruction does not alter UX",
    judge: "where-qemu-errs.txt: rounding to double extended leaves UX alone",
  },
  {
    mnemonics: /^divdeo\.?$/,
    when: quotientUndefined,
    ignore: (context) => [
      ...rtAndCr0(context),
      ["xer", 0xc008_0000n],
      ...(context.mnemonic.endsWith(".") ? [["cr", 0xf000_0000n] as const] : []),
    ],
    why: "QEMU misses a quotient between 2^63 and 2^64",
    judge: "where-qemu-errs.txt: a quotient of 2 to the 63rd overflows",
  },
  {
    mnemonics: /^p?(lq|stq)$/,
    ignore: "all",
    when: ({ operand, operandNames, initial, at }) => {
      const displacement = ["d", "dq", "ds"].find((name) => operandNames.includes(name)) ?? "d";
      const relative = operandNames.includes("r") && operand("r") === 1;
      const base = relative ? at : operand("ra") === 0 ? 0n : initial.gpr(operand("ra"));
      return ((base + BigInt(operand(displacement))) & 15n) !== 0n;
    },
    why: "QEMU does not ask for alignment; POWER9 raises Alignment",
    judge: "storage.txt: lq must be aligned",
  },
  {
    mnemonics: /^st[bhwdq]cx\.$/,
    when: (context) => {
      const size = { b: 1n, h: 2n, w: 4n, d: 8n, q: 16n }[context.mnemonic[2] as "b" | "h" | "w" | "d" | "q"];
      return (address(context, true) & (size - 1n)) !== 0n;
    },
    ignore: "all",
    why: "QEMU does not ask for alignment where it has no reservation; the ISA raises Alignment first",
    judge: "where-qemu-errs.txt: a store conditional must be aligned, with or without a reservation",
  },
  {
    mnemonics: /^l[wd]at$/,
    when: ({ operand }) => operand("fc") >= 24,
    ignore: ({ operand }) => [[`r${operand("rt")}`, all]],
    why: "where the bound is met the ISA gives the least doubleword, QEMU sign-extends the least word",
    judge: "storage.txt: increment bounded, at the bound",
  },
  {
    mnemonics: /^(lw|stw)at$/,
    when: ({ operand }) => operand("fc") === 5 || operand("fc") === 7,
    ignore: "all",
    why: "QEMU compares words as unsigned where the function is signed",
    judge: "storage.txt: signed maximum of words",
  },
  // With exceptions enabled.
  {
    mnemonics: /./,
    when: ({ initial, expected }) => expected.get(offsets.signal) === BigInt(Signal.float) && !enabled(initial),
    ignore: "all",
    enabledOnly: true,
    why: "QEMU sometimes keeps an enabled exception to itself until a later instruction, here of another case",
    judge: "float-enabled.txt: with MSR[FE0] it interrupts at the instruction",
  },
  {
    mnemonics: /^(pm)?xv.*ger/,
    when: ({ initial }) => enabled(initial),
    ignore: "all",
    enabledOnly: true,
    why: "QEMU adjusts a result's exponent for an enabled exception; an outer product has the default results",
    judge: "float-enabled.txt: an outer product has the results of disabled exceptions",
  },
  {
    mnemonics: /^xv(?!.*ger)/,
    when: ({ initial }) => enabled(initial),
    ignore: "all",
    enabledOnly: true,
    why: "QEMU writes the target of a vector instruction though an enabled exception in one element suppresses it",
    judge: "float-enabled.txt: a vector keeps its whole target if one element has an enabled exception",
  },
  {
    mnemonics: /^f.*\.$/,
    when: ({ initial }) => enabled(initial),
    ignore: () => [["cr", 0x0f00_0000n]],
    enabledOnly: true,
    why: "QEMU traps before it copies FPSCR to CR1",
    judge: "float-enabled.txt: with MSR[FE1] too, and CR1 is recorded before",
  },
  {
    mnemonics: /^fcfid/,
    when: ({ initial }) => enabled(initial),
    ignore: ({ operand }) => [
      [`vs${operand("frt")}.0`, all],
      [`vs${operand("frt")}.1`, all],
    ],
    enabledOnly: true,
    why: "QEMU traps before it writes the target; an inexact result is delivered though its exception is enabled",
    judge: "where-qemu-errs.txt: an enabled inexact conversion from an integer is delivered",
  },
  {
    mnemonics: /^(frsp\.?|xsrsp|xscvdpsp|xsrqp(i|ix|xp)|xscvqpdpo?)$/,
    when: ({ initial }) => enabled(initial),
    ignore: "all",
    enabledOnly: true,
    why: "as fcfid; and far outside the singles' range QEMU adjusts the exponent by other amounts than 192",
    judge: "where-qemu-errs.txt: an enabled overflow of frsp delivers the exponent less 192",
  },
  {
    mnemonics: /^(xsm(ax|in)dp|xs.*sp|f.*s\.?)$/,
    when: ({ initial }) => (initial.get(offsets.fpscr) & 0x60n) !== 0n,
    ignore: "all",
    enabledOnly: true,
    why: "QEMU adjusts the exponent of denormal operands and double results, and rounds them to single only then",
    judge: "float-enabled.txt: an enabled underflow delivers the exponent plus 192 for singles, exact or not",
  },
  {
    mnemonics: /^xscmp(eq|gt|ge)[dq]p$/,
    when: ({ initial }) => enabled(initial),
    ignore: "all",
    enabledOnly: true,
    why: "QEMU writes the target of an invalid comparison though the exception is enabled",
    judge: "where-qemu-errs.txt: an enabled invalid comparison to a register keeps the target",
  },
  {
    mnemonics: estimates,
    when: ({ initial }) => enabled(initial),
    ignore: "all",
    enabledOnly: true,
    why: "QEMU does not wrap the exponent of an estimate that overflows or underflows",
    judge: "where-qemu-errs.txt: an enabled overflow of an estimate delivers the exponent less 1536",
  },
  {
    mnemonics: /^(copy|paste\.)$/,
    ignore: "all",
    why: "QEMU does not know copy and paste. and calls them illegal",
    judge: "storage.txt: a paste never succeeds",
  },
  {
    mnemonics: /^rnop/,
    ignore: "all",
    why: "QEMU calls the reserved no-operations illegal",
    judge: "where-qemu-errs.txt: a reserved no-operation does nothing",
  },
  {
    mnemonics: /^icbt$/,
    ignore: "all",
    why: "QEMU knows icbt for embedded processors only; ISA 2.07 and later have it everywhere",
    judge: "where-qemu-errs.txt: icbt is a hint",
  },
  {
    mnemonics: /^dcbf(lp)?$/,
    when: ({ expected }) => expected.get(offsets.signal) !== 0n,
    ignore: "all",
    why: "QEMU calls dcbflp, L = 3, illegal",
    judge: "where-qemu-errs.txt: dcbflp is an instruction of problem state",
  },
  {
    mnemonics: /^dstt?$|^dststt?$/,
    when: ({ operand }) => operand("ra") === 0,
    ignore: "all",
    why: "QEMU calls RA = 0 illegal; the ISA has phased the instruction out and ignores it",
    judge: "where-qemu-errs.txt: the streams that were phased out do nothing",
  },
  {
    mnemonics: /^vrldmi$/,
    ignore: { correct: rotateThenMaskInsert },
    why: "where its host has AVX-512, QEMU inserts into zeros, not into the target",
    judge: "where-qemu-errs.txt: vrldmi inserts into the target, around the end of the doubleword too",
  },
  {
    mnemonics: /^bcd(add|sub|ctn|ctz|trunc)/,
    ignore: { correct: invalidity },
    why: "QEMU looks for invalid digits only among those that it works on",
    judge: "where-qemu-errs.txt: a digit that is none makes a decimal number invalid, wherever it stands",
  },
  {
    mnemonics: /^bcd(add|sub)/,
    ignore: { correct: zeroSum },
    why: "QEMU calls the sum of two zeros greater or less than zero besides, and lets it be negative",
    judge: "where-qemu-errs.txt: the sum of two negative zeros is positive and equal to zero",
  },
  {
    mnemonics: /^bcd(u?s|sr|u?trunc)\.$/,
    ignore: { correct: orderOfSource },
    why: "QEMU compares the result with zero, by its last digit where there is no sign; the ISA the source",
    judge: "where-qemu-errs.txt: a decimal number that is shifted away was greater than zero",
  },
  {
    mnemonics: /^bcdtrunc\.$/,
    when: ({ initial, operand }) => ((lanes(initial, operand("vra") + 32, 64)[0] as bigint) & 0xffffn) === 0xffffn,
    ignore: "all",
    why: "QEMU takes a length of 65535 digits for one of -1",
    judge: "where-qemu-errs.txt: a length of 65535 digits keeps all",
  },
  {
    mnemonics: /^bcd(ctsq|setsgn|cpsgn)\.$/,
    when: ({ operand }) => operand("vrt") === operand("vrb"),
    ignore: "all",
    why: "QEMU writes the target before it has read its last operand",
    judge: "where-qemu-errs.txt: a decimal number may be converted in place",
  },
  {
    mnemonics: decimalFloat,
    when: ({ initial }) => enabled(initial),
    ignore: "all",
    enabledOnly: true,
    why: "QEMU knows no enabled exceptions of decimal floating point: no interrupt, no adjusted exponent, no target kept",
    judge: "decimal-float.txt: an enabled overflow delivers the exponent less 576",
  },
  {
    mnemonics: decimalFloat,
    ignore: { fpscr: FR | FI },
    why: "QEMU sets FI with XX and never clears it, and never touches FR",
    judge: "decimal-float.txt: an exact sum clears FR and FI",
  },
  {
    mnemonics: decimalFloat,
    when: ({ initial, expected }) => (expected.get(offsets.fpscr) & ~initial.get(offsets.fpscr) & exceptionBits) === 0n,
    ignore: ({ mnemonic }) => [["fpscr", FX], ...(mnemonic.endsWith(".") ? [["cr", cr1Fx] as const] : [])],
    why: "QEMU sets FX whenever an exception of decimal floating point occurs",
    judge: "decimal-float.txt: FX is set only when an exception bit goes from 0 to 1",
  },
  {
    mnemonics: /^(drrnd|denbcd)/,
    ignore: ({ mnemonic }) => [["fpscr", FEX], ...(mnemonic.endsWith(".") ? [["cr", cr1Fex] as const] : [])],
    why: "QEMU takes the number of VE's bit for its mask, and sets FEX by RN",
    judge: "decimal-float.txt: a reround out of range is invalid, and no enabled exception",
  },
  {
    mnemonics: /^denbcd/,
    when: invalidDigits,
    ignore: "all",
    why: "QEMU leaves target and FPRF of an invalid operand as they were, and takes a digit A",
    judge: "decimal-float.txt: a decimal digit that is none is invalid",
  },
  {
    mnemonics: /^drdpq/,
    ignore: {
      correct: ({ operand, expected }) => {
        const register = operand("frtp");
        const result = expected.vsr(register + 1)[0];
        return [
          { register: `vs${register}.0`, wrong: 0n, right: result },
          { register: `vs${register + 1}.0`, wrong: result, right: 0n },
        ];
      },
    },
    why: "QEMU puts the number into the second register of the pair",
    judge: "decimal-float.txt: the long number made of an extended one is in the first register of the pair",
  },
  {
    mnemonics: /^(drsp|drdpq)/,
    when: ({ initial, operand, mnemonic }) =>
      isNaNDecimal(initial.vsr(operand(/q/.test(mnemonic) ? "frbp" : "frb"))[0]),
    ignore: "all",
    why: "QEMU drops a NaN's payload that is too long, and makes the NaN quiet",
    judge:
      "decimal-float.txt: of a NaN's payload the last digits are kept, and to the short format a signaling one stays",
  },
  {
    mnemonics: /^dctfixqq$/,
    when: ({ initial, expected, operand }) => {
      const [number] = initial.vsr(operand("frbp"));
      const [high, low] = expected.vsr(operand("vrt") + 32);
      return !isSpecialDecimal(number) && (high | low) !== 0n && high >> 63n !== number >> 63n;
    },
    ignore: "all",
    why: "QEMU does not see an overflow between 2^127 and 2^128: what comes out has the other sign",
    judge: "decimal-float.txt: a number between 2 to the 127th and the 128th is out of a signed quadword's range",
  },
  {
    mnemonics: /^dsc[lr]i/,
    when: ({ initial, operand, mnemonic }) =>
      operand("sh") > (/q/.test(mnemonic) ? 34 : 16) &&
      isSpecialDecimal(initial.vsr(operand(/q/.test(mnemonic) ? "frap" : "fra"))[0]),
    ignore: "all",
    why: "QEMU keeps reserved bits of an infinity or a NaN that is shifted by more than all digits",
    judge: "decimal-float.txt: the payload of a NaN may be shifted away",
  },
  {
    mnemonics: /^(ddedpd|diex)/,
    when: ({ initial, operand, mnemonic }) =>
      isInfiniteDecimal(initial.vsr(operand(/q/.test(mnemonic) ? "frbp" : "frb"))[0]),
    ignore: "all",
    why: "QEMU forgets the digits that stand in an infinity's trailing field",
    judge: "decimal-float.txt: an infinity has the digits that stand in it",
  },
];
