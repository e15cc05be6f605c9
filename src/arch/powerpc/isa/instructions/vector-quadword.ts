/**
 * 128-bit addition, subtraction and multiplication by 10.
 * Source: Power ISA v3.0B, Book I "Vector Integer Add Instructions", "Vector Integer Subtract Instructions",
 * "Vector Multiply-by-10 Instructions".
 */
import { highProduct } from "../../../../semantics/products.js";
import { insn } from "../insn.js";
import type { I64, Machine, V128 } from "../machine.js";
import { va, vx } from "../vector-forms.js";
import { addQuadword } from "../vector-lanes.js";

const zero = (m: Machine) => m.i64.const(0);
const one = (m: Machine) => m.i64.const(1);
const bit127 = (m: Machine, c: V128) => m.i64.and(m.v128.low(c), one(m));
const number = (m: Machine, value: I64) => m.v128.make(zero(m), value);

export const vadduqm = vx("vadduqm", 256, (m, a, b) => addQuadword(m, a, b, zero(m)).sum);
export const vaddcuq = vx("vaddcuq", 320, (m, a, b) => number(m, addQuadword(m, a, b, zero(m)).carry));
export const vaddeuqm = va("vaddeuqm", 60, (m, a, b, c) => addQuadword(m, a, b, bit127(m, c)).sum);
export const vaddecuq = va("vaddecuq", 61, (m, a, b, c) => number(m, addQuadword(m, a, b, bit127(m, c)).carry));

export const vsubuqm = vx("vsubuqm", 1280, (m, a, b) => addQuadword(m, a, m.v128.not(b), one(m)).sum);
export const vsubcuq = vx("vsubcuq", 1344, (m, a, b) => number(m, addQuadword(m, a, m.v128.not(b), one(m)).carry));
export const vsubeuqm = va("vsubeuqm", 62, (m, a, b, c) => addQuadword(m, a, m.v128.not(b), bit127(m, c)).sum);
export const vsubecuq = va("vsubecuq", 63, (m, a, b, c) =>
  number(m, addQuadword(m, a, m.v128.not(b), bit127(m, c)).carry),
);

/** a * 10 + digit: the low 128 bits, and what is above them. */
function timesTen(m: Machine, a: V128, digit: I64): { product: V128; carry: I64 } {
  const { i64, v128 } = m;
  const ten = i64.const(10);
  const high = v128.make(i64.mul(v128.high(a), ten), i64.mul(v128.low(a), ten));
  const carried = v128.make(highProduct(m, v128.low(a), ten), digit);
  const { sum, carry } = addQuadword(m, high, carried, zero(m));
  return { product: sum, carry: i64.add(highProduct(m, v128.high(a), ten), carry) };
}

/** The decimal digit in VRB[124:127]. */
const digitOf = (m: Machine, b: V128) => m.i64.and(m.v128.low(b), m.i64.const(15));

export const vmul10uq = insn(
  "vmul10uq",
  "000100 vrt:5 vra:5 -:5 01000000001",
  "vrt, vra",
  { facility: "vector" },
  (m, o) => m.setVr(o.vrt, timesTen(m, m.vr(o.vra), zero(m)).product),
);
export const vmul10cuq = insn(
  "vmul10cuq",
  "000100 vrt:5 vra:5 -:5 00000000001",
  "vrt, vra",
  { facility: "vector" },
  (m, o) => m.setVr(o.vrt, number(m, timesTen(m, m.vr(o.vra), zero(m)).carry)),
);
export const vmul10euq = vx("vmul10euq", 577, (m, a, b) => timesTen(m, a, digitOf(m, b)).product);
export const vmul10ecuq = vx("vmul10ecuq", 65, (m, a, b) => number(m, timesTen(m, a, digitOf(m, b)).carry));

export const vectorQuadwordInstructions = [
  vadduqm,
  vaddcuq,
  vaddeuqm,
  vaddecuq,
  vsubuqm,
  vsubcuq,
  vsubeuqm,
  vsubecuq,
  vmul10uq,
  vmul10cuq,
  vmul10euq,
  vmul10ecuq,
];
