/**
 * What a block device is backed by, and what that lies in. Both answer at once: a write that has returned is found again by
 * whoever opens the disk after this process was killed; after a flush, also when the host has lost its power.
 */

/** Bytes of the smallest unit, which every size and place is a multiple of. */
export const sectorSize = 512;

/** A disk could not do what it was asked: the guest gets an I/O error, and the sentence is the user's. */
export class StorageError extends Error {
  override readonly name = "StorageError";
}

/** Of what cannot be found again as soon as it was written. */
export interface LateWrites {
  /** How often something that was written was lost: who has written in several parts looks whether one of them was. */
  readonly lost: number;
  /** Resolves when all that was written can be found again; undefined: it can. Rejects with StorageError: some of it was lost. */
  kept(): Promise<void> | undefined;
}

/**
 * All places and lengths are bytes, multiples of `sectorSize`, and lie inside. Any method throws StorageError; those of a disk
 * whose bytes are elsewhere throw NotHereYet (remote-store.ts), too, and are then to be called again.
 */
export interface Disk {
  /** What it is called in sentences. */
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
  /** Differs where what it was opened from does, as far as anybody can tell. */
  readonly version?: string | undefined;
  /** Undefined: what `write` has written can be found again. Else nobody is told so before `late.kept`. */
  readonly late?: LateWrites | undefined;
  /** What is written is kept apart, by whoever made the disk: a machine with it can be saved and forked. Default: false. */
  readonly apart?: boolean;
  read(offset: number, bytes: Uint8Array): void;
  write(offset: number, bytes: Uint8Array): void;
  /** What is there reads as zeros afterwards. `keep`: its place is to stay reserved. */
  writeZeroes(offset: number, length: number, keep: boolean): void;
  /** What is there may be forgotten. */
  discard(offset: number, length: number): void;
  flush(): void;
  /** As `flush`, without holding this thread up: it rejects with StorageError. What has been written before it is called counts. */
  flushSoon(): Promise<void>;
  /** What was written stays; nothing more is asked of it. */
  close(): void;
}

/** Bytes that a disk's image lies in: a file, memory. Offsets are not negative. Any method throws StorageError. */
export interface ByteStore {
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
  /** As a disk's. */
  readonly version?: string | undefined;
  /** As a disk's. */
  readonly late?: LateWrites | undefined;
  /** Beyond the end there are zeros. */
  read(offset: number, bytes: Uint8Array): void;
  /** Makes it longer where need be; what lies between is zeros. */
  write(offset: number, bytes: Uint8Array): void;
  /** Makes it shorter, or longer with zeros. */
  resize(size: number): void;
  /** Returns when all that was written is where a loss of power does not reach it. */
  flush(): void;
  /** As `flush`, without holding this thread up. It may be closed meanwhile. */
  flushSoon(): Promise<void>;
  close(): void;
}

/** A place in a file as sentences have it. */
export const place = (offset: number): string => `0x${offset.toString(16)}`;

const zeros = new Uint8Array(65536);

/** Writes zeros, a piece at a time. */
export function fillWithZeros(store: ByteStore, offset: number, length: number): void {
  for (let done = 0; done < length; done += zeros.length) {
    store.write(offset + done, zeros.subarray(0, Math.min(zeros.length, length - done)));
  }
}
