/** Floating point: results and FPSCR to the bit, rounding modes, enabled exceptions. Source: Power ISA v3.0B, Book I "Floating-Point Facility". */
import { type Author, MSR, type SelfTest } from "../author.js";

/** FPSCR by bit; the low word. */
const FX = 0x80000000n;
const FEX = 0x40000000n;
const VX = 0x20000000n;
const OX = 0x10000000n;
const UX = 0x08000000n;
const ZX = 0x04000000n;
const XX = 0x02000000n;
const VXSNAN = 0x01000000n;
const VXISI = 0x00800000n;
const VXIDI = 0x00400000n;
const VXZDZ = 0x00200000n;
const VXIMZ = 0x00100000n;
const VXVC = 0x00080000n;
const FR = 0x00040000n;
const FI = 0x00020000n;
const VXSQRT = 0x200n;
const VXCVI = 0x100n;
const OE = 0x40n;
const UE = 0x20n;

/** FPSCR[FPRF] by class of the result. */
const FPRF = {
  nan: 0x11000n,
  positive: 0x4000n,
  negative: 0x8000n,
  zero: 0x2000n,
  minusZero: 0x12000n,
  denormal: 0x14000n,
  infinity: 0x5000n,
  minusInfinity: 0x9000n,
} as const;

/** FPSCR[RN]. */
const rounding = { nearest: 0, zero: 1, up: 2, down: 3 } as const;
type Rounding = keyof typeof rounding;

