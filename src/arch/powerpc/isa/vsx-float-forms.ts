/**
 * Instruction forms of VSX floating point. Numbers are the extended opcodes as the manual prints them.
 * Source: Power ISA v3.0B, Book I "Vector-Scalar Extension Facility".
 */
import { settleScalar, settleVsr, vsx } from "./float-forms.js";
import { type FloatOperation, operate } from "./float-inline.js";
import { type InsnDefinition, insn } from "./insn.js";
import type { I32, I64, Machine, V128 } from "./machine.js";
import { bits } from "./vector-forms.js";

type Three = { readonly xt: I32; readonly xa: I32; readonly xb: I32 };
type Two = { readonly xt: I32; readonly xb: I32 };

/** XX3-form: XT, XA, XB. */
export function xx3(name: string, xo: number, f: (m: Machine, o: Three) => void): InsnDefinition {
  return insn(name, `111100 xt:5 xa:5 xb:5 ${bits(xo, 8)} xa:1@5 xb:1@5 xt:1@5`, "xt, xa, xb", vsx, f);
}
/** XX2-form: XT, XB; `second` is an extended opcode in the place of RA. */
export function xx2(name: string, xo: number, f: (m: Machine, o: Two) => void, second?: number): InsnDefinition {
  const field = second === undefined ? "-:5" : bits(second, 5);
  return insn(name, `111100 xt:5 ${field} xb:5 ${bits(xo, 9)} xb:1@5 xt:1@5` as "xt:5 xb:5", "xt, xb", vsx, f);
}
/** XX3-form with a CR field for the target. */
export function xx3Cr(name: string, xo: number, f: (m: Machine, o: { bf: I32; xa: I32; xb: I32 }) => void) {
  return insn(name, `111100 bf:3 -:2 xa:5 xb:5 ${bits(xo, 8)} xa:1@5 xb:1@5 -`, "bf, xa, xb", vsx, f);
}
/** XX2-form with a CR field for the target. */
export function xx2Cr(name: string, xo: number, f: (m: Machine, o: { bf: I32; xb: I32 }) => void): InsnDefinition {
  return insn(name, `111100 bf:3 -:2 -:5 xb:5 ${bits(xo, 9)} xb:1@5 -`, "bf, xb", vsx, f);
}

/** Doubleword 0 of a VSR: where a scalar stands. */
export const scalarOf = (m: Machine, number: I32): I64 => m.fpr(number);

/** XX3-form on scalars. */
export const scalar3 = (name: string, xo: number, f: (m: Machine, a: I64, b: I64) => I64): InsnDefinition =>
  xx3(name, xo, (m, o) => settleScalar(m, o.xt, f(m, scalarOf(m, o.xa), scalarOf(m, o.xb))));
/** XX2-form on scalars. */
export const scalar2 = (name: string, xo: number, f: (m: Machine, b: I64) => I64, second?: number): InsnDefinition =>
  xx2(name, xo, (m, o) => settleScalar(m, o.xt, f(m, scalarOf(m, o.xb))), second);
/** XX3-form on scalars, in line. */
export const inline3 = (name: string, xo: number, operation: FloatOperation): InsnDefinition =>
  xx3(name, xo, (m, o) => operate(m, operation, [m.double(o.xa), m.double(o.xb)], (r) => m.setDouble(o.xt, r)));
/** XX2-form on scalars, in line. */
export const inline2 = (name: string, xo: number, operation: FloatOperation): InsnDefinition =>
  xx2(name, xo, (m, o) => operate(m, operation, [m.double(o.xb)], (r) => m.setDouble(o.xt, r)));
/** XX3-form on vectors. */
export const vector3 = (name: string, xo: number, f: (m: Machine, a: V128, b: V128) => V128): InsnDefinition =>
  xx3(name, xo, (m, o) => settleVsr(m, o.xt, f(m, m.vsr(o.xa), m.vsr(o.xb))));
/** XX2-form on vectors. */
export const vector2 = (name: string, xo: number, f: (m: Machine, b: V128) => V128, second?: number): InsnDefinition =>
  xx2(name, xo, (m, o) => settleVsr(m, o.xt, f(m, m.vsr(o.xb))), second);
