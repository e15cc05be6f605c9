/**
 * Open files and their descriptors, as fs/file.c has them: what one module names to another by a number. The table is the
 * process's (each thread has its own), under every version of this package that is loaded.
 */

import { KvmError } from "./errors.js";
import { ProcessWide } from "./process-wide.js";

/** An open file: a subject and a count of those who hold it. */
export class OpenFile<Subject = unknown> {
  readonly subject: Subject;
  readonly #release: () => void;
  #references = 1;

  /** `release` is called when the last reference is given back. */
  constructor(subject: Subject, release: () => void) {
    this.subject = subject;
    this.#release = release;
  }

  get references(): number {
    return this.#references;
  }

  /** fget's part: holds the file open, whatever becomes of its descriptor. */
  get(): this {
    if (this.#references === 0) throw new KvmError("EBADF", "the file is closed");
    this.#references++;
    return this;
  }

  put(): void {
    if (this.#references === 0) throw new KvmError("EBADF", "the file is closed already");
    if (--this.#references === 0) this.#release();
  }
}

/** Descriptors 0 to 2 are the process's own. */
const firstDescriptor = 3;

export class FileTable {
  readonly #files = new Map<number, OpenFile>();

  /** The lowest free descriptor, which now stands for `file` and owns the reference that it was made with. */
  install(file: OpenFile): number {
    let fd = firstDescriptor;
    while (this.#files.has(fd)) fd++;
    this.#files.set(fd, file);
    return fd;
  }

  /** EBADF: the number stands for no open file. */
  lookup(fd: number): OpenFile {
    const file = this.#files.get(fd);
    if (!file) throw new KvmError("EBADF", `${fd} is not the number of an open file`);
    return file;
  }

  /** EBADF: the number stands for no open file. */
  close(fd: number): void {
    const file = this.lookup(fd);
    this.#files.delete(fd);
    file.put();
  }

  /** Open descriptors. */
  get size(): number {
    return this.#files.size;
  }
}

const table = new ProcessWide<FileTable>("unikvm.files");

/** This thread's table. Its methods are part of the interface between versions, so they only ever grow. */
export function fileTable(): FileTable {
  const present = table.value ?? new FileTable();
  table.value = present;
  return present;
}
