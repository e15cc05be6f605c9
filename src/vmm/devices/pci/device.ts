/**
 * What a PCI device is to this machine: a description and a few methods. The author of one writes a class with this
 * interface; configuration space, BARs, capabilities, masking and pending bits are `PciFunction`'s. A device sees its
 * registers, its memory through the bus's IOMMU, and its interrupts: never the VM. All of it runs on the machine's thread.
 * Source: PCI Local Bus Specification 3.0.
 */

import type { GuestMemory, MemoryWay, VisitMemory } from "../../core/guest-memory.js";

/** Registers by which a driver knows a device. */
export interface PciIdentity {
  /** 16 bits, as the PCI-SIG gave it. */
  readonly vendorId: number;
  /** 16 bits. */
  readonly deviceId: number;
  /** Base class, subclass, programming interface: 24 bits. */
  readonly classCode: number;
  /** Default: 0. */
  readonly revision?: number;
  /** Default: the vendor and device themselves. */
  readonly subsystemVendorId?: number;
  /** 16 bits. Default: the device itself. */
  readonly subsystemId?: number;
}

/** A range of addresses that the device decodes. A "memory64" one takes the next index too. */
export interface PciBar {
  /** I/O ports, or memory by addresses of 32 or 64 bits. */
  readonly kind: "io" | "memory32" | "memory64";
  /** Bytes, a power of two: for I/O from 4 to 256, for memory from 16 to 2^31 (64-bit: 2^40). */
  readonly size: number;
  /** Reading has no effect. Default: false. */
  readonly prefetchable?: boolean;
}

/** Where in a BAR something lies. */
export interface BarPlace {
  /** Index of the BAR, 0 to 5. */
  readonly bar: number;
  /** Bytes, a multiple of 8. */
  readonly offset: number;
}

/** The ways in which the device can interrupt; the guest chooses one of them. */
export interface PciInterrupts {
  /** Pin INTA. */
  readonly intx?: boolean;
  /** Messages of MSI: 1, 2, 4, 8, 16 or 32. */
  readonly msi?: number;
  /** `vectors` messages of MSI-X, 1 to 2048: table of 16 bytes each and pending bits; the device sees no access to them. */
  readonly msix?: {
    /** How many. */
    readonly vectors: number;
    /** Where the table lies. */
    readonly table: BarPlace;
    /** Where the pending bits lie. */
    readonly pba: BarPlace;
  };
}

/** A capability beyond MSI and MSI-X, which follow from `interrupts`. */
export interface PciCapability {
  /** PCI_CAP_ID_*. */
  readonly id: number;
  /** What follows the identifier and the link. */
  readonly bytes: Uint8Array;
  /** Bits of `bytes` that the guest can write. Default: none. */
  readonly writable?: Uint8Array;
  /** Called before the guest reads here, from `offset` on, with `bytes` as they are: what they are to be. */
  readonly read?: (bytes: Uint8Array, offset: number) => Uint8Array;
  /** Called after the guest has written here, up to `end`, with `bytes` as they are now. */
  readonly written?: (bytes: Uint8Array, end: number) => void;
}

/** How the guest wants to be interrupted: by the pin, by messages of MSI or of MSI-X. */
export type InterruptMode = "intx" | "msi" | "msix";

/** The guest's memory by its real addresses, past the IOMMU. */
export type PciMemory = Pick<GuestMemory, "view" | "visit" | "written">;

/**
 * DMA where the memory lies: `visit` is called for the bytes at a bus address, part after part. False: the guest does not let the
 * device do so at some page; what lay before was visited. What `visit` throws comes out.
 */
export type Dma = (address: bigint, length: number, way: MemoryWay, visit: VisitMemory) => boolean;

/** Copies from memory to a device. */
export const dmaRead = (dma: Dma, address: bigint, bytes: Uint8Array): boolean =>
  dma(address, bytes.length, "read", (memory, done) => bytes.set(memory, done));

/** Copies from a device to memory. */
export const dmaWrite = (dma: Dma, address: bigint, bytes: Uint8Array): boolean =>
  dma(address, bytes.length, "write", (memory, done) => memory.set(bytes.subarray(done, done + memory.length)));

/** What a device may do. */
export interface PciBus {
  /**
   * DMA, memory to device, at a bus address. False: the guest does not let the device do so at some page, or has not made it
   * a bus master; what lay before was read.
   */
  read(address: bigint, bytes: Uint8Array): boolean;
  /** DMA, device to memory. */
  write(address: bigint, bytes: Uint8Array): boolean;
  /** DMA without a copy. */
  readonly dma: Dma;
  /** Sets the level of the pin. The guest sees it in mode "intx". */
  setIntx(level: boolean): void;
  /** Sends message `vector` of MSI or MSI-X, or keeps it pending while masked. False: the guest uses neither. */
  message(vector: number): boolean;
  /** Does something when the CPU whose access is being handled goes on, if it waits: at once otherwise. */
  soon(work: () => void): void;
  /** For a device that is part of the platform, as a balloon is. Undefined: it is not the guest's, or behind another bridge. */
  readonly memory?: PciMemory | undefined;
  /** How the guest wants to be interrupted now. */
  readonly mode: InterruptMode;
  /** KVM's number of the pin's interrupt, for a device that raises it there by itself; undefined: the bridge gives none. */
  readonly intx?: number | undefined;
}

/** A place whose writes only say that there is something to do: the CPU goes on at once, and what was written is not told. */
export interface PciDoorbell extends BarPlace {
  /** Bytes that are written: 1, 2, 4 or 8. */
  readonly length: number;
}

/** What a device model is. All of it is called on the machine's thread. */
export interface PciDevice {
  /** By what a driver knows it. */
  readonly identity: PciIdentity;
  /** By index, 0 to 5. */
  readonly bars: readonly (PciBar | undefined)[];
  /** Default: none. */
  readonly interrupts?: PciInterrupts;
  /** In this order. Default: none. */
  readonly capabilities?: readonly PciCapability[];
  /** Where a write may come later than what else the CPU does, as 0, and several as one. */
  readonly doorbells?: readonly PciDoorbell[];
  /** Plugged in, as after power-on. May be called again after `disconnect`. */
  connect(bus: PciBus): void;
  /** It must stop: the bus is no more. */
  disconnect?(): void;
  /** As after power-on: timers stop, registers have their first values. The pin is low and messages are off already. */
  reset(): void;
  /**
   * All that outlives an access, as a plain value that can be cloned: the constructor of its class makes one from it that goes
   * on there. Without it, a machine with the device can be neither saved nor forked.
   */
  save?(): unknown;
  /** 1, 2, 4 or 8 bytes inside a BAR, as a little-endian number; any alignment. */
  read(bar: number, offset: number, length: number): bigint;
  /** The same sizes. What is wrong is ignored, as hardware does. */
  write(bar: number, offset: number, length: number, value: bigint): void;
  /** The guest has changed the mode of interrupts. */
  modeChanged?(mode: InterruptMode): void;
  /** For a device that raises its pin in KVM by itself: whether it is up, as the status register says. */
  pinAsserted?(): boolean;
  /** The guest has changed the command register, or a reset has. */
  commandChanged?(command: number): void;
  /**
   * For a device that raises its messages in KVM by itself: message `vector` is now KVM's interrupt `gsi`; undefined: it is
   * masked, or another address's, and goes through `PciBus.message`.
   */
  messageRouted?(vector: number, gsi: number | undefined): void;
}
