/** Vector logical instructions. Source: Power ISA v3.0B, Book I "Vector Integer Logical Instructions". */
import { va, vx } from "../vector-forms.js";

export const vectorLogicalInstructions = [
  vx("vand", 1028, (m, a, b) => m.v128.and(a, b)),
  vx("vandc", 1092, (m, a, b) => m.v128.andnot(a, b)),
  vx("vor", 1156, (m, a, b) => m.v128.or(a, b)),
  vx("vxor", 1220, (m, a, b) => m.v128.xor(a, b)),
  vx("vnor", 1284, (m, a, b) => m.v128.not(m.v128.or(a, b))),
  vx("vorc", 1348, (m, a, b) => m.v128.or(a, m.v128.not(b))),
  vx("vnand", 1412, (m, a, b) => m.v128.not(m.v128.and(a, b))),
  vx("veqv", 1668, (m, a, b) => m.v128.not(m.v128.xor(a, b))),
  va("vsel", 42, (m, a, b, c) => m.v128.bitselect(b, a, c)),
];
