/**
 * Decimal floating point. Each instruction has a form for DFP long, in an FPR, and one for DFP extended, in an even-odd pair.
 * Source: Power ISA v3.0B, Book I "Decimal Floating-Point".
 */
import { float, settle } from "../float-forms.js";
import { type InsnDefinition, insn } from "../insn.js";
import { since } from "../levels.js";
import type { I32, I64, Machine, V128 } from "../machine.js";
import { bits } from "../vector-forms.js";

/** A number's format, as the helpers take it. */
const Format = { short: 0, long: 1, extended: 2 } as const;

/** One of the two forms: how its registers stand in the pattern and are read and written. */
interface Form {
  readonly quad: boolean;
  readonly opcode: string;
  readonly suffix: string;
  readonly format: (m: Machine) => I32;
}
const forms: readonly Form[] = [
  { quad: false, opcode: bits(59, 6), suffix: "", format: (m) => m.i32.const(Format.long) },
  { quad: true, opcode: bits(63, 6), suffix: "q", format: (m) => m.i32.const(Format.extended) },
];

/** The field of a register that is a pair in the quad form. */
const field = (quad: boolean, name: string) => (quad ? `${name}p:4*2 0` : `${name}:5`);
const operand = (quad: boolean, name: string) => (quad ? `${name}p` : name);

type Fields = Record<string, I32 | boolean>;
const i32 = (o: Fields, name: string) => o[name] as I32;

function read(m: Machine, o: Fields, quad: boolean, name: string): V128 {
  const n = i32(o, operand(quad, name));
  if (!quad) return m.v128.make(m.i64.const(0), m.fpr(n));
  return m.v128.make(m.fpr(n), m.fpr(m.i32.add(n, m.i32.const(1))));
}
function write(m: Machine, o: Fields, quad: boolean, value: V128): void {
  settle(
    m,
    () => {
      const n = i32(o, operand(quad, "frt"));
      if (quad) {
        m.setFpr(n, m.v128.high(value));
        m.setFpr(m.i32.add(n, m.i32.const(1)), m.v128.low(value));
      } else m.setFpr(n, m.v128.low(value));
    },
    o["rc"] as boolean,
  );
}

/** An instruction whose operands' names are known only when the form is. */
function define(
  name: string,
  pattern: string,
  operands: string,
  semantics: (m: Machine, o: Fields) => void,
): InsnDefinition {
  return insn(name, pattern, operands, float, semantics as never);
}

/** X-form with Rc: FRT from FRA and FRB. */
const arithmetic = (name: string, xo: number, operation: number) =>
  forms.map(({ quad, opcode, suffix, format }) =>
    define(
      name + suffix,
      `${opcode} ${field(quad, "frt")} ${field(quad, "fra")} ${field(quad, "frb")} ${bits(xo, 10)} rc?`,
      ["frt", "fra", "frb"].map((r) => operand(quad, r)).join(", "),
      (m, o) => {
        const [a, b] = [read(m, o, quad, "fra"), read(m, o, quad, "frb")];
        write(m, o, quad, m.call("decimalArithmetic", a, b, m.i32.const(operation), format(m)));
      },
    ),
  );

/** X-form: CR field BF from FRA and FRB. */
const compare = (name: string, xo: number, f: (m: Machine, a: V128, b: V128, format: I32) => I32) =>
  forms.map(({ quad, opcode, suffix, format }) =>
    define(
      name + suffix,
      `${opcode} bf:3 -:2 ${field(quad, "fra")} ${field(quad, "frb")} ${bits(xo, 10)} -`,
      `bf, ${operand(quad, "fra")}, ${operand(quad, "frb")}`,
      (m, o) => {
        const result = f(m, read(m, o, quad, "fra"), read(m, o, quad, "frb"), format(m));
        settle(m, () => m.setCrField(i32(o, "bf"), result));
      },
    ),
  );

/** Z22-form: CR field BF from FRA and a mask. */
const testMask = (name: string, xo: number, mask: string, helper: "decimalTestClass" | "decimalTestGroup") =>
  forms.map(({ quad, opcode, suffix, format }) =>
    define(
      name + suffix,
      `${opcode} bf:3 -:2 ${field(quad, "fra")} ${mask}:6 ${bits(xo, 9)} -`,
      `bf, ${operand(quad, "fra")}, ${mask}`,
      (m, o) => m.setCrField(i32(o, "bf"), m.call(helper, read(m, o, quad, "fra"), i32(o, mask), format(m))),
    ),
  );

/** Bits 58 to 63 of an FPR: a number of digits. */
const digitsIn = (m: Machine, fra: I32) => m.i32.and(m.i32.wrap(m.fpr(fra)), m.i32.const(63));

