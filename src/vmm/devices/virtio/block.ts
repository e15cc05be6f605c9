/**
 * A disk for a guest. What a request asks for is bounded by what the configuration area offers, whatever the driver
 * writes; what the disk cannot do is the guest's I/O error.
 * Source: Virtual I/O Device (VIRTIO) 1.2, "Block Device"; names of Linux's virtio_blk.h.
 */
import { KvmError } from "../../../base/errors.js";
import { having, size } from "../../../base/takes.js";
import { type Disk, StorageError, sectorSize } from "../../storage/disk.js";
import { lengthOf, type VirtioBuffer, type VirtioDevice, type VirtioQueue } from "./device.js";

const VIRTIO_BLK_F_SIZE_MAX = 1n << 1n;
const VIRTIO_BLK_F_SEG_MAX = 1n << 2n;
const VIRTIO_BLK_F_RO = 1n << 5n;
const VIRTIO_BLK_F_BLK_SIZE = 1n << 6n;
const VIRTIO_BLK_F_FLUSH = 1n << 9n;
const VIRTIO_BLK_F_MQ = 1n << 12n;
const VIRTIO_BLK_F_DISCARD = 1n << 13n;
const VIRTIO_BLK_F_WRITE_ZEROES = 1n << 14n;

const VIRTIO_BLK_T_IN = 0;
const VIRTIO_BLK_T_OUT = 1;
const VIRTIO_BLK_T_FLUSH = 4;
const VIRTIO_BLK_T_GET_ID = 8;
const VIRTIO_BLK_T_DISCARD = 11;
const VIRTIO_BLK_T_WRITE_ZEROES = 13;

const VIRTIO_BLK_S_OK = 0;
const VIRTIO_BLK_S_IOERR = 1;
const VIRTIO_BLK_S_UNSUPP = 2;

const VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP = 1;

const queueSize = 128;
/** A request has a head and a status beside its data. */
const mostSegments = queueSize - 2;
const mostSegmentSize = 128 * 1024;
const mostData = mostSegments * mostSegmentSize;
/** Sectors that one request discards or fills with zeros. */
const mostRange = 65536;
const headSize = 16;
const rangeSize = 16;
const idSize = 20;
/** Data goes through the host's memory in pieces of this size. */
const pieceSize = 256 * 1024;

const place = {
  capacity: 0,
  sizeMax: 8,
  segMax: 12,
  blkSize: 20,
  numQueues: 34,
  maxDiscardSectors: 36,
  maxDiscardSeg: 40,
  discardSectorAlignment: 44,
  maxWriteZeroesSectors: 48,
  maxWriteZeroesSeg: 52,
  writeZeroesMayUnmap: 56,
  end: 60,
} as const;

export interface VirtioBlockOptions {
  readonly disk: Disk;
  /** What the guest reads as the disk's serial number; 20 bytes of it. */
  readonly id?: string;
  /** Queues, best one for each CPU. Default: 1. */
  readonly queues?: number;
  /** Is told in a sentence what the disk could not do, for the user. */
  readonly report?: (sentence: string) => void;
}

export interface VirtioBlockState {
  /** Bytes of the disk; what is on it is the disk's. */
  readonly size: number;
}

/** How a request ended: its status and the bytes of data that the device wrote. Undefined: a DMA fault. */
type Done = { readonly status: number; readonly written?: number } | undefined;

const failed: Done = { status: VIRTIO_BLK_S_IOERR };
const unsupported: Done = { status: VIRTIO_BLK_S_UNSUPP };
const done: Done = { status: VIRTIO_BLK_S_OK };

export class VirtioBlock implements VirtioDevice {
  readonly id = 2;
  /** Mass storage, SCSI: what others of the kind say. */
  readonly classCode = 0x01_0000;
  readonly features: bigint;
  readonly queues: readonly number[];
  readonly config = new Uint8Array(place.end);
  readonly #disk: Disk;
  readonly #name: Uint8Array;
  readonly #report: (sentence: string) => void;
  /** One for all requests, since a new one for each would keep the garbage collector busy. */
  readonly #piece = new Uint8Array(pieceSize);
  /** The driver knows no flush: then a write that has ended is on the disk. */
  #writeThrough = true;

  /** `state` is what an earlier `save` gave. EINVAL: it is not, or of a disk of another size. */
  constructor({ disk, id = "", queues = 1, report = () => {} }: VirtioBlockOptions, state?: VirtioBlockState) {
    if (state !== undefined) {
      having({ size })(state, "new VirtioBlock", "state");
      if (state.size !== disk.size) {
        throw new KvmError("EINVAL", `${disk.name} has ${disk.size} bytes; the disk that was saved had ${state.size}`);
      }
    }
    this.#disk = disk;
    this.#name = new TextEncoder().encode(id).subarray(0, idSize);
    this.#report = report;
    this.queues = Array<number>(queues).fill(queueSize);
    const writable = disk.readOnly ? VIRTIO_BLK_F_RO : VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES;
    const sizes = VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE;
    this.features = sizes | VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_MQ | writable;
    const view = new DataView(this.config.buffer);
    view.setBigUint64(place.capacity, BigInt(disk.size / sectorSize), true);
    view.setUint16(place.numQueues, queues, true);
    view.setUint8(place.writeZeroesMayUnmap, 1);
    for (const [field, value] of [
      [place.sizeMax, mostSegmentSize],
      [place.segMax, mostSegments],
      [place.blkSize, sectorSize],
      [place.maxDiscardSectors, mostRange],
      [place.maxDiscardSeg, 1],
      [place.discardSectorAlignment, 1],
      [place.maxWriteZeroesSectors, mostRange],
      [place.maxWriteZeroesSeg, 1],
    ] as const) {
      view.setUint32(field, value, true);
    }
  }

