/** What a snapshot's file takes of the platform: digests and compression. Node has quicker ones (node/platform.ts). */
import { type IsZero, isZero } from "../core/sparse-image.js";

export interface SnapshotPlatform {
  readonly isZero: IsZero;
  /** Resolves when others of this thread had their turn. */
  turn(): Promise<void>;
  /** SHA-256. */
  digest(bytes: Uint8Array): Promise<Uint8Array>;
  /** RFC 1951. */
  deflate(bytes: Uint8Array): Promise<Uint8Array>;
  /** Rejects if it is no such stream, or gives other than `length` bytes; takes no more memory than that. */
  inflate(bytes: Uint8Array, length: number): Promise<Uint8Array>;
}

/** What every runtime has. */
export const anyPlatform: SnapshotPlatform = {
  isZero,
  turn: () => new Promise((resolve) => setTimeout(resolve, 0)),
  digest: async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", own(bytes))),
  deflate: (bytes) => through(new CompressionStream("deflate-raw"), bytes, 2 * bytes.length + 1024),
  inflate: async (bytes, length) => {
    const inflated = await through(new DecompressionStream("deflate-raw"), bytes, length);
    if (inflated.length === length) return inflated;
    throw new RangeError(`${inflated.length} bytes, not ${length}`);
  },
};

/** Not of shared memory, which these take no bytes from. */
const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice();

async function through(
  stream: { readonly writable: WritableStream<BufferSource>; readonly readable: ReadableStream<Uint8Array> },
  bytes: Uint8Array,
  most: number,
): Promise<Uint8Array> {
  const writer = stream.writable.getWriter();
  const written = writer.write(own(bytes)).then(() => writer.close());
  // What went wrong is told by the other end too.
  written.catch(() => undefined);
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = stream.readable.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    length += part.value.length;
    if (length > most) {
      await reader.cancel();
      throw new RangeError(`more than ${most} bytes`);
    }
    parts.push(part.value);
  }
  await written;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
