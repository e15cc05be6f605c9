/**
 * The sPAPR TCE IOMMU under a container: DMA windows onto memory of the process that opened it. Version 1 pins a window's
 * worth of memory when it is enabled; version 2 maps only memory that was registered, and makes and removes windows.
 * Source: drivers/vfio/vfio_iommu_spapr_tce.c.
 */
import { KvmError } from "../base/errors.js";
import type { SpaprTceTable } from "../base/vfio.js";
import { type AccessPart, type ContainerIommu, mayRead, mayWrite } from "./iommu.js";
import { IommuTable } from "./iommu-table.js";
import { RegisteredMemory } from "./registered-memory.js";
import {
  type AddressSpace,
  type DmaMap,
  type DmaUnmap,
  type SpaprTceInfo,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_IOMMU_SPAPR_INFO_DDW,
  VFIO_SPAPR_TCE_v2_IOMMU,
} from "./uapi.js";

/** What the platform can do, as PowerNV's bridges: two windows, the first below 4 GiB. */
const dma32Start = 0n;
const dma32Size = 1n << 31n;
const dma64Start = 1n << 59n;
const pageShifts = [12, 16, 21, 24];
const maxLevels = 5;
const maxWindows = 2;

export class SpaprTceIommu implements ContainerIommu {
  readonly #mm: AddressSpace;
  readonly #v2: boolean;
  readonly #memory: RegisteredMemory;
  readonly #windows: (IommuTable | undefined)[] = new Array(maxWindows).fill(undefined);
  #groups = 0;
  #enabled = false;
  /** The default window is made when it is first needed, unless user space removes it before. */
  #defaultPending = false;

  constructor(mm: AddressSpace, type: number) {
    this.#mm = mm;
    this.#v2 = type === VFIO_SPAPR_TCE_v2_IOMMU;
    this.#memory = new RegisteredMemory(mm);
  }

