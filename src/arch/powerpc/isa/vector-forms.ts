/**
 * The instruction forms that most of the Vector Facility and of VSX share: registers in, one register out. The numbers
 * are the extended opcodes as the manual prints them in the instruction's diagram.
 * Source: Power ISA v3.0B, Book I "Vector Facility" and "Vector-Scalar Extension Facility".
 */
import { type InsnDefinition, insn } from "./insn.js";
import type { Machine, V128 } from "./machine.js";

const vector = { facility: "vector" } as const;
const vsx = { facility: "vsx" } as const;

type Unary = (m: Machine, b: V128) => V128;
type Binary = (m: Machine, a: V128, b: V128) => V128;
type Ternary = (m: Machine, a: V128, b: V128, c: V128) => V128;

/** An extended opcode as pattern bits. */
export const bits = (value: number, width: number): string => value.toString(2).padStart(width, "0");

/** VX-form: VRT from VRA and VRB. */
export function vx(name: string, xo: number, f: Binary): InsnDefinition {
  return insn(name, `000100 vrt:5 vra:5 vrb:5 ${bits(xo, 11)}`, "vrt, vra, vrb", vector, (m, o) =>
    m.setVr(o.vrt, f(m, m.vr(o.vra), m.vr(o.vrb))),
  );
}

/** VX-form with the VRA field reserved, or holding a second extended opcode: VRT from VRB. */
export function vxUnary(name: string, xo: number, f: Unary, second?: number): InsnDefinition {
  const field = second === undefined ? "-:5" : bits(second, 5);
  return insn(name, `000100 vrt:5 ${field} vrb:5 ${bits(xo, 11)}`, "vrt, vrb", vector, (m, o) =>
    m.setVr(o.vrt, f(m, m.vr(o.vrb))),
  );
}

/** VA-form: VRT from VRA, VRB and VRC. */
export function va(name: string, xo: number, f: Ternary): InsnDefinition {
  return insn(name, `000100 vrt:5 vra:5 vrb:5 vrc:5 ${bits(xo, 6)}`, "vrt, vra, vrb, vrc", vector, (m, o) =>
    m.setVr(o.vrt, f(m, m.vr(o.vra), m.vr(o.vrb), m.vr(o.vrc))),
  );
}

/** XX3-form: VSR[XT] from VSR[XA] and VSR[XB]. */
export function xx3(name: string, xo: number, f: Binary): InsnDefinition {
  return insn(name, `111100 xt:5 xa:5 xb:5 ${bits(xo, 8)} xa:1@5 xb:1@5 xt:1@5`, "xt, xa, xb", vsx, (m, o) =>
    m.setVsr(o.xt, f(m, m.vsr(o.xa), m.vsr(o.xb))),
  );
}

/** XX2-form with a second extended opcode in the place of RA: VSR[XT] from VSR[XB]. */
export function xx2(name: string, second: number, xo: number, f: Unary): InsnDefinition {
  return insn(name, `111100 xt:5 ${bits(second, 5)} xb:5 ${bits(xo, 9)} xb:1@5 xt:1@5`, "xt, xb", vsx, (m, o) =>
    m.setVsr(o.xt, f(m, m.vsr(o.xb))),
  );
}
