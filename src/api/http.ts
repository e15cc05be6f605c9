/**
 * A client of HTTP/1.1 over a connection that is there: one request, then its end. The server is a guest's, and untrusted:
 * heads, lines and counts are bounded, and what is no HTTP is a VmError EPROTO.
 * Source: RFC 9112, "Message Format", "Message Body", "Transfer Codings".
 */
import { VmError } from "./error.js";
import type { Duplex } from "./types.js";

/** Bytes of a response's head, and of a line between chunks. */
const mostHead = 65536;
const mostLine = 4096;
/** A body that is no longer goes with its length, which servers understand that do not know chunks. */
const mostWhole = 1 << 20;
/** Interim answers before the one that counts. */
const mostInterim = 16;

const nonsense = (what: string): VmError => new VmError("EPROTO", `the guest's server does not speak HTTP: ${what}`);

/** Resolves when the head of the answer is there; its body is read as it is wanted. The connection is used up. */
export async function askHttp(connection: Duplex, request: Request): Promise<Response> {
  const { signal } = request;
  const source = new Source(connection.readable);
  const abort = (): void => void source.cancel(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const over = (): void => signal.removeEventListener("abort", abort);
  // A server may answer before it has read all, and close.
  const sent = send(connection.writable, request).catch((error: unknown) => error);
  try {
    for (let count = 0; count <= mostInterim; count++) {
      const head = await readHead(source);
      if (head.status < 200 && head.status !== 101) continue;
      if (head.status < 200 || head.status > 599) throw nonsense(`its status is ${head.status}`);
      const isEmpty = request.method === "HEAD" || [204, 205, 304].includes(head.status);
      const { status, statusText, headers } = head;
      if (isEmpty) {
        over();
        await source.cancel();
        return new Response(null, { status, statusText, headers });
      }
      return new Response(bodyOf(source, headers, over), { status, statusText, headers });
    }
    throw nonsense(`more than ${mostInterim} interim answers`);
  } catch (error) {
    over();
    await source.cancel(error);
    if (signal.aborted) throw signal.reason;
    const unsent = error instanceof Ended ? await Promise.race([sent, undefined]) : undefined;
    throw unsent ?? (error instanceof Ended ? nonsense("it closed the connection before it had answered") : error);
  }
}

async function send(writable: WritableStream<Uint8Array>, request: Request): Promise<void> {
  const { pathname, search, host } = new URL(request.url);
  const headers = new Headers(request.headers);
  headers.set("connection", "close");
  if (!headers.has("host")) headers.set("host", host);
  if (!headers.has("accept-encoding")) headers.set("accept-encoding", "identity");
  headers.delete("transfer-encoding");
  headers.delete("content-length");
  const reader = request.body?.getReader();
  const first = reader && (await readWhole(reader));
  if (first?.ended) headers.set("content-length", String(first.bytes.length));
  else if (first) headers.set("transfer-encoding", "chunked");
  const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`);
  const writer = writable.getWriter();
  const text = new TextEncoder();
  try {
    await writer.write(text.encode(`${request.method} ${pathname}${search} HTTP/1.1\r\n${lines.join("")}\r\n`));
    if (first?.ended) await writer.write(first.bytes);
    else if (first && reader) {
      for (let bytes: Uint8Array | undefined = first.bytes; bytes; bytes = (await reader.read()).value) {
        if (bytes.length === 0) continue;
        await writer.write(text.encode(`${bytes.length.toString(16)}\r\n`));
        await writer.write(bytes);
        await writer.write(text.encode("\r\n"));
      }
      await writer.write(text.encode("0\r\n\r\n"));
    }
    // Not closed: some servers take the end of this half for the end of who asks.
    writer.releaseLock();
  } catch (error) {
    await reader?.cancel(error).catch(() => undefined);
    await writer.abort(error).catch(() => undefined);
    throw error;
  }
}

/** All of a short body, or the start of a long one. */
async function readWhole(reader: ReadableStreamDefaultReader<Uint8Array>) {
  const parts: Uint8Array[] = [];
  let length = 0;
  let ended = false;
  while (!ended && length <= mostWhole) {
    const { value, done } = await reader.read();
    ended = done;
    if (value) parts.push(value);
    length += value?.length ?? 0;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, ended };
}

async function readHead(source: Source): Promise<{ status: number; statusText: string; headers: Headers }> {
  let left = mostHead;
  const line = async (): Promise<string> => {
    const read = await source.line(left);
    left -= read.length + 2;
    return read;
  };
  const [, status, statusText] = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(await line()) ?? [];
  if (status === undefined) throw nonsense("it begins with no status");
  const headers = new Headers();
  for (let read = await line(); read !== ""; read = await line()) {
    // No expression that has to try where a value ends: of a line of many spaces that would take years.
    const end = read.indexOf(":");
    const name = read.slice(0, Math.max(0, end));
    if (!/^\S+$/.test(name)) throw nonsense(`a line of its head is ${JSON.stringify(read.slice(0, 80))}`);
    try {
      headers.append(name, read.slice(end + 1));
    } catch {
      throw nonsense(`it has a header ${JSON.stringify(name.slice(0, 80))} that cannot be one`);
    }
  }
  return { status: Number(status), statusText: statusText ?? "", headers };
}

/** The body, as its head says that it ends. */
function bodyOf(source: Source, headers: Headers, over: () => void): ReadableStream<Uint8Array> {
  const isChunked = /(?:^|,)\s*chunked\s*$/i.test(headers.get("transfer-encoding") ?? "");
  const length = headers.get("content-length");
  if (!isChunked && length !== null && !/^\d{1,15}$/.test(length)) throw nonsense(`its content-length is ${length}`);
  // What is left of the body, or of a chunk; undefined: as much as comes.
  let left = isChunked ? 0 : length === null ? undefined : Number(length);
  let isFirst = true;
  /** False: there is no more. */
  const nextChunk = async (): Promise<boolean> => {
    if (!isFirst && (await source.line(mostLine)) !== "") throw nonsense("a chunk does not end where it should");
    isFirst = false;
    const [, size] = /^([0-9a-f]{1,12})\s*(?:;.*)?$/i.exec(await source.line(mostLine)) ?? [];
    if (size === undefined) throw nonsense("a chunk has no length");
    left = Number.parseInt(size, 16);
    return left > 0;
  };
  const end = async (reason?: unknown): Promise<void> => {
    over();
    await source.cancel(reason);
  };
  return new ReadableStream(
    {
      pull: async (controller) => {
        try {
          const isOver = left === 0 && (!isChunked || !(await nextChunk()));
          const bytes = isOver ? undefined : await source.some(left);
          if (bytes === undefined) {
            if (!isOver && left !== undefined) throw new Ended();
            await end();
            controller.close();
            return;
          }
          if (left !== undefined) left -= bytes.length;
          controller.enqueue(bytes);
        } catch (error) {
          await end(error);
          throw error instanceof Ended ? nonsense("its answer ends too early") : error;
        }
      },
      cancel: (reason) => end(reason),
    },
    { highWaterMark: 0 },
  );
}

/** The connection has ended in the middle of something. */
class Ended extends Error {}

/** What the server sends: lines, then bytes. */
class Source {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(readable: ReadableStream<Uint8Array>) {
    this.#reader = readable.getReader();
  }

  /** Without its end; `most` bytes. */
  async line(most: number): Promise<string> {
    const parts: string[] = [];
    const decoder = new TextDecoder("latin1");
    let length = 0;
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      const part = end < 0 ? this.#rest : this.#rest.subarray(0, end);
      length += part.length;
      if (length > most) throw nonsense("a line, or its head, is too long");
      parts.push(decoder.decode(part));
      this.#rest = end < 0 ? new Uint8Array(0) : this.#rest.subarray(end + 1);
      if (end >= 0) return parts.join("").replace(/\r$/, "");
      if (!(await this.#more())) throw new Ended();
    }
  }

  /** At most `most` bytes; undefined: there are no more. */
  async some(most = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    if (this.#rest.length === 0 && !(await this.#more())) return undefined;
    const bytes = this.#rest.subarray(0, Math.min(most, this.#rest.length));
    this.#rest = this.#rest.subarray(bytes.length);
    return bytes;
  }

  async cancel(reason?: unknown): Promise<void> {
    await this.#reader.cancel(reason).catch(() => undefined);
  }

  async #more(): Promise<boolean> {
    const { value } = await this.#reader.read();
    if (value) this.#rest = value;
    return value !== undefined;
  }
}