  attachGroup(): void {
    if (this.#groups > 0 && !this.#v2) {
      throw new KvmError(
        "EBUSY",
        "version 1 of the sPAPR TCE IOMMU takes one group; use version 2 or another container",
      );
    }
    if (this.#groups++ === 0) this.#defaultPending = true;
  }

  detachGroup(): void {
    if (--this.#groups > 0) return;
    // No device is left: what was mapped for them ends, registered memory stays.
    for (const dmaWindow of this.#windows) dmaWindow?.clear();
    this.#windows.fill(undefined);
    this.#defaultPending = false;
    if (!this.#v2) this.#enabled = false;
  }

  getInfo(): SpaprTceInfo {
    this.#requireGroup("VFIO_IOMMU_SPAPR_TCE_GET_INFO");
    const pgsizes = this.#v2 ? pageShifts.reduce((bits, shift) => bits | (1n << BigInt(shift)), 0n) : 0n;
    return {
      flags: this.#v2 ? VFIO_IOMMU_SPAPR_INFO_DDW : 0,
      dma32WindowStart: Number(dma32Start),
      dma32WindowSize: Number(dma32Size),
      ddw: {
        pgsizes,
        maxDynamicWindowsSupported: this.#v2 ? maxWindows : 0,
        levels: this.#v2 ? maxLevels : 0,
      },
    };
  }

  create(pageShift: number, size: bigint, levels: number, flags: number): bigint {
    const call = "VFIO_IOMMU_SPAPR_TCE_CREATE";
    this.#requireV2(call);
    this.#requireGroup(call);
    if (flags !== 0) throw new KvmError("EINVAL", `${call}: no flags are defined`);
    this.#makeDefault();
    return this.#createWindow(pageShift, size, levels).start;
  }

  remove(start: bigint, flags: number): void {
    const call = "VFIO_IOMMU_SPAPR_TCE_REMOVE";
    this.#requireV2(call);
    this.#requireGroup(call);
    if (flags !== 0) throw new KvmError("EINVAL", `${call}: no flags are defined`);
    if (this.#defaultPending && start === dma32Start) {
      this.#defaultPending = false;
      return;
    }
    const number = this.#windows.findIndex((dmaWindow) => dmaWindow?.has(start));
    if (number < 0) throw new KvmError("EINVAL", `${call}: no window has the address 0x${start.toString(16)}`);
    this.#windows[number]?.clear();
    this.#windows[number] = undefined;
  }

  enable(): void {
    this.#requireV1("VFIO_IOMMU_ENABLE");
    if (this.#enabled) throw new KvmError("EBUSY", "VFIO_IOMMU_ENABLE: it is enabled already");
    if (this.#groups === 0) throw new KvmError("ENODEV", "VFIO_IOMMU_ENABLE: the container has no group");
    this.#enabled = true;
  }

  disable(): void {
    this.#requireV1("VFIO_IOMMU_DISABLE");
    this.#enabled = false;
  }

  register(vaddr: number, size: number, flags: number): void {
    this.#requireV2("VFIO_IOMMU_SPAPR_REGISTER_MEMORY");
    if (flags !== 0) throw new KvmError("EINVAL", "VFIO_IOMMU_SPAPR_REGISTER_MEMORY: no flags are defined");
    this.#memory.register(vaddr, size);
    this.#enabled = true;
  }

  unregister(vaddr: number, size: number, flags: number): void {
    this.#requireV2("VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY");
    if (flags !== 0) throw new KvmError("EINVAL", "VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY: no flags are defined");
    this.#memory.unregister(vaddr, size, (area) => this.#windows.some((dmaWindow) => dmaWindow?.reaches(area)));
  }

  map({ flags, vaddr, iova, size }: DmaMap): void {
    const refuse = (why: string) => new KvmError("EINVAL", `VFIO_IOMMU_MAP_DMA: ${why}`);
    this.#requireEnabled("VFIO_IOMMU_MAP_DMA");
    if (flags & ~(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE))
      throw refuse(`unknown flags 0x${flags.toString(16)}`);
    const dmaWindow = this.#windowOf("VFIO_IOMMU_MAP_DMA", iova);
    const page = Number(dmaWindow.pageSize);
    if (!Number.isSafeInteger(vaddr) || vaddr < 0 || vaddr % page !== 0) {
      throw refuse(`the memory's address is no multiple of the window's ${page}-byte pages`);
    }
    if (flags === 0) throw refuse("the device may neither read nor write");
    this.#requireRange("VFIO_IOMMU_MAP_DMA", dmaWindow, iova, size);
    if (size > 1n << 32n) throw refuse("more bytes than memory can have");
    const permissions =
      (flags & VFIO_DMA_MAP_FLAG_READ ? mayRead : 0) | (flags & VFIO_DMA_MAP_FLAG_WRITE ? mayWrite : 0);
    // All is looked at before any is mapped.
    const pages = Array.from({ length: Number(size) / page }, (_, i) => vaddr + i * page);
    const mappings = pages.map((at) => ({ vaddr: at, permissions, memory: this.#memoryOf(at, page) }));
    for (const [i, mapping] of mappings.entries()) dmaWindow.map(iova + BigInt(i * page), mapping);
  }

  unmap({ iova, size, flags = 0 }: DmaUnmap): bigint {
    this.#requireEnabled("VFIO_IOMMU_UNMAP_DMA");
    if (flags !== 0) throw new KvmError("EINVAL", "VFIO_IOMMU_UNMAP_DMA: no flags are defined");
    const dmaWindow = this.#windowOf("VFIO_IOMMU_UNMAP_DMA", iova);
    this.#requireRange("VFIO_IOMMU_UNMAP_DMA", dmaWindow, iova, size);
    for (let at = iova; at < iova + size; at += dmaWindow.pageSize) dmaWindow.unmap(at);
    return size;
  }

  /** KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE's part here. */
  follow(table: SpaprTceTable): () => void {
    this.#makeDefault();
    const dmaWindow = this.#windows.find((candidate) => candidate?.fits(table));
    if (!dmaWindow) {
      throw new KvmError(
        "EINVAL",
        "KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE: no DMA window of the group has the table's offset and size; create it first",
      );
    }
    return dmaWindow.follow(table);
  }

  access(address: bigint, length: number, permission: number, each: AccessPart): boolean {
    if (this.#groups > 0) this.#makeDefault();
    for (let done = 0; done < length; ) {
      const at = address + BigInt(done);
      const dmaWindow = this.#windows.find((candidate) => candidate?.has(at));
      const page = dmaWindow?.translate(at);
      if (!page || !(page.permissions & permission)) return false;
      const part = Math.min(page.length, length - done);
      // The guest chose the page: only registered memory is a device's.
      if (this.#v2 && !this.#memory.lookup(page.vaddr, part)) return false;
      each(this.#mm.bytes(page.vaddr, part), done);
      if (permission === mayWrite) {
        if (dmaWindow?.table) dmaWindow.table.written(page.vaddr, part);
        else this.#mm.hostWritten?.(page.vaddr, part);
      }
      done += part;
    }
    return true;
  }

  #createWindow(pageShift: number, size: bigint, levels: number): IommuTable {
    const refuse = (why: string) => new KvmError("EINVAL", `VFIO_IOMMU_SPAPR_TCE_CREATE: ${why}`);
    const number = this.#windows.indexOf(undefined);
    if (number < 0)
      throw new KvmError("ENOSPC", `VFIO_IOMMU_SPAPR_TCE_CREATE: there are ${maxWindows} windows already`);
    if (!pageShifts.includes(pageShift))
      throw refuse(`no pages of 2^${pageShift} bytes, but 2^${pageShifts.join(", 2^")}`);
    if (!(Number.isInteger(levels) && levels >= 1 && levels <= maxLevels)) throw refuse(`${levels} levels of table`);
    if (size <= 0n || (size & (size - 1n)) !== 0n || size < 1n << BigInt(pageShift) || size > dma64Start) {
      throw refuse(`a window of ${size} bytes, which is no power of two from the page's size on`);
    }
    const dmaWindow = new IommuTable(pageShift, number === 0 ? dma32Start : dma64Start, size);
    this.#windows[number] = dmaWindow;
    return dmaWindow;
  }

  #makeDefault(): void {
    if (!this.#defaultPending) return;
    this.#defaultPending = false;
    this.#createWindow(12, dma32Size, 1);
  }

  #memoryOf(vaddr: number, length: number): ReturnType<RegisteredMemory["lookup"]> {
    const registered = this.#memory.lookup(vaddr, length);
    if (this.#v2 && !registered) {
      throw new KvmError("EINVAL", `VFIO_IOMMU_MAP_DMA: memory 0x${vaddr.toString(16)} is not registered`);
    }
    // EFAULT if it is not memory.
    if (!this.#v2) this.#mm.bytes(vaddr, length);
    return registered;
  }

  #windowOf(call: string, iova: bigint): IommuTable {
    this.#makeDefault();
    const dmaWindow = this.#windows.find((candidate) => candidate?.has(iova));
    if (!dmaWindow) throw new KvmError("ENXIO", `${call}: no DMA window has the bus address 0x${iova.toString(16)}`);
    if (dmaWindow.table) throw new KvmError("EBUSY", `${call}: a guest's table rules this window`);
    return dmaWindow;
  }

  #requireRange(call: string, dmaWindow: IommuTable, iova: bigint, size: bigint): void {
    const mask = dmaWindow.pageSize - 1n;
    if (iova & mask || size & mask || size <= 0n) {
      throw new KvmError("EINVAL", `${call}: bus address and size must be multiples of ${dmaWindow.pageSize}`);
    }
    if (iova + size > dmaWindow.start + dmaWindow.size)
      throw new KvmError("EINVAL", `${call}: it goes beyond the window's end`);
  }

  #requireEnabled(call: string): void {
    if (this.#enabled) return;
    throw new KvmError("EPERM", `${call}: ${this.#v2 ? "register memory" : "VFIO_IOMMU_ENABLE"} comes first`);
  }

  #requireGroup(call: string): void {
    if (this.#groups === 0) throw new KvmError("ENXIO", `${call}: the container has no group`);
  }

  #requireV1(call: string): void {
    if (this.#v2) throw new KvmError("ENOTTY", `${call} is version 1's; with version 2, registering memory enables`);
  }

  #requireV2(call: string): void {
    if (!this.#v2) throw new KvmError("ENOTTY", `${call} needs version 2 of the sPAPR TCE IOMMU`);
  }
}
