/** gzip, unpacked with the platform's own DecompressionStream, never beyond a given size. Source: RFC 1952. */
import { VmmError } from "../errors.js";

/** Whether the bytes begin as a gzip member does. */
export function isGzip(image: Uint8Array): boolean {
  return image.length >= 3 && image[0] === 0x1f && image[1] === 0x8b && image[2] === 8;
}

/**
 * Unpacks. Throws VmmError if the data is damaged or would be longer than `limit` bytes: a few kilobytes can unpack to
 * gigabytes, so the limit is looked at while unpacking.
 */
export async function gunzip(image: Uint8Array, limit: number, name = "the image"): Promise<Uint8Array> {
  let offset = 0;
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (offset >= image.length) return controller.close();
      controller.enqueue(image.slice(offset, offset + 65536));
      offset += 65536;
    },
  });
  const reader = source.pipeThrough(new DecompressionStream("gzip")).getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    let result: ReadableStreamReadResult<Uint8Array>;
    try {
      result = await reader.read();
    } catch {
      throw new VmmError(`${name} cannot be unpacked: its gzip data is damaged or cut off`);
    }
    if (result.done) break;
    length += result.value.length;
    if (length > limit) {
      await reader.cancel().catch(() => undefined);
      throw new VmmError(`${name} cannot be loaded: unpacked it is larger than ${limit} bytes`);
    }
    chunks.push(result.value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
