/**
 * FPRF, FR and FI of an operation that was done in line (isa/float-inline.ts): made by doing it once more, now exactly. It
 * finds FPSCR as it was in all that counts, since what writes the control bits comes here first.
 */
import {
  PENDINGFLOAT_add,
  PENDINGFLOAT_div,
  PENDINGFLOAT_fromSigned,
  PENDINGFLOAT_fromUnsigned,
  PENDINGFLOAT_mul,
  PENDINGFLOAT_mulAdd,
  PENDINGFLOAT_negMulSub,
  PENDINGFLOAT_round,
  PENDINGFLOAT_single,
  PENDINGFLOAT_sqrt,
  PENDINGFLOAT_sub,
  PENDINGFLOAT_toInteger,
  PENDINGFLOAT_toSingle,
  S_floatA,
  S_floatB,
  S_floatC,
  S_floatD,
  S_floatPending,
} from "../layout.generated";
import { setFpcc } from "./fpscr.as";
import {
  float32Add,
  float32Div,
  float32Mul,
  float32MulAdd,
  float32Sqrt,
  float32Sub,
  float64Add,
  float64Div,
  float64FromInteger,
  float64Mul,
  float64MulAdd,
  float64Round,
  float64Sqrt,
  float64Sub,
  float64ToInteger,
  float64ToSingle,
} from "./scalar.as";

/** `pending` is the register floatPending; it and the operands are passed because regions hold them in locals. */
export function floatSettle(s: i32, pending: i32, a: i64, b: i64, c: i64, d: i64): void {
  const single = (pending & PENDINGFLOAT_single) != 0;
  const kind = pending & (PENDINGFLOAT_single - 1);
  if (pending & PENDINGFLOAT_round) float64Round(s, a, kind);
  else if (kind >= PENDINGFLOAT_mulAdd && kind <= PENDINGFLOAT_negMulSub) {
    if (single) float32MulAdd(s, a, b, c, kind - PENDINGFLOAT_mulAdd);
    else float64MulAdd(s, a, b, c, kind - PENDINGFLOAT_mulAdd);
  } else {
    switch (kind) {
      case PENDINGFLOAT_add:
        if (single) float32Add(s, a, b);
        else float64Add(s, a, b);
        break;
      case PENDINGFLOAT_sub:
        if (single) float32Sub(s, a, b);
        else float64Sub(s, a, b);
        break;
      case PENDINGFLOAT_mul:
        if (single) float32Mul(s, a, b);
        else float64Mul(s, a, b);
        break;
      case PENDINGFLOAT_div:
        if (single) float32Div(s, a, b);
        else float64Div(s, a, b);
        break;
      case PENDINGFLOAT_sqrt:
        if (single) float32Sqrt(s, a);
        else float64Sqrt(s, a);
        break;
      case PENDINGFLOAT_toSingle:
        float64ToSingle(s, a);
        break;
      case PENDINGFLOAT_fromSigned:
        float64FromInteger(s, a, single ? 2 : 0);
        break;
      case PENDINGFLOAT_fromUnsigned:
        float64FromInteger(s, a, single ? 3 : 1);
        break;
      default:
        break;
    }
  }
  const fpcc = (pending >> 8) & 15;
  if (fpcc) setFpcc(s, fpcc);
  if (pending & PENDINGFLOAT_toInteger) float64ToInteger(s, d, (pending >> 16) & 7);
}

/** The same for what the state has, when the engine returns. */
export function settleFloat(s: i32): void {
  const pending = load<i32>(s, S_floatPending);
  if (pending == 0) return;
  store<i32>(s, 0, S_floatPending);
  floatSettle(
    s,
    pending,
    load<i64>(s, S_floatA),
    load<i64>(s, S_floatB),
    load<i64>(s, S_floatC),
    load<i64>(s, S_floatD),
  );
}
