/** Fixed-point arithmetic. Source: Power ISA v3.0B, Book I "Fixed-Point Arithmetic Instructions". */
import { highProduct, highProductSigned } from "../../../../semantics/products.js";
import { bitOf64, recordCr0, setOverflow } from "../common.js";
import { insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";

/** What follows a sum of `a` and `b` (and perhaps a carry): overflow and CR0. */
function finish(m: Machine, o: { oe?: boolean; rc?: boolean }, a: I64, b: I64, sum: I64): void {
  const { i64 } = m;
  if (o.oe) {
    // Signed overflow: both operands differ in sign from the sum.
    const signs = i64.and(i64.xor(a, sum), i64.xor(b, sum));
    const ov32 = bitOf64(m, signs, 31);
    setOverflow(m, m.mode64 ? bitOf64(m, signs, 63) : ov32, ov32);
  }
  if (o.rc) recordCr0(m, sum);
}

function setCarry(m: Machine, ca64: () => I32, ca32: I32): void {
  m.set("ca", m.mode64 ? ca64() : ca32);
  m.set("ca32", ca32);
}

/** rt = a + b with the carry out. */
function addCarrying(m: Machine, rt: I32, a: I64, b: I64): I64 {
  const { i32, i64 } = m;
  const sum = i64.add(a, b);
  m.setGpr(rt, sum);
  setCarry(m, () => i64.ltU(sum, a), i32.ltU(i32.wrap(sum), i32.wrap(a)));
  return sum;
}

/** rt = b - a with the carry (no borrow) out. */
function subtractCarrying(m: Machine, rt: I32, b: I64, a: I64): I64 {
  const { i32, i64 } = m;
  const difference = i64.sub(b, a);
  m.setGpr(rt, difference);
  setCarry(m, () => i64.geU(b, a), i32.geU(i32.wrap(b), i32.wrap(a)));
  return difference;
}

/** a + b + carry, and the carries out of bit 63 and of bit 31, in two steps because either may carry. */
function addWithCarry(m: Machine, a: I64, b: I64, carry: I32): { sum: I64; ca64: () => I32; ca32: I32 } {
  const { i32, i64 } = m;
  const partial = i64.add(a, b);
  const sum = i64.add(partial, i64.extendU(carry));
  const low = i32.wrap(partial);
  return {
    sum,
    ca64: () => i32.or(i64.ltU(partial, a), i64.ltU(sum, partial)),
    ca32: i32.or(i32.ltU(low, i32.wrap(a)), i32.ltU(i32.wrap(sum), low)),
  };
}

/** rt = a + b + CA with the carry out: adde, subfe and their forms with 0 and -1. */
function addExtended(m: Machine, o: { rt: I32; oe: boolean; rc: boolean }, a: I64, b: I64): void {
  const { sum, ca64, ca32 } = addWithCarry(m, a, b, m.get("ca"));
  setCarry(m, ca64, ca32);
  m.setGpr(o.rt, sum);
  finish(m, o, a, b, sum);
}

// Addition and subtraction.

export const addi = insn("addi", "001110 rt:5 ra:5 si:s16", "rt, ra, si", (m, o) => {
  m.setGpr(o.rt, m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.si)));
});

export const addis = insn("addis", "001111 rt:5 ra:5 si:s16", "rt, ra, si", (m, o) => {
  const { i32, i64 } = m;
  m.setGpr(o.rt, i64.add(m.gprOrZero(o.ra), i64.extendS(i32.shl(o.si, i32.const(16)))));
});

export const addpcis = insn("addpcis", "010011 rt:5 d:5@1 d:s10@6 00010 d:1", "rt, d", (m, o) => {
  const { i32, i64 } = m;
  const next = i64.add(m.cia(), i64.const(4));
  m.setGpr(o.rt, i64.add(next, i64.extendS(i32.shl(o.d, i32.const(16)))));
});

export const add = insn("add", "011111 rt:5 ra:5 rb:5 oe? 100001010 rc?", "rt, ra, rb", (m, o) => {
  const a = m.gpr(o.ra);
  const b = m.gpr(o.rb);
  const sum = m.i64.add(a, b);
  m.setGpr(o.rt, sum);
  finish(m, o, a, b, sum);
});

export const subf = insn("subf", "011111 rt:5 ra:5 rb:5 oe? 000101000 rc?", "rt, ra, rb", (m, o) => {
  const a = m.gpr(o.ra);
  const b = m.gpr(o.rb);
  const difference = m.i64.sub(b, a);
  m.setGpr(o.rt, difference);
  finish(m, o, m.i64.not(a), b, difference);
});

