/** What unpacks compressed clusters in any runtime: at once, in JavaScript. Node.js has a quicker inflate (node/decompressors.ts). */
import { decompress } from "fzstd";
import { inflate } from "../../../base/unpack/inflate.js";
import { type Decompressors, zstdFrameLength } from "./compressed.js";

export const anyDecompressors: Decompressors = {
  deflate: inflate,
  zstd: (data, into) => {
    // Given a place, it makes none of the size that the frame claims.
    decompress(data.subarray(0, zstdFrameLength(data)), into);
  },
};
