/** Quad precision. Source: Power ISA v3.0B, Book I "VSX Floating-Point Instructions". */
import { fpscrLow, MulAdd, SIGN64, settle, ToInteger, vsx } from "../float-forms.js";
import { type InsnDefinition, insn } from "../insn.js";
import { since } from "../levels.js";
import type { I32, I64, Machine, V128 } from "../machine.js";
import { bits } from "../vector-forms.js";

const settleVr = (m: Machine, vrt: I32, value: V128): void => settle(m, () => m.setVr(vrt, value));

/** X-form: VRT, VRA, VRB. The o forms round to odd. */
function arithmetic(name: string, xo: number, operation: number): InsnDefinition {
  return insn(name, `111111 vrt:5 vra:5 vrb:5 ${bits(xo, 10)} oe?`, "vrt, vra, vrb", vsx, (m, o) => {
    const odd = m.i32.const(o.oe ? 1 : 0);
    settleVr(m, o.vrt, m.call("float128Arithmetic", m.vr(o.vra), m.vr(o.vrb), m.i32.const(operation), odd));
  });
}
function multiplyAdd(name: string, xo: number, kind: number): InsnDefinition {
  return insn(name, `111111 vrt:5 vra:5 vrb:5 ${bits(xo, 10)} oe?`, "vrt, vra, vrb", vsx, (m, o) => {
    const odd = m.i32.const(o.oe ? 1 : 0);
    const r = m.call("float128MulAdd", m.vr(o.vra), m.vr(o.vrb), m.vr(o.vrt), m.i32.const(kind), odd);
    settleVr(m, o.vrt, r);
  });
}
/** X-form with a second extended opcode in the place of VRA. */
function unary(name: string, xo: number, second: number, f: (m: Machine, b: V128) => V128): InsnDefinition {
  const pattern = `111111 vrt:5 ${bits(second, 5)} vrb:5 ${bits(xo, 10)} -`;
  return insn(name, pattern as "vrt:5 vrb:5", "vrt, vrb", vsx, (m, o) => settleVr(m, o.vrt, f(m, m.vr(o.vrb))));
}
function unaryOdd(name: string, xo: number, second: number, f: (m: Machine, b: V128, odd: I32) => V128) {
  const pattern = `111111 vrt:5 ${bits(second, 5)} vrb:5 ${bits(xo, 10)} oe?`;
  return insn(name, pattern as "vrt:5 vrb:5 oe?", "vrt, vrb", vsx, (m, o) =>
    settleVr(m, o.vrt, f(m, m.vr(o.vrb), m.i32.const(o.oe ? 1 : 0))),
  );
}
const upper = (m: Machine, value: I64): V128 => m.v128.make(value, m.i64.const(0));
const toInteger = (name: string, second: number, kind: number) =>
  unary(name, 836, second, (m, b) => upper(m, m.call("float128ToInteger", b, m.i32.const(kind))));
const fromInteger = (name: string, second: number, unsigned: number) =>
  unary(name, 836, second, (m, b) => m.call("float128FromInteger", m.v128.high(b), m.i32.const(unsigned)));

function compare(name: string, xo: number, ordered: number): InsnDefinition {
  return insn(name, `111111 bf:3 -:2 vra:5 vrb:5 ${bits(xo, 10)} -`, "bf, vra, vrb", vsx, (m, o) => {
    const field = m.call("float128Compare", m.vr(o.vra), m.vr(o.vrb), m.i32.const(ordered));
    settle(m, () => m.setCrField(o.bf, field));
  });
}

const SIGN128 = 1n << 127n;
const EXPONENT_HIGH = 0x7fff000000000000n;

/** 1 if a NaN. */
function isNaN128(m: Machine, a: V128): I32 {
  const { i32, i64 } = m;
  const high = i64.and(m.v128.high(a), i64.const(SIGN64 - 1n));
  const top = i64.const(EXPONENT_HIGH);
  return i32.or(i64.gtU(high, top), i32.and(i64.eq(high, top), i64.ne(m.v128.low(a), i64.const(0))));
}

