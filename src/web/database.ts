/**
 * Files of the page's origin where the browser has none that a worker can write to at once (stores.ts): in a database of
 * IndexedDB's. A file is a record of its length, and one for each block of it that is not zeros. One VM at a time writes to a
 * file: who does, says so in its record again and again, and every change is one transaction that first looks whether that is
 * still so. One that has died is over after some seconds.
 * Source: Indexed Database API 3.0.
 */
import { messageOf } from "../base/errors.js";
import { StorageError } from "../vmm/storage/disk.js";
import { type LateBlocks, type LateBytes, lateBlock } from "../vmm/storage/late-store.js";
import type { RemoteBytes } from "../vmm/storage/remote-store.js";

const databaseName = "unikvm";
/** By path. */
const filesStore = "files";
/** By path and number. */
const blocksStore = "blocks";
/** How long a writer has a file after it said so, and how often it does, milliseconds. */
const lease = 6000;
const renewal = 2000;
const look = 500;
/** Blocks of a file that are written at a time when it is made. */
const copied = 64;

interface FileRecord {
  readonly size: number;
  /** Who writes to it, and until when nobody else may. */
  readonly writer?: string;
  readonly until?: number;
}

/** What a request gives. Rejects with its error. */
const answer = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Its end: all of it has been done, or nothing. */
const complete = (transaction: IDBTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new StorageError("the browser has ended a transaction"));
  });

function openDatabase(path: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(complaint(path, "opened", error));
    if (typeof indexedDB === "undefined") return fail(new Error("this browser has no IndexedDB; give a Blob instead"));
    const request = indexedDB.open(databaseName, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(filesStore);
      request.result.createObjectStore(blocksStore);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => fail(request.error);
  });
}

const complaints: Readonly<Record<string, string>> = {
  QuotaExceededError: "the origin's quota is used up",
  InvalidStateError: "this browser, or this window of it, keeps no databases; give a Blob instead",
};

function complaint(path: string, what: string, error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const { name = "" } = (error ?? {}) as { name?: string };
  return new StorageError(`${path} cannot be ${what}: ${complaints[name] ?? messageOf(error)}`, { cause: error });
}

const blocksOf = (path: string, first = 0, count = Number.MAX_SAFE_INTEGER): IDBKeyRange =>
  IDBKeyRange.bound([path, first], [path, first + count - 1]);

/** A transaction in which `work` makes its requests, at once; what it gives when all of it is done. Rejects with StorageError. */
async function change<T>(
  database: IDBDatabase,
  path: string,
  work: (files: IDBObjectStore, blocks: IDBObjectStore, transaction: IDBTransaction) => Promise<T> | T,
  durability: IDBTransactionDurability = "relaxed",
): Promise<T> {
  try {
    const transaction = database.transaction([filesStore, blocksStore], "readwrite", { durability });
    const ended = complete(transaction);
    ended.catch(() => undefined);
    try {
      const result = await work(transaction.objectStore(filesStore), transaction.objectStore(blocksStore), transaction);
      await ended;
      return result;
    } catch (error) {
      try {
        transaction.abort();
      } catch {
        // It has ended by itself, by a quota for one.
        await ended;
      }
      throw error;
    }
  } catch (error) {
    throw complaint(path, "written", error);
  }
}

/** A file's bytes, to be written to. */
export class DatabaseFile implements LateBytes {
  readonly name: string;
  readonly size: number;
  readonly #database: IDBDatabase;
  readonly #writer: string;
  readonly #timer: ReturnType<typeof setInterval>;

  private constructor(name: string, size: number, database: IDBDatabase, writer: string) {
    this.name = name;
    this.size = size;
    this.#database = database;
    this.#writer = writer;
    // A change that fails says why; this only keeps others out.
    this.#timer = setInterval(() => void this.write(new Map(), false).catch(() => undefined), renewal);
  }

  /** Rejects with StorageError: there is none of that path, or another has it open. */
  static async open(path: string): Promise<DatabaseFile> {
    const database = await openDatabase(path);
    const writer = Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("-");
    try {
      let seen: number | undefined;
      for (;;) {
        const { size, until } = await change(database, path, async (files) => {
          const record = await recordOf(files, path);
          const { until = 0 } = record;
          // A clock that was put back keeps nobody out for longer.
          if (record.writer !== undefined && until > Date.now() && until <= Date.now() + lease) return record;
          files.put({ size: record.size, writer, until: Date.now() + lease } satisfies FileRecord, path);
          return { size: record.size };
        });
        if (until === undefined) return new DatabaseFile(path, size, database, writer);
        // Who writes says so again; who has died does not.
        if (seen !== undefined && until !== seen) {
          throw new StorageError(`${path} cannot be opened: another VM, or another window, has it open`);
        }
        seen = until;
        await new Promise((resolve) => setTimeout(resolve, look));
      }
    } catch (error) {
      database.close();
      throw error;
    }
  }

