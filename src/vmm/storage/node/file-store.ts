/** Bytes in a file. */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../../../base/errors.js";
import { type ByteStore, StorageError } from "../disk.js";

const complaints: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  EACCES: "access is denied",
  EROFS: "its file system can only be read",
  EEXIST: "there is such a file already",
  ENOSPC: "the file system is full",
  EDQUOT: "the quota is used up",
  EFBIG: "the file would become larger than its file system or a limit lets it",
  EIO: "the hardware fails",
};

export class FileStore implements ByteStore {
  readonly name: string;
  readonly readOnly: boolean;
  readonly #fd: number;
  #size: number;
  #open = true;
  /** How often `flushSoon` is under way: until then the file stays open. */
  #flushing = 0;

  private constructor(name: string, fd: number, size: number, readOnly: boolean) {
    this.name = name;
    this.#fd = fd;
    this.#size = size;
    this.readOnly = readOnly;
  }

  /** Opens a regular file: a FIFO or a device may wait for ever, or have no end. Throws StorageError. */
  static open(path: string, { readOnly = false } = {}): FileStore {
    const { O_NONBLOCK = 0, O_RDONLY, O_RDWR } = constants;
    return attempt(path, "opened", () => {
      requireRegular(path, statSync(path).isFile());
      const fd = openSync(path, (readOnly ? O_RDONLY : O_RDWR) | O_NONBLOCK);
      try {
        const stat = fstatSync(fd);
        requireRegular(path, stat.isFile());
        return new FileStore(path, fd, stat.size, readOnly);
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    });
  }

  /** A new file, empty. Throws StorageError if there is one of that name. */
  static create(path: string): FileStore {
    const folder = dirname(path);
    if (!existsSync(folder)) throw new StorageError(`${path} cannot be made: there is no folder ${folder}`);
    return attempt(path, "made", () => new FileStore(path, openSync(path, "wx+", 0o666), 0, false));
  }

  get size(): number {
    return this.#size;
  }

  read(offset: number, bytes: Uint8Array): void {
    this.#attempt("read", () => {
      let done = 0;
      while (done < bytes.length && offset + done < this.#size) {
        const count = readSync(this.#fd, bytes, done, bytes.length - done, offset + done);
        // Zeros in their place would be what nobody has written.
        if (count === 0) throw new StorageError(`${this.name} has become shorter than it was, by another program`);
        done += count;
      }
      bytes.fill(0, done);
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#attempt("written", () => {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done, offset + done);
        this.#size = Math.max(this.#size, offset + done);
      }
    });
  }

  resize(size: number): void {
    this.#attempt("resized", () => ftruncateSync(this.#fd, size));
    this.#size = size;
  }

  flush(): void {
    if (!this.readOnly) this.#attempt("flushed", () => fsyncSync(this.#fd));
  }

  flushSoon(): Promise<void> {
    if (this.readOnly) return Promise.resolve();
    this.#flushing++;
    return new Promise((resolve, reject) => {
      fsync(this.#fd, (error) => {
        this.#flushing--;
        this.#closeFile();
        if (error) reject(complaint(this.name, "flushed", error));
        else resolve();
      });
    });
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#closeFile();
  }

  #closeFile(): void {
    if (!this.#open && this.#flushing === 0) closeSync(this.#fd);
  }

  #attempt<T>(what: string, body: () => T): T {
    return attempt(this.name, what, body);
  }
}

function requireRegular(path: string, isFile: boolean): void {
  if (!isFile) throw new StorageError(`${path} is no regular file, and so no image of a disk`);
}

/** Does it; the file system's error becomes a sentence. */
function attempt<T>(path: string, what: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw complaint(path, what, error);
  }
}

function complaint(path: string, what: string, error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const { code = "" } = error as NodeJS.ErrnoException;
  const advice = code === "EROFS" && what === "opened" ? "; with readonly it can be used" : "";
  return new StorageError(`${path} cannot be ${what}: ${complaints[code] ?? messageOf(error)}${advice}`, {
    cause: error,
  });
}
