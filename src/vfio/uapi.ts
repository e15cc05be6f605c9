/**
 * All that the user side may see of VFIO: the objects of Linux's /dev/vfio with their names, semantics and errno, as
 * TypeScript. Every method throws KvmError with the errno that Linux would return. Source: include/uapi/linux/vfio.h.
 */
import type { EventFd } from "../kvm/uapi.js";

export const VFIO_API_VERSION = 0;

// VFIO_CHECK_EXTENSION, and the IOMMUs that VFIO_SET_IOMMU takes.
export const VFIO_TYPE1_IOMMU = 1;
export const VFIO_SPAPR_TCE_IOMMU = 2;
export const VFIO_TYPE1v2_IOMMU = 3;
export const VFIO_DMA_CC_IOMMU = 4;
export const VFIO_EEH = 5;
export const VFIO_SPAPR_TCE_v2_IOMMU = 7;
export const VFIO_NOIOMMU_IOMMU = 8;

export const VFIO_GROUP_FLAGS_VIABLE = 1;
export const VFIO_GROUP_FLAGS_CONTAINER_SET = 2;

export const VFIO_DEVICE_FLAGS_RESET = 1;
export const VFIO_DEVICE_FLAGS_PCI = 2;

export const VFIO_REGION_INFO_FLAG_READ = 1;
export const VFIO_REGION_INFO_FLAG_WRITE = 2;
export const VFIO_REGION_INFO_FLAG_MMAP = 4;

export const VFIO_IRQ_INFO_EVENTFD = 1;
export const VFIO_IRQ_INFO_MASKABLE = 2;
export const VFIO_IRQ_INFO_AUTOMASKED = 4;
export const VFIO_IRQ_INFO_NORESIZE = 8;

export const VFIO_IRQ_SET_DATA_NONE = 1;
export const VFIO_IRQ_SET_DATA_BOOL = 2;
export const VFIO_IRQ_SET_DATA_EVENTFD = 4;
export const VFIO_IRQ_SET_ACTION_MASK = 8;
export const VFIO_IRQ_SET_ACTION_UNMASK = 16;
export const VFIO_IRQ_SET_ACTION_TRIGGER = 32;

// Regions and interrupts of a PCI device.
export const VFIO_PCI_BAR0_REGION_INDEX = 0;
export const VFIO_PCI_BAR5_REGION_INDEX = 5;
export const VFIO_PCI_ROM_REGION_INDEX = 6;
export const VFIO_PCI_CONFIG_REGION_INDEX = 7;
export const VFIO_PCI_VGA_REGION_INDEX = 8;
export const VFIO_PCI_NUM_REGIONS = 9;
export const VFIO_PCI_INTX_IRQ_INDEX = 0;
export const VFIO_PCI_MSI_IRQ_INDEX = 1;
export const VFIO_PCI_MSIX_IRQ_INDEX = 2;
export const VFIO_PCI_ERR_IRQ_INDEX = 3;
export const VFIO_PCI_REQ_IRQ_INDEX = 4;
export const VFIO_PCI_NUM_IRQS = 5;

export const VFIO_DMA_MAP_FLAG_READ = 1;
export const VFIO_DMA_MAP_FLAG_WRITE = 2;
export const VFIO_IOMMU_SPAPR_INFO_DDW = 1;

/** The memory of the process that opens a container: what `vaddr` means. A Vm is one. */
export interface AddressSpace {
  /** Granule of VFIO_IOMMU_SPAPR_REGISTER_MEMORY. */
  readonly pageSize: number;
  /** A fresh view. EFAULT: it does not lie inside. */
  bytes(address: number, length: number): Uint8Array;
}

/** VFIO_IOMMU_SPAPR_TCE_GET_INFO. */
export interface SpaprTceInfo {
  readonly flags: number;
  readonly dma32WindowStart: number;
  readonly dma32WindowSize: number;
  /** With VFIO_IOMMU_SPAPR_INFO_DDW. `pgsizes`: bit n for pages of 2^n bytes. */
  readonly ddw: { readonly pgsizes: bigint; readonly maxDynamicWindowsSupported: number; readonly levels: number };
}

export interface Container {
  readonly fd: number;
  /** VFIO_GET_API_VERSION. */
  getApiVersion(): number;
  /** VFIO_CHECK_EXTENSION: 0 or 1. Never throws. */
  checkExtension(extension: number): number;
  /** VFIO_SET_IOMMU. EINVAL: no group is set, or an IOMMU is. ENODEV: no such IOMMU. EBUSY: a second group on v1. */
  setIommu(type: number): void;
  // The sPAPR TCE IOMMU's. EINVAL: no IOMMU is set. ENOTTY: not of this version (v1 or v2) of it.
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
  /** EPERM: not enabled (v1), nothing registered (v2). ENXIO: no window has `iova`. EINVAL. EBUSY: a guest's table rules it. */
  mapDma(map: { flags: number; vaddr: number; iova: bigint; size: bigint }): void;
  unmapDma(map: { iova: bigint; size: bigint; flags?: number }): void;
  close(): void;
}

export interface Group {
  readonly fd: number;
  /** VFIO_GROUP_GET_STATUS: VFIO_GROUP_FLAGS_*. */
  getStatus(): number;
  /** VFIO_GROUP_SET_CONTAINER. EBADF: no open file. EINVAL: not a container's, or one is set. */
  setContainer(fd: number): void;
  /** EINVAL: none is set. EBUSY: a device of the group is open. */
  unsetContainer(): void;
  /** VFIO_GROUP_GET_DEVICE_FD. EINVAL: no container with an IOMMU. ENODEV: the group has no such device. */
  getDeviceFd(name: string): VfioDevice;
  close(): void;
}

export interface RegionInfo {
  readonly index: number;
  /** VFIO_REGION_INFO_FLAG_*. */
  readonly flags: number;
  /** Bytes; 0: there is none. */
  readonly size: number;
  /** Where it lies in the device's file. */
  readonly offset: bigint;
}

export interface IrqInfo {
  readonly index: number;
  /** VFIO_IRQ_INFO_*. */
  readonly flags: number;
  readonly count: number;
}

export interface IrqSet {
  /** One VFIO_IRQ_SET_DATA_* and one VFIO_IRQ_SET_ACTION_*. */
  readonly flags: number;
  readonly index: number;
  readonly start: number;
  readonly count: number;
  /** For DATA_EVENTFD: undefined takes the eventfd away (-1 in Linux). */
  readonly eventfds?: readonly (EventFd | undefined)[];
  /** For DATA_BOOL. */
  readonly bools?: readonly boolean[];
}

export interface VfioDevice {
  readonly fd: number;
  readonly name: string;
  getInfo(): { readonly flags: number; readonly numRegions: number; readonly numIrqs: number };
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
  close(): void;
}
