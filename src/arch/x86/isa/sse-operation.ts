/** SSE's arithmetic, as its routine in the run-time library numbers it; the last subtracts in even lanes. */
export const SseOperation = {
  add: 0,
  subtract: 1,
  multiply: 2,
  divide: 3,
  minimum: 4,
  maximum: 5,
  root: 6,
  addSubtract: 7,
} as const;

/** Of products and sums: the product changes its sign; the addend does, in even lanes, in odd ones. */
export const SseFused = { negate: 1, subtractEven: 2, subtractOdd: 4 } as const;

/** Of an operation: all lanes of 128 bits, the first alone, the first 128 bits of 256, the second. */
export const SsePart = { all: 0, scalar: 1, first: 2, second: 3 } as const;
