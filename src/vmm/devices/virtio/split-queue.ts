/**
 * A split virtqueue as the device's side walks it. The driver can change all three areas at any time, so that each field is
 * read once, and checked. Source: Virtual I/O Device (VIRTIO) 1.1, "Split Virtqueues".
 */
import { boolean, having, integer } from "../../../base/takes.js";
import type { VisitMemory } from "../../core/guest-memory.js";
import { type Dma, dmaRead, dmaWrite } from "../pci/device.js";
import { lengthOf, type VirtioBuffer, type VirtioPart, type VirtioQueue, type VirtioSegment } from "./device.js";

export interface QueueAreas {
  /** Descriptors, a power of two. */
  readonly size: number;
  readonly descriptors: bigint;
  /** The available ring. */
  readonly driver: bigint;
  /** The used ring. */
  readonly device: bigint;
}

/** What device and driver have agreed on: features of VIRTIO_F_INDIRECT_DESC and VIRTIO_F_EVENT_IDX. */
export interface QueueAgreement {
  /** A descriptor may name a table of others. */
  readonly indirect: boolean;
  /** Each side says at which buffer it wants to hear of the other's. */
  readonly eventIndex: boolean;
}

/** What a queue tells. */
export interface QueueEvents {
  interrupt(): void;
  /** Once: the driver has broken it. */
  fail(): void;
  /** As many buffers as it has descriptors were taken without an end: whoever takes them should look again, later. */
  busy(): void;
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
const flagIndirect = 4;
/** Of the available ring: the driver wants no interrupts. */
const noInterrupt = 1;

export class SplitQueue implements VirtioQueue {
  readonly #dma: Dma;
  readonly #areas: QueueAreas;
  readonly #agreed: QueueAgreement;
  readonly #on: QueueEvents;
  /** A change of it is a barrier: what was stored before is seen by the guest's CPUs before what is loaded afterwards is read. */
  readonly #barrier = new Int32Array(1);
  /** What is read and written of the rings goes through here: a new one for each field would cost more than all else does. */
  readonly #field = new DataView(new ArrayBuffer(descriptorSize));
  /** A driver's table of descriptors, as far as it is used. */
  readonly #table: DataView<ArrayBuffer>;
  /** Buffers taken since there were none. */
  #run = 0;
  #taken: number;
  #given: number;
  #broken: boolean;

