/** Memory that devices may be given: VFIO_IOMMU_SPAPR_REGISTER_MEMORY. Source: arch/powerpc/mm/book3s64/iommu_api.c. */
import { KvmError } from "../base/errors.js";
import type { AddressSpace } from "./uapi.js";

export interface Registered {
  readonly vaddr: number;
  readonly size: number;
  /** Entries of windows that point into it. */
  mapped: number;
}

export class RegisteredMemory {
  readonly #mm: AddressSpace;
  readonly #areas: Registered[] = [];

  constructor(mm: AddressSpace) {
    this.#mm = mm;
  }

  get empty(): boolean {
    return this.#areas.length === 0;
  }

  register(vaddr: number, size: number): void {
    this.#check("VFIO_IOMMU_SPAPR_REGISTER_MEMORY", vaddr, size);
    if (size === 0) throw new KvmError("EINVAL", "VFIO_IOMMU_SPAPR_REGISTER_MEMORY: no bytes");
    if (this.#find(vaddr, size)) {
      throw new KvmError("EBUSY", "VFIO_IOMMU_SPAPR_REGISTER_MEMORY: this memory is registered already");
    }
    if (this.#areas.some((area) => vaddr < area.vaddr + area.size && area.vaddr < vaddr + size)) {
      throw new KvmError("EINVAL", "VFIO_IOMMU_SPAPR_REGISTER_MEMORY: it overlaps memory that is registered");
    }
    // EFAULT if it is not memory.
    this.#mm.bytes(vaddr, size);
    this.#areas.push({ vaddr, size, mapped: 0 });
  }

  /** `reached` says whether a device can still get there. */
  unregister(vaddr: number, size: number, reached: (area: Registered) => boolean): void {
    this.#check("VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY", vaddr, size);
    const area = this.#find(vaddr, size);
    if (!area) {
      throw new KvmError(
        "ENOENT",
        "VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY: no memory was registered with this address and size",
      );
    }
    if (area.mapped > 0 || reached(area)) {
      throw new KvmError("EBUSY", "VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY: it is still mapped for devices; unmap it first");
    }
    this.#areas.splice(this.#areas.indexOf(area), 1);
  }

  /** The area that holds all of the bytes. */
  lookup(vaddr: number, length: number): Registered | undefined {
    return this.#areas.find((area) => vaddr >= area.vaddr && vaddr + length <= area.vaddr + area.size);
  }

  #find(vaddr: number, size: number): Registered | undefined {
    return this.#areas.find((area) => area.vaddr === vaddr && area.size === size);
  }

  #check(call: string, vaddr: number, size: number): void {
    const { pageSize } = this.#mm;
    const good = (value: number) => Number.isSafeInteger(value) && value >= 0 && value % pageSize === 0;
    if (!good(vaddr) || !good(size) || !Number.isSafeInteger(vaddr + size)) {
      throw new KvmError("EINVAL", `${call}: address and size must be multiples of ${pageSize}`);
    }
  }
}
