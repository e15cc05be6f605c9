/**
 * Memory that the guest does not use: pages that it is asked to leave (the balloon), and those that it says are free at the
 * moment. They are filled with zeros, so that a snapshot leaves them out; the host's process keeps them, since WebAssembly
 * has no way to give a part of its memory back.
 * Source: Virtual I/O Device (VIRTIO) 1.2, "Traditional Memory Balloon Device"; names of Linux's virtio_balloon.h.
 */
import { having, integer, optional, u32 } from "../../../base/takes.js";
import { lengthOf, type VirtioDevice, type VirtioQueue, type VirtioTransport } from "./device.js";

const VIRTIO_BALLOON_F_MUST_TELL_HOST = 1n << 0n;
const VIRTIO_BALLOON_F_STATS_VQ = 1n << 1n;
const VIRTIO_BALLOON_F_DEFLATE_ON_OOM = 1n << 2n;
const VIRTIO_BALLOON_F_REPORTING = 1n << 5n;

/** In which memory is counted, whatever the guest's pages are. */
const pageSize = 4096;
const place = { numPages: 0, actual: 4, end: 16 } as const;
const queueSize = 128;
/** Page numbers that are read of one buffer. */
const mostNumbers = 4096;
/**
 * Bytes that are looked at before others have their turn: as many as Linux reports at once, 32 blocks of at most 16 MiB. What
 * more a buffer names is let be.
 */
const turn = 512 * 1048576;
const piece = 65536;
const [inflateQueue, deflateQueue, statsQueue] = [0, 1, 2];

/** As the driver counts them: bytes of memory, and events. */
const statNames = [
  ...["swapIn", "swapOut", "majorFaults", "minorFaults", "free", "total", "available", "caches"],
  ...["hugePages", "failedHugePages"],
] as const;
const statSize = 10;
const mostStats = 64;

export type BalloonStats = Readonly<Partial<Record<(typeof statNames)[number], bigint>>>;

export interface VirtioBalloonState {
  /** Pages of 4 KiB: that the guest is asked to leave, and that it has left. */
  readonly target: number;
  readonly actual: number;
  /** What the driver calls the buffer in which it gave statistics, and will again. */
  readonly stats?: number | undefined;
}

const balloonState = having({ target: u32, actual: u32, stats: optional(integer(0, 0xffff)) });

export class VirtioBalloon implements VirtioDevice {
  readonly id = 5;
  /** A memory controller of no other kind: as others have it. */
  readonly classCode = 0x05_8000;
  readonly physical = true;
  readonly features =
    VIRTIO_BALLOON_F_MUST_TELL_HOST |
    VIRTIO_BALLOON_F_STATS_VQ |
    VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
    VIRTIO_BALLOON_F_REPORTING;
  /** To inflate, to deflate, statistics, reports of what is free. */
  readonly queues = [queueSize, queueSize, queueSize, queueSize];
  readonly config = new Uint8Array(place.end);
  readonly #view = new DataView(this.config.buffer);
  #transport: VirtioTransport | undefined;
  #reportQueue = -1;
  /** The driver's buffer for statistics, which it fills when it gets it back. */
  #statsHead: number | undefined;
  #stats: BalloonStats = {};
  #zeroed = 0;
  #reported = 0;

  /** `state` is what an earlier `save` gave. EINVAL: it is not. */
  constructor(state?: VirtioBalloonState) {
    if (state === undefined) return;
    balloonState(state, "new VirtioBalloon", "state");
    this.#view.setUint32(place.numPages, state.target, true);
    this.#view.setUint32(place.actual, state.actual, true);
    this.#statsHead = state.stats;
  }

  /** Bytes that the guest has left. */
  get actual(): number {
    return this.#view.getUint32(place.actual, true) * pageSize;
  }

  get target(): number {
    return this.#view.getUint32(place.numPages, true) * pageSize;
  }

  /** Asks the guest to leave so many bytes, a multiple of 4096. It does when it can, and takes them back rather than die. */
  setTarget(bytes: number): void {
    integer(0, 0xffff_ffff)(bytes / pageSize, "balloon.setTarget", "bytes / 4096");
    this.#view.setUint32(place.numPages, bytes / pageSize, true);
    this.#transport?.configChanged();
  }

  /** What the guest last said of its memory; `refresh` has it say so again. */
  get guestStats(): BalloonStats {
    return this.#stats;
  }

