/**
 * Bits and bytes of a register gathered.
 * Source: Power ISA v3.1B, Book I "Vector Gather Every Nth Bit", "VSX Vector Generate PCV from Byte Mask" and the others.
 */

/** vgnb: bits 0, n, 2n... of a register, from the left. Of n below 2, which are undefined, 0. */
export function gatherEveryNth(b: v128, n: i32): i64 {
  if (n < 2) return 0;
  const high = <u64>i64x2.extract_lane(b, 1);
  const low = <u64>i64x2.extract_lane(b, 0);
  let result: u64 = 0;
  let to = 63;
  for (let from = 0; from < 128; from += n) {
    const half = from < 64 ? high : low;
    result |= ((half >> (63 - (from & 63))) & 1) << to;
    to--;
  }
  return <i64>result;
}

/** Byte `number` of a pair of doublewords, counted from the left, made `value`. */
function withByte(x: v128, number: i32, value: i32): v128 {
  const shift = <u64>(8 * (7 - (number & 7)));
  const bits = (<u64>(value & 0xff)) << shift;
  const mask = ~((<u64>0xff) << shift);
  if (number < 8) return i64x2.replace_lane(x, 1, <i64>((<u64>i64x2.extract_lane(x, 1) & mask) | bits));
  return i64x2.replace_lane(x, 0, <i64>((<u64>i64x2.extract_lane(x, 0) & mask) | bits));
}

/** The first bit of byte `number`, counted from the left. */
function firstBit(x: v128, number: i32): bool {
  const half = <u64>(number < 8 ? i64x2.extract_lane(x, 1) : i64x2.extract_lane(x, 0));
  return ((half >> (8 * (7 - (number & 7)) + 7)) & 1) != 0;
}

/**
 * A control vector that moves the elements of a mask together (compression) or apart (expansion). Little-endian, elements and
 * bytes are counted from the right.
 */
export function generatePermutation(b: v128, size: i32, kind: i32): v128 {
  const compresses = (kind & 1) != 0;
  const fromRight = (kind & 2) != 0;
  let result = i64x2.splat(0);
  let next = 0;
  for (let element = 0; element < 16; element += size) {
    // From the right, the byte with the first bit is the element's last.
    const chosen = firstBit(b, fromRight ? 16 - size - element : element);
    for (let k = 0; k < size; k++) {
      const byte = element + k;
      let at = byte;
      let value = byte + 16;
      if (chosen) {
        at = compresses ? next + k : byte;
        value = compresses ? byte : next + k;
      } else if (compresses) continue;
      result = withByte(result, fromRight ? 15 - at : at, value);
    }
    if (chosen) next += size;
  }
  return result;
}
