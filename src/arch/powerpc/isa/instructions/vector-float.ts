/** VMX floating point. Source: Power ISA v3.0B, Book I "Vector Floating-Point Instructions". */
import { MulAdd, Rounding } from "../float-forms.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { I32, Machine, V128 } from "../machine.js";
import { bits, vx, vxUnary } from "../vector-forms.js";
import { recordCr6 } from "./vector-compare.js";

const vector = { facility: "vector" } as const;

const arithmetic = (name: string, xo: number, operation: number) =>
  vx(name, xo, (m, a, b) => m.call("vmxArithmetic", a, b, m.i32.const(operation)));
const unary = (name: string, xo: number, operation: number) =>
  vxUnary(name, xo, (m, b) => m.call("vmxUnary", b, m.i32.const(operation)));

/** VA-form: VRA * VRC + VRB. */
function multiplyAdd(name: string, xo: number, kind: number): InsnDefinition {
  return insn(name, `000100 vrt:5 vra:5 vrb:5 vrc:5 ${bits(xo, 6)}`, "vrt, vra, vrc, vrb", vector, (m, o) =>
    m.setVr(o.vrt, m.call("vmxMulAdd", m.vr(o.vra), m.vr(o.vrc), m.vr(o.vrb), m.i32.const(kind))),
  );
}

/** VX-form with a power of 2 in the place of VRA. */
function convert(name: string, xo: number, f: (m: Machine, b: V128, uim: I32) => V128): InsnDefinition {
  return insn(name, `000100 vrt:5 uim:5 vrb:5 ${bits(xo, 11)}`, "vrt, vrb, uim", vector, (m, o) =>
    m.setVr(o.vrt, f(m, m.vr(o.vrb), o.uim)),
  );
}

function compare(name: string, xo: number, relation: number): InsnDefinition {
  return insn(name, `000100 vrt:5 vra:5 vrb:5 rc? ${bits(xo, 10)}`, "vrt, vra, vrb", vector, (m, o) => {
    const mask = m.call("vmxCompare", m.vr(o.vra), m.vr(o.vrb), m.i32.const(relation));
    m.setVr(o.vrt, mask);
    if (!o.rc) return;
    // Bounds give two bits a lane, and CR6 says only whether all are within.
    if (relation !== 3) recordCr6(m, mask);
    else m.setCrField(m.i32.const(6), m.i32.shl(m.i32.eqz(m.v128.anyTrue(mask)), m.i32.const(1)));
  });
}

export const vectorFloatInstructions = [
  arithmetic("vaddfp", 10, 0),
  arithmetic("vsubfp", 74, 1),
  arithmetic("vmaxfp", 1034, 4),
  arithmetic("vminfp", 1098, 5),
  multiplyAdd("vmaddfp", 46, MulAdd.add),
  multiplyAdd("vnmsubfp", 47, MulAdd.negativeSubtract),
  unary("vrefp", 266, 1),
  unary("vrsqrtefp", 330, 2),
  unary("vlogefp", 458, 3),
  unary("vexptefp", 394, 4),
  unary("vrfin", 522, 8 + Rounding.nearestEven),
  unary("vrfiz", 586, 8 + Rounding.towardZero),
  unary("vrfip", 650, 8 + Rounding.up),
  unary("vrfim", 714, 8 + Rounding.down),
  convert("vcfux", 778, (m, b, uim) => m.call("vmxFromInteger", b, uim, m.i32.const(1))),
  convert("vcfsx", 842, (m, b, uim) => m.call("vmxFromInteger", b, uim, m.i32.const(0))),
  convert("vctuxs", 906, (m, b, uim) => m.call("vmxToInteger", b, uim, m.i32.const(1))),
  convert("vctsxs", 970, (m, b, uim) => m.call("vmxToInteger", b, uim, m.i32.const(0))),
  compare("vcmpeqfp", 198, 0),
  compare("vcmpgtfp", 710, 1),
  compare("vcmpgefp", 454, 2),
  compare("vcmpbfp", 966, 3),
];
