/**
 * The time base and the decrementer, both derived from the host's clock.
 * Source: Power ISA v3.0B, Book III "Timer Facilities".
 */
import {
  S_decExpiry,
  S_decPending,
  S_recheck,
  S_smallDecrementer,
  S_tbOffset,
  VM_clockBase,
  VM_clockRate,
} from "../engines/runtime/layout.generated";

/** The host's clock: ms, `performance.timeOrigin + performance.now()`. */
@external("env", "now")
declare function now(): f64;

/** The time base, 64 bits. */
export function timeBase(s: i32): i64 {
  const ticks = (now() - load<f64>(VM_clockBase)) * load<f64>(VM_clockRate);
  return i64(ticks) + load<i64>(s, S_tbOffset);
}

/** How far a value of the decrementer is shifted so that its sign is that of 64 bits. */
function signShift(s: i32): i64 {
  return load<i32>(s, S_smallDecrementer) ? 32 : 8;
}

/** Ticks until the decrementer is 0, as its width has them. */
export function decrementerTicks(s: i32): i64 {
  const shift = signShift(s);
  return ((load<i64>(s, S_decExpiry) - timeBase(s)) << shift) >> shift;
}

/**
 * The decrementer: 56 bits, sign-extended, or 32 of v2.07, which are not. PAPR guests are told its width (ibm,dec-bits) and
 * cannot reach LPCR[LD], so a processor that has the large one always has it.
 */
export function decrementer(s: i32): i64 {
  const ticks = decrementerTicks(s);
  // Who has seen it negative may rely on the interrupt once MSR[EE] is on, however long the slice.
  if (ticks < 0) {
    store<i32>(s, 1, S_decPending);
    store<i32>(s, 1, S_recheck);
  }
  return load<i32>(s, S_smallDecrementer) ? <i64>(<u32>ticks) : ticks;
}

/** mtdec. The exception exists while the decrementer is negative, so a new value also ends or begins one. */
export function setDecrementer(s: i32, value: i64): void {
  const shift = signShift(s);
  const ticks = (value << shift) >> shift;
  store<i64>(s, timeBase(s) + ticks, S_decExpiry);
  const expired = ticks < 0;
  store<i32>(s, i32(expired), S_decPending);
  if (expired) store<i32>(s, 1, S_recheck);
}
