/**
 * VSX logical and permute instructions. Source: Power ISA v3.0B, Book I "VSX Logical Instructions", "VSX Permute
 * Instructions", "VSX Vector Byte-Reverse", "VSX Vector Extract and Insert".
 */
import { insn } from "../insn.js";
import type { Machine, V128 } from "../machine.js";
import { xx2, xx3 } from "../vector-forms.js";
import { reverseBytes } from "../vector-lanes.js";
import { vsx, vsxOrVector } from "../vsx-forms.js";
import { extractElement, insertElement } from "./vector-extract.js";
import { merge, permute, permuteRight, shiftPairLeft, splatElement } from "./vector-permute.js";

export const xxsel = insn(
  "xxsel",
  "111100 xt:5 xa:5 xb:5 xc:5 11 xc:1@5 xa:1@5 xb:1@5 xt:1@5",
  "xt, xa, xb, xc",
  vsx,
  (m, o) => m.setVsr(o.xt, m.v128.bitselect(m.vsr(o.xb), m.vsr(o.xa), m.vsr(o.xc))),
);

export const xxpermdi = insn(
  "xxpermdi",
  "111100 xt:5 xa:5 xb:5 0 dm:2 01010 xa:1@5 xb:1@5 xt:1@5",
  "xt, xa, xb, dm",
  vsx,
  (m, o) => {
    const { i32, v128 } = m;
    const [a, b] = [m.vsr(o.xa), m.vsr(o.xb)];
    const high = m.select(i32.and(o.dm, i32.const(2)), v128.low(a), v128.high(a));
    const low = m.select(i32.and(o.dm, i32.const(1)), v128.low(b), v128.high(b));
    m.setVsr(o.xt, v128.make(high, low));
  },
);

export const xxsldwi = insn(
  "xxsldwi",
  "111100 xt:5 xa:5 xb:5 0 shw:2 00010 xa:1@5 xb:1@5 xt:1@5",
  "xt, xa, xb, shw",
  vsx,
  (m, o) => m.setVsr(o.xt, shiftPairLeft(m, m.vsr(o.xa), m.vsr(o.xb), m.i32.shl(o.shw, m.i32.const(2)))),
);

/** The permute instructions read their target: it is the second half of the pair. */
function permuteForm(name: string, xo: string, f: (m: Machine, a: V128, b: V128, control: V128) => V128) {
  return insn(name, `111100 xt:5 xa:5 xb:5 ${xo} xa:1@5 xb:1@5 xt:1@5`, "xt, xa, xb", vsx, (m, o) =>
    m.setVsr(o.xt, f(m, m.vsr(o.xa), m.vsr(o.xt), m.vsr(o.xb))),
  );
}

export const xxspltw = insn(
  "xxspltw",
  "111100 xt:5 - - - uim:2 xb:5 010100100 xb:1@5 xt:1@5",
  "xt, xb, uim",
  vsx,
  (m, o) => m.setVsr(o.xt, splatElement(m, 32, m.vsr(o.xb), o.uim)),
);

export const xxspltib = insn("xxspltib", "111100 xt:5 00 imm:8 0101101000 xt:1@5", "xt, imm", vsxOrVector, (m, o) =>
  m.setVsr(o.xt, m.i8x16.splat(o.imm)),
);

export const xxextractuw = insn(
  "xxextractuw",
  "111100 xt:5 - uim:4 xb:5 010100101 xb:1@5 xt:1@5",
  "xt, xb, uim",
  vsx,
  (m, o) => m.setVsr(o.xt, extractElement(m, 4, m.vsr(o.xb), o.uim)),
);

export const xxinsertw = insn(
  "xxinsertw",
  "111100 xt:5 - uim:4 xb:5 010110101 xb:1@5 xt:1@5",
  "xt, xb, uim",
  vsx,
  (m, o) => m.setVsr(o.xt, insertElement(m, 4, m.vsr(o.xt), m.vsr(o.xb), o.uim)),
);

export const vsxPermuteInstructions = [
  xx3("xxland", 130, (m, a, b) => m.v128.and(a, b)),
  xx3("xxlandc", 138, (m, a, b) => m.v128.andnot(a, b)),
  xx3("xxlor", 146, (m, a, b) => m.v128.or(a, b)),
  xx3("xxlxor", 154, (m, a, b) => m.v128.xor(a, b)),
  xx3("xxlnor", 162, (m, a, b) => m.v128.not(m.v128.or(a, b))),
  xx3("xxlorc", 170, (m, a, b) => m.v128.or(a, m.v128.not(b))),
  xx3("xxlnand", 178, (m, a, b) => m.v128.not(m.v128.and(a, b))),
  xx3("xxleqv", 186, (m, a, b) => m.v128.not(m.v128.xor(a, b))),
  xxsel,
  xxpermdi,
  xxsldwi,
  permuteForm("xxperm", "00011010", permute),
  permuteForm("xxpermr", "00111010", permuteRight),
  xx3("xxmrghw", 18, (m, a, b) => merge(m, 32, "high", a, b)),
  xx3("xxmrglw", 50, (m, a, b) => merge(m, 32, "low", a, b)),
  xxspltw,
  xxspltib,
  xxextractuw,
  xxinsertw,
  xx2("xxbrh", 7, 475, (m, b) => reverseBytes(m, 16, b)),
  xx2("xxbrw", 15, 475, (m, b) => reverseBytes(m, 32, b)),
  xx2("xxbrd", 23, 475, (m, b) => reverseBytes(m, 64, b)),
  xx2("xxbrq", 31, 475, (m, b) => reverseBytes(m, 128, b)),
];
