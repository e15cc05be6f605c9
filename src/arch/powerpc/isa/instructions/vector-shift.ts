/**
 * Vector rotates and shifts of elements, and shifts of the whole register.
 * Source: Power ISA v3.0B, Book I "Vector Integer Rotate and Shift Instructions", "Vector Shift Instructions".
 */
import { insn } from "../insn.js";
import type { I32, I64, IntegerOps, Machine, V128 } from "../machine.js";
import { bits, vx } from "../vector-forms.js";
import { laneNumbers, mapDoublewords, mapWords, pickBytes, shiftEach, splat } from "../vector-lanes.js";

/**
 * An element rotated left, and the mask that goes with it: `control` holds the first bit of the mask in its third byte
 * from the right, the last bit in the second, the count in the first. A mask whose last bit comes before its first one
 * goes around the end.
 */
function rotateAndMask<T extends I32 | I64>(m: Machine, ops: IntegerOps<T>, width: 32 | 64, value: T, control: T) {
  const position = (byte: number) => ops.and(ops.shrU(control, ops.const(byte * 8)), ops.const(width - 1));
  const [first, last] = [position(2), position(1)];
  const from = ops.shrU(ops.const(-1), first);
  const to = ops.shl(ops.const(-1), ops.sub(ops.const(width - 1), last));
  const mask = m.select(ops.ltU(last, first), ops.or(from, to), ops.and(from, to));
  return { rotated: ops.rotl(value, control), mask };
}

function rotateThenAnd<T extends I32 | I64>(m: Machine, ops: IntegerOps<T>, width: 32 | 64) {
  return (value: T, control: T): T => {
    const { rotated, mask } = rotateAndMask(m, ops, width, value, control);
    return ops.and(rotated, mask);
  };
}

function rotateThenInsert<T extends I32 | I64>(m: Machine, ops: IntegerOps<T>, width: 32 | 64) {
  return (value: T, control: T, target: T): T => {
    const { rotated, mask } = rotateAndMask(m, ops, width, value, control);
    return ops.or(ops.and(rotated, mask), ops.and(target, ops.not(mask)));
  };
}

/** The mask-insert forms read their target. */
function insertForm(name: string, xo: number, f: (m: Machine, a: V128, b: V128, t: V128) => V128) {
  return insn(name, `000100 vrt:5 vra:5 vrb:5 ${bits(xo, 11)}`, "vrt, vra, vrb", { facility: "vector" }, (m, o) =>
    m.setVr(o.vrt, f(m, m.vr(o.vra), m.vr(o.vrb), m.vr(o.vrt))),
  );
}

/** The register as one number shifted by the bit count in VRB[125:127]. */
function shiftQuadword(m: Machine, direction: "left" | "right", a: V128, b: V128): V128 {
  const { i64, v128 } = m;
  const n = i64.and(v128.low(b), i64.const(7));
  const rest = i64.sub(i64.const(63), n);
  const [high, low] = [v128.high(a), v128.low(a)];
  // What crosses from one half to the other is shifted by 64 - n, in two steps because n may be 0.
  if (direction === "left") {
    const crossing = i64.shrU(i64.shrU(low, i64.const(1)), rest);
    return v128.make(i64.or(i64.shl(high, n), crossing), i64.shl(low, n));
  }
  const crossing = i64.shl(i64.shl(high, i64.const(1)), rest);
  return v128.make(i64.shrU(high, n), i64.or(i64.shrU(low, n), crossing));
}

/** The byte count in VRB[121:124], in every byte. */
function octets(m: Machine, b: V128): V128 {
  const { i32 } = m;
  return m.i8x16.splat(i32.and(i32.shrU(m.i8x16.extract(b, 0), i32.const(3)), i32.const(15)));
}

