/**
 * Floating-point moves and arithmetic. Source: Power ISA v3.0B, Book I "Floating-Point Move Instructions",
 * "Floating-Point Arithmetic Instructions", "Floating-Point Select Instruction".
 */
import { float, MulAdd, recordCr1, SIGN64, settleFpr } from "../float-forms.js";
import { type FloatOperation, mulAdd, operate, floatOperations as operations } from "../float-inline.js";
import type { HelperName } from "../helpers.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";
import { bits } from "../vector-forms.js";

/** X-form move: touches no status. */
function move(name: string, xo: number, f: (m: Machine, b: I64) => I64): InsnDefinition {
  return insn(name, `111111 frt:5 -:5 frb:5 ${bits(xo, 10)} rc?`, "frt, frb", float, (m, o) => {
    m.setFpr(o.frt, f(m, m.fpr(o.frb)));
    if (o.rc) recordCr1(m);
  });
}

export const fcpsgn = insn("fcpsgn", "111111 frt:5 fra:5 frb:5 0000001000 rc?", "frt, fra, frb", float, (m, o) => {
  const { i64 } = m;
  const sign = i64.and(m.fpr(o.fra), i64.const(SIGN64));
  m.setFpr(o.frt, i64.or(sign, i64.and(m.fpr(o.frb), i64.const(SIGN64 - 1n))));
  if (o.rc) recordCr1(m);
});

export const fmrgew = insn("fmrgew", "111111 frt:5 fra:5 frb:5 1111000110 -", "frt, fra, frb", float, (m, o) => {
  const { i64 } = m;
  const high = i64.and(m.fpr(o.fra), i64.const(0xffffffff00000000n));
  m.setFpr(o.frt, i64.or(high, i64.shrU(m.fpr(o.frb), i64.const(32))));
});
export const fmrgow = insn("fmrgow", "111111 frt:5 fra:5 frb:5 1101000110 -", "frt, fra, frb", float, (m, o) => {
  const { i64 } = m;
  const low = i64.and(m.fpr(o.frb), i64.const(0xffffffff));
  m.setFpr(o.frt, i64.or(i64.shl(m.fpr(o.fra), i64.const(32)), low));
});

function binary(name: string, opcode: 59 | 63, xo: number, operation: FloatOperation): InsnDefinition {
  return insn(name, `${bits(opcode, 6)} frt:5 fra:5 frb:5 -:5 ${bits(xo, 5)} rc?`, "frt, fra, frb", float, (m, o) =>
    operate(m, operation, [m.double(o.fra), m.double(o.frb)], (r) => m.setDouble(o.frt, r), o.rc),
  );
}
function multiply(name: string, opcode: 59 | 63, operation: FloatOperation): InsnDefinition {
  return insn(name, `${bits(opcode, 6)} frt:5 fra:5 -:5 frc:5 11001 rc?`, "frt, fra, frc", float, (m, o) =>
    operate(m, operation, [m.double(o.fra), m.double(o.frc)], (r) => m.setDouble(o.frt, r), o.rc),
  );
}
function squareRoot(name: string, opcode: 59 | 63, operation: FloatOperation): InsnDefinition {
  return insn(name, `${bits(opcode, 6)} frt:5 -:5 frb:5 -:5 10110 rc?`, "frt, frb", float, (m, o) =>
    operate(m, operation, [m.double(o.frb)], (r) => m.setDouble(o.frt, r), o.rc),
  );
}

type Estimate = { [N in HelperName]: N extends `float${"32" | "64"}Reciprocal${"Root" | ""}` ? N : never }[HelperName];

function estimate(name: string, opcode: 59 | 63, xo: number, helper: Estimate): InsnDefinition {
  return insn(name, `${bits(opcode, 6)} frt:5 -:5 frb:5 -:5 ${bits(xo, 5)} rc?`, "frt, frb", float, (m, o) =>
    settleFpr(m, o.frt, m.call(helper, m.fpr(o.frb)), o.rc),
  );
}
function multiplyAdd(name: string, xo: number, kind: number): InsnDefinition[] {
  const form = (opcode: 59 | 63, suffix: string, operation: FloatOperation) =>
    insn(
      name + suffix,
      `${bits(opcode, 6)} frt:5 fra:5 frb:5 frc:5 ${bits(xo, 5)} rc?`,
      "frt, fra, frc, frb",
      float,
      (m, o) => {
        const operands = [m.double(o.fra), m.double(o.frc), m.double(o.frb)];
        operate(m, operation, operands, (r) => m.setDouble(o.frt, r), o.rc);
      },
    );
  return [form(63, "", mulAdd(false, kind)), form(59, "s", mulAdd(true, kind))];
}

/** FRC if FRA is greater than or equal to zero, else (or unordered) FRB. No status. */
export const fsel = insn("fsel", "111111 frt:5 fra:5 frb:5 frc:5 10111 rc?", "frt, fra, frc, frb", float, (m, o) => {
  const { i32, i64 } = m;
  const a = m.fpr(o.fra);
  const positive = i64.leU(a, i64.const(0x7ff0000000000000n));
  const takesC: I32 = i32.or(positive, i64.eq(a, i64.const(SIGN64)));
  m.setFpr(o.frt, m.select(takesC, m.fpr(o.frc), m.fpr(o.frb)));
  if (o.rc) recordCr1(m);
});

export const ftdiv = insn("ftdiv", "111111 bf:3 -:2 fra:5 frb:5 0010000000 -", "bf, fra, frb", float, (m, o) =>
  m.setCrField(o.bf, m.call("float64TestDivide", m.fpr(o.fra), m.fpr(o.frb))),
);
export const ftsqrt = insn("ftsqrt", "111111 bf:3 -:2 -:5 frb:5 0010100000 -", "bf, frb", float, (m, o) =>
  m.setCrField(o.bf, m.call("float64TestSqrt", m.fpr(o.frb))),
);

export const floatArithmeticInstructions = [
  move("fmr", 72, (_, b) => b),
  move("fneg", 40, (m, b) => m.i64.xor(b, m.i64.const(SIGN64))),
  move("fabs", 264, (m, b) => m.i64.and(b, m.i64.const(SIGN64 - 1n))),
  move("fnabs", 136, (m, b) => m.i64.or(b, m.i64.const(SIGN64))),
  fcpsgn,
  fmrgew,
  fmrgow,
  binary("fadd", 63, 21, operations.add),
  binary("fadds", 59, 21, operations.adds),
  binary("fsub", 63, 20, operations.sub),
  binary("fsubs", 59, 20, operations.subs),
  multiply("fmul", 63, operations.mul),
  multiply("fmuls", 59, operations.muls),
  binary("fdiv", 63, 18, operations.div),
  binary("fdivs", 59, 18, operations.divs),
  squareRoot("fsqrt", 63, operations.sqrt),
  squareRoot("fsqrts", 59, operations.sqrts),
  estimate("fre", 63, 24, "float64Reciprocal"),
  estimate("fres", 59, 24, "float32Reciprocal"),
  estimate("frsqrte", 63, 26, "float64ReciprocalRoot"),
  estimate("frsqrtes", 59, 26, "float32ReciprocalRoot"),
  ...multiplyAdd("fmadd", 29, MulAdd.add),
  ...multiplyAdd("fmsub", 28, MulAdd.subtract),
  ...multiplyAdd("fnmadd", 31, MulAdd.negativeAdd),
  ...multiplyAdd("fnmsub", 30, MulAdd.negativeSubtract),
  fsel,
  ftdiv,
  ftsqrt,
];
