/** struct iommu_table, a DMA window of the sPAPR TCE IOMMU: bus addresses to memory, page by page. Source: arch/powerpc/kernel/iommu.c. */
import { KvmError } from "../base/errors.js";
import type { SpaprTceTable } from "../base/vfio.js";
import type { Registered } from "./registered-memory.js";

export interface Mapping {
  readonly vaddr: number;
  /** mayRead, mayWrite: what the device may do. */
  readonly permissions: number;
  /** What the page lies in; v1 registers nothing. */
  readonly memory?: Registered | undefined;
}

export class IommuTable {
  readonly pageShift: number;
  /** First bus address, and bytes. */
  readonly start: bigint;
  readonly size: bigint;
  readonly #entries = new Map<bigint, Mapping>();
  /** The guest's tables that it follows; the last one attached rules. */
  readonly #tables: SpaprTceTable[] = [];

  constructor(pageShift: number, start: bigint, size: bigint) {
    this.pageShift = pageShift;
    this.start = start;
    this.size = size;
  }

  get pageSize(): bigint {
    return 1n << BigInt(this.pageShift);
  }

  has(address: bigint): boolean {
    return address >= this.start && address < this.start + this.size;
  }

  /** The guest's table that rules this window, if any. */
  get table(): SpaprTceTable | undefined {
    return this.#tables.at(-1);
  }

  map(iova: bigint, mapping: Mapping): void {
    const page = this.#page(iova);
    this.unmap(iova);
    this.#entries.set(page, mapping);
    if (mapping.memory) mapping.memory.mapped++;
  }

  unmap(iova: bigint): void {
    const page = this.#page(iova);
    const old = this.#entries.get(page);
    if (old?.memory) old.memory.mapped--;
    this.#entries.delete(page);
  }

  clear(): void {
    for (const { memory } of this.#entries.values()) if (memory) memory.mapped--;
    this.#entries.clear();
  }

  /** Whether a guest's table fits: its pages no smaller than ours, and the same bus addresses. */
  fits(table: SpaprTceTable): boolean {
    const shift = BigInt(table.pageShift);
    return (
      this.pageShift <= table.pageShift && this.start === table.offset << shift && this.size === table.size << shift
    );
  }

  follow(table: SpaprTceTable): () => void {
    // What user space had mapped would come back when the table goes.
    this.clear();
    this.#tables.push(table);
    return () => {
      const index = this.#tables.indexOf(table);
      if (index >= 0) this.#tables.splice(index, 1);
    };
  }

  /** What lies at a bus address of this window: where, up to the page's end, and what the device may do there. */
  translate(address: bigint): { vaddr: number; length: number; permissions: number } | undefined {
    const { table } = this;
    const shift = BigInt(table?.pageShift ?? this.pageShift);
    const index = (address - this.start) >> shift;
    const entry = table ? table.translate(index) : this.#entries.get(index);
    if (!entry) return undefined;
    const offset = address & ((1n << shift) - 1n);
    return {
      vaddr: entry.vaddr + Number(offset),
      length: Number((1n << shift) - offset),
      permissions: entry.permissions,
    };
  }

  /** Whether the guest's table has a page in that memory. */
  reaches(memory: { readonly vaddr: number; readonly size: number }): boolean {
    const { table } = this;
    if (!table) return false;
    for (let index = 0n; index < table.size; index++) {
      const entry = table.translate(index);
      if (entry && entry.vaddr >= memory.vaddr && entry.vaddr < memory.vaddr + memory.size) return true;
    }
    return false;
  }

  #page(iova: bigint): bigint {
    if (!this.has(iova)) throw new KvmError("EINVAL", `0x${iova.toString(16)} lies outside the window`);
    return (iova - this.start) >> BigInt(this.pageShift);
  }
}