/** Compares the exponents alone; unordered if either operand is a NaN. */
export const xscmpexpqp = insn(
  "xscmpexpqp",
  "111111 bf:3 -:2 vra:5 vrb:5 0010100100 -",
  "bf, vra, vrb",
  vsx,
  (m, o) => {
    const { i32, i64 } = m;
    const a = m.vr(o.vra);
    const b = m.vr(o.vrb);
    const ea = i64.and(m.v128.high(a), i64.const(EXPONENT_HIGH));
    const eb = i64.and(m.v128.high(b), i64.const(EXPONENT_HIGH));
    const order = m.select(i64.ltU(ea, eb), i32.const(8), m.select(i64.gtU(ea, eb), i32.const(4), i32.const(2)));
    const field = m.select(i32.or(isNaN128(m, a), isNaN128(m, b)), i32.const(1), order);
    m.call("floatSetFpcc", field);
    m.setCrField(o.bf, field);
  },
);

export const xststdcqp = insn("xststdcqp", "111111 bf:3 dcmx:7 vrb:5 1011000100 -", "bf, vrb, dcmx", vsx, (m, o) => {
  const { i32, i64 } = m;
  const b = m.vr(o.vrb);
  const sign = i32.shl(i64.ltS(m.v128.high(b), i64.const(0)), i32.const(3));
  const field = i32.or(sign, i32.shl(m.call("float128InClass", b, o.dcmx), i32.const(1)));
  m.call("floatSetFpcc", field);
  m.setCrField(o.bf, field);
});

/** What R and RMC ask for: R=0 nearest with ties away, or with RMC=3 the current mode; R=1 the mode RMC. */
function roundingMode(m: Machine, r: I32, rmc: I32): I32 {
  const { i32 } = m;
  const current = i32.and(fpscrLow(m), i32.const(3));
  const without = m.select(i32.eq(rmc, i32.const(3)), current, i32.const(4));
  return m.select(r, rmc, without);
}
function round(name: string, last: string, f: (m: Machine, b: V128, mode: I32) => V128): InsnDefinition {
  const pattern = `111111 vrt:5 - - - - r:1 vrb:5 rmc:2 ${last}`;
  return insn(name, pattern as "vrt:5 r:1 vrb:5 rmc:2", "r, vrt, vrb, rmc", vsx, (m, o) =>
    settleVr(m, o.vrt, f(m, m.vr(o.vrb), roundingMode(m, o.r, o.rmc))),
  );
}

export const xscpsgnqp = insn("xscpsgnqp", "111111 vrt:5 vra:5 vrb:5 0001100100 -", "vrt, vra, vrb", vsx, (m, o) =>
  m.setVr(o.vrt, m.v128.bitselect(m.vr(o.vra), m.vr(o.vrb), m.v128.const(SIGN128))),
);
/** The exponent of VRB's doubleword 0 into the sign and significand of VRA. */
export const xsiexpqp = insn("xsiexpqp", "111111 vrt:5 vra:5 vrb:5 1101100100 -", "vrt, vra, vrb", vsx, (m, o) => {
  const exponent = upper(m, m.i64.shl(m.v128.high(m.vr(o.vrb)), m.i64.const(48)));
  m.setVr(o.vrt, m.v128.bitselect(exponent, m.vr(o.vra), m.v128.const(EXPONENT_HIGH << 64n)));
});

function significand(m: Machine, b: V128): V128 {
  const { i32, i64 } = m;
  const exponent = i64.and(m.v128.high(b), i64.const(EXPONENT_HIGH));
  const normal = i32.and(i64.ne(exponent, i64.const(0)), i64.ne(exponent, i64.const(EXPONENT_HIGH)));
  const fraction = i64.and(m.v128.high(b), i64.const(0x0000ffffffffffffn));
  return m.v128.make(i64.or(fraction, i64.shl(i64.extendU(normal), i64.const(48))), m.v128.low(b));
}

