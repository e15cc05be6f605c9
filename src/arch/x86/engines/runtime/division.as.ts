/** The quotient of 128 bits, unsigned, by a divisor that is more than the upper half: bit by bit. */
export function quotientOfWide(high: u64, low: u64, divisor: u64): u64 {
  for (let i = 0; i < 64; i++) {
    const above = high >> 63;
    high = (high << 1) | (low >> 63);
    low <<= 1;
    // The bit that moves out is above every divisor.
    if (above | u64(high >= divisor)) {
      high -= divisor;
      low |= 1;
    }
  }
  return low;
}
