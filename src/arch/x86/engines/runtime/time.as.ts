/** The time-stamp counter, from the host's clock. */
import { S_tscOffset, VM_clockBase, VM_clockRate } from "./layout.generated";

/** The host's clock: ms, `performance.timeOrigin + performance.now()`. */
@external("env", "now")
declare function now(): f64;

export function timeStamp(s: i32): i64 {
  return i64((now() - load<f64>(VM_clockBase)) * load<f64>(VM_clockRate)) + load<i64>(s, S_tscOffset);
}
