/** What disks of a page lie in: a Blob, or a file that the browser keeps for the page's origin. In a worker, where both answer at once. */
import { messageOf } from "../base/errors.js";
import { type ByteStore, StorageError } from "../vmm/storage/disk.js";

/** As "File API", section "The FileReaderSync API", has it: TypeScript's names are for pages only. */
declare const FileReaderSync: new () => { readAsArrayBuffer(blob: Blob): ArrayBuffer };

/** The bytes of a Blob, which stay as they are. */
export class BlobStore implements ByteStore {
  readonly name: string;
  readonly readOnly = true;
  readonly size: number;
  readonly #blob: Blob;
  readonly #reader = new FileReaderSync();

  constructor(name: string, blob: Blob) {
    this.name = name;
    this.size = blob.size;
    this.#blob = blob;
  }

  read(offset: number, bytes: Uint8Array): void {
    const end = Math.min(this.size, offset + bytes.length);
    let found = new Uint8Array(0);
    try {
      if (offset < end) found = new Uint8Array(this.#reader.readAsArrayBuffer(this.#blob.slice(offset, end)));
    } catch (error) {
      throw complaint(this.name, "read", error);
    }
    bytes.set(found);
    bytes.fill(0, found.length);
  }

  write(): void {
    throw new StorageError(`${this.name} cannot be written to`);
  }
  resize(): void {
    throw new StorageError(`${this.name} cannot be resized`);
  }
  flush(): void {}
  flushSoon(): Promise<void> {
    return Promise.resolve();
  }
  close(): void {}
}

/** As "File System", section "The FileSystemSyncAccessHandle interface", has it: TypeScript's names are for pages only. */
interface SyncAccessHandle {
  read(bytes: Uint8Array, options: { readonly at: number }): number;
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

/** A file of the origin's. Nobody else can open it to write meanwhile. */
export class OriginFile implements ByteStore {
  readonly name: string;
  readonly readOnly = false;
  readonly #handle: SyncAccessHandle;
  #size: number;

  private constructor(name: string, handle: SyncAccessHandle) {
    this.name = name;
    this.#handle = handle;
    this.#size = handle.getSize();
  }

  /** Rejects with StorageError: there is none of that path, or another has it open, or the browser keeps no such files. */
  static async open(path: string): Promise<OriginFile> {
    const file = (await find(path)) as { createSyncAccessHandle?: () => Promise<SyncAccessHandle> };
    if (!file.createSyncAccessHandle) throw unknownHere(path, "FileSystemSyncAccessHandle");
    try {
      return new OriginFile(path, await file.createSyncAccessHandle());
    } catch (error) {
      throw complaint(path, "opened", error);
    }
  }

  get size(): number {
    return this.#size;
  }

  read(offset: number, bytes: Uint8Array): void {
    const count = offset < this.#size ? this.#attempt("read", () => this.#handle.read(bytes, { at: offset })) : 0;
    bytes.fill(0, count);
  }

  write(offset: number, bytes: Uint8Array): void {
    const written = this.#attempt("written", () => this.#handle.write(bytes, { at: offset }));
    if (written < bytes.length) throw new StorageError(`${this.name} cannot be written: there is no more room`);
    this.#size = Math.max(this.#size, offset + bytes.length);
  }

  resize(size: number): void {
    this.#attempt("resized", () => this.#handle.truncate(size));
    this.#size = size;
  }

  flush(): void {
    this.#attempt("flushed", () => this.#handle.flush());
  }

  async flushSoon(): Promise<void> {
    this.flush();
  }

  close(): void {
    this.#handle.close();
  }

  #attempt<T>(what: string, body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw complaint(this.name, what, error);
    }
  }
}

/** What a file of the origin's has now. Rejects with StorageError. */
export async function originBlob(path: string): Promise<Blob> {
  const file = await find(path);
  return file.getFile().catch((error: unknown) => {
    throw complaint(path, "read", error);
  });
}

async function find(path: string): Promise<FileSystemFileHandle> {
  if (!navigator.storage?.getDirectory) throw unknownHere(path, "navigator.storage.getDirectory");
  const [name = "", ...folders] = path.split("/").reverse();
  try {
    let folder = await navigator.storage.getDirectory();
    for (const one of folders.reverse()) folder = await folder.getDirectoryHandle(one);
    return await folder.getFileHandle(name);
  } catch (error) {
    throw complaint(path, "opened", error);
  }
}

const unknownHere = (path: string, what: string): StorageError =>
  new StorageError(`${path} cannot be opened: this browser, or this window of it, has no ${what}; give a Blob instead`);

const complaints: Readonly<Record<string, string>> = {
  NotFoundError: "the origin has no such file; make it with writeOriginFile",
  TypeMismatchError: "it is a folder, or a part of its path is none",
  NoModificationAllowedError: "another VM, or another window, has it open",
  QuotaExceededError: "the origin's quota is used up",
  TypeError: "that is no path",
};

const complaint = (path: string, what: string, error: unknown): StorageError => {
  const { name = "" } = error as { name?: string };
  return new StorageError(`${path} cannot be ${what}: ${complaints[name] ?? messageOf(error)}`, { cause: error });
};
