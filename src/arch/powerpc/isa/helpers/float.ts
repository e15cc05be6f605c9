import { helper } from "../../../../semantics/signature.js";

const pure = <const P extends readonly ("i32" | "i64" | "v128")[], const R extends "i32" | "i64" | "v128">(
  params: P,
  result: R,
) => helper("pure", params, result);
const state = <const P extends readonly ("i32" | "i64" | "v128")[], const R extends "i32" | "i64" | "v128" | "void">(
  params: P,
  result: R,
) => helper("state", params, result);
export const touchesStatus = (signature: object): boolean => "status" in signature;
/** FPRF, FR and FI are among what it reads or writes: what is pending of them (float-inline.ts) is settled before. */
export const statusHelper = <
  const P extends readonly ("i32" | "i64" | "v128")[],
  const R extends "i32" | "i64" | "v128" | "void",
>(
  params: P,
  result: R,
) => ({ ...helper("state", params, result), status: true }) as const;

/**
 * Exact binary floating point with FPSCR. Implemented in `engines/runtime/float/*.as.ts`.
 *
 * Doubles, and singles in double format, are i64 bit patterns; quads and vectors are v128. None of these raises an
 * interrupt by itself, because some enabled exceptions interrupt only after the result is written: they set the register
 * `floatOutcome`, and the instruction goes by it (`isa/float-forms.ts`).
 *
 * Constants as last parameter: `kind` of a multiply-add: 1 the addend is subtracted, 2 the result's sign is inverted.
 * `kind` of a conversion to an integer: 1 unsigned, 2 64 bits, 4 toward zero. `kind` of a conversion from one: 1 unsigned,
 * 2 see there. `mode` of a rounding: 0 to 3 as FPSCR[RN], 4 nearest with ties away, 5 as FPSCR says and inexact.
 */
