/** Node's own inflate, and Zstandard's in JavaScript. */
import { constants, inflateRawSync } from "node:zlib";
import type { Decompressors } from "../qcow2/compressed.js";
import { anyDecompressors } from "../qcow2/decompressors.js";

export const decompressors: Decompressors = {
  ...anyDecompressors,
  deflate: (data, into) => {
    // What follows the stream in its last sector is not its own, and may be cut off.
    const bytes = inflateRawSync(data, { maxOutputLength: into.length, finishFlush: constants.Z_SYNC_FLUSH });
    if (bytes.length < into.length) throw new RangeError("a deflate stream that was cut off");
    into.set(bytes);
  },
};