export const neg = insn("neg", "011111 rt:5 ra:5 -:5 oe? 001101000 rc?", "rt, ra", (m, o) => {
  const a = m.gpr(o.ra);
  const negated = m.i64.neg(a);
  m.setGpr(o.rt, negated);
  finish(m, o, m.i64.not(a), m.i64.const(0), negated);
});

export const addic = insn("addic", "001100 rt:5 ra:5 si:s16", "rt, ra, si", (m, o) => {
  addCarrying(m, o.rt, m.gpr(o.ra), m.i64.extendS(o.si));
});

export const addicRecord = insn("addic.", "001101 rt:5 ra:5 si:s16", "rt, ra, si", (m, o) => {
  recordCr0(m, addCarrying(m, o.rt, m.gpr(o.ra), m.i64.extendS(o.si)));
});

export const subfic = insn("subfic", "001000 rt:5 ra:5 si:s16", "rt, ra, si", (m, o) => {
  subtractCarrying(m, o.rt, m.i64.extendS(o.si), m.gpr(o.ra));
});

export const addc = insn("addc", "011111 rt:5 ra:5 rb:5 oe? 000001010 rc?", "rt, ra, rb", (m, o) => {
  const a = m.gpr(o.ra);
  const b = m.gpr(o.rb);
  finish(m, o, a, b, addCarrying(m, o.rt, a, b));
});

export const subfc = insn("subfc", "011111 rt:5 ra:5 rb:5 oe? 000001000 rc?", "rt, ra, rb", (m, o) => {
  const a = m.gpr(o.ra);
  const b = m.gpr(o.rb);
  finish(m, o, m.i64.not(a), b, subtractCarrying(m, o.rt, b, a));
});

export const adde = insn("adde", "011111 rt:5 ra:5 rb:5 oe? 010001010 rc?", "rt, ra, rb", (m, o) => {
  addExtended(m, o, m.gpr(o.ra), m.gpr(o.rb));
});

export const subfe = insn("subfe", "011111 rt:5 ra:5 rb:5 oe? 010001000 rc?", "rt, ra, rb", (m, o) => {
  addExtended(m, o, m.i64.not(m.gpr(o.ra)), m.gpr(o.rb));
});

export const addme = insn("addme", "011111 rt:5 ra:5 -:5 oe? 011101010 rc?", "rt, ra", (m, o) => {
  addExtended(m, o, m.gpr(o.ra), m.i64.const(-1));
});

export const subfme = insn("subfme", "011111 rt:5 ra:5 -:5 oe? 011101000 rc?", "rt, ra", (m, o) => {
  addExtended(m, o, m.i64.not(m.gpr(o.ra)), m.i64.const(-1));
});

export const addze = insn("addze", "011111 rt:5 ra:5 -:5 oe? 011001010 rc?", "rt, ra", (m, o) => {
  addExtended(m, o, m.gpr(o.ra), m.i64.const(0));
});

export const subfze = insn("subfze", "011111 rt:5 ra:5 -:5 oe? 011001000 rc?", "rt, ra", (m, o) => {
  addExtended(m, o, m.i64.not(m.gpr(o.ra)), m.i64.const(0));
});

/** OV takes the part of the carry, so that two chains of additions can run beside each other. SO stays as it is. */
export const addex = insn("addex", "011111 rt:5 ra:5 rb:5 00 10101010 -", "rt, ra, rb, 0", (m, o) => {
  const { sum, ca64, ca32 } = addWithCarry(m, m.gpr(o.ra), m.gpr(o.rb), m.get("ov"));
  m.set("ov", m.mode64 ? ca64() : ca32);
  m.set("ov32", ca32);
  m.setGpr(o.rt, sum);
});

// Multiplication.

const lowWordS = (m: Machine, value: I64): I64 => m.i64.extend32S(value);
const lowWordU = (m: Machine, value: I64): I64 => m.i64.extendU(m.i32.wrap(value));

export const mulli = insn("mulli", "000111 rt:5 ra:5 si:s16", "rt, ra, si", (m, o) => {
  m.setGpr(o.rt, m.i64.mul(m.gpr(o.ra), m.i64.extendS(o.si)));
});

export const mullw = insn("mullw", "011111 rt:5 ra:5 rb:5 oe? 011101011 rc?", "rt, ra, rb", (m, o) => {
  const { i64 } = m;
  const product = i64.mul(lowWordS(m, m.gpr(o.ra)), lowWordS(m, m.gpr(o.rb)));
  m.setGpr(o.rt, product);
  if (o.oe) {
    const overflow = i64.ne(product, i64.extend32S(product));
    setOverflow(m, overflow, overflow);
  }
  if (o.rc) recordCr0(m, product);
});

