/** A snapshot that a server has: no more of what it sends is taken than the snapshot's own head speaks of. */
import { messageOf } from "../base/errors.js";
import { SnapshotError, saidSize } from "../vmm/snapshot/format.js";
import type { SnapshotPlatform } from "../vmm/snapshot/platform.js";
import { VmError } from "./error.js";

/** All the memory that a VM can have, and as much that was written to disks. */
const most = 8 * 2 ** 30;

/** Rejects with VmError, SnapshotError: it is none, or too long; or the signal's reason. */
export async function fetchSnapshot(
  url: URL,
  platform: SnapshotPlatform,
  signal: AbortSignal | undefined,
): Promise<Blob> {
  let answer: Response;
  try {
    answer = await fetch(url, signal ? { signal } : {});
  } catch (error) {
    throw unfetched(url, messageOf(error), error);
  }
  const { body } = answer;
  if (!answer.ok || !body) {
    await body?.cancel();
    throw unfetched(url, `the server answers ${answer.status}`, undefined, answer.status === 404 ? "ENOENT" : "EIO");
  }
  const arriving = new Arriving(url, body.getReader());
  try {
    // What is compressed on its way is longer than this says.
    const said = answer.headers.has("Content-Encoding") ? 0 : Number(answer.headers.get("Content-Length") ?? 0);
    if (said > most) throw tooLong(url, said);
    const size = await saidSize(arriving, platform);
    if (size > most) throw tooLong(url, size);
    await arriving.fill(size + 1);
    if (arriving.length > size) {
      throw new SnapshotError(
        `${url.href} is damaged: the server sends more than the ${size} bytes that its head speaks of`,
      );
    }
    return arriving.blob();
  } catch (error) {
    await arriving.cancel();
    throw error;
  }
}

const tooLong = (url: URL, size: number): VmError =>
  new VmError("EFBIG", `the snapshot ${url.href} has ${size} bytes; ${most} are the most that are fetched`);

const unfetched = (url: URL, why: string, cause: unknown, code = "EIO"): VmError =>
  new VmError(code, `the snapshot ${url.href} cannot be fetched: ${why}`, { cause });

/** What has come of a body; its beginning can be read, which waits for it. */
class Arriving {
  readonly name: string;
  /** Not known. */
  readonly size = Number.POSITIVE_INFINITY;
  length = 0;
  readonly #url: URL;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #parts: Uint8Array<ArrayBuffer>[] = [];

  constructor(url: URL, reader: ReadableStreamDefaultReader<Uint8Array>) {
    [this.name, this.#url, this.#reader] = [url.href, url, reader];
  }

  /** Waits for so many bytes, or the end. */
  async fill(length: number): Promise<void> {
    try {
      while (this.length < length) {
        const { value, done } = await this.#reader.read();
        if (done) return;
        this.#parts.push(value as Uint8Array<ArrayBuffer>);
        this.length += value.length;
      }
    } catch (error) {
      throw unfetched(this.#url, messageOf(error), error);
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    await this.fill(offset + length);
    if (this.length < offset + length) {
      const why = offset === 0 ? "is no snapshot: it is too short" : "is damaged or cut off";
      throw new SnapshotError(`${this.name} ${why}`, offset === 0 ? { foreign: true } : {});
    }
    return new Uint8Array(
      await this.blob()
        .slice(offset, offset + length)
        .arrayBuffer(),
    );
  }

  blob(): Blob {
    return new Blob(this.#parts);
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => undefined);
  }
}
