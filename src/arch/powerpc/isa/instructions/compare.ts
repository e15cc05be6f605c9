/** Compares and traps. Source: Power ISA v3.0B, Book I "Fixed-Point Compare Instructions", "Fixed-Point Trap Instructions". */
import { bitOf, orderField } from "../common.js";
import { insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";

// L is a flag: each width gets code of its own. Words are compared as sign- or zero-extended doublewords.

const signedOf = (m: Machine, l: boolean, value: I64): I64 => (l ? value : m.i64.extend32S(value));
const unsignedOf = (m: Machine, l: boolean, value: I64): I64 => (l ? value : m.i64.extendU(m.i32.wrap(value)));

function compareSigned(m: Machine, bf: I32, a: I64, b: I64): void {
  m.setCrField(bf, orderField(m, m.i64.ltS(a, b), m.i64.gtS(a, b)));
}

function compareUnsigned(m: Machine, bf: I32, a: I64, b: I64): void {
  m.setCrField(bf, orderField(m, m.i64.ltU(a, b), m.i64.gtU(a, b)));
}

export const cmpi = insn("cmpi", "001011 bf:3 - l? ra:5 si:s16", "bf, l, ra, si", (m, o) => {
  compareSigned(m, o.bf, signedOf(m, o.l, m.gpr(o.ra)), m.i64.extendS(o.si));
});

export const cmp = insn("cmp", "011111 bf:3 - l? ra:5 rb:5 0000000000 -", "bf, l, ra, rb", (m, o) => {
  compareSigned(m, o.bf, signedOf(m, o.l, m.gpr(o.ra)), signedOf(m, o.l, m.gpr(o.rb)));
});

export const cmpli = insn("cmpli", "001010 bf:3 - l? ra:5 ui:16", "bf, l, ra, ui", (m, o) => {
  compareUnsigned(m, o.bf, unsignedOf(m, o.l, m.gpr(o.ra)), m.i64.extendU(o.ui));
});

export const cmpl = insn("cmpl", "011111 bf:3 - l? ra:5 rb:5 0000100000 -", "bf, l, ra, rb", (m, o) => {
  compareUnsigned(m, o.bf, unsignedOf(m, o.l, m.gpr(o.ra)), unsignedOf(m, o.l, m.gpr(o.rb)));
});

export const cmprb = insn("cmprb", "011111 bf:3 - l? ra:5 rb:5 0011000000 -", "bf, l, ra, rb", (m, o) => {
  const { i32 } = m;
  const byte = (value: I32, place: number): I32 => i32.and(i32.shrU(value, i32.const(place)), i32.const(0xff));
  const value = byte(i32.wrap(m.gpr(o.ra)), 0);
  const ranges = i32.wrap(m.gpr(o.rb));
  const inRange = (place: number): I32 =>
    i32.and(i32.leU(byte(ranges, place), value), i32.leU(value, byte(ranges, place + 8)));
  const found = o.l ? i32.or(inRange(0), inRange(16)) : inRange(0);
  m.setCrField(o.bf, i32.shl(found, i32.const(2)));
});

export const cmpeqb = insn("cmpeqb", "011111 bf:3 - - ra:5 rb:5 0011100000 -", "bf, ra, rb", (m, o) => {
  const value = m.i8x16.splat(m.i32.wrap(m.gpr(o.ra)));
  const found = m.v128.anyTrue(m.i8x16.eq(value, m.i64x2.splat(m.gpr(o.rb))));
  m.setCrField(o.bf, m.i32.shl(found, m.i32.const(2)));
});

/** Traps if one of the conditions that TO names holds. */
function trapIf(m: Machine, to: I32, a: I64, b: I64): void {
  const { i32, i64 } = m;
  const conditions = [i64.gtU(a, b), i64.ltU(a, b), i64.eq(a, b), i64.gtS(a, b), i64.ltS(a, b)];
  const met = conditions
    .map((condition, place) => i32.and(bitOf(m, to, place), condition))
    .reduce((x, y) => i32.or(x, y));
  m.if(met, () => m.raise("trap"));
}

export const twi = insn("twi", "000011 to:5 ra:5 si:s16", "to, ra, si", (m, o) => {
  trapIf(m, o.to, m.i64.extend32S(m.gpr(o.ra)), m.i64.extendS(o.si));
});

export const tw = insn("tw", "011111 to:5 ra:5 rb:5 0000000100 -", "to, ra, rb", (m, o) => {
  // Sign extension keeps the unsigned order of words, too.
  trapIf(m, o.to, m.i64.extend32S(m.gpr(o.ra)), m.i64.extend32S(m.gpr(o.rb)));
});

export const tdi = insn("tdi", "000010 to:5 ra:5 si:s16", "to, ra, si", (m, o) => {
  trapIf(m, o.to, m.gpr(o.ra), m.i64.extendS(o.si));
});

export const td = insn("td", "011111 to:5 ra:5 rb:5 0001000100 -", "to, ra, rb", (m, o) => {
  trapIf(m, o.to, m.gpr(o.ra), m.gpr(o.rb));
});

export const compareInstructions = [cmpi, cmp, cmpli, cmpl, cmprb, cmpeqb, twi, tw, tdi, td];
