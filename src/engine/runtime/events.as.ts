/** What the trace of the MMU hears of, on the way of a miss only, and who tracks pages: its kinds are MmuEvent in engine/layout.ts. */
import { EVENT_trackedWrite, S_traceMmu } from "./layout.target";

@external("env", "mmuEvent")
declare function mmuEvent(s: i32, kind: i32, a: i64, b: i64, c: i32, d: i32): void;

// @ts-ignore: decorator
@inline
export function traceMmu(s: i32, kind: i32, a: u64, b: u64, c: i32, d: i32): void {
  if (load<i32>(s, S_traceMmu)) mmuEvent(s, kind, a, b, c, d);
}

/** Bytes of a tracked page have been stored. */
export function tellTrackedWrite(s: i32, physical: u64, size: i32): void {
  mmuEvent(s, EVENT_trackedWrite, physical, 0, size, 0);
}