/** X-form: VRT from VRA and VRB, by a helper that is told a number. */
const binary = (name: string, xo: number, helper: "float128CompareMask" | "float128Extremum", kind: number) =>
  insn(name, `111111 vrt:5 vra:5 vrb:5 ${bits(xo, 10)} -`, "vrt, vra, vrb", vsx, (m, o) =>
    settleVr(m, o.vrt, m.call(helper, m.vr(o.vra), m.vr(o.vrb), m.i32.const(kind))),
  );
const integer128 = (name: string, second: number, helper: "float128ToInteger128" | "float128FromInteger128") =>
  unary(name, 836, second, (m, b) => m.call(helper, b, m.i32.const(/uq/.test(name) ? 1 : 0)));

/** What v3.1 brought. */
const newer = since("3.1", [
  binary("xscmpeqqp", 68, "float128CompareMask", 0),
  binary("xscmpgtqp", 228, "float128CompareMask", 1),
  binary("xscmpgeqp", 196, "float128CompareMask", 2),
  binary("xsmaxcqp", 676, "float128Extremum", 0),
  binary("xsmincqp", 740, "float128Extremum", 1),
  integer128("xscvqpuqz", 0, "float128ToInteger128"),
  integer128("xscvqpsqz", 8, "float128ToInteger128"),
  integer128("xscvuqqp", 3, "float128FromInteger128"),
  integer128("xscvsqqp", 11, "float128FromInteger128"),
]);

const { unsigned, doubleword } = ToInteger;

export const vsxFloatQuadInstructions = [
  ...newer,
  arithmetic("xsaddqp", 4, 0),
  arithmetic("xssubqp", 516, 1),
  arithmetic("xsmulqp", 36, 2),
  arithmetic("xsdivqp", 548, 3),
  multiplyAdd("xsmaddqp", 388, MulAdd.add),
  multiplyAdd("xsmsubqp", 420, MulAdd.subtract),
  multiplyAdd("xsnmaddqp", 452, MulAdd.negativeAdd),
  multiplyAdd("xsnmsubqp", 484, MulAdd.negativeSubtract),
  unaryOdd("xssqrtqp", 804, 27, (m, b, odd) => m.call("float128Sqrt", b, odd)),
  unaryOdd("xscvqpdp", 836, 20, (m, b, odd) => upper(m, m.call("float128ToFloat64", b, odd))),
  unary("xscvdpqp", 836, 22, (m, b) => m.call("float64ToFloat128", m.v128.high(b))),
  toInteger("xscvqpsdz", 25, doubleword),
  toInteger("xscvqpswz", 9, 0),
  toInteger("xscvqpudz", 17, doubleword | unsigned),
  toInteger("xscvqpuwz", 1, unsigned),
  fromInteger("xscvsdqp", 10, 0),
  fromInteger("xscvudqp", 2, 1),
  compare("xscmpuqp", 644, 0),
  compare("xscmpoqp", 132, 1),
  xscmpexpqp,
  xststdcqp,
  round("xsrqpi", "00000101 0", (m, b, mode) => m.call("float128Round", b, mode, m.i32.const(0))),
  round("xsrqpix", "00000101 1", (m, b, mode) => m.call("float128Round", b, mode, m.i32.const(1))),
  round("xsrqpxp", "00100101 -", (m, b, mode) => m.call("float128RoundToExtended", b, mode)),
  unary("xsabsqp", 804, 0, (m, b) => m.v128.andnot(b, m.v128.const(SIGN128))),
  unary("xsnabsqp", 804, 8, (m, b) => m.v128.or(b, m.v128.const(SIGN128))),
  unary("xsnegqp", 804, 16, (m, b) => m.v128.xor(b, m.v128.const(SIGN128))),
  xscpsgnqp,
  xsiexpqp,
  unary("xsxexpqp", 804, 2, (m, b) =>
    upper(m, m.i64.and(m.i64.shrU(m.v128.high(b), m.i64.const(48)), m.i64.const(0x7fff))),
  ),
  unary("xsxsigqp", 804, 18, significand),
];