  /** False: the guest has not answered the last time. */
  refresh(): boolean {
    const queue = this.#transport?.queue(statsQueue);
    const buffer = this.#statsHead === undefined ? undefined : queue?.again(this.#statsHead);
    if (!queue || !buffer) return false;
    this.#statsHead = undefined;
    queue.give(buffer, 0);
    return true;
  }

  /** Bytes that the guest has said it does not use, and those of them that were no zeros yet. */
  stats(): { readonly reported: number; readonly zeroed: number } {
    return { reported: this.#reported, zeroed: this.#zeroed };
  }

  attach(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  accepted(features: bigint): void {
    const has = (bit: bigint): boolean => (features & bit) !== 0n;
    // Queues are counted as far as there are any.
    this.#reportQueue = has(VIRTIO_BALLOON_F_REPORTING) ? (has(VIRTIO_BALLOON_F_STATS_VQ) ? 3 : 2) : -1;
  }

  reset(): void {
    this.#reportQueue = -1;
    this.#statsHead = undefined;
    this.#stats = {};
    this.#view.setUint32(place.actual, 0, true);
  }

  save(): VirtioBalloonState {
    const { numPages, actual } = place;
    return {
      target: this.#view.getUint32(numPages, true),
      actual: this.#view.getUint32(actual, true),
      stats: this.#statsHead,
    };
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    if (offset >= place.actual && offset + bytes.length <= place.actual + 4) this.config.set(bytes, offset);
  }

  notify(index: number, queue: VirtioQueue): void {
    if (index === inflateQueue || index === this.#reportQueue) this.#takePages(index, queue);
    else if (index === deflateQueue) this.#giveBack(queue);
    else if (index === statsQueue) this.#readStats(queue);
  }

  #takePages(index: number, queue: VirtioQueue): void {
    for (let count = 0, budget = turn; count < queueSize; count++) {
      if (budget <= 0) {
        this.#transport?.again(index);
        return;
      }
      const buffer = queue.take();
      if (!buffer) return;
      if (index === inflateQueue) {
        const bytes = new Uint8Array(4 * Math.min(mostNumbers, Math.floor(lengthOf(buffer.readable) / 4)));
        if (!queue.copy(buffer, 0, bytes)) return;
        const numbers = new DataView(bytes.buffer);
        for (let at = 0; at < bytes.length; at += 4) this.#clear(numbers.getUint32(at, true) * pageSize, pageSize);
        budget -= (bytes.length / 4) * pageSize;
      } else {
        for (const { address, length } of buffer.writable) {
          const size = Math.min(length, Math.max(0, budget));
          this.#clear(Number(address), size);
          budget -= size;
        }
      }
      queue.give(buffer, 0);
    }
  }

  /** Pages that the guest uses again: they are there. */
  #giveBack(queue: VirtioQueue): void {
    for (let count = 0; count < queueSize; count++) {
      const buffer = queue.take();
      if (!buffer) return;
      queue.give(buffer, 0);
    }
  }

  /** What was never touched takes no room on most hosts as long as it is only read. */
  #clear(address: number, length: number): void {
    const memory = this.#transport?.memory;
    for (let at = address; at < address + length; at += piece) {
      const size = Math.min(piece, address + length - at);
      const view = memory?.view(at, size);
      if (!memory || !view) return;
      this.#reported += size;
      if (isZero(view)) continue;
      view.fill(0);
      memory.written(at, size);
      this.#zeroed += size;
    }
  }

  #readStats(queue: VirtioQueue): void {
    const buffer = this.#statsHead === undefined ? queue.take() : undefined;
    if (!buffer) return;
    const count = Math.min(mostStats, Math.floor(lengthOf(buffer.readable) / statSize));
    const bytes = new Uint8Array(count * statSize);
    if (!queue.copy(buffer, 0, bytes)) return;
    const view = new DataView(bytes.buffer);
    const stats: Partial<Record<(typeof statNames)[number], bigint>> = {};
    for (let at = 0; at < bytes.length; at += statSize) {
      const name = statNames[view.getUint16(at, true)];
      if (name) stats[name] = view.getBigUint64(at + 2, true);
    }
    this.#stats = stats;
    this.#statsHead = buffer.head;
  }
}

function isZero(bytes: Uint8Array): boolean {
  if ((bytes.byteOffset | bytes.length) & 3) return bytes.every((byte) => byte === 0);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
