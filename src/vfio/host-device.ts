/** What a package implements to offer a device to VFIO. Source: struct vfio_device_ops in include/linux/vfio.h. */

/** DMA as the device sees it: every address is translated by its group's IOMMU, and a fault is an answer. */
export interface DmaBus {
  /** Memory to device. False: a page on the way is not mapped for the device to read; what lay before it was read. */
  read(address: bigint, bytes: Uint8Array): boolean;
  /** Device to memory. */
  write(address: bigint, bytes: Uint8Array): boolean;
}

/** What a device that is in use may do. */
export interface HostBus extends DmaBus {
  /**
   * Sets the level of a level-sensitive interrupt (one with VFIO_IRQ_INFO_AUTOMASKED), or with true signals another.
   * Bounded whatever the device does: an automasked one is signalled once until it is unmasked.
   */
  interrupt(index: number, subindex: number, level: boolean): void;
}

/** A region of a device, as VFIO_DEVICE_GET_REGION_INFO tells of it. */
export interface HostRegion {
  /** Bytes, 0 for none. */
  readonly size: number;
  /** VFIO_REGION_INFO_FLAG_READ, _WRITE. */
  readonly flags: number;
}

/** A kind of interrupts, as VFIO_DEVICE_GET_IRQ_INFO tells of it. */
export interface HostIrq {
  /** How many of this kind. */
  readonly count: number;
  /** VFIO_IRQ_INFO_*. */
  readonly flags: number;
}

/** A device of the host, offered to VFIO. All of it is called on the thread that offered it. */
export interface HostDevice {
  /** As VFIO_GROUP_GET_DEVICE_FD names it, e.g. "0000:00:01.0". */
  readonly name: string;
  /** VFIO_DEVICE_FLAGS_*. */
  readonly flags: number;
  /** By index: VFIO_PCI_*_REGION_INDEX. */
  readonly regions: readonly HostRegion[];
  /** By index: VFIO_PCI_*_IRQ_INDEX. */
  readonly irqs: readonly HostIrq[];
  /** First open: the device may use `bus` until `close`. It is as after a reset. */
  open(bus: HostBus): void;
  /** Last close: it must stop. */
  close(): void;
  /** Only called inside the region. */
  read(region: number, offset: number, bytes: Uint8Array): void;
  /** Only called inside the region. */
  write(region: number, offset: number, bytes: Uint8Array): void;
  /** User space now has eventfds for interrupts of this kind, or for none. */
  irqsEnabled?(index: number | undefined): void;
  /** Absent: it cannot. */
  reset?(): void;
}
