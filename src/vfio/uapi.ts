/**
 * All that the user side may see of VFIO: the objects of Linux's /dev/vfio with their names, semantics and errno, as
 * TypeScript. Every method throws KvmError with the errno that Linux would return. Source: include/uapi/linux/vfio.h.
 */
import type { EventFd } from "../kvm/uapi.js";

/** What VFIO_GET_API_VERSION answers. */
export const VFIO_API_VERSION = 0;

// VFIO_CHECK_EXTENSION, and the IOMMUs that VFIO_SET_IOMMU takes.
/** The IOMMU of x86 and others, version 1: not here. */
export const VFIO_TYPE1_IOMMU = 1;
/** POWER's IOMMU, version 1: one group, and all that is mapped is counted with `enable`. */
export const VFIO_SPAPR_TCE_IOMMU = 2;
/** The IOMMU of x86 and others, version 2: ranges of bus addresses, unmapped as they were mapped. */
export const VFIO_TYPE1v2_IOMMU = 3;
/** DMA is coherent with the processors' caches. */
export const VFIO_DMA_CC_IOMMU = 4;
/** Enhanced error handling of PAPR's: not here. */
export const VFIO_EEH = 5;
/** POWER's IOMMU, version 2: memory is registered before it is mapped, and windows come and go. */
export const VFIO_SPAPR_TCE_v2_IOMMU = 7;
/** Devices without an IOMMU: never here. */
export const VFIO_NOIOMMU_IOMMU = 8;

/** All of the group's devices are free to be assigned. */
export const VFIO_GROUP_FLAGS_VIABLE = 1;
/** The group is in a container. */
export const VFIO_GROUP_FLAGS_CONTAINER_SET = 2;

/** The device can be reset: `VfioDevice.reset`. */
export const VFIO_DEVICE_FLAGS_RESET = 1;
/** It is a PCI device. */
export const VFIO_DEVICE_FLAGS_PCI = 2;

/** The region can be read. */
export const VFIO_REGION_INFO_FLAG_READ = 1;
/** It can be written. */
export const VFIO_REGION_INFO_FLAG_WRITE = 2;
/** It can be mapped: never here. */
export const VFIO_REGION_INFO_FLAG_MMAP = 4;

/** The interrupt can signal an eventfd. */
export const VFIO_IRQ_INFO_EVENTFD = 1;
/** It can be masked. */
export const VFIO_IRQ_INFO_MASKABLE = 2;
/** It masks itself when it is signalled, and is to be unmasked. */
export const VFIO_IRQ_INFO_AUTOMASKED = 4;
/** How many of them there are is fixed once the first is set. */
export const VFIO_IRQ_INFO_NORESIZE = 8;

/** No data: the action is for each of `start` and on, `count`. */
export const VFIO_IRQ_SET_DATA_NONE = 1;
/** Data: the action is for those that are true. */
export const VFIO_IRQ_SET_DATA_BOOL = 2;
/** Data: the eventfds that are signalled, or that signal. */
export const VFIO_IRQ_SET_DATA_EVENTFD = 4;
/** They are masked. */
export const VFIO_IRQ_SET_ACTION_MASK = 8;
/** They are unmasked. */
export const VFIO_IRQ_SET_ACTION_UNMASK = 16;
/** With eventfds: these are signalled from now on. Else: they are raised now, for a trial. */
export const VFIO_IRQ_SET_ACTION_TRIGGER = 32;

// Regions and interrupts of a PCI device.
/** BAR 0. */
export const VFIO_PCI_BAR0_REGION_INDEX = 0;
/** BAR 5. */
export const VFIO_PCI_BAR5_REGION_INDEX = 5;
/** The expansion ROM. */
export const VFIO_PCI_ROM_REGION_INDEX = 6;
/** Configuration space. */
export const VFIO_PCI_CONFIG_REGION_INDEX = 7;
/** VGA's ports and memory. */
export const VFIO_PCI_VGA_REGION_INDEX = 8;
/** How many regions a PCI device has. */
export const VFIO_PCI_NUM_REGIONS = 9;
/** The pin. */
export const VFIO_PCI_INTX_IRQ_INDEX = 0;
/** Messages of MSI. */
export const VFIO_PCI_MSI_IRQ_INDEX = 1;
/** Messages of MSI-X. */
export const VFIO_PCI_MSIX_IRQ_INDEX = 2;
/** Errors of the bus. */
export const VFIO_PCI_ERR_IRQ_INDEX = 3;
/** The host wants the device back. */
export const VFIO_PCI_REQ_IRQ_INDEX = 4;
/** How many kinds of interrupts a PCI device has. */
export const VFIO_PCI_NUM_IRQS = 5;