/** Each byte and its right neighbour (or left, for right shifts) shifted as 16 bits by a count of its own. */
function shiftVariable(m: Machine, direction: "left" | "right", a: V128, b: V128): V128 {
  const { v128 } = m;
  const counts = v128.and(b, splat(m, 8, 7));
  // Shifting by 8 - n in two steps, because n may be 0.
  const rest = v128.xor(counts, splat(m, 8, 7));
  const zero = v128.const(0n);
  const one = m.i32.const(1);
  const numbers = Array.from({ length: 16 }, (_, i) => i);
  if (direction === "left") {
    const right = pickBytes(m, a, zero, [...numbers.slice(1), 16]);
    return v128.or(shiftEach(m, 8, "shl", a, counts), shiftEach(m, 8, "shrU", m.i8x16.shrU(right, one), rest));
  }
  const left = pickBytes(m, a, zero, [16, ...numbers.slice(0, 15)]);
  return v128.or(shiftEach(m, 8, "shrU", a, counts), shiftEach(m, 8, "shl", m.i8x16.shl(left, one), rest));
}

export const vectorShiftInstructions = [
  vx("vrlb", 4, (m, a, b) => shiftEach(m, 8, "rotl", a, b)),
  vx("vrlh", 68, (m, a, b) => shiftEach(m, 16, "rotl", a, b)),
  vx("vrlw", 132, (m, a, b) => shiftEach(m, 32, "rotl", a, b)),
  vx("vrld", 196, (m, a, b) => shiftEach(m, 64, "rotl", a, b)),
  vx("vslb", 260, (m, a, b) => shiftEach(m, 8, "shl", a, b)),
  vx("vslh", 324, (m, a, b) => shiftEach(m, 16, "shl", a, b)),
  vx("vslw", 388, (m, a, b) => shiftEach(m, 32, "shl", a, b)),
  vx("vsld", 1476, (m, a, b) => shiftEach(m, 64, "shl", a, b)),
  vx("vsrb", 516, (m, a, b) => shiftEach(m, 8, "shrU", a, b)),
  vx("vsrh", 580, (m, a, b) => shiftEach(m, 16, "shrU", a, b)),
  vx("vsrw", 644, (m, a, b) => shiftEach(m, 32, "shrU", a, b)),
  vx("vsrd", 1732, (m, a, b) => shiftEach(m, 64, "shrU", a, b)),
  vx("vsrab", 772, (m, a, b) => shiftEach(m, 8, "shrS", a, b)),
  vx("vsrah", 836, (m, a, b) => shiftEach(m, 16, "shrS", a, b)),
  vx("vsraw", 900, (m, a, b) => shiftEach(m, 32, "shrS", a, b)),
  vx("vsrad", 964, (m, a, b) => shiftEach(m, 64, "shrS", a, b)),
  vx("vrlwnm", 389, (m, a, b) => mapWords(m, rotateThenAnd(m, m.i32, 32), a, b)),
  vx("vrldnm", 453, (m, a, b) => mapDoublewords(m, rotateThenAnd(m, m.i64, 64), a, b)),
  insertForm("vrlwmi", 133, (m, a, b, t) => mapWords(m, rotateThenInsert(m, m.i32, 32), a, b, t)),
  insertForm("vrldmi", 197, (m, a, b, t) => mapDoublewords(m, rotateThenInsert(m, m.i64, 64), a, b, t)),
  vx("vsl", 452, (m, a, b) => shiftQuadword(m, "left", a, b)),
  vx("vsr", 708, (m, a, b) => shiftQuadword(m, "right", a, b)),
  // Lane numbers that leave 0 to 15 pick nothing.
  vx("vslo", 1036, (m, a, b) => m.i8x16.swizzle(a, m.i8x16.sub(laneNumbers(m), octets(m, b)))),
  vx("vsro", 1100, (m, a, b) => m.i8x16.swizzle(a, m.i8x16.add(laneNumbers(m), octets(m, b)))),
  vx("vslv", 1860, (m, a, b) => shiftVariable(m, "left", a, b)),
  vx("vsrv", 1796, (m, a, b) => shiftVariable(m, "right", a, b)),
];
