/**
 * The device tree of machine pseries. Source: LoPAPR, "Open Firmware Device Tree" and its appendices; what Linux reads
 * of it in arch/powerpc/platforms/pseries.
 */

import { hypertasFunctions } from "../../../arch/powerpc/uapi/hcalls.js";
import type { PciDevice } from "../../devices/pci/device.js";
import { node, type TreeNode, wide } from "../../devicetree/tree.js";
import { type CpuModel, timebaseFrequency } from "./cpu-models.js";
import type { MemoryMap } from "./memory-map.js";
import { hostBridgeNode } from "./pci/device-tree.js";
import { rtasCalls } from "./rtas/index.js";
import { osPage, pageSize, priorityEnd, queueShift, userPage } from "./xive.js";

/** Unit address of the console: the register argument of H_PUT_TERM_CHAR. */
export const consoleUnit = 0x7100_0000;
const nvramUnit = 0x7100_0001;
/** Interrupt source of the console. */
export const consoleInterrupt = 0x1100;
export const nvramInterrupt = 0x1101;

const interruptControllerHandle = 1;
const consoleHandle = 2;

/** The interrupt controller that the guest has: QEMU's ic-mode. */
export type InterruptMode = "xics" | "xive";
export const interruptModes = ["xics", "xive"] as const satisfies readonly InterruptMode[];

export interface DeviceTreeOptions {
  readonly memorySize: number;
  readonly memoryMap: MemoryMap;
  readonly cpus: number;
  readonly cpuModel: CpuModel;
  /** AP encoding << 29 | page shift of each page size of radix trees. */
  readonly radixPageSizes: readonly number[];
  /** log2 of the bytes of the hashed page table; undefined: the guest has radix translation. */
  readonly hashPageTableOrder: number | undefined;
  /** The kernel's command line. */
  readonly commandLine: string;
  readonly nvramSize: number;
  /** In the order of their slots; none: no host bridge. */
  readonly pciDevices: readonly PciDevice[];
  readonly interruptMode: InterruptMode;
  /** 32 bytes from the host's generator. */
  readonly randomSeed: Uint8Array;
}

/** The whole tree. */
export function buildDeviceTree(options: DeviceTreeOptions): TreeNode {
  return node(
    "",
    {
      "#address-cells": 2,
      "#size-cells": 2,
      compatible: "qemu,pseries",
      device_type: "chrp",
      model: "IBM pSeries (emulated by unikvm)",
      // First and number of the priorities that are not the guest's.
      ...(options.interruptMode === "xive" ? { "ibm,plat-res-int-priorities": [priorityEnd, 0xff - priorityEnd] } : {}),
    },
    [
      chosen(options),
      rtas(options),
      cpus(options),
      vdevice(options),
      memory(options),
      options.interruptMode === "xive" ? xive(options) : xics(options),
      hypervisor(),
      ...pci(options),
    ],
  );
}

/**
 * What firmware and partition agreed on, by byte of "option vector 5": 23 the interrupt mode (0: XICS, 0x40: XIVE), 24 the MMU
 * (0x40: radix), 26 how translations are shot down (0x40: by the guest itself).
 */
function architectureVector5(radix: boolean, mode: InterruptMode): Uint8Array {
  const vector = new Uint8Array(28);
  vector[23] = mode === "xive" ? 0x40 : 0;
  if (!radix) return vector;
  vector[24] = 0x40;
  vector[26] = 0x40;
  return vector;
}

function chosen(options: DeviceTreeOptions): TreeNode {
  const { memoryMap, commandLine, hashPageTableOrder, randomSeed, pciDevices, interruptMode } = options;
  const { initrd } = memoryMap;
  return node("chosen", {
    bootargs: commandLine,
    "stdout-path": `/vdevice/vty@${consoleUnit.toString(16)}`,
    "linux,stdout-path": `/vdevice/vty@${consoleUnit.toString(16)}`,
    stdout: consoleHandle,
    "ibm,architecture-vec-5": architectureVector5(hashPageTableOrder === undefined, interruptMode),
    "rng-seed": randomSeed,
    // 0: the kernel gives the devices their addresses.
    ...(pciDevices.length > 0 ? { "linux,pci-probe-only": 0 } : {}),
    ...(initrd
      ? {
          "linux,initrd-start": BigInt(initrd.address),
          "linux,initrd-end": BigInt(initrd.address + initrd.size),
        }
      : {}),
  });
}

const rtasTokens = () => Object.fromEntries(rtasCalls.map(({ name, token }) => [name, token]));

