/** Checksums of packed files, the first bit of a byte its lowest. Sources: IEEE 802.3 (CRC-32), ECMA-182 (CRC-64). */

const polynomial32 = 0xedb88320;
const polynomial64 = { high: 0xc96c5795, low: 0xd7870f42 } as const;

/** For four bytes at once: what each of them does to the bytes that come after it. */
function tables32(): readonly [Int32Array, Int32Array, Int32Array, Int32Array] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial32 : value >>> 1;
    first[byte] = value;
  }
  const next = (before: Int32Array): Int32Array =>
    before.map((value) => (first[value & 255] as number) ^ (value >>> 8));
  const second = next(first);
  const third = next(second);
  return [first, second, third, next(third)];
}

export function crc32(bytes: Uint8Array): number {
  const [first, second, third, fourth] = tables32();
  let crc = -1;
  let at = 0;
  for (const end = bytes.length & ~3; at < end; at += 4) {
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    crc =
      (fourth[crc & 255] as number) ^
      (third[(crc >>> 8) & 255] as number) ^
      (second[(crc >>> 16) & 255] as number) ^
      (first[crc >>> 24] as number);
  }
  for (; at < bytes.length; at++) crc = (first[(crc ^ (bytes[at] as number)) & 255] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

export function crc64(bytes: Uint8Array): bigint {
  const [highs, lows] = [new Int32Array(256), new Int32Array(256)];
  for (let byte = 0; byte < 256; byte++) {
    let [high, low] = [0, byte];
    for (let bit = 0; bit < 8; bit++) {
      const odd = low & 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (odd) {
        high ^= polynomial64.high;
        low ^= polynomial64.low;
      }
    }
    highs[byte] = high;
    lows[byte] = low;
  }
  let [high, low] = [-1, -1];
  for (let at = 0; at < bytes.length; at++) {
    const index = (low ^ (bytes[at] as number)) & 255;
    low = ((low >>> 8) | (high << 24)) ^ (lows[index] as number);
    high = (high >>> 8) ^ (highs[index] as number);
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0);
}
