/** A disk whose writes are kept in memory, apart from what it lies over, which is only read. */
import type { SparseImage } from "../core/sparse-image.js";
import { type Disk, StorageError } from "./disk.js";
import { MemoryStore } from "./memory-store.js";
import type { Decompressors } from "./qcow2/compressed.js";
import { formatQcow2 } from "./qcow2/header.js";
import { Qcow2Disk } from "./qcow2/qcow2.js";
import { bounded, type Room } from "./room.js";

/** Writes are never compressed. */
const none: Decompressors = {
  deflate: () => {
    throw new RangeError("what was written is not compressed");
  },
  zstd: () => {
    throw new RangeError("what was written is not compressed");
  },
};

export class OverlayDisk implements Disk {
  readonly name: string;
  readonly size: number;
  readonly version: string | undefined;
  readonly readOnly = false;
  readonly apart = true;
  readonly #store: MemoryStore;
  readonly #disk: Disk;

  /**
   * `written` is what an earlier `save` gave, of a disk over the same base. `room`: for all that is written, and the tables that
   * say where it is. StorageError: it is not, or there is no room for it.
   */
  constructor(base: Disk, written?: SparseImage, room?: Room) {
    this.name = base.name;
    this.size = base.size;
    this.version = base.version;
    this.#store = new MemoryStore(`what was written to ${base.name}`);
    if (written) for (const { offset, bytes } of written.runs) this.#store.write(offset, bytes);
    else formatQcow2(this.#store, { size: base.size, backing: { name: "base", format: "raw" } });
    const store = room ? bounded(this.#store, room, { all: true }) : this.#store;
    this.#disk = new Qcow2Disk(store, { backing: base, decompressors: none });
    if (this.#disk.size !== base.size) {
      throw new StorageError(
        `${base.name} has ${base.size} bytes; what was written is of a disk of ${this.#disk.size}`,
      );
    }
  }

  /** What was written so far, with where it belongs. */
  save(): SparseImage {
    return this.#store.image();
  }

  read(offset: number, bytes: Uint8Array): void {
    this.#disk.read(offset, bytes);
  }
  write(offset: number, bytes: Uint8Array): void {
    this.#disk.write(offset, bytes);
  }
  writeZeroes(offset: number, length: number, keep: boolean): void {
    this.#disk.writeZeroes(offset, length, keep);
  }
  discard(offset: number, length: number): void {
    this.#disk.discard(offset, length);
  }
  flush(): void {}
  flushSoon(): Promise<void> {
    return Promise.resolve();
  }
  /** And what it lies over. */
  close(): void {
    this.#disk.close();
  }
}
