/** How much of the host all that a guest writes to its disks may take: beyond it, the guest has I/O errors. */
import { type ByteStore, StorageError } from "./disk.js";

export class Room {
  readonly #most: number;
  readonly #what: string;
  readonly #also: Room | undefined;
  #left: number;

  /** Bytes. `what` has the limit, for the sentence; what is taken here is taken in `also` too. */
  constructor(most: number, what = "what is written to disks", also?: Room) {
    this.#most = most;
    this.#what = what;
    this.#also = also;
    this.#left = most;
  }

  /** `name`: what would grow, for the sentence. Throws StorageError. */
  take(bytes: number, name: string): void {
    if (bytes > this.#left) {
      throw new StorageError(`${name} cannot grow: ${this.#what} has its limit of ${this.#most} bytes`);
    }
    this.#also?.take(bytes, name);
    this.#left -= bytes;
  }

  give(bytes: number): void {
    this.#also?.give(bytes);
    this.#left += bytes;
  }
}

/** A store that grows no more where there is no room; what it has already counts if `all`. Throws StorageError. */
export function bounded(store: ByteStore, room: Room, { all = false } = {}): ByteStore {
  const { name, readOnly, version } = store;
  if (all) room.take(store.size, name);
  const growing = (end: number, work: () => void): void => {
    const before = store.size;
    const more = Math.max(0, end - before);
    room.take(more, name);
    try {
      work();
    } finally {
      // It may have got shorter, or not as long as was wanted.
      room.give(more - (store.size - before));
    }
  };
  return {
    ...{ name, readOnly, version },
    get size() {
      return store.size;
    },
    read: (offset, bytes) => store.read(offset, bytes),
    write: (offset, bytes) => growing(offset + bytes.length, () => store.write(offset, bytes)),
    resize: (size) => growing(size, () => store.resize(size)),
    flush: () => store.flush(),
    flushSoon: () => store.flushSoon(),
    close: () => store.close(),
  };
}
