/**
 * Floating-point rounding, conversion and comparison. Source: Power ISA v3.0B, Book I "Floating-Point Rounding and
 * Conversion Instructions", "Floating-Point Compare Instructions".
 */
import { float, Rounding, ToInteger } from "../float-forms.js";
import {
  compareDoubles,
  convertToInteger,
  type FloatOperation,
  operate,
  floatOperations as operations,
  roundDouble,
} from "../float-inline.js";
import { type InsnDefinition, insn } from "../insn.js";
import { bits } from "../vector-forms.js";

const form = (opcode: 59 | 63, xo: number) => `${bits(opcode, 6)} frt:5 -:5 frb:5 ${bits(xo, 10)} rc?` as const;
const toInteger = (name: string, xo: number, kind: number): InsnDefinition =>
  insn(name, form(63, xo), "frt, frb", float, (m, o) =>
    convertToInteger(m, kind, m.double(o.frb), (r) => m.setFpr(o.frt, r), o.rc),
  );
const round = (name: string, xo: number, mode: number): InsnDefinition =>
  insn(name, form(63, xo), "frt, frb", float, (m, o) =>
    roundDouble(m, mode, m.double(o.frb), (r) => m.setDouble(o.frt, r), o.rc),
  );
function inline(name: string, opcode: 59 | 63, xo: number, operation: FloatOperation): InsnDefinition {
  return insn(name, form(opcode, xo), "frt, frb", float, (m, o) =>
    operate(m, operation, [m.double(o.frb)], (r) => m.setDouble(o.frt, r), o.rc),
  );
}

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
