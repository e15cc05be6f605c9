/**
 * Floating-point rounding, conversion and comparison. Source: Power ISA v3.0B, Book I "Floating-Point Rounding and
 * Conversion Instructions", "Floating-Point Compare Instructions".
 */
import { float, Rounding, settleFpr, ToInteger } from "../float-forms.js";
import { compareDoubles, type FloatOperation, operate, floatOperations as operations } from "../float-inline.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { I64, Machine } from "../machine.js";
import { bits } from "../vector-forms.js";

function unary(name: string, opcode: 59 | 63, xo: number, f: (m: Machine, b: I64) => I64): InsnDefinition {
  return insn(name, `${bits(opcode, 6)} frt:5 -:5 frb:5 ${bits(xo, 10)} rc?`, "frt, frb", float, (m, o) =>
    settleFpr(m, o.frt, f(m, m.fpr(o.frb)), o.rc),
  );
}
const toInteger = (name: string, xo: number, kind: number) =>
  unary(name, 63, xo, (m, b) => m.call("float64ToInteger", b, m.i32.const(kind)));
function inline(name: string, opcode: 59 | 63, xo: number, operation: FloatOperation): InsnDefinition {
  return insn(name, `${bits(opcode, 6)} frt:5 -:5 frb:5 ${bits(xo, 10)} rc?`, "frt, frb", float, (m, o) =>
    operate(m, operation, [m.double(o.frb)], (r) => m.setDouble(o.frt, r), o.rc),
  );
}
const round = (name: string, xo: number, mode: number) =>
  unary(name, 63, xo, (m, b) => m.call("float64Round", b, m.i32.const(mode)));

function compare(name: string, xo: number, ordered: number): InsnDefinition {
  return insn(name, `111111 bf:3 -:2 fra:5 frb:5 ${bits(xo, 10)} -`, "bf, fra, frb", float, (m, o) => {
    compareDoubles(m, o.bf, m.double(o.fra), m.double(o.frb), ordered);
  });
}

const { unsigned, doubleword, towardZero } = ToInteger;

export const floatConvertInstructions = [
  inline("frsp", 63, 12, operations.toSingle),
  toInteger("fctid", 814, doubleword),
  toInteger("fctidz", 815, doubleword | towardZero),
  toInteger("fctidu", 942, doubleword | unsigned),
  toInteger("fctiduz", 943, doubleword | unsigned | towardZero),
  toInteger("fctiw", 14, 0),
  toInteger("fctiwz", 15, towardZero),
  toInteger("fctiwu", 142, unsigned),
  toInteger("fctiwuz", 143, unsigned | towardZero),
  inline("fcfid", 63, 846, operations.fromSigned),
  inline("fcfidu", 63, 974, operations.fromUnsigned),
  inline("fcfids", 59, 846, operations.fromSigneds),
  inline("fcfidus", 59, 974, operations.fromUnsigneds),
  round("frin", 392, Rounding.nearestAway),
  round("friz", 424, Rounding.towardZero),
  round("frip", 456, Rounding.up),
  round("frim", 488, Rounding.down),
  compare("fcmpu", 0, 0),
  compare("fcmpo", 32, 1),
];
