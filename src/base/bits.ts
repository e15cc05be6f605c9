/** 64-bit numbers as bigint, and byte order. */

/** The low 64 bits, unsigned. */
export const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
/** The low 64 bits, signed. */
export const i64 = (value: bigint): bigint => BigInt.asIntN(64, value);
/** A mask of the low `bits` bits. */
export const lowMask = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

/** `value` of `bytes` bytes with its bytes in the opposite order. */
export function byteSwap(value: bigint, bytes: number): bigint {
  let result = 0n;
  for (let i = 0; i < bytes; i++) result = (result << 8n) | ((value >> BigInt(8 * i)) & 0xffn);
  return result;
}

/** A 32-bit number with its bytes in the opposite order, unsigned. */
export const byteSwap32 = (value: number): number =>
  (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;

export const isPowerOfTwo = (value: number): boolean => value > 0 && Number.isInteger(Math.log2(value));
