/** Small pieces of semantics that several groups of instructions share. */
import type { I32, I64, Machine } from "./machine.js";

/** The value as the current mode compares it: whole in 64-bit mode, the sign-extended low word in 32-bit mode. */
export function modeSigned(m: Machine, value: I64): I64 {
  return m.mode64 ? value : m.i64.extend32S(value);
}

/** An address as it is left in a register: cut to 32 bits in 32-bit mode. */
export function modeAddress(m: Machine, ea: I64): I64 {
  return m.mode64 ? ea : m.i64.extendU(m.i32.wrap(ea));
}

/** A CR field from an order: 8, 4 or 2, and XER[SO]. */
export function orderField(m: Machine, less: I32, greater: I32): I32 {
  const { i32 } = m;
  const order = m.select(less, i32.const(8), m.select(greater, i32.const(4), i32.const(2)));
  return i32.or(order, m.get("so"));
}

/** CR0 from a result compared with zero and XER[SO]; so OE's effect comes first. */
export function recordCr0(m: Machine, value: I64): void {
  const { i64 } = m;
  const v = modeSigned(m, value);
  const zero = i64.const(0);
  m.setCrField(m.i32.const(0), orderField(m, i64.ltS(v, zero), i64.gtS(v, zero)));
}

/** OV and OV32 as given (0 or 1), SO sticky. */
export function setOverflow(m: Machine, ov: I32, ov32: I32): void {
  m.set("ov", ov);
  m.set("ov32", ov32);
  m.set("so", m.i32.or(m.get("so"), ov));
}

/** One bit of a 32-bit value, counted from the least significant end. */
export function bitOf(m: Machine, value: I32, place: number): I32 {
  const { i32 } = m;
  return i32.and(i32.shrU(value, i32.const(place)), i32.const(1));
}

/** One bit of a 64-bit value, counted from the least significant end, as a truth value. */
export function bitOf64(m: Machine, value: I64, place: number): I32 {
  const { i32, i64 } = m;
  const shifted = i32.wrap(i64.shrU(value, i64.const(place)));
  return place === 63 ? shifted : i32.and(shifted, i32.const(1));
}

/** MSR[PR]. */
export function inProblemState(m: Machine): I32 {
  return bitOf64(m, m.get("msr"), 14);
}

/** Interruption causes of the Facility Unavailable interrupt; FSCR has the enabling bit at the same place. */
export const FacilityCause = {
  dscr: 2,
  performanceMonitor: 3,
  branchHistory: 4,
  eventBranch: 7,
  targetAddress: 8,
  systemCallVectored: 12,
  prefix: 13,
} as const;

/** Runs `body` unless FSCR denies the facility to problem state: then a Facility Unavailable interrupt. */
export function withFacility(m: Machine, cause: number, body: () => void): void {
  const { i32 } = m;
  const denied = i32.and(inProblemState(m), i32.eqz(bitOf64(m, m.get("fscr"), cause)));
  m.if(denied, () => m.call("facilityUnavailable", i32.const(cause)), body);
}

/** 1s from bit `mb` to bit `me` of a doubleword (0 the most significant), wrapping around if mb > me. */
export function mask64(m: Machine, mb: I64, me: I64): I64 {
  const { i64 } = m;
  // As many ones as the mask is long at the top, turned right by mb. Counts are taken modulo 64.
  const top = i64.shl(i64.const(-1), i64.sub(i64.sub(mb, me), i64.const(1)));
  return i64.rotl(top, i64.neg(mb));
}
