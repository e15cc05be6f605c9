/**
 * A file on a web server, a range at a time. Every answer has to be of the file that was opened: of the same length and, where
 * the server says it, the same ETag or date. What ends in between is asked for again.
 * Source: RFC 9110, "Range Requests", "Validator Fields".
 */
import { messageOf } from "../../base/errors.js";
import { StorageError } from "./disk.js";
import type { RemoteBytes } from "./remote-store.js";

/** Milliseconds that one answer may take, and between tries. */
const patience = 60_000;
const pauses = [200, 1000];

export interface HttpOptions {
  /** As the global one, which is the default. */
  readonly fetch?: typeof fetch;
  readonly signal?: AbortSignal | undefined;
}

interface Answer {
  readonly bytes: Uint8Array;
  /** Of the whole file. */
  readonly size: number;
  readonly version: string | undefined;
}

/** What may come right when it is asked again. */
class Broken extends Error {}

/** Asks the server what the file is. Rejects with StorageError: it has none, or gives no parts of it. */
export async function openHttp(url: URL, { fetch: ask = fetch, signal }: HttpOptions = {}): Promise<RemoteBytes> {
  const name = `${url.origin}${url.pathname}`;
  const refuse = (what: string, cause?: unknown): never => {
    throw new StorageError(`${name} ${what}`, { cause });
  };
  if (url.protocol !== "http:" && url.protocol !== "https:") refuse("is no address of http or https");
  if (url.username !== "" || url.password !== "") refuse("has a name or a password in its address, which is not sent");

  const once = async (offset: number, length: number, until: AbortSignal): Promise<Answer> => {
    const range = `bytes=${offset}-${offset + length - 1}`;
    const response = await ask(url, { headers: { range, "accept-encoding": "identity" }, signal: until });
    const give = async (what: string): Promise<never> => {
      await response.body?.cancel().catch(() => undefined);
      return refuse(what);
    };
    const { status, headers } = response;
    if (status === 416) await give("is shorter than what was asked for, or empty");
    if (status === 200) {
      await give("is on a server that ignores ranges and would send all of it; fetch it first, and give the file");
    }
    if (status >= 500 || status === 429 || status === 408) {
      await response.body?.cancel().catch(() => undefined);
      throw new Broken(`the server answers with status ${status}`);
    }
    if (status !== 206) await give(`cannot be had: the server answers with status ${status}`);
    const [, from, to, all] =
      /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(headers.get("content-range") ?? "") ?? [];
    if (Number(from) !== offset || Number(to) > offset + length - 1 || all === undefined) {
      await give(`cannot be had: the server sent "${headers.get("content-range")}" for ${range}`);
    }
    const coding = headers.get("content-encoding") ?? "identity";
    if (coding !== "identity") await give(`is sent in the coding ${coding}, of which no parts can be used`);
    const bytes = await wholeBody(response, Number(to) - offset + 1);
    return { bytes, size: Number(all), version: headers.get("etag") ?? headers.get("last-modified") ?? undefined };
  };

  const read = async (offset: number, length: number, until: AbortSignal | undefined): Promise<Answer> => {
    for (let tries = 0; ; tries++) {
      const limit = AbortSignal.timeout(patience);
      try {
        return await once(offset, length, until ? either(until, limit) : limit);
      } catch (error) {
        if (error instanceof StorageError) throw error;
        if (until?.aborted) throw until.reason;
        const pause = pauses[tries];
        const why = limit.aborted ? `there was no whole answer in ${patience / 1000} s` : causeOf(error);
        if (pause === undefined)
          return refuse(`cannot be read at byte ${offset}, tried ${tries + 1} times: ${why}`, error);
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  };

  const { size, version } = await read(0, 1, signal);
  return {
    name,
    size,
    version: `${version ?? ""} ${size}`,
    read: async (offset, length, until) => {
      const answer = await read(offset, length, until);
      if (answer.size !== size || answer.version !== version) {
        const [before, now] = [version ?? `${size} bytes`, answer.version ?? `${answer.size} bytes`];
        refuse(`has changed on its server since it was opened (${before}, now ${now}); open it again`);
      }
      if (answer.bytes.length !== length) refuse(`gave ${answer.bytes.length} bytes for ${length} at byte ${offset}`);
      return answer.bytes;
    },
  };
}

/** No more than it is to be. */
async function wholeBody({ body }: Response, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  const reader = body?.getReader();
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    if (done + read.value.length > length) {
      await reader?.cancel().catch(() => undefined);
      throw new Broken(`more than the ${length} bytes came that it was to be`);
    }
    bytes.set(read.value, done);
    done += read.value.length;
  }
  if (done < length) throw new Broken(`the connection ended after ${done} of ${length} bytes`);
  return bytes;
}

/** Aborts when the first of both does. */
function either(one: AbortSignal, other: AbortSignal): AbortSignal {
  const both = new AbortController();
  for (const signal of [one, other]) {
    if (signal.aborted) both.abort(signal.reason);
    signal.addEventListener("abort", () => both.abort(signal.reason), { once: true, signal: both.signal });
  }
  return both.signal;
}

/** fetch hides what went wrong. */
function causeOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return cause instanceof Error && cause.message !== "" ? cause.message : messageOf(error);
}