const testSignificance = forms.flatMap(({ quad, opcode, suffix, format }) => [
  define(
    `dtstsf${suffix}`,
    `${opcode} bf:3 -:2 fra:5 ${field(quad, "frb")} ${bits(674, 10)} -`,
    `bf, fra, ${operand(quad, "frb")}`,
    (m, o) => {
      const digits = digitsIn(m, i32(o, "fra"));
      m.setCrField(i32(o, "bf"), m.call("decimalTestSignificance", digits, read(m, o, quad, "frb"), format(m)));
    },
  ),
  define(
    `dtstsfi${suffix}`,
    `${opcode} bf:3 - uim:6 ${field(quad, "frb")} ${bits(675, 10)} -`,
    `bf, uim, ${operand(quad, "frb")}`,
    (m, o) =>
      m.setCrField(i32(o, "bf"), m.call("decimalTestSignificance", i32(o, "uim"), read(m, o, quad, "frb"), format(m))),
  ),
]);

/** RMC of the quantum adjustments, which is that of the roundings with R = 0: ties to even, toward zero, ties away, DRN. */
function modeOf(m: Machine, rmc: I32): I32 {
  // 0, 1, 4, 8 in four bits each.
  const { i32 } = m;
  return i32.and(i32.shrU(i32.const(0x8410), i32.shl(rmc, i32.const(2))), i32.const(15));
}
/** With R = 1: up, down, away from zero, ties toward zero. */
function modeOfRounding(m: Machine, r: I32, rmc: I32): I32 {
  const { i32 } = m;
  const modes = m.select(r, i32.const(0x5632), i32.const(0x8410));
  return i32.and(i32.shrU(modes, i32.shl(rmc, i32.const(2))), i32.const(15));
}

const adjustments = forms.flatMap(({ quad, opcode, suffix, format }) => {
  const [frt, frb] = [operand(quad, "frt"), operand(quad, "frb")];
  return [
    define(
      `dquai${suffix}`,
      `${opcode} ${field(quad, "frt")} te:s5 ${field(quad, "frb")} rmc:2 ${bits(67, 8)} rc?`,
      `te, ${frt}, ${frb}, rmc`,
      (m, o) => {
        const mode = modeOf(m, i32(o, "rmc"));
        const b = read(m, o, quad, "frb");
        write(m, o, quad, m.call("decimalQuantizeTo", i32(o, "te"), b, mode, format(m)));
      },
    ),
    define(
      `dqua${suffix}`,
      `${opcode} ${field(quad, "frt")} ${field(quad, "fra")} ${field(quad, "frb")} rmc:2 ${bits(3, 8)} rc?`,
      `${frt}, ${operand(quad, "fra")}, ${frb}, rmc`,
      (m, o) => {
        const mode = modeOf(m, i32(o, "rmc"));
        const [a, b] = [read(m, o, quad, "fra"), read(m, o, quad, "frb")];
        write(m, o, quad, m.call("decimalQuantize", a, b, mode, format(m)));
      },
    ),
    define(
      `drrnd${suffix}`,
      `${opcode} ${field(quad, "frt")} fra:5 ${field(quad, "frb")} rmc:2 ${bits(35, 8)} rc?`,
      `${frt}, fra, ${frb}, rmc`,
      (m, o) => {
        const digits = digitsIn(m, i32(o, "fra"));
        const b = read(m, o, quad, "frb");
        write(m, o, quad, m.call("decimalReround", digits, b, modeOf(m, i32(o, "rmc")), format(m)));
      },
    ),
    ...(
      [
        ["drintx", 99, 1],
        ["drintn", 227, 0],
      ] as const
    ).map(([name, xo, inexact]) =>
      define(
        name + suffix,
        `${opcode} ${field(quad, "frt")} -:4 r:1 ${field(quad, "frb")} rmc:2 ${bits(xo, 8)} rc?`,
        `r, ${frt}, ${frb}, rmc`,
        (m, o) => {
          const mode = modeOfRounding(m, i32(o, "r"), i32(o, "rmc"));
          const b = read(m, o, quad, "frb");
          write(m, o, quad, m.call("decimalToIntegral", b, mode, m.i32.const(inexact), format(m)));
        },
      ),
    ),
  ];
});

/** X-form with Rc, FRT from FRB, each in a format of its own. */
function convert(
  name: string,
  quadForm: boolean,
  xo: number,
  target: boolean,
  source: boolean,
  f: (m: Machine, b: V128) => V128,
): InsnDefinition {
  return define(
    name,
    `${bits(quadForm ? 63 : 59, 6)} ${field(target, "frt")} -:5 ${field(source, "frb")} ${bits(xo, 10)} rc?`,
    `${operand(target, "frt")}, ${operand(source, "frb")}`,
    (m, o) => write(m, o, target, f(m, read(m, o, source, "frb"))),
  );
}
const between = (from: number, to: number) => (m: Machine, b: V128) =>
  m.call("decimalConvert", b, m.i32.const(from), m.i32.const(to));