/** The device may read there. */
export const VFIO_DMA_MAP_FLAG_READ = 1;
/** It may write there. */
export const VFIO_DMA_MAP_FLAG_WRITE = 2;
/** Windows can be made: `ddw` says which. */
export const VFIO_IOMMU_SPAPR_INFO_DDW = 1;

/** `IommuInfo.iovaPgsizes` says something. */
export const VFIO_IOMMU_INFO_PGSIZES = 1;
/** All that is mapped; address and size are 0. */
export const VFIO_DMA_UNMAP_FLAG_ALL = 2;

/** The memory of the process that opens a container: what `vaddr` means. A Vm is one. */
export interface AddressSpace {
  /** Granule of VFIO_IOMMU_SPAPR_REGISTER_MEMORY. */
  readonly pageSize: number;
  /** A fresh view. EFAULT: it does not lie inside. */
  bytes(address: number, length: number): Uint8Array;
  /** Is told what a device has written, where user space mapped it. A memory that nobody else looks at need not have it. */
  hostWritten?(address: number, length: number): void;
}

/** Bus addresses, from the first to the last. */
export interface IovaRange {
  /** The first. */
  readonly start: bigint;
  /** The last: not the one behind it. */
  readonly end: bigint;
}

/** VFIO_IOMMU_GET_INFO, with its capabilities. */
export interface IommuInfo {
  /** VFIO_IOMMU_INFO_*. */
  readonly flags: number;
  /** Bit n for pages of 2^n bytes. */
  readonly iovaPgsizes: bigint;
  /** What can be mapped: VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE. */
  readonly iovaRanges: readonly IovaRange[];
  /** How many mappings there can still be: VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL. */
  readonly dmaAvail: number;
}

