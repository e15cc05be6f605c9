/** Where an ELF file's bytes come from, so that a reader can ask for the few parts that it needs. */

/** Bytes that can be read in any order. */
export interface ByteSource {
  readonly size: number;
  /** The bytes from `offset`; the caller stays within `size`. What is returned may be shared: it is only read. */
  read(offset: number, length: number): Uint8Array;
}

/** A source over bytes in memory. */
export const bytesSource = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

const decoder = new TextDecoder();

/** The string that ends at the first zero byte, or with `end`. */
export function cString(bytes: Uint8Array, start: number, end = bytes.length): string {
  let text = "";
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === 0) return text;
    if (byte >= 0x80) {
      const zero = bytes.indexOf(0, at);
      return decoder.decode(bytes.subarray(start, zero < 0 || zero > end ? end : zero));
    }
    text += String.fromCharCode(byte);
  }
  return text;
}
