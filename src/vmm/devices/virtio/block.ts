/**
 * A disk for a guest. What a request asks for is bounded by what the configuration area offers, whatever the driver
 * writes; what the disk cannot do is the guest's I/O error.
 * Source: Virtual I/O Device (VIRTIO) 1.2, "Block Device"; names of Linux's virtio_blk.h.
 */
import { KvmError } from "../../../base/errors.js";
import { having, integer, listOf, size } from "../../../base/takes.js";
import { type Disk, StorageError, sectorSize } from "../../storage/disk.js";
import { NotHereYet } from "../../storage/remote-store.js";
import {
  lengthOf,
  longestTurn,
  type VirtioBuffer,
  type VirtioDevice,
  type VirtioQueue,
  type VirtioTransport,
} from "./device.js";

const VIRTIO_BLK_F_SIZE_MAX = 1n << 1n;
const VIRTIO_BLK_F_SEG_MAX = 1n << 2n;
const VIRTIO_BLK_F_RO = 1n << 5n;
const VIRTIO_BLK_F_BLK_SIZE = 1n << 6n;
const VIRTIO_BLK_F_FLUSH = 1n << 9n;
const VIRTIO_BLK_F_TOPOLOGY = 1n << 10n;
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
/** What Linux reads ahead follows from it: each request costs about as much, however long it is. */
const bestSize = 1024 * 1024;
/** Sectors that one request discards or fills with zeros. */
const mostRange = 65536;
const headSize = 16;
const rangeSize = 16;
const idSize = 20;
/** Requests that wait for what the disk is elsewhere: who comes then waits in the queue. */
const mostLate = 8;
/** From this size on a part of the guest's memory is read and written where it lies: a call of the host's costs as much as to copy it. */
const leastDirect = 16 * 1024;
/** What lies in shorter parts goes through the host's memory in pieces of this size. */
const pieceSize = 256 * 1024;

const place = {
  capacity: 0,
  sizeMax: 8,
  segMax: 12,
  blkSize: 20,
  minIoSize: 26,
  optIoSize: 28,
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
  /** What the disk says that it was opened from. */
  readonly version?: string | undefined;
  /** Requests that have not ended, most of them to flush, which are done again: by queue, and by what the driver calls them. */
  readonly flushes?: readonly { readonly queue: number; readonly head: number }[];
}

const flushes = listOf(having({ queue: size, head: integer(0, 0xffff) }));

/** A request, in the queue that it came through. */
interface Request {
  readonly index: number;
  readonly buffer: VirtioBuffer;
  /** Bytes of its data that have been moved. */
  moved: number;
  /** `LateWrites.lost` of the disk when it began to write. */
  lost?: number;
}

/** How a request ended: its status and the bytes of data that the device wrote. Undefined: a DMA fault. "later": it has not. */
type Done = { readonly status: number; readonly written?: number } | "later" | undefined;

const failed = { status: VIRTIO_BLK_S_IOERR };
const unsupported = { status: VIRTIO_BLK_S_UNSUPP };
const done = { status: VIRTIO_BLK_S_OK };

