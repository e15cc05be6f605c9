/** Loops over bits. Source: Intel SDM, volume 2, PDEP, PEXT, CRC32. */

/** The low bits of a value, at the places of the mask's. */
export function depositBits(value: u64, mask: u64): u64 {
  let result: u64 = 0;
  let left = mask;
  for (let from = value; left != 0; from >>= 1) {
    const lowest = left & (0 - left);
    if (from & 1) result |= lowest;
    left ^= lowest;
  }
  return result;
}

/** The bits at the places of the mask's, put together. */
export function extractBits(value: u64, mask: u64): u64 {
  let result: u64 = 0;
  let left = mask;
  for (let to: u64 = 1; left != 0; to <<= 1) {
    const lowest = left & (0 - left);
    if (value & lowest) result |= to;
    left ^= lowest;
  }
  return result;
}

/** CRC-32C of each four bits, the polynomial 0x1EDC6F41 read backwards. */
const NIBBLES = memory.data<u32>([
  0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d, 0x82f63b78,
  0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
]);

/** A remainder with so many bits more. */
export function cyclicRedundancy(remainder: u64, value: u64, bits: i32): u64 {
  let crc = <u32>remainder;
  let left = value;
  for (let i = 0; i < bits; i += 4) {
    crc = (crc >> 4) ^ load<u32>(NIBBLES + 4 * <usize>((crc ^ <u32>left) & 15));
    left >>= 4;
  }
  return crc;
}
