/**
 * Fixed-point division, remainder and random numbers.
 * Source: Power ISA v3.0B, Book I "Fixed-Point Arithmetic Instructions".
 *
 * A quotient that cannot be represented is undefined. The divisor is then taken as 1 (as QEMU does), because WebAssembly
 * would trap: the quotient is the dividend, the remainder 0. The extended forms give 0.
 */
import { recordCr0, setOverflow } from "../common.js";
import { insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";

interface DivideOperands {
  readonly rt: I32;
  readonly ra: I32;
  readonly rb: I32;
}
interface RecordingOperands extends DivideOperands {
  readonly oe: boolean;
  readonly rc: boolean;
}
/** What follows the result: flags, or nothing. */
type Finish<O> = (m: Machine, o: O, result: I64, invalid: I32) => void;

type Operation = (m: Machine, dividend: I64, divisor: I64) => I64;

function signedDoubleword<O extends DivideOperands>(operation: Operation, finish: Finish<O>) {
  return (m: Machine, o: O): void => {
    const { i32, i64 } = m;
    const dividend = m.gpr(o.ra);
    const divisor = m.gpr(o.rb);
    const overflows = i32.and(i64.eq(divisor, i64.const(-1)), i64.eq(dividend, i64.const(-(1n << 63n))));
    const invalid = i32.or(i64.eqz(divisor), overflows);
    const result = operation(m, dividend, m.select(invalid, i64.const(1), divisor));
    m.setGpr(o.rt, result);
    finish(m, o, result, invalid);
  };
}

function unsignedDoubleword<O extends DivideOperands>(operation: Operation, finish: Finish<O>) {
  return (m: Machine, o: O): void => {
    const { i64 } = m;
    const divisor = m.gpr(o.rb);
    const invalid = i64.eqz(divisor);
    const result = operation(m, m.gpr(o.ra), m.select(invalid, i64.const(1), divisor));
    m.setGpr(o.rt, result);
    finish(m, o, result, invalid);
  };
}

type WordOperation = (m: Machine, dividend: I32, divisor: I32) => I64;

function signedWord<O extends DivideOperands>(operation: WordOperation, finish: Finish<O>) {
  return (m: Machine, o: O): void => {
    const { i32 } = m;
    const dividend = i32.wrap(m.gpr(o.ra));
    const divisor = i32.wrap(m.gpr(o.rb));
    const overflows = i32.and(i32.eq(divisor, i32.const(-1)), i32.eq(dividend, i32.const(-0x80000000)));
    const invalid = i32.or(i32.eqz(divisor), overflows);
    const result = operation(m, dividend, m.select(invalid, i32.const(1), divisor));
    m.setGpr(o.rt, result);
    finish(m, o, result, invalid);
  };
}

function unsignedWord<O extends DivideOperands>(operation: WordOperation, finish: Finish<O>) {
  return (m: Machine, o: O): void => {
    const { i32 } = m;
    const divisor = i32.wrap(m.gpr(o.rb));
    const invalid = i32.eqz(divisor);
    const result = operation(m, i32.wrap(m.gpr(o.ra)), m.select(invalid, i32.const(1), divisor));
    m.setGpr(o.rt, result);
    finish(m, o, result, invalid);
  };
}

const record: Finish<RecordingOperands> = (m, o, result, invalid) => {
  if (o.oe) setOverflow(m, invalid, invalid);
  if (o.rc) recordCr0(m, result);
};
const nothing: Finish<DivideOperands> = () => {};

export const divd = insn(
  "divd",
  "011111 rt:5 ra:5 rb:5 oe? 111101001 rc?",
  "rt, ra, rb",
  signedDoubleword((m, a, b) => m.i64.divS(a, b), record),
);

export const divdu = insn(
  "divdu",
  "011111 rt:5 ra:5 rb:5 oe? 111001001 rc?",
  "rt, ra, rb",
  unsignedDoubleword((m, a, b) => m.i64.divU(a, b), record),
);

export const modsd = insn(
  "modsd",
  "011111 rt:5 ra:5 rb:5 1100001001 -",
  "rt, ra, rb",
  signedDoubleword((m, a, b) => m.i64.remS(a, b), nothing),
);

export const modud = insn(
  "modud",
  "011111 rt:5 ra:5 rb:5 0100001001 -",
  "rt, ra, rb",
  unsignedDoubleword((m, a, b) => m.i64.remU(a, b), nothing),
);

export const divw = insn(
  "divw",
  "011111 rt:5 ra:5 rb:5 oe? 111101011 rc?",
  "rt, ra, rb",
  signedWord((m, a, b) => m.i64.extendU(m.i32.divS(a, b)), record),
);

export const divwu = insn(
  "divwu",
  "011111 rt:5 ra:5 rb:5 oe? 111001011 rc?",
  "rt, ra, rb",
  unsignedWord((m, a, b) => m.i64.extendU(m.i32.divU(a, b)), record),
);

export const modsw = insn(
  "modsw",
  "011111 rt:5 ra:5 rb:5 1100001011 -",
  "rt, ra, rb",
  signedWord((m, a, b) => m.i64.extendS(m.i32.remS(a, b)), nothing),
);

export const moduw = insn(
  "moduw",
  "011111 rt:5 ra:5 rb:5 0100001011 -",
  "rt, ra, rb",
  unsignedWord((m, a, b) => m.i64.extendU(m.i32.remU(a, b)), nothing),
);

/** The dividend is the word in RA followed by 32 zeros. */
export const divwe = insn("divwe", "011111 rt:5 ra:5 rb:5 oe? 110101011 rc?", "rt, ra, rb", (m, o) => {
  const { i32, i64 } = m;
  const dividend = i64.shl(m.gpr(o.ra), i64.const(32));
  const divisor = i64.extend32S(m.gpr(o.rb));
  const least = i64.eq(dividend, i64.const(-(1n << 63n)));
  const impossible = i32.or(i64.eqz(divisor), i32.and(least, i64.eq(divisor, i64.const(-1))));
  const quotient = i64.divS(dividend, m.select(impossible, i64.const(1), divisor));
  const invalid = i32.or(impossible, i64.ne(quotient, i64.extend32S(quotient)));
  const result = m.select(invalid, i64.const(0), quotient);
  m.setGpr(o.rt, result);
  record(m, o, result, invalid);
});

export const divweu = insn("divweu", "011111 rt:5 ra:5 rb:5 oe? 110001011 rc?", "rt, ra, rb", (m, o) => {
  const { i32, i64 } = m;
  const high = i32.wrap(m.gpr(o.ra));
  const divisor = i32.wrap(m.gpr(o.rb));
  // The quotient fits in a word exactly if the high part is below the divisor; this also excludes zero.
  const invalid = i32.geU(high, divisor);
  const dividend = i64.shl(i64.extendU(high), i64.const(32));
  const quotient = i64.divU(dividend, i64.extendU(m.select(invalid, i32.const(1), divisor)));
  const result = m.select(invalid, i64.const(0), quotient);
  m.setGpr(o.rt, result);
  record(m, o, result, invalid);
});

/** The dividend is the doubleword in RA followed by 64 zeros. */
export const divde = insn("divde", "011111 rt:5 ra:5 rb:5 oe? 110101001 rc?", "rt, ra, rb", (m, o) => {
  const a = m.gpr(o.ra);
  const b = m.gpr(o.rb);
  const result = m.call("divideExtendedS", a, b);
  m.setGpr(o.rt, result);
  // 0 also stands for a quotient that does not fit; a real quotient is 0 only for the dividend 0.
  const invalid = m.i32.and(m.i64.eqz(result), m.i32.or(m.i64.eqz(b), m.i32.eqz(m.i64.eqz(a))));
  record(m, o, result, invalid);
});

export const divdeu = insn("divdeu", "011111 rt:5 ra:5 rb:5 oe? 110001001 rc?", "rt, ra, rb", (m, o) => {
  const a = m.gpr(o.ra);
  const b = m.gpr(o.rb);
  const result = m.call("divideExtendedU", a, b);
  m.setGpr(o.rt, result);
  record(m, o, result, m.i64.geU(a, b));
});

/** L = 0 a word, 1 conditioned, 2 raw, 3 reserved. */
export const darn = insn("darn", "011111 rt:5 - - - l:2 -:5 1011110011 -", "rt, l", (m, o) => {
  m.setGpr(o.rt, m.call("deliverRandom", o.l));
});

export const fixedDivideInstructions = [
  divd,
  divdu,
  modsd,
  modud,
  divw,
  divwu,
  modsw,
  moduw,
  divwe,
  divweu,
  divde,
  divdeu,
  darn,
];