const low = (m: Machine, value: I64) => m.v128.make(m.i64.const(0), value);

const conversions = [
  convert("dctdp", false, 258, false, false, between(Format.short, Format.long)),
  convert("dctqpq", true, 258, true, false, between(Format.long, Format.extended)),
  convert("drsp", false, 770, false, false, between(Format.long, Format.short)),
  // The number is in the pair's first register; the second is undefined, and cleared here.
  convert("drdpq", true, 770, true, true, (m, b) =>
    m.v128.make(m.v128.low(between(Format.extended, Format.long)(m, b)), m.i64.const(0)),
  ),
  ...forms.flatMap(({ quad, suffix, format }) => [
    convert(`dcffix${suffix}`, quad, 802, quad, false, (m, b) =>
      m.call("decimalFromInteger", m.v128.low(b), format(m)),
    ),
    convert(`dctfix${suffix}`, quad, 290, false, quad, (m, b) => low(m, m.call("decimalToInteger", b, format(m)))),
    convert(`dxex${suffix}`, quad, 354, false, quad, (m, b) => low(m, m.call("decimalExtractExponent", b, format(m)))),
  ]),
];

/** v3.1's, from and to integers of 128 bits in a VR. Without Rc. */
const integers128 = since("3.1", [
  insn("dcffixqq", "111111 frtp:4*2 0 00000 vrb:5 1111100010 -", "frtp, vrb", float, (m, o) =>
    write(m, { frtp: o.frtp }, true, m.call("decimalFromInteger128", m.vr(o.vrb))),
  ),
  insn("dctfixqq", "111111 vrt:5 00001 frbp:4*2 0 1111100010 -", "vrt, frbp", float, (m, o) => {
    const value = m.call("decimalToInteger128", read(m, { frbp: o.frbp }, true, "frb"));
    settle(m, () => m.setVr(o.vrt, value));
  }),
]);

const formats = forms.flatMap(({ quad, opcode, suffix, format }) => {
  const [frt, fra, frb] = [operand(quad, "frt"), operand(quad, "fra"), operand(quad, "frb")];
  const shift = (name: string, xo: number, signed: (m: Machine, sh: I32) => I32) =>
    define(
      name + suffix,
      `${opcode} ${field(quad, "frt")} ${field(quad, "fra")} sh:6 ${bits(xo, 9)} rc?`,
      `${frt}, ${fra}, sh`,
      (m, o) => write(m, o, quad, m.call("decimalShift", read(m, o, quad, "fra"), signed(m, i32(o, "sh")), format(m))),
    );
  return [
    define(
      `ddedpd${suffix}`,
      `${opcode} ${field(quad, "frt")} sp:2 -:3 ${field(quad, "frb")} ${bits(322, 10)} rc?`,
      `sp, ${frt}, ${frb}`,
      (m, o) => write(m, o, quad, m.call("decimalToPacked", read(m, o, quad, "frb"), i32(o, "sp"), format(m))),
    ),
    define(
      `denbcd${suffix}`,
      `${opcode} ${field(quad, "frt")} s:1 -:4 ${field(quad, "frb")} ${bits(834, 10)} rc?`,
      `s, ${frt}, ${frb}`,
      (m, o) => write(m, o, quad, m.call("decimalFromPacked", read(m, o, quad, "frb"), i32(o, "s"), format(m))),
    ),
    define(
      `diex${suffix}`,
      `${opcode} ${field(quad, "frt")} fra:5 ${field(quad, "frb")} ${bits(866, 10)} rc?`,
      `${frt}, fra, ${frb}`,
      (m, o) => {
        const exponent = m.fpr(i32(o, "fra"));
        write(m, o, quad, m.call("decimalInsertExponent", exponent, read(m, o, quad, "frb"), format(m)));
      },
    ),
    shift("dscli", 66, (_, sh) => sh),
    shift("dscri", 98, (m, sh) => m.i32.neg(sh)),
  ];
});

export const decimalFloatInstructions = [
  ...arithmetic("dadd", 2, 0),
  ...arithmetic("dsub", 514, 1),
  ...arithmetic("dmul", 34, 2),
  ...arithmetic("ddiv", 546, 3),
  ...compare("dcmpu", 642, (m, a, b, format) => m.call("decimalCompare", a, b, m.i32.const(0), format)),
  ...compare("dcmpo", 130, (m, a, b, format) => m.call("decimalCompare", a, b, m.i32.const(1), format)),
  ...compare("dtstex", 162, (m, a, b, format) => m.call("decimalTestExponent", a, b, format)),
  ...testMask("dtstdc", 194, "dcm", "decimalTestClass"),
  ...testMask("dtstdg", 226, "dgm", "decimalTestGroup"),
  ...testSignificance,
  ...adjustments,
  ...conversions,
  ...integers128,
  ...formats,
];
