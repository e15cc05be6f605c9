/**
 * A split virtqueue as the device's side walks it. The driver can change all three areas at any time, so that each field is
 * read once, and checked. Source: Virtual I/O Device (VIRTIO) 1.1, "Split Virtqueues".
 */
import { boolean, having, integer } from "../../../base/takes.js";
import type { VirtioBuffer, VirtioQueue, VirtioSegment } from "./device.js";

/** DMA, where false is a fault. */
export interface QueueMemory {
  read(address: bigint, bytes: Uint8Array): boolean;
  write(address: bigint, bytes: Uint8Array): boolean;
}

export interface QueueAreas {
  /** Descriptors, a power of two. */
  readonly size: number;
  readonly descriptors: bigint;
  /** The available ring. */
  readonly driver: bigint;
  /** The used ring. */
  readonly device: bigint;
}

/** A queue's place in its rings; where they are is the transport's. */
export interface SplitQueueState {
  /** How many buffers were taken and given back, as the rings count them: modulo 65536. */
  readonly taken: number;
  readonly given: number;
  /** The driver has broken it: nothing more comes out. */
  readonly broken: boolean;
}

const count = integer(0, 0xffff);
const queueState = having({ taken: count, given: count, broken: boolean });

const descriptorSize = 16;
const flagNext = 1;
const flagWrite = 2;
/** Of the available ring: the driver wants no interrupts. */
const noInterrupt = 1;

export class SplitQueue implements VirtioQueue {
  readonly #memory: QueueMemory;
  readonly #areas: QueueAreas;
  readonly #interrupt: () => void;
  readonly #fail: () => void;
  #taken: number;
  #given: number;
  #broken: boolean;

  /**
   * `fail` is called once, when the driver has broken the queue. `state` is what an earlier `save` gave; EINVAL: it is not.
   */
  constructor(
    memory: QueueMemory,
    areas: QueueAreas,
    on: { readonly interrupt: () => void; readonly fail: () => void },
    state: SplitQueueState = { taken: 0, given: 0, broken: false },
  ) {
    queueState(state, "new SplitQueue", "state");
    this.#memory = memory;
    this.#areas = areas;
    this.#interrupt = on.interrupt;
    this.#fail = on.fail;
    ({ taken: this.#taken, given: this.#given, broken: this.#broken } = state);
  }

  save(): SplitQueueState {
    return { taken: this.#taken, given: this.#given, broken: this.#broken };
  }

  take(): VirtioBuffer | undefined {
    if (this.#broken) return undefined;
    const { driver, size } = this.#areas;
    const index = this.#read(driver + 2n, 2)?.getUint16(0, true);
    if (index === undefined) return this.#break();
    const waiting = (index - this.#taken) & 0xffff;
    if (waiting === 0) return undefined;
    if (waiting > size) return this.#break();
    const head = this.#read(driver + 4n + BigInt(2 * (this.#taken % size)), 2)?.getUint16(0, true);
    const buffer = head === undefined ? undefined : this.#walk(head);
    if (!buffer) return this.#break();
    this.#taken = (this.#taken + 1) & 0xffff;
    return buffer;
  }

  putBack(_buffer: VirtioBuffer): void {
    // It is walked again, since the driver may have changed it.
    if (!this.#broken) this.#taken = (this.#taken - 1) & 0xffff;
  }

  copy({ readable }: VirtioBuffer, offset: number, bytes: Uint8Array): boolean {
    const done = inSegments(readable, offset, bytes, (address, part) => this.#memory.read(address, part));
    if (done === bytes.length) return true;
    this.#break();
    return false;
  }

  fill({ writable }: VirtioBuffer, bytes: Uint8Array, offset = 0): number | undefined {
    return inSegments(writable, offset, bytes, (address, part) => this.#memory.write(address, part)) ?? this.#break();
  }

  give(buffer: VirtioBuffer, written: number): void {
    this.giveAll([{ buffer, written }]);
  }

  giveAll(buffers: readonly { readonly buffer: VirtioBuffer; readonly written: number }[]): void {
    if (this.#broken || buffers.length === 0) return;
    const { device, driver, size } = this.#areas;
    const memory = this.#memory;
    const element = new Uint8Array(8);
    const view = new DataView(element.buffer);
    let stored = true;
    for (const { buffer, written } of buffers) {
      view.setUint32(0, buffer.head, true);
      view.setUint32(4, written, true);
      stored &&= memory.write(device + 4n + BigInt(8 * (this.#given % size)), element);
      this.#given = (this.#given + 1) & 0xffff;
    }
    view.setUint16(0, this.#given, true);
    stored &&= memory.write(device + 2n, element.subarray(0, 2));
    const flags = stored ? this.#read(driver, 2)?.getUint16(0, true) : undefined;
    if (flags === undefined) this.#break();
    else if (!(flags & noInterrupt)) this.#interrupt();
  }

  /** Follows a chain; undefined if it leaves the table, loops, or is no chain that this queue may have. */
  #walk(head: number): VirtioBuffer | undefined {
    const { size, descriptors } = this.#areas;
    const readable: VirtioSegment[] = [];
    const writable: VirtioSegment[] = [];
    let at = head;
    for (let steps = 0; steps < size && at < size; steps++) {
      const descriptor = this.#read(descriptors + BigInt(descriptorSize * at), descriptorSize);
      if (!descriptor) return undefined;
      const segment = { address: descriptor.getBigUint64(0, true), length: descriptor.getUint32(8, true) };
      const flags = descriptor.getUint16(12, true);
      // Indirect descriptors are not offered.
      if (flags & ~(flagNext | flagWrite)) return undefined;
      if (flags & flagWrite) writable.push(segment);
      else if (writable.length > 0) return undefined;
      else readable.push(segment);
      if (!(flags & flagNext)) return { head, readable, writable };
      at = descriptor.getUint16(14, true);
    }
    return undefined;
  }

  #read(address: bigint, length: number): DataView | undefined {
    const bytes = new Uint8Array(length);
    return this.#memory.read(address, bytes) ? new DataView(bytes.buffer) : undefined;
  }

  #break(): undefined {
    if (!this.#broken) this.#fail();
    this.#broken = true;
    return undefined;
  }
}

/** Moves bytes, one segment after the other, from `offset` of them all on. How many; undefined: `move` failed. */
function inSegments(
  segments: readonly VirtioSegment[],
  offset: number,
  bytes: Uint8Array,
  move: (address: bigint, part: Uint8Array) => boolean,
): number | undefined {
  let skip = offset;
  let done = 0;
  for (const { address, length } of segments) {
    const part = bytes.subarray(done, done + Math.max(0, length - skip));
    if (part.length > 0 && !move(address + BigInt(skip), part)) return undefined;
    done += part.length;
    skip = Math.max(0, skip - length);
    if (done === bytes.length) break;
  }
  return done;
}
