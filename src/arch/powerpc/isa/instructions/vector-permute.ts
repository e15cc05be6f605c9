/**
 * Vector permutations: merges, splats, permute by a control vector, shift of two registers by octets.
 * Source: Power ISA v3.0B, Book I "Vector Permute and Formatting Instructions".
 */
import { insn } from "../insn.js";
import type { I32, Machine, V128 } from "../machine.js";
import { va, vx } from "../vector-forms.js";
import { laneNumbers, pick, splat } from "../vector-lanes.js";

const vector = { facility: "vector" } as const;

/** Bytes of the pair a, b chosen by the low 5 bits of the lanes of `lanes`, counted from b's least significant byte. */
function pickLanes(m: Machine, a: V128, b: V128, lanes: V128): V128 {
  // swizzle gives 0 where the number is 16 or more, so each byte comes from one of the two.
  const fromA = m.v128.xor(lanes, splat(m, 8, 16));
  return m.v128.or(m.i8x16.swizzle(a, fromA), m.i8x16.swizzle(b, lanes));
}

/** vperm: bytes counted from a's most significant one. */
export function permute(m: Machine, a: V128, b: V128, control: V128): V128 {
  return pickLanes(m, a, b, m.v128.andnot(splat(m, 8, 31), control));
}

/** vpermr: bytes counted from b's least significant one. */
export function permuteRight(m: Machine, a: V128, b: V128, control: V128): V128 {
  return pickLanes(m, a, b, m.v128.and(control, splat(m, 8, 31)));
}

/** The 16 bytes of the pair a, b that begin at byte `count` (0 to 15). */
export function shiftPairLeft(m: Machine, a: V128, b: V128, count: I32): V128 {
  const lanes = m.i8x16.sub(laneNumbers(m), m.i8x16.splat(count));
  return m.v128.or(m.i8x16.swizzle(a, lanes), m.i8x16.swizzle(b, m.i8x16.add(lanes, splat(m, 8, 16))));
}

/** Element `number` (counted as the manual does) in every element. A number beyond the last is taken modulo. */
export function splatElement(m: Machine, width: 8 | 16 | 32, a: V128, number: I32): V128 {
  const { i32, i8x16 } = m;
  const size = width / 8;
  const lane = i32.and(i32.not(number), i32.const(16 / size - 1));
  const first = i8x16.splat(i32.mul(lane, i32.const(size)));
  const within = m.v128.and(laneNumbers(m), splat(m, 8, size - 1));
  return i8x16.swizzle(a, i8x16.add(first, within));
}

/** Elements of a and b in turn, beginning with a's element `from`. */
export function merge(m: Machine, width: 8 | 16 | 32, from: "high" | "low", a: V128, b: V128): V128 {
  const count = 128 / width;
  const first = from === "high" ? 0 : count / 2;
  const elements = Array.from({ length: count }, (_, i) => first + (i >> 1) + (i & 1) * count);
  return pick(m, width, a, b, elements);
}

export const vspltb = insn("vspltb", "000100 vrt:5 - uim:4 vrb:5 01000001100", "vrt, vrb, uim", vector, (m, o) =>
  m.setVr(o.vrt, splatElement(m, 8, m.vr(o.vrb), o.uim)),
);
export const vsplth = insn("vsplth", "000100 vrt:5 - - uim:3 vrb:5 01001001100", "vrt, vrb, uim", vector, (m, o) =>
  m.setVr(o.vrt, splatElement(m, 16, m.vr(o.vrb), o.uim)),
);
export const vspltw = insn("vspltw", "000100 vrt:5 - - - uim:2 vrb:5 01010001100", "vrt, vrb, uim", vector, (m, o) =>
  m.setVr(o.vrt, splatElement(m, 32, m.vr(o.vrb), o.uim)),
);

export const vspltisb = insn("vspltisb", "000100 vrt:5 sim:s5 -:5 01100001100", "vrt, sim", vector, (m, o) =>
  m.setVr(o.vrt, m.i8x16.splat(o.sim)),
);
export const vspltish = insn("vspltish", "000100 vrt:5 sim:s5 -:5 01101001100", "vrt, sim", vector, (m, o) =>
  m.setVr(o.vrt, m.i16x8.splat(o.sim)),
);
export const vspltisw = insn("vspltisw", "000100 vrt:5 sim:s5 -:5 01110001100", "vrt, sim", vector, (m, o) =>
  m.setVr(o.vrt, m.i32x4.splat(o.sim)),
);

export const vsldoi = insn("vsldoi", "000100 vrt:5 vra:5 vrb:5 - shb:4 101100", "vrt, vra, vrb, shb", vector, (m, o) =>
  m.setVr(o.vrt, shiftPairLeft(m, m.vr(o.vra), m.vr(o.vrb), o.shb)),
);

export const vectorPermuteInstructions = [
  vspltb,
  vsplth,
  vspltw,
  vspltisb,
  vspltish,
  vspltisw,
  vsldoi,
  va("vperm", 43, permute),
  va("vpermr", 59, permuteRight),
  vx("vmrghb", 12, (m, a, b) => merge(m, 8, "high", a, b)),
  vx("vmrghh", 76, (m, a, b) => merge(m, 16, "high", a, b)),
  vx("vmrghw", 140, (m, a, b) => merge(m, 32, "high", a, b)),
  vx("vmrglb", 268, (m, a, b) => merge(m, 8, "low", a, b)),
  vx("vmrglh", 332, (m, a, b) => merge(m, 16, "low", a, b)),
  vx("vmrglw", 396, (m, a, b) => merge(m, 32, "low", a, b)),
  vx("vmrgew", 1932, (m, a, b) => pick(m, 32, a, b, [0, 4, 2, 6])),
  vx("vmrgow", 1676, (m, a, b) => pick(m, 32, a, b, [1, 5, 3, 7])),
];
