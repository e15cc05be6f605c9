/** VSX vector arithmetic and comparison. Source: Power ISA v3.0B, Book I "VSX Floating-Point Instructions". */
import { MulAdd, settle, vsx } from "../float-forms.js";
import { type Lanes, multiplyAddVectors, operateVectors, squareRoots } from "../float-vector-inline.js";
import { type InsnDefinition, insn } from "../insn.js";
import { bits } from "../vector-forms.js";
import { vector2, vector3, xx2, xx2Cr, xx3, xx3Cr } from "../vsx-float-forms.js";
import { recordCr6 } from "./vector-compare.js";

const arithmetic = (name: string, xo: number, lanes: Lanes, operation: number) =>
  xx3(name, xo, (m, o) => operateVectors(m, lanes, operation, o.xt, m.vsr(o.xa), m.vsr(o.xb)));
const extremum = (name: string, xo: number, lanes: Lanes, operation: number) =>
  vector3(name, xo, (m, a, b) => m.call(`${lanes}Arithmetic`, a, b, m.i32.const(operation)));
const unary = (name: string, xo: number, lanes: Lanes, operation: number) =>
  vector2(name, xo, (m, b) => m.call(`${lanes}Unary`, b, m.i32.const(operation)));

/** The a form adds XT to XA * XB, the m form XB to XA * XT. `xo` is the a form's; the m form's is 8 more. */
function multiplyAdd(name: string, suffix: "dp" | "sp", xo: number, kind: number, lanes: Lanes): InsnDefinition[] {
  const form = (letter: "a" | "m") =>
    xx3(`${name}${letter}${suffix}`, letter === "a" ? xo : xo + 8, (m, o) => {
      const t = m.vsr(o.xt);
      const b = m.vsr(o.xb);
      const [factor, addend] = letter === "a" ? [b, t] : [t, b];
      multiplyAddVectors(m, lanes, kind, o.xt, m.vsr(o.xa), factor, addend);
    });
  return [form("a"), form("m")];
}

/** With Rc, CR6 is 8 if all compared true, 2 if none did. An enabled invalid operation leaves XT and CR6 alone. */
function compare(name: string, xo: number, lanes: Lanes, relation: number): InsnDefinition {
  const pattern = `111100 xt:5 xa:5 xb:5 rc? ${bits(xo, 7)} xa:1@5 xb:1@5 xt:1@5`;
  return insn(name, pattern as "xt:5 xa:5 xb:5 rc?", "xt, xa, xb", vsx, (m, o) => {
    const mask = m.call(`${lanes}Compare`, m.vsr(o.xa), m.vsr(o.xb), m.i32.const(relation));
    settle(m, () => {
      m.setVsr(o.xt, mask);
      if (o.rc) recordCr6(m, mask);
    });
  });
}

/** One precision's: the extended opcodes of binary64 lie 32 (in XX2-form 64) above those of binary32. */
function precision(suffix: "dp" | "sp", lanes: Lanes): InsnDefinition[] {
  const x3 = suffix === "dp" ? 32 : 0;
  const x2 = suffix === "dp" ? 64 : 0;
  return [
    arithmetic(`xvadd${suffix}`, 64 + x3, lanes, 0),
    arithmetic(`xvsub${suffix}`, 72 + x3, lanes, 1),
    arithmetic(`xvmul${suffix}`, 80 + x3, lanes, 2),
    arithmetic(`xvdiv${suffix}`, 88 + x3, lanes, 3),
    extremum(`xvmax${suffix}`, 192 + x3, lanes, 4),
    extremum(`xvmin${suffix}`, 200 + x3, lanes, 5),
    xx2(`xvsqrt${suffix}`, 139 + x2, (m, o) => squareRoots(m, lanes, o.xt, m.vsr(o.xb))),
    unary(`xvre${suffix}`, 154 + x2, lanes, 1),
    unary(`xvrsqrte${suffix}`, 138 + x2, lanes, 2),
    ...multiplyAdd("xvmadd", suffix, 65 + x3, MulAdd.add, lanes),
    ...multiplyAdd("xvmsub", suffix, 81 + x3, MulAdd.subtract, lanes),
    ...multiplyAdd("xvnmadd", suffix, 193 + x3, MulAdd.negativeAdd, lanes),
    ...multiplyAdd("xvnmsub", suffix, 209 + x3, MulAdd.negativeSubtract, lanes),
    compare(`xvcmpeq${suffix}`, 67 + x3, lanes, 0),
    compare(`xvcmpgt${suffix}`, 75 + x3, lanes, 1),
    compare(`xvcmpge${suffix}`, 83 + x3, lanes, 2),
    xx3Cr(`xvtdiv${suffix}`, 93 + x3, (m, o) =>
      m.setCrField(o.bf, m.call(`${lanes}TestDivide`, m.vsr(o.xa), m.vsr(o.xb))),
    ),
    xx2Cr(`xvtsqrt${suffix}`, 170 + x2, (m, o) => m.setCrField(o.bf, m.call(`${lanes}TestSqrt`, m.vsr(o.xb)))),
  ];
}

export const vsxFloatVectorInstructions = [...precision("dp", "float64x2"), ...precision("sp", "float32x4")];
