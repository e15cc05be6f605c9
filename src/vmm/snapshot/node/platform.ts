/** Node's own: compression beside the thread, and comparing as the C library does it. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { constants, deflateRaw, inflateRaw } from "node:zlib";
import type { SnapshotPlatform } from "../platform.js";

const pack = promisify<Uint8Array, object, Buffer>(deflateRaw);
const unpack = promisify<Uint8Array, object, Buffer>(inflateRaw);
const zeros = Buffer.alloc(65536);

export const nodePlatform: SnapshotPlatform = {
  isZero: (bytes) => {
    for (let at = 0; at < bytes.length; at += zeros.length) {
      const part = bytes.subarray(at, at + zeros.length);
      if (Buffer.compare(part, zeros.subarray(0, part.length)) !== 0) return false;
    }
    return true;
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
  // Here and now: WebCrypto would copy the bytes for another thread, and touching new memory takes longer than a digest of it.
  digest: async (bytes) => createHash("sha256").update(bytes).digest(),
  deflate: (bytes) => pack(bytes, { level: constants.Z_BEST_SPEED }),
  inflate: async (bytes, length) => {
    // In one piece, which nobody needs to copy together.
    const inflated = await unpack(bytes, { maxOutputLength: length, chunkSize: length + 64 });
    if (inflated.length === length) return inflated;
    throw new RangeError(`${inflated.length} bytes, not ${length}`);
  },
};