function rtas({ memoryMap, memorySize, cpus, pciDevices }: DeviceTreeOptions): TreeNode {
  return node("rtas", {
    ...rtasTokens(),
    "linux,rtas-base": memoryMap.rtas.address,
    "linux,rtas-entry": memoryMap.rtas.address,
    "rtas-size": memoryMap.rtas.size,
    "rtas-error-log-max": 2048,
    "rtas-event-scan-rate": 1,
    // Linux calls ibm,os-term on a panic only if this promises that the call ends the partition at once.
    "ibm,extended-os-term": true,
    "ibm,change-msix-capable": true,
    "ibm,hypertas-functions": hypertasFunctions({ dma: pciDevices.length > 0 }),
    "ibm,lrdr-capacity": [...wide(memorySize), 0, 0x1000_0000, cpus],
    "ibm,associativity-reference-points": [4, 4, 2],
    "ibm,max-associativity-domains": [4, 0, 0, 0, 1],
  });
}

/** Linux reads the size even where there is no table. */
const absentHashPageTable = 23;

function cpus({ cpus, cpuModel, radixPageSizes, hashPageTableOrder }: DeviceTreeOptions): TreeNode {
  const nodes = Array.from({ length: cpus }, (_, id) =>
    node(`PowerPC,${cpuModel.name}@${id.toString(16)}`, {
      device_type: "cpu",
      reg: id,
      status: "okay",
      "cpu-version": cpuModel.logicalPvr,
      ...cpuModel.properties,
      ...(cpuModel.radix ? { "ibm,processor-radix-AP-encodings": radixPageSizes } : {}),
      "ibm,ppc-interrupt-server#s": id,
      "ibm,ppc-interrupt-gserver#s": [id, 0],
      "ibm,pft-size": [0, hashPageTableOrder ?? absentHashPageTable],
      "ibm,chip-id": 0,
      "timebase-frequency": timebaseFrequency,
      "clock-frequency": 1_000_000_000,
    }),
  );
  return node("cpus", { "#address-cells": 1, "#size-cells": 0 }, nodes);
}

function vdevice({ nvramSize }: DeviceTreeOptions): TreeNode {
  return node(
    "vdevice",
    {
      device_type: "vdevice",
      compatible: "IBM,vdevice",
      "#address-cells": 1,
      "#size-cells": 0,
      "#interrupt-cells": 2,
      "interrupt-controller": true,
    },
    [
      node(`vty@${consoleUnit.toString(16)}`, {
        device_type: "serial",
        compatible: "hvterm1",
        reg: consoleUnit,
        // Second cell 0: edge.
        interrupts: [consoleInterrupt, 0],
        phandle: consoleHandle,
        "linux,phandle": consoleHandle,
      }),
      node(`nvram@${nvramUnit.toString(16)}`, {
        device_type: "nvram",
        compatible: "qemu,spapr-nvram",
        reg: nvramUnit,
        interrupts: [nvramInterrupt, 0],
        "#bytes": nvramSize,
      }),
    ],
  );
}

function memory({ memorySize }: DeviceTreeOptions): TreeNode {
  return node("memory@0", {
    device_type: "memory",
    reg: [0, 0, ...wide(memorySize)],
    "ibm,associativity": [4, 0, 0, 0, 0],
  });
}

function xics({ cpus }: DeviceTreeOptions): TreeNode {
  return node("interrupt-controller", {
    device_type: "PowerPC-External-Interrupt-Presentation",
    compatible: "IBM,ppc-xicp",
    "interrupt-controller": true,
    "#interrupt-cells": 2,
    "ibm,interrupt-server-ranges": [0, cpus],
    phandle: interruptControllerHandle,
    "linux,phandle": interruptControllerHandle,
  });
}

function xive({ cpus }: DeviceTreeOptions): TreeNode {
  return node(`interrupt-controller@${userPage.toString(16)}`, {
    device_type: "power-ivpe",
    compatible: "ibm,power-ivpe",
    // The user's page and the operating system's.
    reg: [userPage, osPage].flatMap((page) => [...wide64(page), ...wide64(pageSize)]),
    "ibm,xive-eq-sizes": [queueShift],
    // Sources for whatever the guest wants.
    "ibm,xive-lisn-ranges": [0, cpus],
    "interrupt-controller": true,
    "#interrupt-cells": 2,
    phandle: interruptControllerHandle,
    "linux,phandle": interruptControllerHandle,
  });
}

const wide64 = (value: bigint): [number, number] => [Number(value >> 32n), Number(value & 0xffff_ffffn)];

function pci({ pciDevices }: DeviceTreeOptions): TreeNode[] {
  if (pciDevices.length === 0) return [];
  return [
    hostBridgeNode({ devices: pciDevices, interruptController: interruptControllerHandle, tokens: rtasTokens() }),
  ];
}

/** Tells Linux that interrupts between CPUs go through the controller, since doorbells cost a trap. */
function hypervisor(): TreeNode {
  return node("hypervisor", { compatible: "linux,kvm" });
}
