/** Node's own inflate, and Zstandard's in JavaScript. */
import { constants, inflateRawSync } from "node:zlib";
import { decompress } from "fzstd";
import { type Decompressors, zstdFrameLength } from "../qcow2/compressed.js";

export const decompressors: Decompressors = {
  deflate: (data, into) => {
    // What follows the stream in its last sector is not its own, and may be cut off.
    const bytes = inflateRawSync(data, { maxOutputLength: into.length, finishFlush: constants.Z_SYNC_FLUSH });
    if (bytes.length < into.length) throw new RangeError("a deflate stream that was cut off");
    into.set(bytes);
  },
  zstd: (data, into) => {
    // Given a place, it makes none of the size that the frame claims.
    decompress(data.subarray(0, zstdFrameLength(data)), into);
  },
};
