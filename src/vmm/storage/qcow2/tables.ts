/**
 * An image's tables: big-endian entries at places in the file, through a cache that does not grow with them. What is written
 * is in the store when the call returns.
 */
import type { ByteStore } from "../disk.js";

const pageSize = 4096;
const mostPages = 1024;
/** What an image's tables take in memory at most, bytes. */
export const tablesRoom = mostPages * pageSize;
const two32 = 2 ** 32;

export class Tables {
  readonly #store: ByteStore;
  /** By number, the longest there first. */
  readonly #pages = new Map<number, DataView>();

  constructor(store: ByteStore) {
    this.#store = store;
  }

  /** An entry of 8 bytes as its two halves, at a multiple of 8. */
  entry(offset: number): readonly [high: number, low: number] {
    const page = this.#page(offset);
    const within = offset % pageSize;
    return [page.getUint32(within), page.getUint32(within + 4)];
  }

  setEntry(offset: number, high: number, low: number): void {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setUint32(0, high);
    bytes.setUint32(4, low);
    this.write(offset, new Uint8Array(bytes.buffer));
  }

  /** 1, 2, 4 or 8 bytes as a number, at a multiple of their count. */
  value(offset: number, length: number): number {
    const page = this.#page(offset);
    const within = offset % pageSize;
    switch (length) {
      case 1:
        return page.getUint8(within);
      case 2:
        return page.getUint16(within);
      case 4:
        return page.getUint32(within);
      default:
        return page.getUint32(within) * two32 + page.getUint32(within + 4);
    }
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#store.write(offset, bytes);
    for (let at = offset - (offset % pageSize); at < offset + bytes.length; at += pageSize) {
      const page = this.#pages.get(at / pageSize);
      if (!page) continue;
      const first = Math.max(at, offset);
      const last = Math.min(at + pageSize, offset + bytes.length);
      new Uint8Array(page.buffer).set(bytes.subarray(first - offset, last - offset), first - at);
    }
  }

  /** What is cached of these bytes is so no more: somebody has written there otherwise. */
  forget(offset: number, length: number): void {
    for (let at = offset - (offset % pageSize); at < offset + length; at += pageSize) this.#pages.delete(at / pageSize);
  }

  #page(offset: number): DataView {
    const number = Math.floor(offset / pageSize);
    const found = this.#pages.get(number);
    if (found) return found;
    const bytes = new Uint8Array(pageSize);
    this.#store.read(number * pageSize, bytes);
    const [oldest] = this.#pages.keys();
    if (this.#pages.size >= mostPages && oldest !== undefined) this.#pages.delete(oldest);
    const page = new DataView(bytes.buffer);
    this.#pages.set(number, page);
    return page;
  }
}
