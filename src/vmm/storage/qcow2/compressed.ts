/**
 * Clusters that are compressed: where their data ends is not written anywhere, only the sector that it ends in.
 * Source: QEMU, "qcow2 Image File Format", "Compressed Clusters Descriptor"; RFC 8878, "Zstandard Frames".
 */
import { StorageError } from "../disk.js";
import type { Compression } from "./header.js";

/**
 * Unpacks what begins `data`, whatever follows, into `into`. Throws what it likes: the data is damaged. It takes no more
 * memory than both have.
 */
export type Decompress = (data: Uint8Array, into: Uint8Array) => void;
export type Decompressors = Readonly<Record<Compression, Decompress>>;

/** Throws StorageError. */
export function unpack(name: string, decompress: Decompress, data: Uint8Array, into: Uint8Array): void {
  try {
    decompress(data, into);
  } catch (error) {
    throw new StorageError(`${name} has a damaged compressed cluster`, { cause: error });
  }
}

const magic = 0xfd2f_b528;

/** Bytes of the Zstandard frame that `data` begins with. RangeError: there is none, or it goes beyond the end. */
export function zstdFrameLength(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (view.getUint32(0, true) !== magic) throw new RangeError("no Zstandard frame");
  const descriptor = view.getUint8(4);
  const single = (descriptor >> 5) & 1;
  const contentSize = [single, 2, 4, 8][descriptor >> 6] ?? 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  let at = 5 + (single ? 0 : 1) + dictionary + contentSize;
  for (let last = false; !last; ) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    last = (header & 1) !== 0;
    // A block of one byte, repeated, has only that.
    at += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3);
  }
  if (descriptor & 4) at += 4;
  if (at > data.length) throw new RangeError("a Zstandard frame that was cut off");
  return at;
}
