/** VSX rounding and conversion. Source: Power ISA v3.0B, Book I "VSX Floating-Point Instructions". */
import { Rounding, ToInteger } from "../float-forms.js";
import { convertToInteger, floatOperations as operations, roundDouble } from "../float-inline.js";
import { since } from "../levels.js";
import type { I64, Machine } from "../machine.js";
import { doubleFromSingle, narrowDouble } from "../single-precision.js";
import { inline2, scalar2, vector2, xx2 } from "../vsx-float-forms.js";

/** A 32-bit result stands in both words of the doubleword; the manual defines one. */
const bothWords = (m: Machine, word: I64): I64 => {
  const low = m.i64.extendU(m.i32.wrap(word));
  return m.i64.or(low, m.i64.shl(low, m.i64.const(32)));
};
const highWord = (m: Machine, value: I64): I64 => m.i64.shrU(value, m.i64.const(32));

const round = (name: string, xo: number, mode: number) =>
  xx2(name, xo, (m, o) => roundDouble(m, mode, m.double(o.xb), (r) => m.setDouble(o.xt, r)));
const toInteger = (name: string, xo: number, kind: number) =>
  xx2(name, xo, (m, o) =>
    convertToInteger(m, kind | ToInteger.towardZero, m.double(o.xb), (r) =>
      m.setFpr(o.xt, kind & ToInteger.doubleword ? r : bothWords(m, r)),
    ),
  );

type Lanes = "float64x2" | "float32x4";
const vectorRound = (name: string, xo: number, lanes: Lanes, mode: number) =>
  vector2(name, xo, (m, b) => m.call(`${lanes}Unary`, b, m.i32.const(8 + mode)));
const vectorToInteger = (name: string, xo: number, lanes: Lanes, kind: number) =>
  vector2(name, xo, (m, b) => m.call(`${lanes}ToInteger`, b, m.i32.const(kind | ToInteger.towardZero)));
const vectorFromInteger = (name: string, xo: number, lanes: Lanes, kind: number) =>
  vector2(name, xo, (m, b) => m.call(`${lanes}FromInteger`, b, m.i32.const(kind)));

const { unsigned, doubleword } = ToInteger;

export const vsxFloatConvertInstructions = [
  inline2("xsrsp", 281, operations.toSingle),
  round("xsrdpi", 73, Rounding.nearestAway),
  round("xsrdpic", 107, Rounding.current),
  round("xsrdpim", 121, Rounding.down),
  round("xsrdpip", 105, Rounding.up),
  round("xsrdpiz", 89, Rounding.towardZero),

  scalar2("xscvdpsp", 265, (m, b) => bothWords(m, m.call("float64ToFloat32", b))),
  xx2("xscvdpspn", 267, (m, o) => narrowDouble(m, m.double(o.xb), (word) => m.setFpr(o.xt, bothWords(m, word)))),
  scalar2("xscvspdp", 329, (m, b) => m.call("float32ToFloat64", highWord(m, b))),
  scalar2("xscvspdpn", 331, (m, b) => doubleFromSingle(m, highWord(m, b))),
  scalar2("xscvdphp", 347, (m, b) => m.call("float64ToFloat16", b), 17),
  scalar2("xscvhpdp", 347, (m, b) => m.call("float16ToFloat64", b), 16),

  toInteger("xscvdpsxds", 344, doubleword),
  toInteger("xscvdpsxws", 88, 0),
  toInteger("xscvdpuxds", 328, doubleword | unsigned),
  toInteger("xscvdpuxws", 72, unsigned),
  inline2("xscvsxddp", 376, operations.fromSigned),
  inline2("xscvuxddp", 360, operations.fromUnsigned),
  inline2("xscvsxdsp", 312, operations.fromSigneds),
  inline2("xscvuxdsp", 296, operations.fromUnsigneds),

  vectorRound("xvrdpi", 201, "float64x2", Rounding.nearestAway),
  vectorRound("xvrdpic", 235, "float64x2", Rounding.current),
  vectorRound("xvrdpim", 249, "float64x2", Rounding.down),
  vectorRound("xvrdpip", 233, "float64x2", Rounding.up),
  vectorRound("xvrdpiz", 217, "float64x2", Rounding.towardZero),
  vectorRound("xvrspi", 137, "float32x4", Rounding.nearestAway),
  vectorRound("xvrspic", 171, "float32x4", Rounding.current),
  vectorRound("xvrspim", 185, "float32x4", Rounding.down),
  vectorRound("xvrspip", 169, "float32x4", Rounding.up),
  vectorRound("xvrspiz", 153, "float32x4", Rounding.towardZero),

  vector2("xvcvdpsp", 393, (m, b) => m.call("float64x2ToFloat32", b)),
  vector2("xvcvspdp", 457, (m, b) => m.call("float32x2ToFloat64", b)),
  ...since("3.1", [vector2("xvcvspbf16", 475, (m, b) => m.call("float32x4ToBfloat16", b), 17)]),
  vector2("xvcvhpsp", 475, (m, b) => m.call("float16x4ToFloat32", b), 24),
  vector2("xvcvsphp", 475, (m, b) => m.call("float32x4ToFloat16", b), 25),

  vectorToInteger("xvcvdpsxds", 472, "float64x2", doubleword),
  vectorToInteger("xvcvdpsxws", 216, "float64x2", 0),
  vectorToInteger("xvcvdpuxds", 456, "float64x2", doubleword | unsigned),
  vectorToInteger("xvcvdpuxws", 200, "float64x2", unsigned),
  vectorToInteger("xvcvspsxds", 408, "float32x4", doubleword),
  vectorToInteger("xvcvspsxws", 152, "float32x4", 0),
  vectorToInteger("xvcvspuxds", 392, "float32x4", doubleword | unsigned),
  vectorToInteger("xvcvspuxws", 136, "float32x4", unsigned),

  vectorFromInteger("xvcvsxddp", 504, "float64x2", 2),
  vectorFromInteger("xvcvuxddp", 488, "float64x2", 3),
  vectorFromInteger("xvcvsxwdp", 248, "float64x2", 0),
  vectorFromInteger("xvcvuxwdp", 232, "float64x2", 1),
  vectorFromInteger("xvcvsxdsp", 440, "float32x4", 2),
  vectorFromInteger("xvcvuxdsp", 424, "float32x4", 3),
  vectorFromInteger("xvcvsxwsp", 184, "float32x4", 0),
  vectorFromInteger("xvcvuxwsp", 168, "float32x4", 1),
];