const isDirect = ({ length }: Uint8Array): boolean => length >= leastDirect && length % sectorSize === 0;

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
  readonly #headBytes = new Uint8Array(headSize);
  readonly #head = new DataView(this.#headBytes.buffer);
  #transport: VirtioTransport | undefined;
  /** Under way, and those that came meanwhile: they are ended by one more flush, all of them. */
  #flushing: readonly Request[] = [];
  #toFlush: Request[] = [];
  /** What they want of the disk is on its way here. */
  #late = new Set<Request>();
  /** Queues in which others wait for one of these to end. */
  readonly #full = new Set<number>();
  /** Of before a restore. */
  #again: readonly { readonly queue: number; readonly head: number }[] = [];
  /** The driver knows no flush: then a write that has ended is on the disk. */
  #writeThrough = true;

  /** `state` is what an earlier `save` gave. EINVAL: it is not, or of a disk of another size. */
  constructor({ disk, id = "", queues = 1, report = () => {} }: VirtioBlockOptions, state?: VirtioBlockState) {
    if (state !== undefined) {
      having({ size })(state, "new VirtioBlock", "state");
      if (state.size !== disk.size) {
        throw new KvmError("EINVAL", `${disk.name} has ${disk.size} bytes; the disk that was saved had ${state.size}`);
      }
      if (state.version !== undefined && state.version !== disk.version) {
        throw new KvmError("EINVAL", `${disk.name} has changed since the machine with it was saved`);
      }
      this.#again = state.flushes ?? [];
      flushes(this.#again, "new VirtioBlock", "flushes");
      if (this.#again.length > queues * queueSize || this.#again.some(({ queue }) => queue >= queues)) {
        throw new KvmError("EINVAL", `the saved disk has more queues, or more that they wait for, than ${queues} have`);
      }
    }
    this.#disk = disk;
    this.#name = new TextEncoder().encode(id).subarray(0, idSize);
    this.#report = report;
    this.queues = Array<number>(queues).fill(queueSize);
    const writable = disk.readOnly ? VIRTIO_BLK_F_RO : VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES;
    const sizes = VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_TOPOLOGY;
    this.features = sizes | VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_MQ | writable;
    const view = new DataView(this.config.buffer);
    view.setBigUint64(place.capacity, BigInt(disk.size / sectorSize), true);
    view.setUint16(place.numQueues, queues, true);
    view.setUint16(place.minIoSize, 1, true);
    view.setUint8(place.writeZeroesMayUnmap, 1);
    for (const [field, value] of [
      [place.sizeMax, mostSegmentSize],
      [place.segMax, mostSegments],
      [place.blkSize, sectorSize],
      [place.optIoSize, bestSize / sectorSize],
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

  attach(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  reset(): void {
    this.#writeThrough = true;
    this.#flushing = [];
    this.#toFlush = [];
    this.#late = new Set();
    this.#full.clear();
    this.#again = [];
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
    const waiting = [...this.#flushing, ...this.#toFlush, ...this.#late].map(({ index, buffer }) => ({
      queue: index,
      head: buffer.head,
    }));
    return { size: this.#disk.size, version: this.#disk.version, flushes: [...this.#again, ...waiting] };
  }

  notify(index: number, queue: VirtioQueue): void {
    this.#beginAgain(index, queue);
    const end = performance.now() + longestTurn;
    // The driver may add more while this runs: no more than a queue's worth at a time.
    for (let count = 0; count < queueSize; count++) {
      if (this.#late.size >= mostLate) {
        this.#full.add(index);
        return;
      }
      // Each may ask for 16 MiB, all of them in one place of the guest's memory.
      if (count > 0 && performance.now() >= end) {
        this.#transport?.again(index);
        return;
      }
      const buffer = queue.take();
      if (!buffer || !this.#begin({ index, buffer, moved: 0 }, queue)) return;
    }
  }

  /** Does what can be done of a request now. False: a DMA fault. */
  #begin(which: Request, queue: VirtioQueue): boolean {
    const room = lengthOf(which.buffer.writable);
    const ended = room > 0 ? this.#attempt(which, queue, room - 1) : failed;
    return ended === "later" || (ended !== undefined && this.#end(queue, which.buffer, ended));
  }

  /** Goes on with a request when what it wants is here, or ends it then as `ended` says. */
  async #wait(which: Request, ready: Promise<void>, ended?: typeof done): Promise<void> {
    const late = this.#late;
    late.add(which);
    const error: unknown = await ready.then(
      () => undefined,
      (reason) => reason,
    );
    // The driver may have begun anew.
    if (late !== this.#late || !late.delete(which)) return;
    const queue = this.#transport?.queue(which.index);
    if (queue && error === undefined && ended) this.#end(queue, which.buffer, ended);
    else if (queue && error === undefined) this.#begin(which, queue);
    else if (queue) this.#end(queue, which.buffer, this.#complain(error));
    for (const index of this.#full) this.#transport?.again(index);
    this.#full.clear();
  }

  /** Gives a request back. False: a DMA fault. */
  #end(queue: VirtioQueue, buffer: VirtioBuffer, { status, written = 0 }: Exclude<Done, "later" | undefined>): boolean {
    const room = lengthOf(buffer.writable);
    // The status is the last byte that the device may write.
    if (room > 0 && queue.fill(buffer, Uint8Array.of(status), room - 1) === undefined) return false;
    queue.give(buffer, room > 0 ? written + 1 : 0);
    return true;
  }

  #beginAgain(index: number, queue: VirtioQueue): void {
    const own = this.#again.filter((flush) => flush.queue === index);
    if (own.length === 0) return;
    this.#again = this.#again.filter((flush) => flush.queue !== index);
    for (const { head } of own) {
      const buffer = queue.again(head);
      if (!buffer) return;
      if (!this.#begin({ index, buffer, moved: 0 }, queue)) return;
    }
  }

  #flushSoon(flush: Request): void {
    this.#toFlush.push(flush);
    if (this.#flushing.length === 0) void this.#flushNext();
  }

  /** The host's disk may take long: others have their turn meanwhile, also who writes to this one. */
  async #flushNext(): Promise<void> {
    const batch = this.#toFlush.splice(0);
    this.#flushing = batch;
    let ended = done;
    try {
      await this.#disk.flushSoon();
    } catch (error) {
      ended = this.#complain(error);
    }
    // The driver may have begun anew.
    if (this.#flushing !== batch) return;
    this.#flushing = [];
    for (const { index, buffer } of batch) {
      const queue = this.#transport?.queue(index);
      if (queue) this.#end(queue, buffer, ended);
    }
    if (this.#toFlush.length > 0) void this.#flushNext();
  }

  #attempt(which: Request, queue: VirtioQueue, room: number): Done {
    try {
      return this.#request(which, queue, room);
    } catch (error) {
      if (!(error instanceof NotHereYet)) return this.#complain(error);
      void this.#wait(which, error.ready);
      return "later";
    }
  }

  #complain(error: unknown): typeof failed {
    if (!(error instanceof StorageError)) throw error;
    this.#report(error.message);
    return failed;
  }

  /** `room`: bytes that the device may write, without the status. */
  #request(which: Request, queue: VirtioQueue, room: number): Done {
    const { buffer } = which;
    const length = lengthOf(buffer.readable) - headSize;
    if (length < 0) return failed;
    if (!queue.copy(buffer, 0, this.#headBytes)) return undefined;
    const head = this.#head;
    const sector = head.getBigUint64(8, true);
    switch (head.getUint32(0, true)) {
      case VIRTIO_BLK_T_IN:
        return this.#isInside(sector, room) ? this.#read(queue, which, Number(sector) * sectorSize, room) : failed;
      case VIRTIO_BLK_T_OUT:
        if (this.#disk.readOnly || !this.#isInside(sector, length)) return failed;
        return this.#write(queue, which, Number(sector) * sectorSize, length);
      case VIRTIO_BLK_T_FLUSH:
        this.#flushSoon(which);
        return "later";
      case VIRTIO_BLK_T_GET_ID: {
        const id = new Uint8Array(idSize);
        id.set(this.#name);
        const written = queue.fill(buffer, id.subarray(0, room));
        return written === undefined ? undefined : { status: VIRTIO_BLK_S_OK, written };
      }
      case VIRTIO_BLK_T_DISCARD:
        return this.#range(queue, which, length, (offset, size, flags) => {
          if (flags !== 0) return unsupported;
          this.#disk.discard(offset, size);
          return done;
        });
      case VIRTIO_BLK_T_WRITE_ZEROES:
        return this.#range(queue, which, length, (offset, size, flags) => {
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

  #read(queue: VirtioQueue, which: Request, offset: number, length: number): Done {
    /** What of the piece is still to be given. While there is nothing, the disk's place is a whole sector's. */
    let ahead = this.#piece.subarray(0, 0);
    const part = { way: "write", offset: which.moved, length: length - which.moved } as const;
    const reached = queue.visit(which.buffer, part, (memory) => {
      for (let rest = memory; rest.length > 0; ) {
        let moved = rest.length;
        if (ahead.length === 0 && isDirect(rest)) {
          this.#disk.read(offset + which.moved, rest);
        } else {
          if (ahead.length === 0) {
            const next = this.#piece.subarray(0, Math.min(pieceSize, length - which.moved));
            this.#disk.read(offset + which.moved, next);
            ahead = next;
          }
          moved = Math.min(moved, ahead.length);
          rest.set(ahead.subarray(0, moved));
          ahead = ahead.subarray(moved);
        }
        rest = rest.subarray(moved);
        which.moved += moved;
      }
    });
    return reached ? { status: VIRTIO_BLK_S_OK, written: length } : undefined;
  }

  #write(queue: VirtioQueue, which: Request, offset: number, length: number): Done {
    which.lost ??= this.#disk.late?.lost ?? 0;
    /** Bytes of the piece that are still to be written. */
    let gathered = 0;
    const write = (bytes: Uint8Array): void => {
      this.#disk.write(offset + which.moved, bytes);
      which.moved += bytes.length;
    };
    const part = { way: "read", offset: headSize + which.moved, length: length - which.moved } as const;
    const reached = queue.visit(which.buffer, part, (memory) => {
      for (let rest = memory; rest.length > 0; ) {
        let moved = rest.length;
        if (gathered === 0 && isDirect(rest)) {
          write(rest);
        } else {
          moved = Math.min(moved, pieceSize - gathered);
          this.#piece.set(rest.subarray(0, moved), gathered);
          gathered += moved;
          if (gathered === pieceSize || which.moved + gathered === length) {
            write(this.#piece.subarray(0, gathered));
            gathered = 0;
          }
        }
        rest = rest.subarray(moved);
      }
    });
    return reached ? this.#written(which) : undefined;
  }

  /** All of it is written: it has ended when that can be found again. */
  #written(which: Request): Done {
    const { late } = this.#disk;
    if (this.#writeThrough && !late) this.#disk.flush();
    if (late && late.lost !== which.lost) throw new StorageError(`${this.#disk.name} has lost what was written`);
    const kept = late && this.#writeThrough ? this.#disk.flushSoon() : late?.kept();
    if (!kept) return done;
    void this.#wait(which, kept, done);
    return "later";
  }

  /** The one range that a request to discard or to write zeros names. */
  #range(
    queue: VirtioQueue,
    which: Request,
    length: number,
    use: (offset: number, size: number, flags: number) => Done,
  ): Done {
    if (length !== rangeSize || this.#disk.readOnly) return failed;
    const bytes = new Uint8Array(rangeSize);
    if (!queue.copy(which.buffer, headSize, bytes)) return undefined;
    const view = new DataView(bytes.buffer);
    const sector = view.getBigUint64(0, true);
    const count = view.getUint32(8, true);
    if (count > mostRange || sector + BigInt(count) > BigInt(this.#disk.size / sectorSize)) return failed;
    which.lost ??= this.#disk.late?.lost ?? 0;
    const ended = use(Number(sector) * sectorSize, count * sectorSize, view.getUint32(12, true));
    return ended === done ? this.#written(which) : ended;
  }
}