/** A double's bits. */
export function bits(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

const infinity = bits(Number.POSITIVE_INFINITY);
const quiet = 0x7ff8000000000000n;
const signalling = 0x7ff0000000000001n;

interface Operation {
  readonly what: string;
  /** Operands f1, f2, f3; target f4. */
  readonly code: string;
  readonly operands: readonly bigint[];
  readonly result: bigint;
  /** FPSCR afterwards, without RN. */
  readonly fpscr: bigint;
  /** Bits of FPSCR that the architecture leaves undefined here. */
  readonly undefinedBits?: bigint;
  readonly round?: Rounding;
}

const clear = "  xxlxor vs0, vs0, vs0\n  mtfsf 255, f0";

function operation(t: Author, o: Operation): string {
  const round = rounding[o.round ?? "nearest"];
  return `
${clear}
  mtfsfi 7, ${round}
${o.operands.map((operand, i) => `${t.load("r14", operand)}\n  mtvsrd vs${i + 1}, r14`).join("\n")}
${o.code}
  mffs f5
  mfvsrd r15, vs4
  mfvsrd r16, vs5
${t.check(o.what, "r15", o.result)}
${t.check(`${o.what}: FPSCR`, "r16", o.fpscr | BigInt(round), 0xffffffffn & ~(o.undefinedBits ?? 0n))}`;
}

const one = bits(1);
const inexact = FX | XX | FI;

const arithmetic: readonly Operation[] = [
  { what: "1 + 2", code: "  fadd f4, f1, f2", operands: [one, bits(2)], result: bits(3), fpscr: FPRF.positive },
  { what: "1 - 1", code: "  fsub f4, f1, f1", operands: [one], result: 0n, fpscr: FPRF.zero },
  {
    what: "1 - 1 down",
    code: "  fsub f4, f1, f1",
    operands: [one],
    result: bits(-0),
    fpscr: FPRF.minusZero,
    round: "down",
  },
  {
    what: "1 / 3",
    code: "  fdiv f4, f1, f2",
    operands: [one, bits(3)],
    result: 0x3fd5555555555555n,
    fpscr: inexact | FPRF.positive,
  },
  {
    what: "1 / 3 up",
    code: "  fdiv f4, f1, f2",
    operands: [one, bits(3)],
    result: 0x3fd5555555555556n,
    fpscr: inexact | FR | FPRF.positive,
    round: "up",
  },
  {
    what: "1 / 10",
    code: "  fdiv f4, f1, f2",
    operands: [one, bits(10)],
    result: 0x3fb999999999999an,
    fpscr: inexact | FR | FPRF.positive,
  },
  {
    what: "1 / 10 to zero",
    code: "  fdiv f4, f1, f2",
    operands: [one, bits(10)],
    result: 0x3fb9999999999999n,
    fpscr: inexact | FPRF.positive,
    round: "zero",
  },
  {
    what: "-1 / 3 down",
    code: "  fdiv f4, f1, f2",
    operands: [bits(-1), bits(3)],
    result: 0xbfd5555555555556n,
    fpscr: inexact | FR | FPRF.negative,
    round: "down",
  },
  {
    what: "square root of 2",
    code: "  fsqrt f4, f1",
    operands: [bits(2)],
    result: bits(Math.SQRT2),
    fpscr: inexact | FR | FPRF.positive,
    undefinedBits: FR,
  },
  {
    what: "fused multiply-add",
    code: "  fmadd f4, f1, f2, f3",
    operands: [bits(1 + 2 ** -30), bits(1 - 2 ** -30), bits(-1)],
    result: bits(-(2 ** -60)),
    fpscr: FPRF.negative,
  },
  {
    what: "fnmsub",
    code: "  fnmsub f4, f1, f2, f3",
    operands: [bits(3), bits(5), bits(1)],
    result: bits(-14),
    fpscr: FPRF.negative,
  },
  {
    what: "single: 1 + 2^-24",
    code: "  fadds f4, f1, f2",
    operands: [one, bits(2 ** -24)],
    result: one,
    fpscr: inexact | FPRF.positive,
  },
  {
    what: "single: 1 + 3 * 2^-25",
    code: "  fadds f4, f1, f2",
    operands: [one, bits(3 * 2 ** -25)],
    result: bits(1 + 2 ** -23),
    fpscr: inexact | FR | FPRF.positive,
  },
  {
    what: "single: fmadds",
    code: "  fmadds f4, f1, f2, f3",
    operands: [bits(1.5), bits(1.5), bits(2 ** -30)],
    result: bits(2.25),
    fpscr: inexact | FPRF.positive,
  },
  {
    what: "frsp",
    code: "  frsp f4, f1",
    operands: [bits(0.1)],
    result: bits(Math.fround(0.1)),
    fpscr: inexact | FR | FPRF.positive,
  },
  {
    what: "a denormal result",
    code: "  fmul f4, f1, f2",
    operands: [bits(2 ** -1022), bits(0.5)],
    result: 0x0008000000000000n,
    fpscr: FPRF.denormal,
  },
  {
    what: "denormal operands",
    code: "  fadd f4, f1, f2",
    operands: [1n, 0x000fffffffffffffn],
    result: bits(2 ** -1022),
    fpscr: FPRF.positive,
  },
  {
    what: "fcfid",
    code: "  fcfid f4, f1",
    operands: [BigInt.asUintN(64, -(2n ** 53n) - 1n)],
    result: bits(-(2 ** 53)),
    fpscr: inexact | FPRF.negative,
  },
  {
    what: "fctid of 2.5",
    code: "  fctid f4, f1",
    operands: [bits(2.5)],
    result: 2n,
    fpscr: inexact,
    undefinedBits: 0x1f000n,
  },
  {
    what: "fctid of -2.5 down",
    code: "  fctid f4, f1",
    operands: [bits(-2.5)],
    result: -3n,
    fpscr: inexact | FR,
    undefinedBits: 0x1f000n,
    round: "down",
  },
  {
    what: "fctiwz of -7.9",
    code: "  fctiwz f4, f1\n  mfvsrd r14, vs4\n  extsw r14, r14\n  mtvsrd vs4, r14",
    operands: [bits(-7.9)],
    result: -7n,
    fpscr: inexact,
    undefinedBits: 0x1f000n,
  },
  { what: "frin of -2.5", code: "  frin f4, f1", operands: [bits(-2.5)], result: bits(-3), fpscr: FPRF.negative },
];

const exceptional: readonly Operation[] = [
  { what: "1 / 0", code: "  fdiv f4, f1, f2", operands: [one, 0n], result: infinity, fpscr: FX | ZX | FPRF.infinity },
  {
    what: "-1 / 0",
    code: "  fdiv f4, f1, f2",
    operands: [bits(-1), 0n],
    result: bits(-Infinity),
    fpscr: FX | ZX | FPRF.minusInfinity,
  },
  { what: "0 / 0", code: "  fdiv f4, f1, f2", operands: [0n, 0n], result: quiet, fpscr: FX | VX | VXZDZ | FPRF.nan },
  {
    what: "inf - inf",
    code: "  fsub f4, f1, f1",
    operands: [infinity],
    result: quiet,
    fpscr: FX | VX | VXISI | FPRF.nan,
  },
  {
    what: "inf / inf",
    code: "  fdiv f4, f1, f1",
    operands: [infinity],
    result: quiet,
    fpscr: FX | VX | VXIDI | FPRF.nan,
  },
  {
    what: "0 * inf",
    code: "  fmul f4, f1, f2",
    operands: [0n, infinity],
    result: quiet,
    fpscr: FX | VX | VXIMZ | FPRF.nan,
  },
  {
    what: "signalling NaN",
    code: "  fadd f4, f1, f2",
    operands: [one, signalling],
    result: signalling | quiet,
    fpscr: FX | VX | VXSNAN | FPRF.nan,
  },
  { what: "quiet NaN", code: "  fadd f4, f1, f2", operands: [one, quiet | 5n], result: quiet | 5n, fpscr: FPRF.nan },
  {
    what: "square root of -1",
    code: "  fsqrt f4, f1",
    operands: [bits(-1)],
    result: quiet,
    fpscr: FX | VX | VXSQRT | FPRF.nan,
  },
  { what: "square root of -0", code: "  fsqrt f4, f1", operands: [bits(-0)], result: bits(-0), fpscr: FPRF.minusZero },
  {
    what: "overflow",
    code: "  fadd f4, f1, f1",
    operands: [bits(Number.MAX_VALUE)],
    result: infinity,
    fpscr: inexact | OX | FPRF.infinity,
    undefinedBits: FR,
  },
  {
    what: "overflow to zero",
    code: "  fadd f4, f1, f1",
    operands: [bits(Number.MAX_VALUE)],
    result: bits(Number.MAX_VALUE),
    fpscr: inexact | OX | FPRF.positive,
    undefinedBits: FR,
    round: "zero",
  },
  {
    what: "underflow",
    code: "  fmul f4, f1, f2",
    operands: [1n, bits(0.5)],
    result: 0n,
    fpscr: inexact | UX | FPRF.zero,
  },
  {
    what: "underflow up",
    code: "  fmul f4, f1, f2",
    operands: [1n, bits(0.5)],
    result: 1n,
    fpscr: inexact | UX | FR | FPRF.denormal,
    round: "up",
  },
  {
    what: "fctidz of 1e30",
    code: "  fctidz f4, f1",
    operands: [bits(1e30)],
    result: 0x7fffffffffffffffn,
    fpscr: FX | VX | VXCVI,
    undefinedBits: 0x1f000n,
  },
  {
    what: "fctidz of NaN",
    code: "  fctidz f4, f1",
    operands: [quiet],
    result: 0x8000000000000000n,
    fpscr: FX | VX | VXCVI,
    undefinedBits: 0x1f000n,
  },
];

export const floatArithmetic: SelfTest = {
  name: "floating point",
  environment: "real",
  source: (t) => `
${arithmetic.map((o) => operation(t, o)).join("\n")}
# Moves leave FPSCR alone; single-precision storage.
${clear}
${t.load("r14", bits(-2.5))}
  mtvsrd vs1, r14
  fabs f2, f1
  fneg f3, f2
  fcpsgn f4, f1, f2
  mfvsrd r15, vs2
${t.check("fabs", "r15", bits(2.5))}
  mfvsrd r15, vs4
${t.check("fcpsgn", "r15", bits(-2.5))}
  stfs f3, 256(r13)
  lwz r15, 256(r13)
${t.check("stfs", "r15", 0xc0200000n)}
  li r15, 1
  stw r15, 256(r13)
  lfs f4, 256(r13)
  mfvsrd r15, vs4
${t.check("lfs of a denormal", "r15", bits(2 ** -149))}
  stfs f4, 260(r13)
  lwz r15, 260(r13)
${t.check("stfs of a denormal", "r15", 1)}
  fcmpu cr1, f3, f2
  fcmpu cr2, f2, f2
  mfcr r15
  rlwinm r15, r15, 12, 24, 31
${t.check("comparisons", "r15", 0x82)}
  fsel f4, f3, f1, f2
  mfvsrd r15, vs4
${t.check("fsel", "r15", bits(2.5))}
`,
};

export const floatExceptions: SelfTest = {
  name: "floating-point exceptions",
  environment: "real",
  source: (t) => `
${exceptional.map((o) => operation(t, o)).join("\n")}
${clear}
${t.load("r14", quiet)}
  mtvsrd vs1, r14
  fcmpu cr1, f1, f1
  mffs f5
  fcmpo cr2, f1, f1
  mffs f6
  mfcr r15
  rlwinm r15, r15, 12, 24, 31
${t.check("unordered", "r15", 0x11)}
  mfvsrd r16, vs5
${t.check("fcmpu of a quiet NaN: FPSCR", "r16", 0x1000)}
  mfvsrd r16, vs6
${t.check("fcmpo of a quiet NaN: FPSCR", "r16", FX | VX | VXVC | 0x1000n)}
# Exceptions that are enabled, but not by MSR[FE0] and [FE1]: results are those of enabled exceptions.
${operation(t, {
  what: "overflow, enabled",
  code: "  mtfsb1 25\n  fadd f4, f1, f1",
  operands: [bits(Number.MAX_VALUE)],
  result: 0x1fffffffffffffffn,
  fpscr: FX | FEX | OX | OE | FPRF.positive,
})}
${operation(t, {
  what: "underflow, enabled",
  code: "  mtfsb1 26\n  fmul f4, f1, f2",
  operands: [bits(2 ** -1022), bits(2 ** -10)],
  result: bits(2 ** (1536 - 1032)),
  fpscr: FX | FEX | UX | UE | FPRF.positive,
})}
# With MSR[FE0] and [FE1] they interrupt.
${clear}
  mtfsb1 25
${t.load("r14", bits(Number.MAX_VALUE))}
  mtvsrd vs1, r14
${t.fault({
  what: "overflow",
  before: `  mfmsr r14\n  ori r14, r14, ${MSR.FE0 | MSR.FE1}\n  mtmsrd r14`,
  code: "  fadd f4, f1, f1",
  vector: 0x700,
  cause: 0x100000n,
  msr: t.msr | MSR.FE0 | MSR.FE1,
  resumeMsr: t.msr,
})}
  mfvsrd r15, vs4
${t.check("result of that overflow", "r15", 0x1fffffffffffffffn)}
${clear}
  mtfsb1 24
${t.load("r14", signalling)}
  mtvsrd vs1, r14
  xxlxor vs4, vs4, vs4
${t.fault({
  what: "signalling NaN in a VSX instruction",
  before: `  mfmsr r14\n  ori r14, r14, ${MSR.FE0 | MSR.FE1}\n  mtmsrd r14`,
  code: "  xsadddp vs4, vs1, vs1",
  vector: 0x700,
  cause: 0x100000n,
  msr: t.msr | MSR.FE0 | MSR.FE1,
  resumeMsr: t.msr,
})}
  mfvsrd r15, vs4
${t.check("its target is left alone", "r15", 0)}
${clear}
`,
};
