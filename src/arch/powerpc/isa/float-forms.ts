/**
 * What floating-point instructions share: how a result is delivered when exceptions may be enabled, and CR field 1.
 * Source: Power ISA v3.0B, Book I "Floating-Point Exceptions".
 */
import type { I32, I64, Machine, V128 } from "./machine.js";

export const float = { facility: "float" } as const;
export const vsx = { facility: "vsx" } as const;

/** FPSCR[32:63]. */
export function fpscrLow(m: Machine): I32 {
  return m.i32.wrap(m.get("fpscr"));
}

/** CR1 from FPSCR[FX FEX VX OX]. */
export function recordCr1(m: Machine): void {
  m.setCrField(m.i32.const(1), m.i32.shrU(fpscrLow(m), m.i32.const(28)));
}

/**
 * Ends an instruction whose helper may have met an enabled exception: `write` puts the result into its place, unless an
 * enabled invalid operation or zero divide suppresses that. The interrupt comes after the result, as the manual wants.
 */
export function settle(m: Machine, write: () => void, rc = false): void {
  const { i32 } = m;
  m.if(
    m.get("floatOutcome"),
    () => {
      const outcome = m.call("floatTakeOutcome");
      m.if(i32.eqz(i32.and(outcome, i32.const(1))), write);
      if (rc) recordCr1(m);
      m.if(i32.and(outcome, i32.const(2)), () => m.raise("floatEnabled"));
    },
    () => {
      write();
      if (rc) recordCr1(m);
    },
  );
}

export function settleFpr(m: Machine, frt: I32, value: I64, rc = false): void {
  settle(m, () => m.setFpr(frt, value), rc);
}
export function settleVsr(m: Machine, xt: I32, value: V128): void {
  settle(m, () => m.setVsr(xt, value));
}
/** Doubleword 1, which the manual leaves undefined, is cleared as POWER9 does. */
export function settleScalar(m: Machine, xt: I32, value: I64): void {
  settle(m, () => m.setFpr(xt, value));
}

/** The sign bit of a doubleword. */
export const SIGN64 = 1n << 63n;

/** `kind` of the multiply-add helpers. */
export const MulAdd = { add: 0, subtract: 1, negativeAdd: 2, negativeSubtract: 3 } as const;

/** `kind` of the conversions to integers. */
export const ToInteger = { unsigned: 1, doubleword: 2, towardZero: 4 } as const;

/** `mode` of the roundings to integral values; the first four are FPSCR[RN]'s. */
export const Rounding = { nearestEven: 0, towardZero: 1, up: 2, down: 3, nearestAway: 4, current: 5 } as const;
