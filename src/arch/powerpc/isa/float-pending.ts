/**
 * Operations whose FPRF, FR and FI are made only when somebody looks: the low 8 bits of the register `floatPending`. The
 * run-time library has the same numbers, from layout.generated.ts. One rounded to single is `single` above.
 */
export const PendingFloat = {
  add: 1,
  sub: 2,
  mul: 3,
  div: 4,
  sqrt: 5,
  /** These four in the order of MulAdd. */
  mulAdd: 6,
  mulSub: 7,
  negMulAdd: 8,
  negMulSub: 9,
  /** Rounding to single: needs no `single`. */
  toSingle: 10,
  /** From the integer that `floatA` has the bits of. */
  fromSigned: 11,
  fromUnsigned: 12,
  single: 16,
  /** To an integral value, by a mode 0 to 3 of `Rounding`. */
  round: 32,
  /** Bit 19 of floatPending: a conversion to an integer came after it, of `floatD`; its kind, a ToInteger, stands in bits 16 to 18. */
  toInteger: 0x80000,
} as const;
