import { S_mode } from "../engines/runtime/layout.generated";

/** Cut to 32 bits in 32-bit mode: for addresses that engines hand over as they are in the register. */
export function effective(s: i32, ea: i64): u64 {
  return load<i32>(s, S_mode) & 2 ? ea : ea & 0xffffffff;
}
