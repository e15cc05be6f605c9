/**
 * VSX instructions on signs, exponents, significands and classes: no arithmetic, no exceptions.
 * Source: Power ISA v3.0B, Book I "VSX Floating-Point Instructions".
 */
import { SIGN64, vsx } from "../float-forms.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { I64, Machine, V128 } from "../machine.js";
import { bits } from "../vector-forms.js";
import { splat } from "../vector-lanes.js";
import { scalar2, scalar3, scalarOf, vector2, vector3 } from "../vsx-float-forms.js";

const MAGNITUDE64 = SIGN64 - 1n;
const signs = (m: Machine, width: 32 | 64): V128 => splat(m, width, 1n << BigInt(width - 1));

/** The four sign operations of one precision's vectors. */
function vectorSigns(suffix: "dp" | "sp", width: 32 | 64, xo: number): InsnDefinition[] {
  return [
    vector2(`xvabs${suffix}`, 409 + xo, (m, b) => m.v128.andnot(b, signs(m, width))),
    vector2(`xvnabs${suffix}`, 425 + xo, (m, b) => m.v128.or(b, signs(m, width))),
    vector2(`xvneg${suffix}`, 441 + xo, (m, b) => m.v128.xor(b, signs(m, width))),
    vector3(`xvcpsgn${suffix}`, 208 + xo / 2, (m, a, b) => m.v128.bitselect(a, b, signs(m, width))),
  ];
}

const EXPONENT64 = 0x7ff0000000000000n;
const FRACTION64 = 0x000fffffffffffffn;

/** The significand with its implicit bit: set but for zeros, denormals, infinities and NaNs. */
function significand64(m: Machine, b: I64): I64 {
  const { i32, i64 } = m;
  const exponent = i64.and(b, i64.const(EXPONENT64));
  const finite = i64.ne(exponent, i64.const(EXPONENT64));
  const normal = i32.and(i64.ne(exponent, i64.const(0)), finite);
  return i64.or(i64.and(b, i64.const(FRACTION64)), i64.shl(i64.extendU(normal), i64.const(52)));
}

/** XX2-form with a GPR for the target. */
function toGpr(name: string, second: number, f: (m: Machine, b: I64) => I64): InsnDefinition {
  return insn(name, `111100 rt:5 ${bits(second, 5)} xb:5 101011011 xb:1@5 -` as "rt:5 xb:5", "rt, xb", vsx, (m, o) =>
    m.setGpr(o.rt, f(m, scalarOf(m, o.xb))),
  );
}

/** The exponent of one GPR into the sign and significand of another. */
export const xsiexpdp = insn("xsiexpdp", "111100 xt:5 ra:5 rb:5 1110010110 xt:1@5", "xt, ra, rb", vsx, (m, o) => {
  const { i64 } = m;
  const exponent = i64.shl(i64.and(m.gpr(o.rb), i64.const(0x7ff)), i64.const(52));
  const rest = i64.and(m.gpr(o.ra), i64.const(SIGN64 | FRACTION64));
  m.setVsr(o.xt, m.v128.make(i64.or(rest, exponent), i64.const(0)));
});

/** Each lane's exponent field, right-justified. */
function exponents(m: Machine, width: 32 | 64, b: V128): V128 {
  const magnitude = m.v128.andnot(b, signs(m, width));
  return width === 64 ? m.i64x2.shrU(magnitude, m.i32.const(52)) : m.i32x4.shrU(magnitude, m.i32.const(23));
}
function significands(m: Machine, width: 32 | 64, b: V128): V128 {
  const { v128 } = m;
  const implicit = width === 64 ? 1n << 52n : 1n << 23n;
  const top = width === 64 ? 0x7ffn : 0xffn;
  const lanes = width === 64 ? m.i64x2 : m.i32x4;
  const exponent = exponents(m, width, b);
  const special = v128.or(lanes.eq(exponent, v128.const(0n)), lanes.eq(exponent, splat(m, width, top)));
  const fraction = v128.and(b, splat(m, width, implicit - 1n));
  return v128.or(fraction, v128.andnot(splat(m, width, implicit), special));
}
function insertExponents(m: Machine, width: 32 | 64, a: V128, b: V128): V128 {
  const { v128 } = m;
  const field = width === 64 ? EXPONENT64 : 0x7f800000n;
  const shifted = width === 64 ? m.i64x2.shl(b, m.i32.const(52)) : m.i32x4.shl(b, m.i32.const(23));
  return v128.bitselect(shifted, a, splat(m, width, field));
}

/** CR field and FPCC: sign, and whether the class is one of DCMX. */
function testClass(name: string, xo: number, helper: "float64InClass" | "float32InClass"): InsnDefinition {
  return insn(name, `111100 bf:3 dcmx:7 xb:5 ${bits(xo, 9)} xb:1@5 -`, "bf, xb, dcmx", vsx, (m, o) => {
    const field = m.call(helper, scalarOf(m, o.xb), o.dcmx);
    m.call("floatSetFpcc", field);
    m.setCrField(o.bf, field);
  });
}
function testClasses(name: string, xo: string, helper: "float64x2InClass" | "float32x4InClass"): InsnDefinition {
  const pattern = `111100 xt:5 dcmx:5 xb:5 ${xo} dcmx:1@6 101 dcmx:1@5 xb:1@5 xt:1@5`;
  return insn(name, pattern as "xt:5 dcmx:5 xb:5", "xt, xb, dcmx", vsx, (m, o) =>
    m.setVsr(o.xt, m.call(helper, m.vsr(o.xb), o.dcmx)),
  );
}

export const vsxFloatFieldsInstructions = [
  scalar2("xsabsdp", 345, (m, b) => m.i64.and(b, m.i64.const(MAGNITUDE64))),
  scalar2("xsnabsdp", 361, (m, b) => m.i64.or(b, m.i64.const(SIGN64))),
  scalar2("xsnegdp", 377, (m, b) => m.i64.xor(b, m.i64.const(SIGN64))),
  scalar3("xscpsgndp", 176, (m, a, b) => {
    const sign = m.i64.and(a, m.i64.const(SIGN64));
    return m.i64.or(sign, m.i64.and(b, m.i64.const(MAGNITUDE64)));
  }),
  ...vectorSigns("dp", 64, 64),
  ...vectorSigns("sp", 32, 0),

  toGpr("xsxexpdp", 0, (m, b) => m.i64.and(m.i64.shrU(b, m.i64.const(52)), m.i64.const(0x7ff))),
  toGpr("xsxsigdp", 1, significand64),
  xsiexpdp,
  vector2("xvxexpdp", 475, (m, b) => exponents(m, 64, b), 0),
  vector2("xvxsigdp", 475, (m, b) => significands(m, 64, b), 1),
  vector2("xvxexpsp", 475, (m, b) => exponents(m, 32, b), 8),
  vector2("xvxsigsp", 475, (m, b) => significands(m, 32, b), 9),
  vector3("xviexpdp", 248, (m, a, b) => insertExponents(m, 64, a, b)),
  vector3("xviexpsp", 216, (m, a, b) => insertExponents(m, 32, a, b)),

  testClass("xststdcdp", 362, "float64InClass"),
  testClass("xststdcsp", 298, "float32InClass"),
  testClasses("xvtstdcdp", "1111", "float64x2InClass"),
  testClasses("xvtstdcsp", "1101", "float32x4InClass"),
];
