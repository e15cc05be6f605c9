/**
 * Bytes that are kept where nothing answers at once, as in a page's database. Reads are as of a `RemoteStore`: what is not here
 * is fetched, and who wanted it comes again. What is written is here at once, and `late.kept` says when it can be found again: until
 * then nobody is to be told that it is written. Changes go there in batches, each whole or not at all, one after the other.
 */
import { messageOf } from "../../base/errors.js";
import { type ByteStore, type LateWrites, StorageError } from "./disk.js";
import { NotHereYet } from "./remote-store.js";

/** Bytes that are read and kept together. */
export const lateBlock = 16 * 1024;
/** Of those that are here because they were read or written: 16 MiB, more than the requests that wait at a time want at once. */
const mostBlocks = 1024;
/** Of those that are on their way there: who writes more waits first. */
const mostWaiting = 512;

const zeros = new Uint8Array(lateBlock);

/** Contents by block number; undefined: zeros. */
export type LateBlocks = ReadonlyMap<number, Uint8Array | undefined>;

/** Where the bytes are kept. */
export interface LateBytes {
  /** What it is called in sentences. */
  readonly name: string;
  readonly size: number;
  /** `count` blocks from `first` on; undefined: zeros. Rejects with whatever went wrong. */
  read(first: number, count: number): Promise<readonly (Uint8Array | undefined)[]>;
  /**
   * Resolves when all of these can be found again; with `strict`, and all before, also after a loss of power. Rejects, and then
   * has changed nothing. It is called again only when it has ended.
   */
  write(blocks: LateBlocks, strict: boolean): Promise<void>;
  /** Nothing more is asked of it. Resolves when others may have it; never rejects. */
  close(): Promise<void>;
}

interface Block {
  /** Undefined: zeros. */
  bytes: Uint8Array | undefined;
  /** Of the last change, by `#changes`; 0: it is there as it is here. */
  changed: number;
}

export class LateStore implements ByteStore {
  readonly name: string;
  readonly size: number;
  readonly readOnly = false;
  readonly #source: LateBytes;
  /** By number, the one that was used longest ago first. */
  readonly #blocks = new Map<number, Block>();
  /** Those that have changed since they were sent there last. */
  readonly #waiting = new Set<number>();
  readonly #coming = new Map<number, Promise<void>>();
  /** Counts writes; up to `#kept` they are there, and up to `#flushed` where no loss of power reaches them. */
  #changes = 0;
  #kept = 0;
  #flushed = 0;
  /** What is on its way there. */
  #sending: Promise<void> | undefined;
  /** Somebody waits for a flush. */
  #isStrict = false;
  #closed = false;
  #ended: Promise<void> | undefined;
  /** How often something that was written was lost. */
  #lost = 0;
  readonly late: LateWrites;

