/** Rotates and shifts. Source: Power ISA v3.0B, Book I "Fixed-Point Rotate and Shift Instructions". */
import { mask64, recordCr0 } from "../common.js";
import { insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";

interface Result {
  readonly ra: I32;
  readonly rc: boolean;
}

function finish(m: Machine, o: Result, result: I64): void {
  m.setGpr(o.ra, result);
  if (o.rc) recordCr0(m, result);
}

// Word rotates: the word is rotated and stands in both halves; the mask lies in the low half unless it wraps around.

interface WordMask {
  readonly mb: I32;
  readonly me: I32;
}

/** The rotated word under the mask `mb` to `me`, and the mask. */
function rotateWord(m: Machine, value: I64, count: I32, o: WordMask): { rotated: I64; mask: I64 } {
  const { i32, i64 } = m;
  const low = i64.extendU(i32.rotl(i32.wrap(value), count));
  const both = i64.or(low, i64.shl(low, i64.const(32)));
  const place = (n: I32): I64 => i64.extendU(i32.add(n, i32.const(32)));
  return { rotated: m.select(i32.gtU(o.mb, o.me), both, low), mask: mask64(m, place(o.mb), place(o.me)) };
}

export const rlwinm = insn("rlwinm", "010101 rs:5 ra:5 sh:5 mb:5 me:5 rc?", "ra, rs, sh, mb, me", (m, o) => {
  const { rotated, mask } = rotateWord(m, m.gpr(o.rs), o.sh, o);
  finish(m, o, m.i64.and(rotated, mask));
});

export const rlwnm = insn("rlwnm", "010111 rs:5 ra:5 rb:5 mb:5 me:5 rc?", "ra, rs, rb, mb, me", (m, o) => {
  const { rotated, mask } = rotateWord(m, m.gpr(o.rs), m.i32.wrap(m.gpr(o.rb)), o);
  finish(m, o, m.i64.and(rotated, mask));
});

export const rlwimi = insn("rlwimi", "010100 rs:5 ra:5 sh:5 mb:5 me:5 rc?", "ra, rs, sh, mb, me", (m, o) => {
  const { i64 } = m;
  const { rotated, mask } = rotateWord(m, m.gpr(o.rs), o.sh, o);
  finish(m, o, i64.or(i64.and(rotated, mask), i64.and(m.gpr(o.ra), i64.not(mask))));
});

// Doubleword rotates.

/** 1s from bit `mb` to the end. */
const maskFrom = (m: Machine, mb: I32): I64 => m.i64.shrU(m.i64.const(-1), m.i64.extendU(mb));
/** 1s from the start to bit `me`. */
const maskTo = (m: Machine, me: I32): I64 => m.i64.shl(m.i64.const(-1), m.i64.sub(m.i64.const(63), m.i64.extendU(me)));
/** 1s from bit `mb` to bit 63 - `sh`. */
function maskAbove(m: Machine, mb: I32, sh: I32): I64 {
  return mask64(m, m.i64.extendU(mb), m.i64.sub(m.i64.const(63), m.i64.extendU(sh)));
}
const rotate = (m: Machine, value: I64, count: I32): I64 => m.i64.rotl(value, m.i64.extendU(count));

export const rldicl = insn("rldicl", "011110 rs:5 ra:5 sh:5 mb:5 mb:1@5 000 sh:1@5 rc?", "ra, rs, sh, mb", (m, o) =>
  finish(m, o, m.i64.and(rotate(m, m.gpr(o.rs), o.sh), maskFrom(m, o.mb))),
);

export const rldicr = insn("rldicr", "011110 rs:5 ra:5 sh:5 me:5 me:1@5 001 sh:1@5 rc?", "ra, rs, sh, me", (m, o) =>
  finish(m, o, m.i64.and(rotate(m, m.gpr(o.rs), o.sh), maskTo(m, o.me))),
);

export const rldic = insn("rldic", "011110 rs:5 ra:5 sh:5 mb:5 mb:1@5 010 sh:1@5 rc?", "ra, rs, sh, mb", (m, o) =>
  finish(m, o, m.i64.and(rotate(m, m.gpr(o.rs), o.sh), maskAbove(m, o.mb, o.sh))),
);

export const rldimi = insn("rldimi", "011110 rs:5 ra:5 sh:5 mb:5 mb:1@5 011 sh:1@5 rc?", "ra, rs, sh, mb", (m, o) => {
  const { i64 } = m;
  const mask = maskAbove(m, o.mb, o.sh);
  const inserted = i64.and(rotate(m, m.gpr(o.rs), o.sh), mask);
  finish(m, o, i64.or(inserted, i64.and(m.gpr(o.ra), i64.not(mask))));
});

export const rldcl = insn("rldcl", "011110 rs:5 ra:5 rb:5 mb:5 mb:1@5 1000 rc?", "ra, rs, rb, mb", (m, o) => {
  finish(m, o, m.i64.and(m.i64.rotl(m.gpr(o.rs), m.gpr(o.rb)), maskFrom(m, o.mb)));
});

export const rldcr = insn("rldcr", "011110 rs:5 ra:5 rb:5 me:5 me:1@5 1001 rc?", "ra, rs, rb, me", (m, o) => {
  finish(m, o, m.i64.and(m.i64.rotl(m.gpr(o.rs), m.gpr(o.rb)), maskTo(m, o.me)));
});

// Shifts. A word shifted by RB's low 6 bits inside a doubleword gives 0 (or the sign) for counts from 32 on by itself.

export const slw = insn("slw", "011111 rs:5 ra:5 rb:5 0000011000 rc?", "ra, rs, rb", (m, o) => {
  const { i32, i64 } = m;
  finish(m, o, i64.extendU(i32.wrap(i64.shl(m.gpr(o.rs), m.gpr(o.rb)))));
});

export const srw = insn("srw", "011111 rs:5 ra:5 rb:5 1000011000 rc?", "ra, rs, rb", (m, o) => {
  const { i32, i64 } = m;
  finish(m, o, i64.shrU(i64.extendU(i32.wrap(m.gpr(o.rs))), m.gpr(o.rb)));
});

/** Bit 57 of RB: the count is 64 or more. */
const isLong = (m: Machine, count: I64): I32 => m.i32.and(m.i32.wrap(count), m.i32.const(64));

export const sld = insn("sld", "011111 rs:5 ra:5 rb:5 0000011011 rc?", "ra, rs, rb", (m, o) => {
  const count = m.gpr(o.rb);
  finish(m, o, m.select(isLong(m, count), m.i64.const(0), m.i64.shl(m.gpr(o.rs), count)));
});

export const srd = insn("srd", "011111 rs:5 ra:5 rb:5 1000011011 rc?", "ra, rs, rb", (m, o) => {
  const count = m.gpr(o.rb);
  finish(m, o, m.select(isLong(m, count), m.i64.const(0), m.i64.shrU(m.gpr(o.rs), count)));
});

/** value >> count; CA is set if the value is negative and 1s are shifted out. `all`: everything is shifted out. */
function shiftAlgebraic(m: Machine, o: Result, value: I64, count: I64, all?: I32): void {
  const { i32, i64 } = m;
  const result = i64.shrS(value, count);
  const lost = i64.ne(i64.shl(result, count), value);
  const negative = i64.ltS(value, i64.const(0));
  const carry = i32.and(negative, all === undefined ? lost : i32.or(lost, all));
  m.set("ca", carry);
  m.set("ca32", carry);
  finish(m, o, result);
}

export const sraw = insn("sraw", "011111 rs:5 ra:5 rb:5 1100011000 rc?", "ra, rs, rb", (m, o) => {
  shiftAlgebraic(m, o, m.i64.extend32S(m.gpr(o.rs)), m.gpr(o.rb));
});

export const srawi = insn("srawi", "011111 rs:5 ra:5 sh:5 1100111000 rc?", "ra, rs, sh", (m, o) => {
  shiftAlgebraic(m, o, m.i64.extend32S(m.gpr(o.rs)), m.i64.extendU(o.sh));
});

export const srad = insn("srad", "011111 rs:5 ra:5 rb:5 1100011010 rc?", "ra, rs, rb", (m, o) => {
  const count = m.gpr(o.rb);
  const long = m.i32.ne(isLong(m, count), m.i32.const(0));
  shiftAlgebraic(m, o, m.gpr(o.rs), m.select(long, m.i64.const(63), count), long);
});

export const sradi = insn("sradi", "011111 rs:5 ra:5 sh:5 110011101 sh:1@5 rc?", "ra, rs, sh", (m, o) => {
  shiftAlgebraic(m, o, m.gpr(o.rs), m.i64.extendU(o.sh));
});

export const extswsli = insn("extswsli", "011111 rs:5 ra:5 sh:5 110111101 sh:1@5 rc?", "ra, rs, sh", (m, o) => {
  finish(m, o, m.i64.shl(m.i64.extend32S(m.gpr(o.rs)), m.i64.extendU(o.sh)));
});

export const rotateShiftInstructions = [
  rlwinm,
  rlwnm,
  rlwimi,
  rldicl,
  rldicr,
  rldic,
  rldimi,
  rldcl,
  rldcr,
  slw,
  srw,
  sld,
  srd,
  sraw,
  srawi,
  srad,
  sradi,
  extswsli,
];
