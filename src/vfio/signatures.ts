/** What the calls of VFIO take (uapi.ts, offer.ts); base/takes.ts says how that is held. */
import {
  anything,
  bigint,
  boolean,
  bytes,
  type Check,
  callback,
  either,
  eventFd,
  having,
  integer,
  listOf,
  oneOf,
  optional,
  options,
  type Signatures,
  size,
  text,
  thing,
  u32,
  wholeNumber,
} from "../base/takes.js";
import type { HostDevice } from "./host-device.js";
import type { Vfio } from "./offer.js";
import type { Container, Group, IrqSet, VfioDevice } from "./uapi.js";

/** In a device's file, a region lies at its index times 2 to the power of this. */
export const regionShift = 40;
/** Each has its place in memory: as many as a PCI device has messages (MSI-X), and for other devices, too. */
const mostIrqs = 2048;

// Another version of this package may give more.
export const hostDevice = having({
  name: text,
  flags: u32,
  regions: listOf(having({ size: integer(0, 2 ** regionShift), flags: u32 })),
  irqs: listOf(having({ count: integer(0, mostIrqs), flags: u32 })),
  open: callback,
  close: callback,
  read: callback,
  write: callback,
  irqsEnabled: optional(callback),
  reset: optional(callback),
} satisfies Record<keyof HostDevice, Check>);

export const addressSpace: Check = (value, call, name) => {
  thing("memory, as a VM is", ["bytes"])(value, call, name);
  having({ pageSize: integer(1, 2 ** 40) })(value, call, name);
};

const memory = options({ vaddr: wholeNumber, size: wholeNumber, flags: optional(u32) });

export const containerSignatures = {
  getApiVersion: {},
  // What there is not is answered 0.
  checkExtension: { extension: anything },
  setIommu: { type: wholeNumber },
  iommuGetInfo: {},
  spaprTceGetInfo: {},
  spaprTceCreate: {
    window: options({ pageShift: wholeNumber, windowSize: bigint, levels: wholeNumber, flags: optional(u32) }),
  },
  spaprTceRemove: { window: options({ startAddr: bigint, flags: optional(u32) }) },
  enable: {},
  disable: {},
  spaprRegisterMemory: { memory },
  spaprUnregisterMemory: { memory },
  mapDma: { map: options({ flags: u32, vaddr: wholeNumber, iova: bigint, size: bigint }) },
  unmapDma: { map: options({ iova: bigint, size: bigint, flags: optional(u32) }) },
  close: {},
} as const satisfies Signatures<Container>;

export const groupSignatures = {
  getStatus: {},
  setContainer: { fd: wholeNumber },
  unsetContainer: {},
  getDeviceFd: { name: text },
  close: {},
} as const satisfies Signatures<Group>;

export const vfioDeviceSignatures = {
  getInfo: {},
  getRegionInfo: { index: wholeNumber },
  getIrqInfo: { index: wholeNumber },
  setIrqs: {
    set: options<IrqSet>({
      flags: u32,
      index: wholeNumber,
      start: wholeNumber,
      count: wholeNumber,
      eventfds: optional(listOf(optional(eventFd))),
      bools: optional(listOf(boolean)),
    }),
  },
  reset: {},
  read: { offset: bigint, bytes },
  write: { offset: bigint, bytes },
  close: {},
} as const satisfies Signatures<VfioDevice>;

const owner = thing("the context of the module that registers the device, or null", ["tryGet", "put"]);

/** Not in module.ts, whose exports a build writes down as plain values. */
export const vfioSignatures = {
  openContainer: { mm: addressSpace },
  openGroup: { group: wholeNumber },
  groups: {},
  registerDevice: { device: hostDevice, group: size, owner: either(oneOf(null), owner) },
} as const satisfies Signatures<Vfio>;
