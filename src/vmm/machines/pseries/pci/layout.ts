/**
 * Where the PCI host bridge lies and which interrupt sources are its: as QEMU's machine of the same name has it, so that a
 * guest finds what it knows.
 */

import type { BusWindow } from "../../../devices/pci/windows.js";

export interface BridgeWindow extends BusWindow {
  /** The first cell of its entry in the bridge's "ranges". */
  readonly code: number;
}

/** Names the bridge to RTAS. Also its unit address. */
export const bridgeUnit = 0x800_0000_2000_0000n;

export const ioWindow: BridgeWindow = {
  space: "io",
  start: 0x2000_0000_0000n,
  size: 0x1_0000n,
  bus: 0n,
  code: 0x0100_0000,
};
export const memory32Window: BridgeWindow = {
  space: "memory",
  start: 0x2000_8000_0000n,
  size: 0x8000_0000n,
  bus: 0x8000_0000n,
  code: 0x0200_0000,
};
export const memory64Window: BridgeWindow = {
  space: "memory",
  start: 0x2100_0000_0000n,
  size: 0x100_0000_0000n,
  bus: 0x2100_0000_0000n,
  code: 0x0300_0000,
};
export const bridgeWindows: readonly BridgeWindow[] = [ioWindow, memory32Window, memory64Window];

/** Devices on the bus, one function each. */
export const slotMax = 32;
/** Pins A to D of all slots share these level interrupts. */
export const levelInterrupt = 0x1200;
export const levelInterruptCount = 4;
/** Messages that the bridge hands out. */
export const messageInterrupt = 0x1300;
export const messageInterruptCount = 256;
/** Bus address that a message is written to; its data is the interrupt. */
export const messageAddress = 0x400_0000_0000n;

/** The level interrupt of pin A of the device in `slot`, turned from slot to slot as boards do. */
export const pinInterrupt = (slot: number): number => levelInterrupt + (slot % levelInterruptCount);