  constructor(source: LateBytes) {
    this.#source = source;
    this.name = source.name;
    this.size = source.size;
    const lost = (): number => this.#lost;
    this.late = {
      get lost() {
        return lost();
      },
      kept: () => (this.#kept === this.#changes ? undefined : this.#send()),
    };
  }

  /** Throws NotHereYet, and StorageError. */
  read(offset: number, bytes: Uint8Array): void {
    const end = Math.min(offset + bytes.length, this.size);
    this.#need(offset, end);
    for (const { number, within, at, length } of parts(offset, end)) {
      const block = this.#use(number).bytes;
      if (block) bytes.set(block.subarray(within, within + length), at);
      else bytes.fill(0, at, at + length);
    }
    bytes.fill(0, Math.max(0, end - offset));
  }

  /** Throws NotHereYet, before anything is changed, and StorageError. */
  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    if (end > this.size) throw new StorageError(`${this.name} cannot become longer than ${this.size} bytes here`);
    if (this.#closed) throw this.#isClosed();
    // What is written whole need not be read.
    for (const edge of [offset, end - 1]) {
      const number = Math.floor(edge / lateBlock);
      const whole = number * lateBlock >= offset && Math.min(this.size, (number + 1) * lateBlock) <= end;
      if (!whole) this.#need(edge, edge + 1);
    }
    if (this.#isFull) throw new NotHereYet(this.#send());
    this.#changes++;
    for (const { number, within, at, length } of parts(offset, end)) {
      const part = bytes.subarray(at, at + length);
      const isZero = part.every((byte) => byte === 0);
      const block = this.#use(number);
      if (length === lateBlock && isZero) block.bytes = undefined;
      else if (block.bytes || !isZero) {
        // What is on its way is not changed.
        const own = (block.bytes ?? zeros).slice();
        own.set(part, within);
        block.bytes = own;
      }
      block.changed = this.#changes;
      this.#waiting.add(number);
    }
    this.#shrink();
  }

  resize(): never {
    throw new StorageError(`${this.name} keeps the length that it was made with`);
  }

  /** Throws NotHereYet where anything is to be done. */
  flush(): void {
    if (this.#flushed !== this.#changes) throw new NotHereYet(this.flushSoon());
  }

  async flushSoon(): Promise<void> {
    if (this.#flushed === this.#changes) return;
    this.#isStrict = true;
    await this.#send();
  }

  close(): void {
    void this.end();
  }

  /** As `close`; resolves when others may have it. */
  end(): Promise<void> {
    this.#closed = true;
    this.#blocks.clear();
    this.#waiting.clear();
    this.#ended ??= this.#source.close();
    return this.#ended;
  }

  /** Zeros take no room, and who writes many of them does all of it or nothing. */
  get #isFull(): boolean {
    if (this.#waiting.size <= mostWaiting) return false;
    let full = 0;
    for (const number of this.#waiting) if (this.#blocks.get(number)?.bytes) full++;
    return full > mostWaiting;
  }

  #isClosed(): StorageError {
    return new StorageError(`${this.name} was closed`);
  }

  /** A block that is here, or that is to be written whole. */
  #use(number: number): Block {
    const block = this.#blocks.get(number) ?? { bytes: undefined, changed: 0 };
    this.#blocks.delete(number);
    this.#blocks.set(number, block);
    return block;
  }

  /** Throws NotHereYet. */
  #need(offset: number, end: number): void {
    if (this.#closed) throw this.#isClosed();
    const last = Math.ceil(end / lateBlock);
    const missing: Promise<void>[] = [];
    for (let number = Math.floor(offset / lateBlock); number < last; number++) {
      if (this.#blocks.has(number)) continue;
      const coming = this.#coming.get(number);
      if (coming) {
        missing.push(coming);
        continue;
      }
      let count = 1;
      while (number + count < last && !this.#blocks.has(number + count) && !this.#coming.has(number + count)) count++;
      missing.push(this.#fetch(number, count));
    }
    if (missing.length > 0) throw new NotHereYet(Promise.all(missing).then(() => undefined));
  }

  #fetch(first: number, count: number): Promise<void> {
    const coming = this.#load(first, count).finally(() => {
      for (let i = 0; i < count; i++) this.#coming.delete(first + i);
    });
    for (let i = 0; i < count; i++) this.#coming.set(first + i, coming);
    return coming;
  }

  async #load(first: number, count: number): Promise<void> {
    const blocks = await this.#source.read(first, count).catch((error: unknown) => {
      throw this.#failure("read", error);
    });
    if (this.#closed) throw this.#isClosed();
    for (let i = 0; i < count; i++) {
      const bytes = blocks[i];
      if (bytes && bytes.length !== lateBlock) throw new StorageError(`${this.name} is damaged`);
      // One that was written whole meanwhile is newer.
      if (!this.#blocks.has(first + i)) this.#blocks.set(first + i, { bytes, changed: 0 });
    }
    this.#shrink();
  }

  /** What is to be sent stays until it is there. */
  #shrink(): void {
    if (this.#blocks.size <= mostBlocks) return;
    for (const [number, { changed }] of this.#blocks) {
      if (this.#blocks.size <= mostBlocks) return;
      if (changed === 0) this.#blocks.delete(number);
    }
  }

  /** Until all that has been written by now is there. One batch at a time: what comes meanwhile is the next. */
  async #send(): Promise<void> {
    const wanted = this.#changes;
    const strict = this.#isStrict;
    while (!this.#closed && (this.#kept < wanted || (strict && this.#flushed < wanted))) {
      this.#sending ??= this.#sendBatch().finally(() => {
        this.#sending = undefined;
      });
      await this.#sending;
    }
    if (this.#kept < wanted || (strict && this.#flushed < wanted)) throw this.#isClosed();
  }

  async #sendBatch(): Promise<void> {
    // Those who write in the same turn are in it, too.
    await undefined;
    const [until, strict] = [this.#changes, this.#isStrict];
    this.#isStrict = false;
    const batch = new Map([...this.#waiting].map((number) => [number, this.#blocks.get(number)?.bytes] as const));
    this.#waiting.clear();
    try {
      await this.#source.write(batch, strict);
    } catch (error) {
      // What is here is not there: it is read again. That goes for what was written over it, too.
      for (const [number, { changed }] of this.#blocks) if (changed > 0) this.#blocks.delete(number);
      this.#waiting.clear();
      this.#lost++;
      this.#kept = this.#flushed = this.#changes;
      throw this.#failure("written", error);
    }
    this.#kept = until;
    if (strict) this.#flushed = until;
    for (const number of batch.keys()) {
      const block = this.#blocks.get(number);
      if (block && block.changed <= until) block.changed = 0;
    }
    this.#shrink();
  }

  #failure(what: string, error: unknown): StorageError {
    if (error instanceof StorageError) return error;
    return new StorageError(`${this.name} cannot be ${what}: ${messageOf(error)}`, { cause: error });
  }
}

/** Of bytes from `offset` to `end`: block by block, and where they are among them. */
function* parts(offset: number, end: number) {
  for (let at = 0; offset + at < end; ) {
    const number = Math.floor((offset + at) / lateBlock);
    const within = offset + at - number * lateBlock;
    const length = Math.min(lateBlock - within, end - offset - at);
    yield { number, within, at, length };
    at += length;
  }
}
