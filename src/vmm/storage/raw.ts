/** A disk whose bytes lie in a store as they are. */
import { type ByteStore, type Disk, fillWithZeros, type LateWrites, sectorSize } from "./disk.js";

export class RawDisk implements Disk {
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
  readonly version: string | undefined;
  readonly late: LateWrites | undefined;
  readonly #store: ByteStore;

  /** The last sector may be shorter in the store; what it lacks is zeros until it is written. */
  constructor(store: ByteStore, { readOnly = false } = {}) {
    this.#store = store;
    this.name = store.name;
    this.version = store.version;
    this.late = store.late;
    this.size = Math.ceil(store.size / sectorSize) * sectorSize;
    this.readOnly = readOnly || store.readOnly;
  }

  read(offset: number, bytes: Uint8Array): void {
    this.#store.read(offset, bytes);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#store.write(offset, bytes);
  }

  writeZeroes(offset: number, length: number): void {
    fillWithZeros(this.#store, offset, length);
  }

  /** No runtime lets a program give back a part of a file. */
  discard(): void {}

  flush(): void {
    this.#store.flush();
  }

  flushSoon(): Promise<void> {
    return this.#store.flushSoon();
  }

  close(): void {
    this.#store.close();
  }
}
