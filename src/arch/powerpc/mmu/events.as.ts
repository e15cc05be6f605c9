/** What the trace of the MMU hears of, on the way of a miss only: see mmu-trace.ts for who listens. */
import { S_traceMmu } from "../engines/runtime/layout.generated";

// Kinds, as mmu-trace.ts has them.
/** Effective address, guest physical address; access; rights and, from bit 8, the page's shift. */
export const EVENT_REFILL = 0;
/** Effective address; access; the cause's bits. */
export const EVENT_FAULT = 1;
/** RB, RS; RIC, PRS and R from bit 0, 2 and 3; 1 for tlbie, 0 for tlbiel. */
export const EVENT_INVALIDATE = 2;
/** Translations were dropped because another asked for it; 1: all. */
export const EVENT_FLUSH = 3;

@external("env", "mmuEvent")
declare function mmuEvent(s: i32, kind: i32, a: i64, b: i64, c: i32, d: i32): void;

// @ts-ignore: decorator
@inline
export function traceMmu(s: i32, kind: i32, a: u64, b: u64, c: i32, d: i32): void {
  if (load<i32>(s, S_traceMmu)) mmuEvent(s, kind, a, b, c, d);
}
