/**
 * Floating-point moves and arithmetic. Source: Power ISA v3.0B, Book I "Floating-Point Move Instructions",
 * "Floating-Point Arithmetic Instructions", "Floating-Point Select Instruction".
 */
import { float, MulAdd, recordCr1, SIGN64, settleFpr } from "../float-forms.js";
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

type Binary = {
  [N in HelperName]: N extends `float${"32" | "64"}${"Add" | "Sub" | "Mul" | "Div"}` ? N : never;
}[HelperName];
type Unary = {
  [N in HelperName]: N extends `float${"32" | "64"}${"Sqrt" | "Reciprocal" | "ReciprocalRoot"}` ? N : never;
}[HelperName];

function binary(name: string, opcode: 59 | 63, xo: number, helper: Binary): InsnDefinition {
  return insn(name, `${bits(opcode, 6)} frt:5 fra:5 frb:5 -:5 ${bits(xo, 5)} rc?`, "frt, fra, frb", float, (m, o) =>
    settleFpr(m, o.frt, m.call(helper, m.fpr(o.fra), m.fpr(o.frb)), o.rc),
  );
}
function multiply(name: string, opcode: 59 | 63, helper: Binary): InsnDefinition {
  return insn(name, `${bits(opcode, 6)} frt:5 fra:5 -:5 frc:5 11001 rc?`, "frt, fra, frc", float, (m, o) =>
    settleFpr(m, o.frt, m.call(helper, m.fpr(o.fra), m.fpr(o.frc)), o.rc),
  );
}
function unary(name: string, opcode: 59 | 63, xo: number, helper: Unary): InsnDefinition {
  return insn(name, `${bits(opcode, 6)} frt:5 -:5 frb:5 -:5 ${bits(xo, 5)} rc?`, "frt, frb", float, (m, o) =>
    settleFpr(m, o.frt, m.call(helper, m.fpr(o.frb)), o.rc),
  );
}
function multiplyAdd(name: string, xo: number, kind: number): InsnDefinition[] {
  const form = (opcode: 59 | 63, suffix: string, helper: "float64MulAdd" | "float32MulAdd") =>
    insn(
      name + suffix,
      `${bits(opcode, 6)} frt:5 fra:5 frb:5 frc:5 ${bits(xo, 5)} rc?`,
      "frt, fra, frc, frb",
      float,
      (m, o) => {
        const r = m.call(helper, m.fpr(o.fra), m.fpr(o.frc), m.fpr(o.frb), m.i32.const(kind));
        settleFpr(m, o.frt, r, o.rc);
      },
    );
  return [form(63, "", "float64MulAdd"), form(59, "s", "float32MulAdd")];
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
  binary("fadd", 63, 21, "float64Add"),
  binary("fadds", 59, 21, "float32Add"),
  binary("fsub", 63, 20, "float64Sub"),
  binary("fsubs", 59, 20, "float32Sub"),
  multiply("fmul", 63, "float64Mul"),
  multiply("fmuls", 59, "float32Mul"),
  binary("fdiv", 63, 18, "float64Div"),
  binary("fdivs", 59, 18, "float32Div"),
  unary("fsqrt", 63, 22, "float64Sqrt"),
  unary("fsqrts", 59, 22, "float32Sqrt"),
  unary("fre", 63, 24, "float64Reciprocal"),
  unary("fres", 59, 24, "float32Reciprocal"),
  unary("frsqrte", 63, 26, "float64ReciprocalRoot"),
  unary("frsqrtes", 59, 26, "float32ReciprocalRoot"),
  ...multiplyAdd("fmadd", 29, MulAdd.add),
  ...multiplyAdd("fmsub", 28, MulAdd.subtract),
  ...multiplyAdd("fnmadd", 31, MulAdd.negativeAdd),
  ...multiplyAdd("fnmsub", 30, MulAdd.negativeSubtract),
  fsel,
  ftdiv,
  ftsqrt,
];
