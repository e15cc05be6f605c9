/** VSX scalar arithmetic and comparison. Source: Power ISA v3.0B, Book I "VSX Floating-Point Instructions". */
import { MulAdd, settle, settleScalar } from "../float-forms.js";
import type { InsnDefinition } from "../insn.js";
import { scalar2, scalar3, scalarOf, xx2Cr, xx3, xx3Cr } from "../vsx-float-forms.js";

/** The a form adds XT to XA * XB, the m form XB to XA * XT. `xo` is the a form's; the m form's is 8 more. */
function multiplyAdd(
  name: string,
  suffix: "dp" | "sp",
  xo: number,
  kind: number,
  helper: "float64MulAdd" | "float32MulAdd",
): InsnDefinition[] {
  const form = (letter: "a" | "m") =>
    xx3(`${name}${letter}${suffix}`, letter === "a" ? xo : xo + 8, (m, o) => {
      const t = scalarOf(m, o.xt);
      const b = scalarOf(m, o.xb);
      const [factor, addend] = letter === "a" ? [b, t] : [t, b];
      settleScalar(m, o.xt, m.call(helper, scalarOf(m, o.xa), factor, addend, m.i32.const(kind)));
    });
  return [form("a"), form("m")];
}

const extremum = (name: string, xo: number, kind: number) =>
  scalar3(name, xo, (m, a, b) => m.call("float64Extremum", a, b, m.i32.const(kind)));

const compareMask = (name: string, xo: number, relation: number) =>
  scalar3(name, xo, (m, a, b) => m.call("float64CompareMask", a, b, m.i32.const(relation)));

const compare = (name: string, xo: number, ordered: number) =>
  xx3Cr(name, xo, (m, o) => {
    const field = m.call("float64Compare", scalarOf(m, o.xa), scalarOf(m, o.xb), m.i32.const(ordered));
    settle(m, () => m.setCrField(o.bf, field));
  });

/** Compares the exponents alone; unordered if either operand is a NaN. */
export const xscmpexpdp = xx3Cr("xscmpexpdp", 59, (m, o) => {
  const { i32, i64 } = m;
  const infinity = i64.const(0x7ff0000000000000n);
  const a = i64.and(scalarOf(m, o.xa), i64.const(0x7fffffffffffffffn));
  const b = i64.and(scalarOf(m, o.xb), i64.const(0x7fffffffffffffffn));
  const ea = i64.and(a, infinity);
  const eb = i64.and(b, infinity);
  const order = m.select(i64.ltU(ea, eb), i32.const(8), m.select(i64.gtU(ea, eb), i32.const(4), i32.const(2)));
  const unordered = i32.or(i64.gtU(a, infinity), i64.gtU(b, infinity));
  const field = m.select(unordered, i32.const(1), order);
  m.call("floatSetFpcc", field);
  m.setCrField(o.bf, field);
});

export const vsxFloatScalarInstructions = [
  scalar3("xsadddp", 32, (m, a, b) => m.call("float64Add", a, b)),
  scalar3("xssubdp", 40, (m, a, b) => m.call("float64Sub", a, b)),
  scalar3("xsmuldp", 48, (m, a, b) => m.call("float64Mul", a, b)),
  scalar3("xsdivdp", 56, (m, a, b) => m.call("float64Div", a, b)),
  scalar3("xsaddsp", 0, (m, a, b) => m.call("float32Add", a, b)),
  scalar3("xssubsp", 8, (m, a, b) => m.call("float32Sub", a, b)),
  scalar3("xsmulsp", 16, (m, a, b) => m.call("float32Mul", a, b)),
  scalar3("xsdivsp", 24, (m, a, b) => m.call("float32Div", a, b)),
  scalar2("xssqrtdp", 75, (m, b) => m.call("float64Sqrt", b)),
  scalar2("xssqrtsp", 11, (m, b) => m.call("float32Sqrt", b)),
  scalar2("xsredp", 90, (m, b) => m.call("float64Reciprocal", b)),
  scalar2("xsresp", 26, (m, b) => m.call("float32Reciprocal", b)),
  scalar2("xsrsqrtedp", 74, (m, b) => m.call("float64ReciprocalRoot", b)),
  scalar2("xsrsqrtesp", 10, (m, b) => m.call("float32ReciprocalRoot", b)),
  ...multiplyAdd("xsmadd", "dp", 33, MulAdd.add, "float64MulAdd"),
  ...multiplyAdd("xsmsub", "dp", 49, MulAdd.subtract, "float64MulAdd"),
  ...multiplyAdd("xsnmadd", "dp", 161, MulAdd.negativeAdd, "float64MulAdd"),
  ...multiplyAdd("xsnmsub", "dp", 177, MulAdd.negativeSubtract, "float64MulAdd"),
  ...multiplyAdd("xsmadd", "sp", 1, MulAdd.add, "float32MulAdd"),
  ...multiplyAdd("xsmsub", "sp", 17, MulAdd.subtract, "float32MulAdd"),
  ...multiplyAdd("xsnmadd", "sp", 129, MulAdd.negativeAdd, "float32MulAdd"),
  ...multiplyAdd("xsnmsub", "sp", 145, MulAdd.negativeSubtract, "float32MulAdd"),
  extremum("xsmaxdp", 160, 0),
  extremum("xsmindp", 168, 1),
  extremum("xsmaxcdp", 128, 2),
  extremum("xsmincdp", 136, 3),
  extremum("xsmaxjdp", 144, 4),
  extremum("xsminjdp", 152, 5),
  compareMask("xscmpeqdp", 3, 0),
  compareMask("xscmpgtdp", 11, 1),
  compareMask("xscmpgedp", 19, 2),
  compare("xscmpudp", 35, 0),
  compare("xscmpodp", 43, 1),
  xscmpexpdp,
  xx3Cr("xstdivdp", 61, (m, o) =>
    m.setCrField(o.bf, m.call("float64TestDivide", scalarOf(m, o.xa), scalarOf(m, o.xb))),
  ),
  xx2Cr("xstsqrtdp", 106, (m, o) => m.setCrField(o.bf, m.call("float64TestSqrt", scalarOf(m, o.xb)))),
];
