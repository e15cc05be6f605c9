/** What the lane loops share: words in and out of a vector, and one lane's arithmetic. */
import { extremum64 } from "./compare.as";
import { add32, add64, divide32, divide64, multiply32, multiply64, negated } from "./double.as";
import { setExceptions } from "./fpscr.as";
import { doubleFromSingle, singleFromDouble } from "./wide.as";

// @ts-ignore: decorator
@inline
export function pair(h: u64, l: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(l), 1, h);
}
export function word(v: v128, i: i32): u32 {
  const d = i & 2 ? i64x2.extract_lane(v, 1) : i64x2.extract_lane(v, 0);
  return <u32>(i & 1 ? d >> 32 : d);
}

// Results of the lanes of one vector, gathered word by word from lane 0 up.
let gatheredHigh: u64 = 0;
let gatheredLow: u64 = 0;
export function gather(w: u32): void {
  gatheredLow = (gatheredLow >> 32) | (gatheredHigh << 32);
  gatheredHigh = (gatheredHigh >> 32) | ((<u64>w) << 32);
}
export function gathered(): v128 {
  return pair(gatheredHigh, gatheredLow);
}

/** operation: 0 add, 1 subtract, 2 multiply, 3 divide, 4 maximum, 5 minimum. */
export function arithmetic64(a: u64, b: u64, operation: i32, f: u32): u64 {
  switch (operation) {
    case 0:
      return add64(a, b, f);
    case 1:
      return add64(a, negated(b), f);
    case 2:
      return multiply64(a, b, f);
    case 3:
      return divide64(a, b, f);
    default:
      setExceptions(0);
      return extremum64(a, b, operation - 4);
  }
}
export function arithmetic32(a: u32, b: u32, operation: i32, f: u32): u32 {
  const x = doubleFromSingle(a);
  const y = doubleFromSingle(b);
  switch (operation) {
    case 0:
      return singleFromDouble(add32(x, y, f));
    case 1:
      return singleFromDouble(add32(x, negated(y), f));
    case 2:
      return singleFromDouble(multiply32(x, y, f));
    case 3:
      return singleFromDouble(divide32(x, y, f));
    default:
      setExceptions(0);
      return singleFromDouble(extremum64(x, y, operation - 4));
  }
}
