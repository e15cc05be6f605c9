/** How the matrix-multiply instructions tell the run-time library what they want; AssemblyScript has the same numbers. */

/** What is multiplied. */
export const OuterProduct = {
  /** Eight signed nibbles of a word. */
  int4: 0,
  /** Four bytes of a word, the first factor signed and the second not. */
  int8: 1,
  /** Two signed halfwords of a word. */
  int16: 2,
  float16: 3,
  bfloat16: 4,
  float32: 5,
  float64: 6,
  /** Or-ed to one of these: it is added to the accumulator. */
  accumulate: 8,
  /** The sum of integers is kept in the range of a word, and VSCR[SAT] notes if it was not. */
  saturate: 16,
  /** The accumulator is subtracted; the result's sign is inverted. */
  subtract: 32,
  negate: 64,
} as const;
