/**
 * Vector integer comparisons; with Rc, CR field 6 tells whether all or none of the elements compared true.
 * Source: Power ISA v3.0B, Book I "Vector Integer Compare Instructions".
 */
import { insn } from "../insn.js";
import type { LaneOps, Machine, V128 } from "../machine.js";
import { bits } from "../vector-forms.js";
import { gtDoublewordsU } from "./vector-minmax.js";

/** CR6 from a mask of comparisons: 8 if all are true, 2 if none is. */
export function recordCr6(m: Machine, mask: V128): void {
  const { i32, v128 } = m;
  const all = i32.xor(v128.anyTrue(v128.not(mask)), i32.const(1));
  const none = i32.xor(v128.anyTrue(mask), i32.const(1));
  m.setCrField(i32.const(6), i32.or(i32.shl(all, i32.const(3)), i32.shl(none, i32.const(1))));
}

export function compare(name: string, xo: number, f: (m: Machine, a: V128, b: V128) => V128) {
  return insn(name, `000100 vrt:5 vra:5 vrb:5 rc? ${bits(xo, 10)}`, "vrt, vra, vrb", { facility: "vector" }, (m, o) => {
    const mask = f(m, m.vr(o.vra), m.vr(o.vrb));
    m.setVr(o.vrt, mask);
    if (o.rc) recordCr6(m, mask);
  });
}

/** Different, or either is zero. */
function neOrZero<T>(m: Machine, lanes: LaneOps<T>, a: V128, b: V128): V128 {
  const zero = m.v128.const(0n);
  return m.v128.or(lanes.ne(a, b), m.v128.or(lanes.eq(a, zero), lanes.eq(b, zero)));
}

export const vectorCompareInstructions = [
  compare("vcmpequb", 6, (m, a, b) => m.i8x16.eq(a, b)),
  compare("vcmpequh", 70, (m, a, b) => m.i16x8.eq(a, b)),
  compare("vcmpequw", 134, (m, a, b) => m.i32x4.eq(a, b)),
  compare("vcmpequd", 199, (m, a, b) => m.i64x2.eq(a, b)),
  compare("vcmpneb", 7, (m, a, b) => m.i8x16.ne(a, b)),
  compare("vcmpneh", 71, (m, a, b) => m.i16x8.ne(a, b)),
  compare("vcmpnew", 135, (m, a, b) => m.i32x4.ne(a, b)),
  compare("vcmpnezb", 263, (m, a, b) => neOrZero(m, m.i8x16, a, b)),
  compare("vcmpnezh", 327, (m, a, b) => neOrZero(m, m.i16x8, a, b)),
  compare("vcmpnezw", 391, (m, a, b) => neOrZero(m, m.i32x4, a, b)),
  compare("vcmpgtub", 518, (m, a, b) => m.i8x16.gtU(a, b)),
  compare("vcmpgtuh", 582, (m, a, b) => m.i16x8.gtU(a, b)),
  compare("vcmpgtuw", 646, (m, a, b) => m.i32x4.gtU(a, b)),
  compare("vcmpgtud", 711, gtDoublewordsU),
  compare("vcmpgtsb", 774, (m, a, b) => m.i8x16.gtS(a, b)),
  compare("vcmpgtsh", 838, (m, a, b) => m.i16x8.gtS(a, b)),
  compare("vcmpgtsw", 902, (m, a, b) => m.i32x4.gtS(a, b)),
  compare("vcmpgtsd", 967, (m, a, b) => m.i64x2.gtS(a, b)),
];
