/** The x87's operations, as routines of the run-time library number them. */
export const FloatOperation = {
  add: 0,
  multiply: 1,
  subtract: 4,
  subtractReversed: 5,
  divide: 6,
  divideReversed: 7,
} as const;

/** Where an operand is, or goes: memory of these forms, or a register of the stack. */
export const FloatPlace = {
  single: 0,
  double: 1,
  extended: 2,
  integer16: 3,
  integer32: 4,
  integer64: 5,
  stack: 6,
} as const;

/** Transcendental functions: of the stack's top, those from `arctangent` on of it and the register below it. */
export const FloatFunction = {
  sine: 0,
  cosine: 1,
  sineAndCosine: 2,
  tangent: 3,
  powerMinusOne: 4,
  arctangent: 5,
  logarithm: 6,
  logarithmPlusOne: 7,
} as const;

/** Instructions of the stack's top alone. */
export const FloatPlain = {
  nothing: 0,
  absolute: 1,
  changeSign: 2,
  test: 3,
  examine: 4,
  root: 5,
  roundToInteger: 6,
  increment: 7,
  decrement: 8,
} as const;
