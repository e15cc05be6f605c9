/** Words of x87 and SSE. Source: Intel SDM, volume 1, "x87 FPU Control Word", "x87 FPU Status Register", "MXCSR Register". */

/** Exceptions, in the control words, the status words: their masks in FCW are in the same places, in MXCSR 7 bits above. */
export const FloatException = {
  invalid: 1,
  denormal: 2,
  zeroDivide: 4,
  overflow: 8,
  underflow: 16,
  precision: 32,
  exceptions: 63,
} as const;

/** FCW: rounding and precision by the first of their two bits. */
export const FloatControl = { initial: 0x37f, reserved: 0x40, precision: 8, rounding: 10 } as const;

export const FloatStatus = {
  stackFault: 0x40,
  summary: 0x80,
  /** C0 to C3. */
  c0: 0x100,
  c1: 0x200,
  c2: 0x400,
  /** The first of three bits. */
  top: 11,
  c3: 0x4000,
  busy: 0x8000,
} as const;

export const Mxcsr = {
  denormalsAreZero: 0x40,
  masks: 7,
  /** The first of two bits: to the nearest, down, up, toward zero. */
  rounding: 13,
  flushToZero: 0x8000,
  writable: 0xffff,
  initial: 0x1f80,
} as const;
