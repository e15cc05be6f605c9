/**
 * What a virtio device is to its transport: an identifier, features, queues, a configuration area. Everything that a driver
 * puts into a queue is untrusted. Source: Virtual I/O Device (VIRTIO) 1.1, "Basic Facilities of a Virtio Device".
 */

import type { MemoryWay, VisitMemory } from "../../core/guest-memory.js";
import type { PciMemory } from "../pci/device.js";

/** However much a driver asks of a device at once, others have their turn after so long, ms. */
export const longestTurn = 10;

/** Part of a buffer, at a bus address. */
export interface VirtioSegment {
  readonly address: bigint;
  readonly length: number;
}

/** A chain of descriptors that the driver made available: what the device reads, then what it writes. */
export interface VirtioBuffer {
  readonly head: number;
  readonly readable: readonly VirtioSegment[];
  readonly writable: readonly VirtioSegment[];
}

/** Bytes of a buffer: of its readable part with `way` "read", else of its writable one. */
export interface VirtioPart {
  readonly way: MemoryWay;
  readonly offset: number;
  readonly length: number;
}

/** A queue as its device uses it. */
export interface VirtioQueue {
  /** The next buffer; undefined if there is none, or the driver has broken the queue. */
  take(): VirtioBuffer | undefined;
  /** Copies from the readable part, all of which lies inside. False: a DMA fault, the device needs reset. */
  copy(buffer: VirtioBuffer, offset: number, bytes: Uint8Array): boolean;
  /**
   * Copies into the writable part from `offset` (default: 0) on, as far as there is room. The bytes copied; undefined: a DMA
   * fault, the device needs reset.
   */
  fill(buffer: VirtioBuffer, bytes: Uint8Array, offset?: number): number | undefined;
  /**
   * Calls `visit` with the guest's memory of a part, all of which lies inside, piece after piece, as `Dma` does: for what would
   * else be copied once more. False: a DMA fault, the device needs reset.
   */
  visit(buffer: VirtioBuffer, part: VirtioPart, visit: VisitMemory): boolean;
  /** The last buffer that was taken is the next one again. */
  putBack(buffer: VirtioBuffer): void;
  /** A buffer that was taken before a restore and is still to be given back. Undefined: the driver has broken the queue. */
  again(head: number): VirtioBuffer | undefined;
  /** Gives a buffer back, `written` bytes of it filled, and interrupts the driver if it wants that. */
  give(buffer: VirtioBuffer, written: number): void;
  /** Gives several back at once: the driver sees none of them before the last. */
  giveAll(buffers: readonly { readonly buffer: VirtioBuffer; readonly written: number }[]): void;
}

/** Bytes of a buffer's part. */
export const lengthOf = (segments: readonly VirtioSegment[]): number =>
  segments.reduce((sum, { length }) => sum + length, 0);

/** What a device may ask of its transport at any time. */
export interface VirtioTransport {
  /** A queue that the driver has enabled, of a device that it has started. */
  queue(index: number): VirtioQueue | undefined;
  /** `notify` is to be called again, after others had their turn. */
  again(index: number): void;
  /** The configuration area has changed. */
  configChanged(): void;
  /** The guest's memory, for a device whose addresses are its own. */
  readonly memory: PciMemory | undefined;
}

export interface VirtioDevice {
  /** As in "Device Types". */
  readonly id: number;
  /** Base class, subclass, programming interface on the PCI bus. Default: none of those defined. */
  readonly classCode?: number;
  /** Feature bits of the device itself, 0 to 23; the transport adds its own. */
  readonly features: bigint;
  /** Its driver gives addresses of memory, past the IOMMU: a traditional balloon's does, and knows no other. Default: no. */
  readonly physical?: boolean;
  /** The most descriptors that each queue may have, powers of two up to 32768. */
  readonly queues: readonly number[];
  /** The configuration area as it is now; its length stays. */
  readonly config: Uint8Array;
  /** The driver has written to the configuration area. */
  writeConfig?(offset: number, bytes: Uint8Array): void;
  /** For a device that does something on its own; before anything else is called. */
  attach?(transport: VirtioTransport): void;
  /** The driver has accepted these features. */
  accepted?(features: bigint): void;
  reset(): void;
  /** All that outlives a call, as a plain value that can be cloned: its class's constructor takes that. */
  save(): unknown;
  /** The driver says that there are buffers in a queue. */
  notify(index: number, queue: VirtioQueue): void;
}