  read(first: number, count: number): Promise<readonly (Uint8Array | undefined)[]> {
    return readBlocks(this.#database, this.name, first, count);
  }

  write(changes: LateBlocks, strict: boolean): Promise<void> {
    const put = async (files: IDBObjectStore, blocks: IDBObjectStore): Promise<void> => {
      const { size, writer } = await recordOf(files, this.name);
      if (writer !== this.#writer) throw new StorageError(`${this.name} cannot be written: another has taken it over`);
      files.put({ size, writer, until: Date.now() + lease } satisfies FileRecord, this.name);
      for (const [number, bytes] of changes) {
        if (bytes) blocks.put(bytes, [this.name, number]);
        else blocks.delete([this.name, number]);
      }
    };
    return change(this.#database, this.name, put, strict ? "strict" : "relaxed");
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const leave = async (files: IDBObjectStore): Promise<void> => {
      const { size, writer } = await recordOf(files, this.name);
      if (writer === this.#writer) files.put({ size } satisfies FileRecord, this.name);
    };
    await change(this.#database, this.name, leave).catch(() => undefined);
    this.#database.close();
  }
}

/** Rejects with StorageError: there is none. */
async function recordOf(files: IDBObjectStore, path: string): Promise<FileRecord> {
  const record = (await answer(files.get(path))) as FileRecord | undefined;
  if (record) return record;
  throw new StorageError(`${path} cannot be opened: the origin has no such file; make it with writeOriginFile`);
}

async function readBlocks(database: IDBDatabase, path: string, first: number, count: number) {
  const range = blocksOf(path, first, count);
  try {
    const blocks = database.transaction(blocksStore, "readonly").objectStore(blocksStore);
    const [keys, values] = await Promise.all([answer(blocks.getAllKeys(range)), answer(blocks.getAll(range))]);
    const found: (Uint8Array | undefined)[] = Array(count).fill(undefined);
    for (const [index, key] of keys.entries()) found[(key as [string, number])[1] - first] = values[index];
    return found;
  } catch (error) {
    throw complaint(path, "read", error);
  }
}

/** A file's bytes, to be read only. Rejects with StorageError. */
export async function databaseBytes(path: string): Promise<RemoteBytes> {
  const database = await openDatabase(path);
  try {
    const { size } = await recordOf(database.transaction(filesStore, "readonly").objectStore(filesStore), path);
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const bytes = new Uint8Array(length);
      const first = Math.floor(offset / lateBlock);
      const count = Math.ceil((offset + length) / lateBlock) - first;
      for (const [index, block] of (await readBlocks(database, path, first, count)).entries()) {
        const at = (first + index) * lateBlock - offset;
        if (block) bytes.set(block.subarray(Math.max(0, -at), Math.min(lateBlock, length - at)), Math.max(0, at));
      }
      return bytes;
    };
    return { name: path, size, read };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** What a file has now, as one Blob. Rejects with StorageError. */
export async function databaseBlob(path: string): Promise<Blob> {
  const database = await openDatabase(path);
  try {
    const files = database.transaction(filesStore, "readonly").objectStore(filesStore);
    const { size } = await recordOf(files, path);
    const parts: BlobPart[] = [];
    const all = Math.ceil(size / lateBlock);
    for (let first = 0; first < all; first += copied) {
      for (const bytes of await readBlocks(database, path, first, Math.min(copied, all - first))) {
        parts.push((bytes ?? new Uint8Array(lateBlock)) as BlobPart);
      }
    }
    return new Blob(parts).slice(0, size);
  } finally {
    database.close();
  }
}

/** Makes a file, or replaces one that no VM writes to; without contents of zeros. Rejects with StorageError, and then nothing has changed but that parts of it may be gone. */
export async function writeDatabaseFile(path: string, contents: Blob | undefined, size: number): Promise<void> {
  const database = await openDatabase(path);
  try {
    // While it is made it is nobody's, and whoever dies meanwhile has made none.
    await change(database, path, async (files, blocks) => {
      const record = (await answer(files.get(path))) as FileRecord | undefined;
      if (record?.writer !== undefined && (record.until ?? 0) > Date.now()) {
        throw new StorageError(`${path} cannot be written: another VM, or another window, has it open`);
      }
      files.delete(path);
      blocks.delete(blocksOf(path));
    });
    for (let at = 0; contents && at < size; at += copied * lateBlock) {
      const piece = new Uint8Array(await contents.slice(at, at + copied * lateBlock).arrayBuffer());
      await change(database, path, (_, blocks) => {
        for (let from = 0; from < piece.length; from += lateBlock) {
          const part = piece.subarray(from, from + lateBlock);
          if (part.every((byte) => byte === 0)) continue;
          const block = new Uint8Array(lateBlock);
          block.set(part);
          blocks.put(block, [path, (at + from) / lateBlock]);
        }
      });
    }
    await change(database, path, (files) => void files.put({ size } satisfies FileRecord, path), "strict");
  } finally {
    database.close();
  }
}
