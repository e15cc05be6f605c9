/** RDRAND and RDSEED, which never fail here. Source: Intel SDM, volume 1, "Random Number Generator Instructions". */
import { random64 } from "../../../../engine/runtime/random.as";

export function randomBits(s: i32): i64 {
  return random64();
}
