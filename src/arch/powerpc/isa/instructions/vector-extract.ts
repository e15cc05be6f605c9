/**
 * Vector extract and insert of an element at any byte.
 * Source: Power ISA v3.0B, Book I "Vector Extract Element Instructions", "Vector Insert Element Instructions",
 * "Vector Extract Element to VSR / GPR" (left- and right-indexed).
 */
import { insn } from "../insn.js";
import type { I32, Machine, V128 } from "../machine.js";
import { bits } from "../vector-forms.js";
import { laneNumbers, splat } from "../vector-lanes.js";

type Size = 1 | 2 | 4 | 8;
const vector = { facility: "vector" } as const;

/** Lane numbers 0 to size - 1 in the lanes from `at` on, and numbers that pick nothing elsewhere. */
export function window(m: Machine, size: Size, at: number): V128 {
  let lanes = 0n;
  for (let lane = 15; lane >= 0; lane--) {
    const within = lane - at;
    lanes = (lanes << 8n) | BigInt(within >= 0 && within < size ? within : 0x40);
  }
  return m.v128.const(lanes);
}

/** The element of `size` bytes that begins at byte `first` (counted from the left), right-justified in doubleword 0. */
export function extractElement(m: Machine, size: Size, b: V128, first: I32): V128 {
  const { i32, i8x16 } = m;
  const lane = i32.sub(i32.const(16 - size), first);
  return i8x16.swizzle(b, i8x16.add(window(m, size, 8), i8x16.splat(lane)));
}

/** `target` with the bytes from `first` (counted from the left) on replaced by those at the right of b's doubleword 0. */
export function insertElement(m: Machine, size: Size, target: V128, b: V128, first: I32): V128 {
  const { i32, i8x16 } = m;
  const lane = i8x16.splat(i32.sub(i32.const(16 - size), first));
  const within = i8x16.sub(laneNumbers(m), lane);
  const moved = i8x16.swizzle(b, i8x16.add(within, splat(m, 8, 8)));
  return m.v128.bitselect(moved, target, i8x16.ltU(within, splat(m, 8, size)));
}

function extract(name: string, xo: number, size: Size) {
  return insn(name, `000100 vrt:5 - uim:4 vrb:5 ${bits(xo, 11)}`, "vrt, vrb, uim", vector, (m, o) =>
    m.setVr(o.vrt, extractElement(m, size, m.vr(o.vrb), o.uim)),
  );
}

function insert(name: string, xo: number, size: Size) {
  return insn(name, `000100 vrt:5 - uim:4 vrb:5 ${bits(xo, 11)}`, "vrt, vrb, uim", vector, (m, o) =>
    m.setVr(o.vrt, insertElement(m, size, m.vr(o.vrt), m.vr(o.vrb), o.uim)),
  );
}

/** To a GPR, the byte number in the low 4 bits of RA, counted from the left or from the right. */
function extractToGpr(name: string, xo: number, size: Size, from: "left" | "right") {
  return insn(name, `000100 rt:5 ra:5 vrb:5 ${bits(xo, 11)}`, "rt, ra, vrb", vector, (m, o) => {
    const { i32, i8x16 } = m;
    const number = i32.and(i32.wrap(m.gpr(o.ra)), i32.const(15));
    const lane = from === "right" ? number : i32.sub(i32.const(16 - size), number);
    const picked = i8x16.swizzle(m.vr(o.vrb), i8x16.add(window(m, size, 0), i8x16.splat(lane)));
    m.setGpr(o.rt, m.v128.low(picked));
  });
}

export const vectorExtractInstructions = [
  extract("vextractub", 525, 1),
  extract("vextractuh", 589, 2),
  extract("vextractuw", 653, 4),
  extract("vextractd", 717, 8),
  insert("vinsertb", 781, 1),
  insert("vinserth", 845, 2),
  insert("vinsertw", 909, 4),
  insert("vinsertd", 973, 8),
  extractToGpr("vextublx", 1549, 1, "left"),
  extractToGpr("vextuhlx", 1613, 2, "left"),
  extractToGpr("vextuwlx", 1677, 4, "left"),
  extractToGpr("vextubrx", 1805, 1, "right"),
  extractToGpr("vextuhrx", 1869, 2, "right"),
  extractToGpr("vextuwrx", 1933, 4, "right"),
];
