/** SSE's arithmetic, as its routine in the run-time library numbers it. */
export const SseOperation = { add: 0, subtract: 1, multiply: 2, divide: 3, minimum: 4, maximum: 5, root: 6 } as const;
