/** The lanes of a vector one after the other: what is done with the first is done with all, by turns. */

/** How many are worked on, of singles or doubles. */
export function lanesOf(double: bool, scalar: bool): i32 {
  return scalar ? 1 : double ? 2 : 4;
}

/** The first. */
export function lane(double: bool, x: v128): u64 {
  return double ? i64x2.extract_lane(x, 0) : <u32>i32x4.extract_lane(x, 0);
}

export function withLane(double: bool, x: v128, value: u64): v128 {
  return double ? i64x2.replace_lane(x, 0, value) : i32x4.replace_lane(x, 0, <i32>value);
}

/** The second as the first, and so on: after as many turns as there are lanes all are where they were. */
export function turned(double: bool, x: v128): v128 {
  return double
    ? i8x16.shuffle(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
    : i8x16.shuffle(x, x, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3);
}