/** VFIO_IOMMU_MAP_DMA. */
export interface DmaMap {
  /** VFIO_DMA_MAP_FLAG_*. */
  readonly flags: number;
  /** Where the memory is, in the container's address space. */
  readonly vaddr: number;
  /** Bus address, and bytes. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
}

/** VFIO_IOMMU_UNMAP_DMA. */
export interface DmaUnmap {
  /** Bus address. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** VFIO_DMA_UNMAP_FLAG_*. Default: none. */
  readonly flags?: number;
}

/** VFIO_IOMMU_SPAPR_TCE_GET_INFO. */
export interface SpaprTceInfo {
  /** VFIO_IOMMU_SPAPR_INFO_DDW. */
  readonly flags: number;
  /** Where the window that is always there begins on the bus, and its length; bytes. */
  readonly dma32WindowStart: number;
  /** Bytes. */
  readonly dma32WindowSize: number;
  /** With VFIO_IOMMU_SPAPR_INFO_DDW: which windows can be made. */
  readonly ddw: {
    /** Bit n for pages of 2^n bytes. */
    readonly pgsizes: bigint;
    /** How many at a time, besides the one that is always there. */
    readonly maxDynamicWindowsSupported: number;
    /** Of a table of TCEs, at the most. */
    readonly levels: number;
  };
}

/** An open /dev/vfio/vfio: groups that share an IOMMU. */
export interface Container {
  /** The number that stands for it in `Group.setContainer`. */
  readonly fd: number;
  /** VFIO_GET_API_VERSION. */
  getApiVersion(): number;
  /** VFIO_CHECK_EXTENSION: 0 or 1. Never throws. */
  checkExtension(extension: number): number;
  /** VFIO_SET_IOMMU. EINVAL: no group is set, or an IOMMU is. ENODEV: no such IOMMU. EBUSY: a second group on v1. */
  setIommu(type: number): void;
  /** VFIO_IOMMU_GET_INFO: type 1's. EINVAL: no IOMMU is set. ENOTTY: it is another. */
  iommuGetInfo(): IommuInfo;
  // The sPAPR TCE IOMMU's. EINVAL: no IOMMU is set. ENOTTY: not of this version (v1 or v2) of it, or type 1.
  /** ENXIO: no group. */
  spaprTceGetInfo(): SpaprTceInfo;
  /** VFIO_IOMMU_SPAPR_TCE_CREATE: the bus address at which the window begins. EINVAL, ENXIO; ENOSPC: there are two. */
  spaprTceCreate(window: { pageShift: number; windowSize: bigint; levels: number; flags?: number }): bigint;
  /** EINVAL: no window has that address. ENXIO: no group. */
  spaprTceRemove(window: { startAddr: bigint; flags?: number }): void;
  /** v1 only. EBUSY: it is. ENODEV: no group. */
  enable(): void;
  /** v1 only. */
  disable(): void;
  /** v2 only. EINVAL: misaligned, or overlaps. EBUSY: registered already. EFAULT: not memory. */
  spaprRegisterMemory(memory: { vaddr: number; size: number; flags?: number }): void;
  /** v2 only. ENOENT: not registered like that. EBUSY: a device can reach it. */
  spaprUnregisterMemory(memory: { vaddr: number; size: number; flags?: number }): void;
  /**
   * EINVAL. sPAPR's: EPERM: not enabled (v1), nothing registered (v2). ENXIO: no window has `iova`. EBUSY: a guest's table rules
   * it. Type 1's: EEXIST: something is mapped there. ENOSPC: too many mappings. EFAULT: not memory.
   */
  mapDma(map: DmaMap): void;
  /** VFIO_IOMMU_UNMAP_DMA: how many bytes were mapped. EPERM, ENXIO, EINVAL, EBUSY as `mapDma`; type 1: EINVAL, a mapping would be cut. */
  unmapDma(map: DmaUnmap): bigint;
  /** Lets go of it: what it mapped is no more. */
  close(): void;
}

/** An open /dev/vfio/N: devices that an IOMMU cannot tell apart. */
export interface Group {
  /** The number that stands for it: of KVM_DEV_VFIO_FILE_ADD. */
  readonly fd: number;
  /** VFIO_GROUP_GET_STATUS: VFIO_GROUP_FLAGS_*. */
  getStatus(): number;
  /** VFIO_GROUP_SET_CONTAINER. EBADF: no open file. EINVAL: not a container's, or one is set. */
  setContainer(fd: number): void;
  /** EINVAL: none is set. EBUSY: a device of the group is open. */
  unsetContainer(): void;
  /** VFIO_GROUP_GET_DEVICE_FD. EINVAL: no container with an IOMMU. ENODEV: the group has no such device. */
  getDeviceFd(name: string): VfioDevice;
  /** Lets go of it. */
  close(): void;
}

/** VFIO_DEVICE_GET_REGION_INFO. */
export interface RegionInfo {
  /** VFIO_PCI_*_REGION_INDEX. */
  readonly index: number;
  /** VFIO_REGION_INFO_FLAG_*. */
  readonly flags: number;
  /** Bytes; 0: there is none. */
  readonly size: number;
  /** Where it lies in the device's file. */
  readonly offset: bigint;
}

/** VFIO_DEVICE_GET_IRQ_INFO. */
export interface IrqInfo {
  /** VFIO_PCI_*_IRQ_INDEX. */
  readonly index: number;
  /** VFIO_IRQ_INFO_*. */
  readonly flags: number;
  /** How many there are of this kind. */
  readonly count: number;
}

/** VFIO_DEVICE_SET_IRQS. */
export interface IrqSet {
  /** One VFIO_IRQ_SET_DATA_* and one VFIO_IRQ_SET_ACTION_*. */
  readonly flags: number;
  /** VFIO_PCI_*_IRQ_INDEX. */
  readonly index: number;
  /** The first, and from it on how many. */
  readonly start: number;
  /** How many. 0 with DATA_NONE and ACTION_TRIGGER: this kind is turned off. */
  readonly count: number;
  /** For DATA_EVENTFD: undefined takes the eventfd away (-1 in Linux). */
  readonly eventfds?: readonly (EventFd | undefined)[];
  /** For DATA_BOOL. */
  readonly bools?: readonly boolean[];
}

/** A device of the host, opened from its group. */
export interface VfioDevice {
  /** The number that stands for it. */
  readonly fd: number;
  /** As its group names it. */
  readonly name: string;
  /** VFIO_DEVICE_GET_INFO: VFIO_DEVICE_FLAGS_*, and how many regions and kinds of interrupts it has. */
  getInfo(): {
    /** VFIO_DEVICE_FLAGS_*. */
    readonly flags: number;
    /** Regions have indices below. */
    readonly numRegions: number;
    /** Kinds of interrupts have indices below. */
    readonly numIrqs: number;
  };
  /** EINVAL: no such region. */
  getRegionInfo(index: number): RegionInfo;
  /** EINVAL: no such interrupt. */
  getIrqInfo(index: number): IrqInfo;
  /** EINVAL: index, range, data or state. ENOTTY: this interrupt cannot do that. EBADF: an eventfd is closed. */
  setIrqs(set: IrqSet): void;
  /** VFIO_DEVICE_RESET. EINVAL: the device cannot. */
  reset(): void;
  /** pread: fills `bytes` from the region that `offset` lies in; how many. EINVAL: outside, or not to be read. */
  read(offset: bigint, bytes: Uint8Array): number;
  /** pwrite. */
  write(offset: bigint, bytes: Uint8Array): number;
  /** Lets go of it. */
  close(): void;
}
