/**
 * The type 1 IOMMU, version 2, under a container: ranges of bus addresses onto memory of the process that opened it. Source:
 * drivers/vfio/vfio_iommu_type1.c.
 */
import { KvmError } from "../base/errors.js";
import { type AccessPart, type ContainerIommu, mayRead, mayWrite } from "./iommu.js";
import {
  type AddressSpace,
  type DmaMap,
  type DmaUnmap,
  type IommuInfo,
  type IovaRange,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_DMA_UNMAP_FLAG_ALL,
  VFIO_IOMMU_INFO_PGSIZES,
} from "./uapi.js";

const page = 4096n;
/** What the platform's IOMMU translates, but for where messages of devices go. Last addresses, not ends. */
const ranges: readonly IovaRange[] = [
  { start: 0n, end: 0xfedf_ffffn },
  { start: 0xfef0_0000n, end: (1n << 48n) - 1n },
];
/** The module's dma_entry_limit: each mapping costs memory. */
const mostMappings = 65535;

interface Mapping {
  readonly iova: bigint;
  readonly size: bigint;
  readonly vaddr: number;
  readonly permissions: number;
}

export class Type1Iommu implements ContainerIommu {
  readonly #mm: AddressSpace;
  /** By their addresses. */
  readonly #mappings: Mapping[] = [];
  #groups = 0;

  constructor(mm: AddressSpace) {
    this.#mm = mm;
  }

  attachGroup(): void {
    this.#groups++;
  }

  detachGroup(): void {
    // No device is left: what was mapped for them ends.
    if (--this.#groups === 0) this.#mappings.length = 0;
  }

  getInfo(): IommuInfo {
    return {
      flags: VFIO_IOMMU_INFO_PGSIZES,
      iovaPgsizes: BigInt.asUintN(64, -page),
      iovaRanges: ranges,
      dmaAvail: mostMappings - this.#mappings.length,
    };
  }

  map({ flags, vaddr, iova, size }: DmaMap): void {
    const refuse = (why: string) => new KvmError("EINVAL", `VFIO_IOMMU_MAP_DMA: ${why}`);
    if (flags & ~(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE))
      throw refuse(`unknown flags 0x${flags.toString(16)}`);
    if (flags === 0) throw refuse("the device may neither read nor write");
    this.#requireRange("VFIO_IOMMU_MAP_DMA", iova, size);
    if (!Number.isSafeInteger(vaddr) || vaddr < 0 || BigInt(vaddr) % page !== 0n)
      throw refuse(`the memory's address is no multiple of ${page}`);
    const last = iova + size - 1n;
    const at = this.#indexFrom(iova);
    const next = this.#mappings[at];
    if (next && next.iova <= last) {
      throw new KvmError("EEXIST", `VFIO_IOMMU_MAP_DMA: something is mapped at 0x${next.iova.toString(16)}`);
    }
    if (this.#mappings.length >= mostMappings) {
      throw new KvmError("ENOSPC", `VFIO_IOMMU_MAP_DMA: there are ${mostMappings} mappings already`);
    }
    if (!ranges.some(({ start, end }) => iova >= start && last <= end)) {
      throw refuse("not all of these bus addresses are translated: VFIO_IOMMU_GET_INFO says which are");
    }
    // EFAULT if it is not memory.
    this.#mm.bytes(vaddr, Number(size));
    const permissions =
      (flags & VFIO_DMA_MAP_FLAG_READ ? mayRead : 0) | (flags & VFIO_DMA_MAP_FLAG_WRITE ? mayWrite : 0);
    this.#mappings.splice(at, 0, { iova, size, vaddr, permissions });
  }

  unmap({ iova, size, flags = 0 }: DmaUnmap): bigint {
    const call = "VFIO_IOMMU_UNMAP_DMA";
    if (flags & ~VFIO_DMA_UNMAP_FLAG_ALL)
      throw new KvmError("EINVAL", `${call}: unknown flags 0x${flags.toString(16)}`);
    if (flags & VFIO_DMA_UNMAP_FLAG_ALL) {
      if (iova !== 0n || size !== 0n) throw new KvmError("EINVAL", `${call}: for all, address and size are 0`);
      return this.#remove(0, this.#mappings.length);
    }
    this.#requireRange(call, iova, size);
    const end = iova + size;
    const from = this.#indexFrom(iova);
    let to = from;
    while ((this.#mappings[to]?.iova ?? end) < end) to++;
    const first = this.#mappings[from];
    const last = this.#mappings[to - 1];
    if (to > from && first && last && (first.iova < iova || last.iova + last.size > end)) {
      throw new KvmError("EINVAL", `${call}: it would leave a part of a mapping; unmap what was mapped together`);
    }
    return this.#remove(from, to);
  }

  access(address: bigint, length: number, permission: number, each: AccessPart): boolean {
    for (let done = 0; done < length; ) {
      const at = address + BigInt(done);
      const mapping = this.#mappings[this.#indexFrom(at)];
      if (!mapping || mapping.iova > at || !(mapping.permissions & permission)) return false;
      const offset = Number(at - mapping.iova);
      const part = Math.min(Number(mapping.size) - offset, length - done);
      each(this.#mm.bytes(mapping.vaddr + offset, part), done);
      if (permission === mayWrite) this.#mm.hostWritten?.(mapping.vaddr + offset, part);
      done += part;
    }
    return true;
  }

  follow(): never {
    throw new KvmError("EINVAL", "KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE: a type 1 IOMMU follows no TCE table");
  }

  /** Of the first mapping that ends behind this address. */
  #indexFrom(address: bigint): number {
    let [low, high] = [0, this.#mappings.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { iova, size } = this.#mappings[middle] as Mapping;
      if (iova + size > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #remove(from: number, to: number): bigint {
    return this.#mappings.splice(from, to - from).reduce((sum, { size }) => sum + size, 0n);
  }

  #requireRange(call: string, iova: bigint, size: bigint): void {
    if (iova < 0n || iova % page !== 0n || size <= 0n || size % page !== 0n || iova + size > 1n << 64n) {
      throw new KvmError("EINVAL", `${call}: bus address and size must be multiples of ${page}, and end below 2^64`);
    }
    if (size > 1n << 32n) throw new KvmError("EINVAL", `${call}: more bytes than memory can have`);
  }
}
