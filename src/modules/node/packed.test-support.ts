/** Packs bytes without compressing them, in the formats' own words: tests need no packer. */

const bytes = (...parts: (readonly number[] | Uint8Array)[]) => new Uint8Array(parts.flatMap((part) => [...part]));
const little = (value: number, size: number) => Array.from({ length: size }, (_, at) => (value / 256 ** at) & 255);

/** A zstd frame of raw blocks. Source: RFC 8878. */
export function zstd(data: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < data.length || at === 0; at += 0x10000) {
    const part = data.subarray(at, at + 0x10000);
    const last = at + 0x10000 >= data.length ? 1 : 0;
    blocks.push(bytes(little(part.length * 8 + last, 3), part));
  }
  // One window of 1 MB, no size, no checksum.
  return bytes([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50], ...blocks);
}

/** A zstd frame that unpacks to `count` times 128 KB. */
export function zstdBomb(count: number): Uint8Array {
  const block = (last: number) => bytes(little(0x20000 * 8 + 2 + last, 3), [0]);
  const blocks = Array.from({ length: count }, (_, index) => block(index === count - 1 ? 1 : 0));
  return bytes([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50], ...blocks);
}

function crc32(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

const withCrc = (data: Uint8Array) => bytes(data, little(crc32(data), 4));
const padded = (data: Uint8Array) => bytes(data, new Array((4 - (data.length % 4)) % 4).fill(0));

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(Math.floor(value / 128))];
}

/** An xz stream whose LZMA2 chunks are stored. Source: The .xz File Format. */
export function xz(data: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += 0x10000) {
    const part = data.subarray(at, at + 0x10000);
    chunks.push(bytes([at === 0 ? 1 : 2, (part.length - 1) >> 8, (part.length - 1) & 255], part));
  }
  const packed = bytes(...chunks, [0]);
  // LZMA2 with a dictionary of 1 MB; a CRC32 as check.
  const header = withCrc(bytes([2, 0, 0x21, 1, 16, 0, 0, 0]));
  const unpadded = header.length + packed.length + 4;
  const index = withCrc(padded(bytes([0, 1], varint(unpadded), varint(data.length))));
  const flags = [0, 1];
  const footer = bytes(little(index.length / 4 - 1, 4), flags);
  return bytes(
    [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
    withCrc(bytes(flags)),
    header,
    padded(packed),
    little(crc32(data), 4),
    index,
    little(crc32(footer), 4),
    footer,
    [0x59, 0x5a],
  );
}
