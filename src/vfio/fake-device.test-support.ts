/** A host device that does as a test says, and a container with memory of its own. */
import { KvmError } from "../base/errors.js";
import { ModuleLoader } from "../modules/loader.js";
import type { HostBus, HostDevice } from "./host-device.js";
import { type Vfio, vfio } from "./module.js";
import * as api from "./uapi.js";

export interface FakeDevice extends HostDevice {
  /** While it is open. */
  bus: HostBus | undefined;
  opened: number;
  resets: number;
  readonly bar: Uint8Array;
  failOpen: boolean;
}

const readWrite = api.VFIO_REGION_INFO_FLAG_READ | api.VFIO_REGION_INFO_FLAG_WRITE;
const none = { size: 0, flags: 0 };

/** BAR 0 of 256 bytes, a ROM of 64 to be read only, INTx, 4 MSI, 8 MSI-X, REQ. */
export function fakeDevice(name: string): FakeDevice {
  const bar = new Uint8Array(256);
  const device: FakeDevice = {
    name,
    flags: api.VFIO_DEVICE_FLAGS_PCI,
    regions: [
      { size: 256, flags: readWrite },
      ...Array.from({ length: 5 }, () => none),
      { size: 64, flags: api.VFIO_REGION_INFO_FLAG_READ },
      { size: 256, flags: readWrite },
      none,
    ],
    irqs: [
      {
        count: 1,
        flags: api.VFIO_IRQ_INFO_EVENTFD | api.VFIO_IRQ_INFO_MASKABLE | api.VFIO_IRQ_INFO_AUTOMASKED,
      },
      { count: 4, flags: api.VFIO_IRQ_INFO_EVENTFD | api.VFIO_IRQ_INFO_NORESIZE },
      { count: 8, flags: api.VFIO_IRQ_INFO_EVENTFD | api.VFIO_IRQ_INFO_NORESIZE },
      { count: 0, flags: 0 },
      { count: 1, flags: api.VFIO_IRQ_INFO_EVENTFD | api.VFIO_IRQ_INFO_NORESIZE },
    ],
    bus: undefined,
    opened: 0,
    resets: 0,
    bar,
    failOpen: false,
    open: (bus) => {
      if (device.failOpen) throw new KvmError("EIO", "the device does not answer, as the test wishes");
      device.bus = bus;
      device.opened++;
    },
    close: () => {
      device.bus = undefined;
    },
    read: (region, offset, bytes) => {
      if (region === 0) bytes.set(bar.subarray(offset, offset + bytes.length));
    },
    write: (region, offset, bytes) => {
      if (region === 0) bar.set(bytes, offset);
    },
    reset: () => {
      device.resets++;
    },
  };
  return device;
}

export async function loadVfio(): Promise<{ vfio: Vfio; loader: ModuleLoader }> {
  const loader = new ModuleLoader([vfio]);
  await loader.modprobe("vfio");
  return { vfio: loader.offer<Vfio>("vfio"), loader };
}

/** 1 MiB of memory. */
export function fakeMemory(): api.AddressSpace & { readonly ram: Uint8Array } {
  const ram = new Uint8Array(1 << 20);
  return {
    ram,
    pageSize: 65536,
    bytes: (address, length) => {
      if (address < 0 || address + length > ram.length) throw new KvmError("EFAULT", "outside of the test's memory");
      return ram.subarray(address, address + length);
    },
  };
}
