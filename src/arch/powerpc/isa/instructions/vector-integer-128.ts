/**
 * Numbers of 128 bits: rotates, shifts, comparisons, sign extension, all of v3.1.
 * Source: Power ISA v3.1B, Book I "Vector Integer Rotate and Shift Instructions", "Vector Integer Compare Instructions".
 */
import { insn } from "../insn.js";
import { since } from "../levels.js";
import type { I32, I64, Machine, V128 } from "../machine.js";
import { bits, vx, vxUnary } from "../vector-forms.js";
import { compare } from "./vector-compare.js";

/** 7 bits of a register, the last of which is bit `place` of doubleword 0, counted from its right end. */
const field = (m: Machine, b: V128, place: number): I64 =>
  m.i64.and(m.i64.shrU(m.v128.high(b), m.i64.const(place)), m.i64.const(127));

type Move = "shl" | "shrU" | "shrS" | "rotl";

/** A number moved by 0 to 127 bits. */
function move(m: Machine, kind: Move, a: V128, n: I64): V128 {
  const { i64, v128 } = m;
  const far = i64.ne(i64.and(n, i64.const(64)), i64.const(0));
  const [zero, one] = [i64.const(0), i64.const(1)];
  const [high, low] = [v128.high(a), v128.low(a)];
  // First by 64, then by the rest; what crosses from one half to the other in two steps, because the rest may be 0.
  const count = i64.and(n, i64.const(63));
  const rest = i64.sub(i64.const(63), count);
  if (kind === "shl" || kind === "rotl") {
    const left = m.select(far, low, high);
    const right = m.select(far, kind === "shl" ? zero : high, low);
    const into = (x: I64) => i64.shrU(i64.shrU(x, one), rest);
    const lowEnd = kind === "shl" ? i64.shl(right, count) : i64.or(i64.shl(right, count), into(left));
    return v128.make(i64.or(i64.shl(left, count), into(right)), lowEnd);
  }
  const left = m.select(far, kind === "shrU" ? zero : i64.shrS(high, i64.const(63)), high);
  const right = m.select(far, high, low);
  const crossing = i64.shl(i64.shl(left, one), rest);
  return v128.make(i64[kind](left, count), i64.or(i64.shrU(right, count), crossing));
}

/** Ones from the bit that `b` names first to that which it names last, around the end if that comes before. */
function mask(m: Machine, b: V128): V128 {
  const { i64, v128 } = m;
  const [first, last] = [field(m, b, 16), field(m, b, 8)];
  const ones = v128.const((1n << 128n) - 1n);
  const from = move(m, "shrU", ones, first);
  const to = move(m, "shl", ones, i64.sub(i64.const(127), last));
  return m.select(i64.ltU(last, first), v128.or(from, to), v128.and(from, to));
}

const shift = (name: string, xo: number, kind: Move) => vx(name, xo, (m, a, b) => move(m, kind, a, field(m, b, 0)));

/** The target is read. */
const vrlqmi = insn(
  "vrlqmi",
  "000100 vrt:5 vra:5 vrb:5 00001000101",
  "vrt, vra, vrb",
  { facility: "vector" },
  (m, o) => {
    const b = m.vr(o.vrb);
    m.setVr(o.vrt, m.v128.bitselect(move(m, "rotl", m.vr(o.vra), field(m, b, 0)), m.vr(o.vrt), mask(m, b)));
  },
);

const equal = (m: Machine, a: V128, b: V128): I32 => m.i32.eqz(m.v128.anyTrue(m.v128.xor(a, b)));

function less(m: Machine, signed: boolean, a: V128, b: V128): I32 {
  const { i32, i64, v128 } = m;
  const [x, y] = [v128.high(a), v128.high(b)];
  const high = signed ? i64.ltS(x, y) : i64.ltU(x, y);
  return i32.or(high, i32.and(i64.eq(x, y), i64.ltU(v128.low(a), v128.low(b))));
}

const all = (m: Machine, truth: I32): V128 => m.i64x2.splat(m.i64.neg(m.i64.extendU(truth)));

function order(name: string, xo: number, signed: boolean) {
  return insn(name, `000100 bf:3 -:2 vra:5 vrb:5 ${bits(xo, 11)}`, "bf, vra, vrb", { facility: "vector" }, (m, o) => {
    const { i32 } = m;
    const [a, b] = [m.vr(o.vra), m.vr(o.vrb)];
    const unequal = m.select(less(m, signed, a, b), i32.const(8), i32.const(4));
    m.setCrField(o.bf, m.select(equal(m, a, b), i32.const(2), unequal));
  });
}

export const vectorInteger128Instructions = since("3.1", [
  shift("vrlq", 5, "rotl"),
  shift("vslq", 261, "shl"),
  shift("vsrq", 517, "shrU"),
  shift("vsraq", 773, "shrS"),
  vx("vrlqnm", 325, (m, a, b) => m.v128.and(move(m, "rotl", a, field(m, b, 0)), mask(m, b))),
  vrlqmi,
  compare("vcmpequq", 455, (m, a, b) => all(m, equal(m, a, b))),
  compare("vcmpgtsq", 903, (m, a, b) => all(m, less(m, true, b, a))),
  compare("vcmpgtuq", 647, (m, a, b) => all(m, less(m, false, b, a))),
  order("vcmpsq", 321, true),
  order("vcmpuq", 257, false),
  vxUnary("vextsd2q", 1538, (m, b) => m.v128.make(m.i64.shrS(m.v128.low(b), m.i64.const(63)), m.v128.low(b)), 27),
]);