export const floatHelpers = {
  /** Reads and clears floatOutcome. */
  floatTakeOutcome: state([], "i32"),
  /** FPSCR as it is to be seen. */
  fpscrRead: statusHelper([], "i64"),
  /** mtfsf, mtfsfi, mtfsb0: value and mask of FPSCR's bits. */
  fpscrWrite: statusHelper(["i64", "i64"], "void"),
  /** mtfsb1: number of the bit in FPSCR's low word, 0 the most significant. */
  fpscrSetBit: statusHelper(["i32"], "void"),
  /** mcrfs: clears the exception bits of a field. */
  fpscrClearField: statusHelper(["i32"], "void"),

  float64Add: statusHelper(["i64", "i64"], "i64"),
  float64Sub: statusHelper(["i64", "i64"], "i64"),
  float64Mul: statusHelper(["i64", "i64"], "i64"),
  float64Div: statusHelper(["i64", "i64"], "i64"),
  float64Sqrt: statusHelper(["i64"], "i64"),
  /** a * b + c. */
  float64MulAdd: statusHelper(["i64", "i64", "i64", "i32"], "i64"),
  float64Reciprocal: statusHelper(["i64"], "i64"),
  float64ReciprocalRoot: statusHelper(["i64"], "i64"),
  /** The same, rounded once to single. */
  float32Add: statusHelper(["i64", "i64"], "i64"),
  float32Sub: statusHelper(["i64", "i64"], "i64"),
  float32Mul: statusHelper(["i64", "i64"], "i64"),
  float32Div: statusHelper(["i64", "i64"], "i64"),
  float32Sqrt: statusHelper(["i64"], "i64"),
  float32MulAdd: statusHelper(["i64", "i64", "i64", "i32"], "i64"),
  float32Reciprocal: statusHelper(["i64"], "i64"),
  float32ReciprocalRoot: statusHelper(["i64"], "i64"),

  /** frsp. */
  float64ToSingle: statusHelper(["i64"], "i64"),
  /** xscvdpsp: the word. */
  float64ToFloat32: statusHelper(["i64"], "i64"),
  float32ToFloat64: statusHelper(["i64"], "i64"),
  float64ToFloat16: statusHelper(["i64"], "i64"),
  float16ToFloat64: statusHelper(["i64"], "i64"),
  float64ToInteger: statusHelper(["i64", "i32"], "i64"),
  /** kind 2: rounded to single. */
  float64FromInteger: statusHelper(["i64", "i32"], "i64"),
  float64Round: statusHelper(["i64", "i32"], "i64"),
  /** The CR field, also put in FPCC; 1 as last argument: ordered. */
  float64Compare: statusHelper(["i64", "i64", "i32"], "i32"),
  floatSetFpcc: statusHelper(["i32"], "void"),
  /** 1 minimum, 2 as C's operator, 4 as Java's. */
  float64Extremum: state(["i64", "i64", "i32"], "i64"),
  float64TestDivide: pure(["i64", "i64"], "i32"),
  float64TestSqrt: pure(["i64"], "i32"),
  /** DCMX; the CR field. */
  float64InClass: pure(["i64", "i32"], "i32"),
  float32InClass: pure(["i64", "i32"], "i32"),
  /** Relation: 0 equal, 1 greater, 2 greater or equal; a mask. */
  float64CompareMask: state(["i64", "i64", "i32"], "i64"),

  /** Operation: 0 add, 1 subtract, 2 multiply, 3 divide; then whether to round to odd. */
  float128Arithmetic: statusHelper(["v128", "v128", "i32", "i32"], "v128"),
  float128MulAdd: statusHelper(["v128", "v128", "v128", "i32", "i32"], "v128"),
  float128Sqrt: statusHelper(["v128", "i32"], "v128"),
  float128ToFloat64: statusHelper(["v128", "i32"], "i64"),
  float64ToFloat128: statusHelper(["i64"], "v128"),
  float128ToInteger: statusHelper(["v128", "i32"], "i64"),
  float128FromInteger: statusHelper(["i64", "i32"], "v128"),
  /** Whether unsigned. */
  float128ToInteger128: statusHelper(["v128", "i32"], "v128"),
  float128FromInteger128: statusHelper(["v128", "i32"], "v128"),
  /** Relation: 0 equal, 1 greater, 2 greater or equal; a mask. */
  float128CompareMask: state(["v128", "v128", "i32"], "v128"),
  /** Whether the minimum; as C's operators. */
  float128Extremum: state(["v128", "v128", "i32"], "v128"),
  /** mode 0 to 4; then whether inexactness counts. */
  float128Round: statusHelper(["v128", "i32", "i32"], "v128"),
  float128RoundToExtended: statusHelper(["v128", "i32"], "v128"),
  float128Compare: statusHelper(["v128", "v128", "i32"], "i32"),
  /** 1 if the class is one of DCMX. */
  float128InClass: pure(["v128", "i32"], "i32"),

  /** Operation: 0 add, 1 subtract, 2 multiply, 3 divide, 4 maximum, 5 minimum. */
  float64x2Arithmetic: state(["v128", "v128", "i32"], "v128"),
  float32x4Arithmetic: state(["v128", "v128", "i32"], "v128"),
  float64x2MulAdd: state(["v128", "v128", "v128", "i32"], "v128"),
  float32x4MulAdd: state(["v128", "v128", "v128", "i32"], "v128"),
  /** Operation: 0 square root, 1 reciprocal, 2 reciprocal root, 8 + mode rounds. */
  float64x2Unary: state(["v128", "i32"], "v128"),
  float32x4Unary: state(["v128", "i32"], "v128"),
  /** Relation: 0 equal, 1 greater, 2 greater or equal; masks. */
  float64x2Compare: state(["v128", "v128", "i32"], "v128"),
  float32x4Compare: state(["v128", "v128", "i32"], "v128"),
  float64x2ToFloat32: state(["v128"], "v128"),
  float32x2ToFloat64: state(["v128"], "v128"),
  float32x4ToFloat16: state(["v128"], "v128"),
  float16x4ToFloat32: state(["v128"], "v128"),
  float32x4ToBfloat16: state(["v128"], "v128"),
  float64x2ToInteger: state(["v128", "i32"], "v128"),
  float32x4ToInteger: state(["v128", "i32"], "v128"),
  /** kind 2: from doublewords. */
  float64x2FromInteger: state(["v128", "i32"], "v128"),
  float32x4FromInteger: state(["v128", "i32"], "v128"),
  float64x2TestDivide: pure(["v128", "v128"], "i32"),
  float64x2TestSqrt: pure(["v128"], "i32"),
  float32x4TestDivide: pure(["v128", "v128"], "i32"),
  float32x4TestSqrt: pure(["v128"], "i32"),
  /** DCMX; masks. */
  float64x2InClass: pure(["v128", "i32"], "v128"),
  float32x4InClass: pure(["v128", "i32"], "v128"),

  /** VMX: no exceptions; VSCR[NJ]. Operation: 0 add, 1 subtract, 4 maximum, 5 minimum. */
  vmxArithmetic: state(["v128", "v128", "i32"], "v128"),
  /** a * b + c. */
  vmxMulAdd: state(["v128", "v128", "v128", "i32"], "v128"),
  /** Operation: 1 reciprocal, 2 reciprocal root, 3 log2, 4 power of 2, 8 + mode rounds. */
  vmxUnary: state(["v128", "i32"], "v128"),
  /** Scale, whether unsigned. */
  vmxFromInteger: pure(["v128", "i32", "i32"], "v128"),
  vmxToInteger: state(["v128", "i32", "i32"], "v128"),
  /** Relation: 0 equal, 1 greater, 2 greater or equal, 3 out of bounds. */
  vmxCompare: state(["v128", "v128", "i32"], "v128"),
};
