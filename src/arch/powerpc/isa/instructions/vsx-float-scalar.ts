/** VSX scalar arithmetic and comparison. Source: Power ISA v3.0B, Book I "VSX Floating-Point Instructions". */
import { MulAdd } from "../float-forms.js";
import { compareDoubles, mulAdd, operate, floatOperations as operations } from "../float-inline.js";
import type { InsnDefinition } from "../insn.js";
import { inline2, inline3, scalar2, scalar3, scalarOf, xx2Cr, xx3, xx3Cr } from "../vsx-float-forms.js";

/** The a form adds XT to XA * XB, the m form XB to XA * XT. `xo` is the a form's; the m form's is 8 more. */
function multiplyAdd(name: string, suffix: "dp" | "sp", xo: number, kind: number): InsnDefinition[] {
  const operation = mulAdd(suffix === "sp", kind);
  const form = (letter: "a" | "m") =>
    xx3(`${name}${letter}${suffix}`, letter === "a" ? xo : xo + 8, (m, o) => {
      const t = m.double(o.xt);
      const b = m.double(o.xb);
      const [factor, addend] = letter === "a" ? [b, t] : [t, b];
      operate(m, operation, [m.double(o.xa), factor, addend], (r) => m.setDouble(o.xt, r));
    });
  return [form("a"), form("m")];
}

const extremum = (name: string, xo: number, kind: number) =>
  scalar3(name, xo, (m, a, b) => m.call("float64Extremum", a, b, m.i32.const(kind)));

const compareMask = (name: string, xo: number, relation: number) =>
  scalar3(name, xo, (m, a, b) => m.call("float64CompareMask", a, b, m.i32.const(relation)));

const compare = (name: string, xo: number, ordered: number) =>
  xx3Cr(name, xo, (m, o) => compareDoubles(m, o.bf, m.double(o.xa), m.double(o.xb), ordered));

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
  inline3("xsadddp", 32, operations.add),
  inline3("xssubdp", 40, operations.sub),
  inline3("xsmuldp", 48, operations.mul),
  inline3("xsdivdp", 56, operations.div),
  inline3("xsaddsp", 0, operations.adds),
  inline3("xssubsp", 8, operations.subs),
  inline3("xsmulsp", 16, operations.muls),
  inline3("xsdivsp", 24, operations.divs),
  inline2("xssqrtdp", 75, operations.sqrt),
  inline2("xssqrtsp", 11, operations.sqrts),
  scalar2("xsredp", 90, (m, b) => m.call("float64Reciprocal", b)),
  scalar2("xsresp", 26, (m, b) => m.call("float32Reciprocal", b)),
  scalar2("xsrsqrtedp", 74, (m, b) => m.call("float64ReciprocalRoot", b)),
  scalar2("xsrsqrtesp", 10, (m, b) => m.call("float32ReciprocalRoot", b)),
  ...multiplyAdd("xsmadd", "dp", 33, MulAdd.add),
  ...multiplyAdd("xsmsub", "dp", 49, MulAdd.subtract),
  ...multiplyAdd("xsnmadd", "dp", 161, MulAdd.negativeAdd),
  ...multiplyAdd("xsnmsub", "dp", 177, MulAdd.negativeSubtract),
  ...multiplyAdd("xsmadd", "sp", 1, MulAdd.add),
  ...multiplyAdd("xsmsub", "sp", 17, MulAdd.subtract),
  ...multiplyAdd("xsnmadd", "sp", 129, MulAdd.negativeAdd),
  ...multiplyAdd("xsnmsub", "sp", 145, MulAdd.negativeSubtract),
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
