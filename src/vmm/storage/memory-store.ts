/** Bytes in memory; where nothing was written, none is taken. */
import type { SparseImage } from "../core/sparse-image.js";
import type { ByteStore } from "./disk.js";

const pageSize = 65536;

export class MemoryStore implements ByteStore {
  readonly name: string;
  readonly readOnly = false;
  readonly #pages = new Map<number, Uint8Array>();
  #size = 0;

  /** `contents` is copied. */
  constructor(name = "memory", contents: Uint8Array = new Uint8Array(0)) {
    this.name = name;
    this.write(0, contents);
  }

  get size(): number {
    return this.#size;
  }

  read(offset: number, bytes: Uint8Array): void {
    inPages(offset, bytes.length, (index, within, done, length) => {
      const page = this.#pages.get(index);
      if (page) bytes.set(page.subarray(within, within + length), done);
      else bytes.fill(0, done, done + length);
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    inPages(offset, bytes.length, (index, within, done, length) => {
      let page = this.#pages.get(index);
      if (!page) {
        page = new Uint8Array(pageSize);
        this.#pages.set(index, page);
      }
      page.set(bytes.subarray(done, done + length), within);
    });
    this.#size = Math.max(this.#size, offset + bytes.length);
  }

  resize(size: number): void {
    if (size < this.#size) {
      for (const [index, page] of this.#pages) {
        if (index * pageSize >= size) this.#pages.delete(index);
        else if ((index + 1) * pageSize > size) page.fill(0, size - index * pageSize);
      }
    }
    this.#size = size;
  }

  /** A copy of what was written. */
  image(): SparseImage {
    const pages = [...this.#pages].sort(([a], [b]) => a - b);
    const runs = pages.map(([index, page]) => ({
      offset: index * pageSize,
      bytes: page.slice(0, Math.min(pageSize, this.#size - index * pageSize)),
    }));
    return { size: this.#size, runs };
  }

  flush(): void {}

  flushSoon(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}
}

function inPages(
  offset: number,
  length: number,
  visit: (index: number, within: number, done: number, length: number) => void,
): void {
  for (let done = 0; done < length; ) {
    const at = offset + done;
    const within = at % pageSize;
    const part = Math.min(pageSize - within, length - done);
    visit((at - within) / pageSize, within, done, part);
    done += part;
  }
}