  /** `state` is what an earlier `save` gave; EINVAL: it is not. */
  constructor(
    dma: Dma,
    areas: QueueAreas,
    { on, agreed }: { readonly on: QueueEvents; readonly agreed: QueueAgreement },
    state: SplitQueueState = { taken: 0, given: 0, broken: false },
  ) {
    queueState(state, "new SplitQueue", "state");
    this.#dma = dma;
    this.#areas = areas;
    this.#on = on;
    this.#agreed = agreed;
    this.#table = new DataView(new ArrayBuffer(agreed.indirect ? areas.size * descriptorSize : 0));
    ({ taken: this.#taken, given: this.#given, broken: this.#broken } = state);
  }

  save(): SplitQueueState {
    return { taken: this.#taken, given: this.#given, broken: this.#broken };
  }

  take(): VirtioBuffer | undefined {
    if (this.#broken) return undefined;
    const { driver, size } = this.#areas;
    let waiting = this.#waiting();
    if (waiting === 0 && this.#listen()) waiting = this.#waiting();
    if (waiting === undefined || waiting > size) return this.#break();
    if (waiting === 0) {
      this.#run = 0;
      return undefined;
    }
    // What the driver stored before it said how many there are is read after that.
    Atomics.add(this.#barrier, 0, 1);
    const head = this.#read(driver + 4n + BigInt(2 * (this.#taken % size)), 2)?.getUint16(0, true);
    const buffer = head === undefined ? undefined : this.#walk(head);
    if (!buffer) return this.#break();
    this.#taken = (this.#taken + 1) & 0xffff;
    if (++this.#run >= size) {
      this.#run = 0;
      this.#on.busy();
    }
    return buffer;
  }

  again(head: number): VirtioBuffer | undefined {
    return this.#broken ? undefined : (this.#walk(head) ?? this.#break());
  }

  /** Buffers that the driver has made available; undefined: a DMA fault. */
  #waiting(): number | undefined {
    const index = this.#read(this.#areas.driver + 2n, 2)?.getUint16(0, true);
    return index === undefined ? undefined : (index - this.#taken) & 0xffff;
  }

  /** Tells the driver that the next buffer is waited for. True: it may have come meanwhile. */
  #listen(): boolean {
    if (!this.#agreed.eventIndex) return false;
    const { device, size } = this.#areas;
    this.#field.setUint16(0, this.#taken, true);
    if (!this.#write(device + 4n + BigInt(8 * size), 2)) this.#break();
    Atomics.add(this.#barrier, 0, 1);
    return !this.#broken;
  }

  putBack(_buffer: VirtioBuffer): void {
    // It is walked again, since the driver may have changed it.
    if (!this.#broken) this.#taken = (this.#taken - 1) & 0xffff;
    this.#run = Math.max(0, this.#run - 1);
  }

  copy(buffer: VirtioBuffer, offset: number, bytes: Uint8Array): boolean {
    return this.visit(buffer, { way: "read", offset, length: bytes.length }, (memory, done) => bytes.set(memory, done));
  }

  fill(buffer: VirtioBuffer, bytes: Uint8Array, offset = 0): number | undefined {
    const length = Math.min(bytes.length, Math.max(0, lengthOf(buffer.writable) - offset));
    const filled = this.visit(buffer, { way: "write", offset, length }, (memory, done) =>
      memory.set(bytes.subarray(done, done + memory.length)),
    );
    return filled ? length : undefined;
  }

  visit({ readable, writable }: VirtioBuffer, { way, offset, length }: VirtioPart, visit: VisitMemory): boolean {
    let [skip, done] = [offset, 0];
    for (const segment of way === "read" ? readable : writable) {
      if (done === length) break;
      const part = Math.min(Math.max(0, segment.length - skip), length - done);
      const before = done;
      if (
        part > 0 &&
        !this.#dma(segment.address + BigInt(skip), part, way, (memory, more) => visit(memory, before + more))
      ) {
        this.#break();
        return false;
      }
      done += part;
      skip = Math.max(0, skip - segment.length);
    }
    if (done === length) return true;
    this.#break();
    return false;
  }

  give(buffer: VirtioBuffer, written: number): void {
    this.giveAll([{ buffer, written }]);
  }

  giveAll(buffers: readonly { readonly buffer: VirtioBuffer; readonly written: number }[]): void {
    if (this.#broken || buffers.length === 0) return;
    const { device, size } = this.#areas;
    const field = this.#field;
    const before = this.#given;
    let stored = true;
    for (const { buffer, written } of buffers) {
      field.setUint32(0, buffer.head, true);
      field.setUint32(4, written, true);
      stored &&= this.#write(device + 4n + BigInt(8 * (this.#given % size)), 8);
      this.#given = (this.#given + 1) & 0xffff;
    }
    field.setUint16(0, this.#given, true);
    Atomics.add(this.#barrier, 0, 1);
    stored &&= this.#write(device + 2n, 2);
    Atomics.add(this.#barrier, 0, 1);
    const wanted = stored ? this.#wantsInterrupt(before) : undefined;
    if (wanted === undefined) this.#break();
    else if (wanted) this.#on.interrupt();
  }

  /** `before`: how many buffers had been given back when it was last asked. Undefined: a DMA fault. */
  #wantsInterrupt(before: number): boolean | undefined {
    const { driver, size } = this.#areas;
    const { eventIndex } = this.#agreed;
    const word = this.#read(eventIndex ? driver + 4n + BigInt(2 * size) : driver, 2)?.getUint16(0, true);
    if (word === undefined || !eventIndex) return word === undefined ? undefined : (word & noInterrupt) === 0;
    // The one that it waits for is among them.
    return ((this.#given - word - 1) & 0xffff) < ((this.#given - before) & 0xffff);
  }

  /** Follows a chain; undefined if it leaves its table, loops, or is no chain that this queue may have. */
  #walk(head: number): VirtioBuffer | undefined {
    const { size, descriptors } = this.#areas;
    const readable: VirtioSegment[] = [];
    const writable: VirtioSegment[] = [];
    let table: DataView | undefined;
    let entries = size;
    let at = head;
    // Longer than the queue no chain may be, wherever it lies. The descriptor that names a table is no part of it.
    for (let steps = 0; steps < size && at < entries; steps++) {
      const descriptor = table ?? this.#read(descriptors + BigInt(descriptorSize * at), descriptorSize);
      if (!descriptor) return undefined;
      const place = table ? descriptorSize * at : 0;
      const segment = {
        address: descriptor.getBigUint64(place, true),
        length: descriptor.getUint32(place + 8, true),
      };
      const flags = descriptor.getUint16(place + 12, true);
      if (flags === flagIndirect && this.#agreed.indirect && !table) {
        entries = segment.length / descriptorSize;
        if (!Number.isInteger(entries) || entries < 1 || entries > size) return undefined;
        table = this.#read(segment.address, segment.length, this.#table);
        if (!table) return undefined;
        at = 0;
        steps--;
        continue;
      }
      if (flags & ~(flagNext | flagWrite)) return undefined;
      if (flags & flagWrite) writable.push(segment);
      else if (writable.length > 0) return undefined;
      else readable.push(segment);
      if (!(flags & flagNext)) return { head, readable, writable };
      at = descriptor.getUint16(place + 14, true);
    }
    return undefined;
  }

  /** Good until the next time. */
  #read(address: bigint, length: number, into = this.#field): DataView | undefined {
    return dmaRead(this.#dma, address, bytesOf(into, length)) ? into : undefined;
  }

  /** What the field begins with. */
  #write(address: bigint, length: number): boolean {
    return dmaWrite(this.#dma, address, bytesOf(this.#field, length));
  }

  #break(): undefined {
    if (!this.#broken) this.#on.fail();
    this.#broken = true;
    return undefined;
  }
}

const bytesOf = ({ buffer }: DataView<ArrayBuffer>, length: number): Uint8Array => new Uint8Array(buffer, 0, length);
