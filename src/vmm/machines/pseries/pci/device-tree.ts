/**
 * The host bridge and its devices in the device tree. Linux makes its PCI devices of these nodes and asks the bus nothing;
 * addresses it assigns itself. Source: LoPAPR, "PCI Host Bridge" nodes; PCI Bus Binding to IEEE 1275.
 */
import type { PciBar, PciDevice } from "../../../devices/pci/device.js";
import { PCI_BASE_ADDRESS_0 } from "../../../devices/pci/registers.js";
import { node, type TreeNode, wide } from "../../../devicetree/tree.js";
import { defaultWindow } from "./dma-windows.js";
import { bridgeUnit, bridgeWindows, messageInterruptCount, pinInterrupt } from "./layout.js";

export interface BridgeNodeOptions {
  readonly devices: readonly PciDevice[];
  /** phandle of the interrupt controller, which takes two cells. */
  readonly interruptController: number;
  /** RTAS tokens by name. */
  readonly tokens: Readonly<Record<string, number>>;
}

const cells = (value: bigint): [number, number] => [Number(value >> 32n), Number(value & 0xffff_ffffn)];
const slotCell = (slot: number): number => slot << 11;
const levelSensitive = 1;

export function hostBridgeNode({ devices, interruptController, tokens }: BridgeNodeOptions): TreeNode {
  const token = (name: string): number => tokens[name] ?? 0;
  const { liobn, start, size } = defaultWindow;
  return node(
    `pci@${bridgeUnit.toString(16)}`,
    {
      device_type: "pci",
      compatible: "IBM,Logical_PHB",
      "#address-cells": 3,
      "#size-cells": 2,
      "#interrupt-cells": 1,
      "used-by-rtas": true,
      "bus-range": [0, 0xff],
      reg: [...cells(bridgeUnit), 0, 0],
      ranges: bridgeWindows.flatMap((range) => [
        range.code,
        ...cells(range.bus),
        ...cells(range.start),
        ...cells(range.size),
      ]),
      // 1: configuration addresses have the extended register number.
      "ibm,pci-config-space-type": 1,
      "ibm,pe-total-#msi": messageInterruptCount,
      "interrupt-map-mask": [0xf800, 0, 0, 7],
      "interrupt-map": devices.flatMap((_, slot) => [
        ...[slotCell(slot), 0, 0, 1],
        ...[interruptController, pinInterrupt(slot), levelSensitive],
      ]),
      "ibm,#dma-address-cells": 2,
      "ibm,#dma-size-cells": 2,
      "ibm,dma-window": [liobn, ...cells(start), ...cells(size)],
      "ibm,ddw-applicable": ["query", "create", "remove"].map((verb) => token(`ibm,${verb}-pe-dma-window`)),
      // Their number, then: how the default window is brought back, and that the query has six outputs.
      "ibm,ddw-extensions": [2, token("ibm,reset-pe-dma-window"), 1],
    },
    devices.map(deviceNode),
  );
}

function deviceNode({ identity, bars, interrupts = {} }: PciDevice, slot: number): TreeNode {
  const {
    vendorId,
    deviceId,
    classCode,
    revision = 0,
    subsystemVendorId = vendorId,
    subsystemId = deviceId,
  } = identity;
  const id = (value: number): string => value.toString(16);
  return node(`pci${id(vendorId)},${id(deviceId)}@${slot.toString(16)}`, {
    reg: [
      ...[slotCell(slot), 0, 0, 0, 0],
      ...bars.flatMap((bar, index) => (bar ? [barCell(slot, bar, index), 0, 0, ...wide(bar.size)] : [])),
    ],
    "vendor-id": vendorId,
    "device-id": deviceId,
    "revision-id": revision,
    "class-code": classCode,
    "subsystem-vendor-id": subsystemVendorId,
    "subsystem-id": subsystemId,
    "cache-line-size": 0,
    "min-grant": 0,
    "max-latency": 0,
    "devsel-speed": 0,
    ...(interrupts.intx ? { interrupts: 1 } : {}),
    ...(interrupts.msi ? { "ibm,req#msi": interrupts.msi } : {}),
    ...(interrupts.msix ? { "ibm,req#msi-x": interrupts.msix.vectors } : {}),
  });
}

/** First cell of an address: space, whether it is prefetchable, the slot and the BAR's register. */
function barCell(slot: number, { kind, prefetchable }: PciBar, index: number): number {
  const space = { io: 0x0100_0000, memory32: 0x0200_0000, memory64: 0x0300_0000 }[kind];
  const register = PCI_BASE_ADDRESS_0 + 4 * index;
  return space | (prefetchable ? 0x4000_0000 : 0) | slotCell(slot) | register;
}
