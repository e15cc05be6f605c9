/** Zstandard, unpacked by a package that is loaded when there is something for it. */
import { cutOff, Output } from "./output.js";

/** Throws UnpackError, or the package's error: the bytes are damaged. */
export async function unzstd(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const { Decompress } = await import("fzstd");
  const output = new Output(limit);
  let ended = false;
  const stream = new Decompress((chunk, final) => {
    output.append(chunk);
    ended ||= final === true;
  });
  stream.push(bytes, true);
  if (!ended) throw cutOff();
  return output.made;
}