  accepted(features: bigint): void {
    this.#writeThrough = (features & VIRTIO_BLK_F_FLUSH) === 0n;
  }

  reset(): void {
    this.#writeThrough = true;
  }

  /** EBUSY: what the guest writes goes into a file that others would write to, too. */
  save(): VirtioBlockState {
    const { name, readOnly, apart = false } = this.#disk;
    if (!(readOnly || apart)) {
      throw new KvmError(
        "EBUSY",
        `the disk ${name} is written in place, so that the machine can be neither saved nor forked; give it as an overlay or readonly`,
      );
    }
    return { size: this.#disk.size };
  }

  notify(_index: number, queue: VirtioQueue): void {
    // The driver may add more while this runs: no more than a queue's worth at a time.
    for (let count = 0; count < queueSize; count++) {
      const buffer = queue.take();
      if (!buffer) return;
      const room = lengthOf(buffer.writable);
      const ended = room > 0 ? this.#attempt(queue, buffer, room - 1) : failed;
      if (!ended) return;
      // The status is the last byte that the device may write.
      if (room > 0 && queue.fill(buffer, Uint8Array.of(ended.status), room - 1) === undefined) return;
      queue.give(buffer, room > 0 ? (ended.written ?? 0) + 1 : 0);
    }
  }

  #attempt(queue: VirtioQueue, buffer: VirtioBuffer, room: number): Done {
    try {
      return this.#request(queue, buffer, room);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#report(error.message);
      return failed;
    }
  }

  /** `room`: bytes that the device may write, without the status. */
  #request(queue: VirtioQueue, buffer: VirtioBuffer, room: number): Done {
    const length = lengthOf(buffer.readable) - headSize;
    if (length < 0) return failed;
    const bytes = new Uint8Array(headSize);
    if (!queue.copy(buffer, 0, bytes)) return undefined;
    const head = new DataView(bytes.buffer);
    const sector = head.getBigUint64(8, true);
    switch (head.getUint32(0, true)) {
      case VIRTIO_BLK_T_IN:
        return this.#isInside(sector, room) ? this.#read(queue, buffer, Number(sector) * sectorSize, room) : failed;
      case VIRTIO_BLK_T_OUT:
        if (this.#disk.readOnly || !this.#isInside(sector, length)) return failed;
        return this.#write(queue, buffer, Number(sector) * sectorSize, length);
      case VIRTIO_BLK_T_FLUSH:
        this.#disk.flush();
        return done;
      case VIRTIO_BLK_T_GET_ID: {
        const id = new Uint8Array(idSize);
        id.set(this.#name);
        const written = queue.fill(buffer, id.subarray(0, room));
        return written === undefined ? undefined : { status: VIRTIO_BLK_S_OK, written };
      }
      case VIRTIO_BLK_T_DISCARD:
        return this.#range(queue, buffer, length, (offset, size, flags) => {
          if (flags !== 0) return unsupported;
          this.#disk.discard(offset, size);
          return done;
        });
      case VIRTIO_BLK_T_WRITE_ZEROES:
        return this.#range(queue, buffer, length, (offset, size, flags) => {
          if (flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) return unsupported;
          this.#disk.writeZeroes(offset, size, (flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) === 0);
          return done;
        });
      default:
        return unsupported;
    }
  }

  #isInside(sector: bigint, length: number): boolean {
    if (length % sectorSize !== 0 || length > mostData) return false;
    return sector + BigInt(length / sectorSize) <= BigInt(this.#disk.size / sectorSize);
  }

  #read(queue: VirtioQueue, buffer: VirtioBuffer, offset: number, length: number): Done {
    for (let at = 0; at < length; at += pieceSize) {
      const part = this.#piece.subarray(0, Math.min(pieceSize, length - at));
      this.#disk.read(offset + at, part);
      if (queue.fill(buffer, part, at) === undefined) return undefined;
    }
    return { status: VIRTIO_BLK_S_OK, written: length };
  }

  #write(queue: VirtioQueue, buffer: VirtioBuffer, offset: number, length: number): Done {
    for (let at = 0; at < length; at += pieceSize) {
      const part = this.#piece.subarray(0, Math.min(pieceSize, length - at));
      if (!queue.copy(buffer, headSize + at, part)) return undefined;
      this.#disk.write(offset + at, part);
    }
    if (this.#writeThrough) this.#disk.flush();
    return done;
  }

  /** The one range that a request to discard or to write zeros names. */
  #range(
    queue: VirtioQueue,
    buffer: VirtioBuffer,
    length: number,
    use: (offset: number, size: number, flags: number) => Done,
  ): Done {
    if (length !== rangeSize || this.#disk.readOnly) return failed;
    const bytes = new Uint8Array(rangeSize);
    if (!queue.copy(buffer, headSize, bytes)) return undefined;
    const view = new DataView(bytes.buffer);
    const sector = view.getBigUint64(0, true);
    const count = view.getUint32(8, true);
    if (count > mostRange || sector + BigInt(count) > BigInt(this.#disk.size / sectorSize)) return failed;
    const ended = use(Number(sector) * sectorSize, count * sectorSize, view.getUint32(12, true));
    if (this.#writeThrough) this.#disk.flush();
    return ended;
  }
}
