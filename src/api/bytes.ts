/** Bytes and sizes as programs write them. */
import { shown } from "../base/takes.js";
import { VmError } from "./error.js";
import type { Body, Size } from "./types.js";

/** What a VM has, where nothing is said. */
export const usualMemory = 512 << 20;

const units = { "": 1, K: 1024, M: 1048576, G: 1073741824 } as const;

/** Bytes from 1048576 or "512M". VmError, EINVAL: it is neither. */
export function bytesIn(size: Size, option: string): number {
  const match = typeof size === "string" ? /^(\d+(?:\.\d+)?)([KMG]?)$/.exec(size) : undefined;
  const bytes = match ? Math.floor(Number(match[1]) * units[match[2] as keyof typeof units]) : size;
  if (typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes >= 0) return bytes;
  throw new VmError("EINVAL", `${option} is ${shown(size)}, not a size as 1048576, "512M" or "1G"`);
}

/** Whether it is a stream to be read. */
export const isReadable = (value: unknown): value is ReadableStream<Uint8Array> => value instanceof ReadableStream;

/** Whether it is what `bytesOf` takes. */
const isBody = (value: unknown): value is Body =>
  typeof value === "string" ||
  value instanceof Uint8Array ||
  value instanceof ArrayBuffer ||
  value instanceof Blob ||
  value instanceof ReadableStream ||
  (typeof value === "object" && value !== null && Symbol.asyncIterator in value);

/** VmError, EINVAL: it is not. `what` is for the sentence. */
export function requireBody(value: unknown, what: string): asserts value is Body {
  if (!isBody(value)) throw new VmError("EINVAL", `${what} is no bytes, string, Blob, stream or iterable of bytes`);
}

/** What a stream is read with. */
type Reader = ReadableStreamDefaultReader<Uint8Array>;

/**
 * Its bytes, piece by piece. Ended early, it ends where they come from. `begun` is given a stream's reader, whose `cancel` ends it
 * also while a piece is waited for.
 */
export async function* bytesOf(body: Body, begun?: (reader: Reader) => void): AsyncGenerator<Uint8Array> {
  if (typeof body === "string") yield new TextEncoder().encode(body);
  else if (body instanceof Uint8Array) yield body;
  else if (body instanceof ArrayBuffer) yield new Uint8Array(body);
  else if (body instanceof Blob) yield* piecesOf(body.stream(), begun);
  else if (body instanceof ReadableStream) yield* piecesOf(body, begun);
  else yield* body;
}

/** Not every page's streams can be iterated over. */
async function* piecesOf(
  stream: ReadableStream<Uint8Array>,
  begun?: (reader: Reader) => void,
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  begun?.(reader);
  let over = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        over = true;
        return;
      }
      yield value;
    }
  } finally {
    if (!over) await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}
