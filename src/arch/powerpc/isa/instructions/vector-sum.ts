/**
 * Sums across the elements of a register.
 * Source: Power ISA v3.0B, Book I "Vector Integer Sum-Across Instructions".
 */
import type { I64, Machine, V128 } from "../machine.js";
import { vx } from "../vector-forms.js";
import { splat } from "../vector-lanes.js";
import { addWordsSatS, addWordsSatU } from "./vector-add.js";

/** The halfwords of each word added up, signed. */
function addHalfwordPairs(m: Machine, a: V128): V128 {
  const { i32x4 } = m;
  const n = m.i32.const(16);
  return i32x4.add(i32x4.shrS(a, n), i32x4.shrS(i32x4.shl(a, n), n));
}

export const vsum4ubs = vx("vsum4ubs", 1544, (m, a, b) => {
  const { i16x8, i32x4, v128 } = m;
  const pairs = i16x8.add(i16x8.shrU(a, m.i32.const(8)), v128.and(a, splat(m, 16, 0xff)));
  const fours = i32x4.add(i32x4.shrU(pairs, m.i32.const(16)), v128.and(pairs, splat(m, 32, 0xffff)));
  return addWordsSatU(m, fours, b);
});

export const vsum4sbs = vx("vsum4sbs", 1800, (m, a, b) => {
  const { i16x8 } = m;
  const n = m.i32.const(8);
  const pairs = i16x8.add(i16x8.shrS(a, n), i16x8.shrS(i16x8.shl(a, n), n));
  return addWordsSatS(m, addHalfwordPairs(m, pairs), b);
});

export const vsum4shs = vx("vsum4shs", 1608, (m, a, b) => addWordsSatS(m, addHalfwordPairs(m, a), b));

/** A sum that fits a doubleword, as a saturated signed word in its low half. */
function clampToWord(m: Machine, sum: I64): I64 {
  const { i64 } = m;
  const max = i64.const(0x7fffffff);
  const min = i64.const(-0x80000000);
  const clamped = m.select(i64.gtS(sum, max), max, m.select(i64.ltS(sum, min), min, sum));
  m.set("sat", m.i32.or(m.get("sat"), i64.ne(clamped, sum)));
  return i64.extendU(m.i32.wrap(clamped));
}

/** Both words of a doubleword, signed, added up. */
function addWords(m: Machine, doubleword: I64): I64 {
  return m.i64.add(m.i64.shrS(doubleword, m.i64.const(32)), m.i64.extend32S(doubleword));
}

export const vsum2sws = vx("vsum2sws", 1672, (m, a, b) => {
  const sum = (x: I64, y: I64) => clampToWord(m, m.i64.add(addWords(m, x), m.i64.extend32S(y)));
  return m.v128.make(sum(m.v128.high(a), m.v128.high(b)), sum(m.v128.low(a), m.v128.low(b)));
});

export const vsumsws = vx("vsumsws", 1928, (m, a, b) => {
  const words = m.i64.add(addWords(m, m.v128.high(a)), addWords(m, m.v128.low(a)));
  return m.v128.make(m.i64.const(0), clampToWord(m, m.i64.add(words, m.i64.extend32S(m.v128.low(b)))));
});

export const vectorSumInstructions = [vsum4ubs, vsum4sbs, vsum4shs, vsum2sws, vsumsws];
