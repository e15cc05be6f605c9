/**
 * Bytes that are elsewhere, of which a bounded part is here: behind a Blob, or HTTP. What is not here yet is fetched, and who
 * wanted it comes again: all above reads at once, as of a file, and nobody's thread waits.
 */
import { messageOf } from "../../base/errors.js";
import { type ByteStore, StorageError } from "./disk.js";

const blockSize = 256 * 1024;
/** 32 MiB. More than requests that wait at the same time can want, so that what came for one is still there for it. */
const mostBlocks = 128;
/** What is here of one, and on its way to be, bytes. */
export const remoteRoom = (mostBlocks + mostBlocks / 4) * blockSize;
/** What is read one block after the other comes in pieces of so many. */
const mostAhead = 4;
/** How often something is done again before it is given up: each time at least one block has come. */
const mostTries = 4096;

/** Where bytes come from. */
export interface RemoteBytes {
  /** What it is called in sentences. */
  readonly name: string;
  readonly size: number;
  /** Differs where the bytes do; undefined: nobody can tell. */
  readonly version?: string | undefined;
  /** All of these, which lie inside. Rejects with StorageError. */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array>;
}

/** Not everything that was asked for is here: it is worth doing again when `ready` has resolved; it rejects with StorageError. */
export class NotHereYet extends Error {
  override readonly name = "NotHereYet";
  readonly ready: Promise<void>;

  constructor(ready: Promise<void>) {
    super("not all of these bytes are here yet");
    this.ready = ready;
    ready.catch(() => undefined);
  }
}

/** Does it as often as there is something to wait for. Rejects with StorageError. */
export async function whenHere<T>(body: () => T): Promise<T> {
  for (let tries = 0; tries < mostTries; tries++) {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof NotHereYet)) throw error;
      await error.ready;
    }
  }
  throw new StorageError("an image that is elsewhere needs more of it at once than is kept here");
}

export class RemoteStore implements ByteStore {
  readonly name: string;
  readonly size: number;
  readonly readOnly = true;
  readonly version: string | undefined;
  readonly #source: RemoteBytes;
  /** By number, the one that was used longest ago first. */
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #coming = new Map<number, Promise<void>>();
  readonly #closed = new AbortController();

  constructor(source: RemoteBytes) {
    this.#source = source;
    this.name = source.name;
    this.size = source.size;
    this.version = source.version;
  }

  /** Throws NotHereYet, and StorageError. */
  read(offset: number, bytes: Uint8Array): void {
    const end = Math.min(offset + bytes.length, this.size);
    const first = Math.floor(offset / blockSize);
    const last = Math.max(first, Math.ceil(end / blockSize));
    if (last - first > mostBlocks / 4) {
      throw new StorageError(`${this.name} is to be read ${bytes.length} bytes at once, which is too much`);
    }
    const missing: Promise<void>[] = [];
    for (let number = first; number < last; number++) {
      if (!this.#blocks.has(number)) missing.push(this.#coming.get(number) ?? this.#fetch(number));
    }
    if (missing.length > 0) throw new NotHereYet(Promise.all(missing).then(() => undefined));
    for (let number = first; number < last; number++) {
      const block = this.#blocks.get(number);
      if (!block) continue;
      this.#keep(number, block);
      const at = number * blockSize;
      const from = Math.max(at, offset);
      bytes.set(block.subarray(from - at, Math.min(end, at + block.length) - at), from - offset);
    }
    bytes.fill(0, Math.max(0, end - offset));
  }

  write(): never {
    throw new StorageError(`${this.name} can only be read`);
  }

  resize(): never {
    throw new StorageError(`${this.name} can only be read`);
  }

  flush(): void {}

  flushSoon(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#closed.abort(new StorageError(`${this.name} was closed`));
    this.#blocks.clear();
  }

  #keep(number: number, block: Uint8Array): void {
    this.#blocks.delete(number);
    this.#blocks.set(number, block);
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= mostBlocks) break;
      this.#blocks.delete(oldest);
    }
  }

  /** A block, and some behind it where the one before it is here. */
  #fetch(number: number): Promise<void> {
    const all = Math.ceil(this.size / blockSize);
    let count = 1;
    const isInOrder = this.#blocks.has(number - 1) || this.#coming.has(number - 1);
    while (isInOrder && count < mostAhead && number + count < all && this.#isAway(number + count)) count++;
    const offset = number * blockSize;
    const length = Math.min(this.size, offset + count * blockSize) - offset;
    const coming = this.#load(offset, length).finally(() => {
      for (let i = 0; i < count; i++) this.#coming.delete(number + i);
    });
    for (let i = 0; i < count; i++) this.#coming.set(number + i, coming);
    return coming;
  }

  #isAway(number: number): boolean {
    return !this.#blocks.has(number) && !this.#coming.has(number);
  }

  async #load(offset: number, length: number): Promise<void> {
    const bytes = await this.#source.read(offset, length, this.#closed.signal).catch((error: unknown) => {
      throw error instanceof StorageError
        ? error
        : new StorageError(`${this.name}: ${messageOf(error)}`, { cause: error });
    });
    if (this.#closed.signal.aborted) throw this.#closed.signal.reason;
    if (bytes.length !== length) throw new StorageError(`${this.name} gave ${bytes.length} bytes instead of ${length}`);
    for (let at = 0; at < length; at += blockSize) {
      // A copy, so that a block does not keep what came with it.
      this.#keep((offset + at) / blockSize, bytes.slice(at, at + blockSize));
    }
  }
}

/** A Blob's bytes. */
export function blobBytes(blob: Blob): RemoteBytes {
  const name = "name" in blob && typeof blob.name === "string" && blob.name !== "" ? blob.name : "a Blob";
  return {
    name,
    size: blob.size,
    read: async (offset, length) => {
      try {
        return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      } catch (error) {
        throw new StorageError(`${name} cannot be read any more: ${messageOf(error)}`, { cause: error });
      }
    },
  };
}