export const mulhw = insn("mulhw", "011111 rt:5 ra:5 rb:5 - 001001011 rc?", "rt, ra, rb", (m, o) => {
  const { i64 } = m;
  const product = i64.mul(lowWordS(m, m.gpr(o.ra)), lowWordS(m, m.gpr(o.rb)));
  // The upper word is undefined; zero is what QEMU leaves there.
  const high = i64.shrU(product, i64.const(32));
  m.setGpr(o.rt, high);
  if (o.rc) recordCr0(m, high);
});

export const mulhwu = insn("mulhwu", "011111 rt:5 ra:5 rb:5 - 000001011 rc?", "rt, ra, rb", (m, o) => {
  const { i64 } = m;
  const product = i64.mul(lowWordU(m, m.gpr(o.ra)), lowWordU(m, m.gpr(o.rb)));
  const high = i64.shrU(product, i64.const(32));
  m.setGpr(o.rt, high);
  if (o.rc) recordCr0(m, high);
});

export const mulld = insn("mulld", "011111 rt:5 ra:5 rb:5 oe? 011101001 rc?", "rt, ra, rb", (m, o) => {
  const { i64 } = m;
  const a = m.gpr(o.ra);
  const b = m.gpr(o.rb);
  const product = i64.mul(a, b);
  m.setGpr(o.rt, product);
  if (o.oe) {
    const overflow = i64.ne(highProductSigned(m, a, b), i64.shrS(product, i64.const(63)));
    setOverflow(m, overflow, overflow);
  }
  if (o.rc) recordCr0(m, product);
});

export const mulhd = insn("mulhd", "011111 rt:5 ra:5 rb:5 - 001001001 rc?", "rt, ra, rb", (m, o) => {
  const high = highProductSigned(m, m.gpr(o.ra), m.gpr(o.rb));
  m.setGpr(o.rt, high);
  if (o.rc) recordCr0(m, high);
});

export const mulhdu = insn("mulhdu", "011111 rt:5 ra:5 rb:5 - 000001001 rc?", "rt, ra, rb", (m, o) => {
  const high = highProduct(m, m.gpr(o.ra), m.gpr(o.rb));
  m.setGpr(o.rt, high);
  if (o.rc) recordCr0(m, high);
});

export const maddld = insn("maddld", "000100 rt:5 ra:5 rb:5 rc:5 110011", "rt, ra, rb, rc", (m, o) => {
  m.setGpr(o.rt, m.i64.add(m.i64.mul(m.gpr(o.ra), m.gpr(o.rb)), m.gpr(o.rc)));
});

/** The high doubleword of (high of the product, low of the product) + (upper, c). */
function multiplyAddHigh(m: Machine, rt: I32, a: I64, b: I64, c: I64, high: I64, upper: I64): void {
  const { i64 } = m;
  const low = i64.mul(a, b);
  const carry = i64.extendU(i64.ltU(i64.add(low, c), low));
  m.setGpr(rt, i64.add(i64.add(high, upper), carry));
}

export const maddhd = insn("maddhd", "000100 rt:5 ra:5 rb:5 rc:5 110000", "rt, ra, rb, rc", (m, o) => {
  const [a, b, c] = [m.gpr(o.ra), m.gpr(o.rb), m.gpr(o.rc)];
  multiplyAddHigh(m, o.rt, a, b, c, highProductSigned(m, a, b), m.i64.shrS(c, m.i64.const(63)));
});

export const maddhdu = insn("maddhdu", "000100 rt:5 ra:5 rb:5 rc:5 110001", "rt, ra, rb, rc", (m, o) => {
  const [a, b, c] = [m.gpr(o.ra), m.gpr(o.rb), m.gpr(o.rc)];
  multiplyAddHigh(m, o.rt, a, b, c, highProduct(m, a, b), m.i64.const(0));
});

export const fixedArithmeticInstructions = [
  addi,
  addis,
  addpcis,
  add,
  subf,
  neg,
  addic,
  addicRecord,
  subfic,
  addc,
  subfc,
  adde,
  subfe,
  addme,
  subfme,
  addze,
  subfze,
  addex,
  mulli,
  mullw,
  mulhw,
  mulhwu,
  mulld,
  mulhd,
  mulhdu,
  maddld,
  maddhd,
  maddhdu,
];
