/** A driver of a virtio device, for tests: memory is bus addresses 0 to 64 KiB, the queue is the first. */
import { GuestMemory } from "../../core/guest-memory.js";
import { PciFunction, type PciFunctionState, type PciUpstream } from "../pci/function.js";
import * as pci from "../pci/registers.js";
import type { VirtioDevice } from "./device.js";
import { VirtioPciDevice, type VirtioPciState } from "./virtio-pci.js";

export const memorySize = 0x1_0000;
/** Descriptors of the queue. */
export const size = 8;
export const areas = { descriptors: 0x1000, driver: 0x2000, device: 0x3000 } as const;
export const features = (1n << 32n) | (1n << 33n);

/** Plugs the device in. Numbers are those of the common configuration. */
export function setUpDriver(
  device: VirtioDevice,
  from?: { readonly state: PciFunctionState; readonly ram: Uint8Array },
) {
  const ram = from?.ram ?? new Uint8Array(memorySize);
  const view = new DataView(ram.buffer);
  const events: string[] = [];
  /** What was written past the IOMMU. */
  const written: (readonly [address: number, length: number])[] = [];
  const inside = (address: bigint, length: number): boolean => address >= 0n && address + BigInt(length) <= memorySize;
  const transport = new VirtioPciDevice(device, from?.state.device as VirtioPciState | undefined);
  const upstream: PciUpstream = {
    dma: (address, length, _way, visit) => {
      if (!inside(address, length)) return false;
      visit(ram.subarray(Number(address), Number(address) + length), 0);
      return true;
    },
    memory: new GuestMemory(
      memorySize,
      (address, length) => ram.subarray(address, address + length),
      (address, length) => void written.push([address, length]),
    ),
    setIntx: (level) => void events.push(`intx ${level}`),
    message: ({ vector }) => void events.push(`message ${vector}`),
  };
  const it = new PciFunction(transport, upstream, from?.state);
  it.writeConfig(pci.PCI_COMMAND, 2, pci.PCI_COMMAND_MEMORY | pci.PCI_COMMAND_MASTER);
  const set = (offset: number, width: number, value: number | bigint): void =>
    it.write(0, offset, width, BigInt(value));
  const get = (offset: number, width: number): number => Number(it.read(0, offset, width));
  const accept = (bits: bigint): number => {
    set(0x14, 1, 3);
    for (const select of [0, 1]) {
      set(0x08, 4, select);
      set(0x0c, 4, (bits >> BigInt(32 * select)) & 0xffff_ffffn);
    }
    set(0x14, 1, 11);
    return get(0x14, 1);
  };
  const enableQueue = (where: { descriptors: number; driver: number; device: number } = areas): void => {
    set(0x16, 2, 0);
    set(0x20, 8, where.descriptors);
    set(0x28, 4, where.driver);
    set(0x30, 4, where.device);
    set(0x1c, 2, 1);
  };
  const start = (where = areas): void => {
    accept(features);
    enableQueue(where);
    set(0x14, 1, 15);
  };
  let made = 0;
  const describe = (index: number, address: number | bigint, length: number, flags: number, next = 0): void => {
    const at = areas.descriptors + 16 * index;
    view.setBigUint64(at, BigInt(address), true);
    view.setUint32(at + 8, length, true);
    view.setUint16(at + 12, flags, true);
    view.setUint16(at + 14, next, true);
  };
  const offer = (head: number, notify = true): void => {
    view.setUint16(areas.driver + 4 + 2 * (made++ % size), head, true);
    view.setUint16(areas.driver + 2, made, true);
    if (notify) set(0x3000, 2, 0);
  };
  const used = (index: number): [number, number] => [
    view.getUint32(areas.device + 4 + 8 * (index % size), true),
    view.getUint32(areas.device + 8 + 8 * (index % size), true),
  ];
  const usedCount = (): number => view.getUint16(areas.device + 2, true);
  return { it, ram, view, set, get, accept, enableQueue, start, describe, offer, used, usedCount, events, written };
}
