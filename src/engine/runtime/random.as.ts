/** Random bits of the host's. */

/** 32 bits of cryptographic quality. */
@external("env", "random")
export declare function random(): i32;

export function random64(): u64 {
  const low = <u64>(<u32>random());
  return ((<u64>(<u32>random())) << 32) | low;
}
