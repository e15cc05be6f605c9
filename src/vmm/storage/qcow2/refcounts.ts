/**
 * How often each cluster of an image is used, and the search for one that is not. A cluster is counted before it is used, and
 * given back after its last use is gone: who is killed between leaves a cluster too many, never one too few.
 * Source: QEMU, "qcow2 Image File Format", "Host cluster management".
 */
import { type ByteStore, place, StorageError } from "../disk.js";
import { at, type Qcow2Header } from "./header.js";
import type { Tables } from "./tables.js";

const two32 = 2 ** 32;
/** Clusters looked at for one that is free, before the file is made longer instead. */
const mostLooks = 2 ** 20;

export class Refcounts {
  readonly #store: ByteStore;
  readonly #tables: Tables;
  readonly #order: number;
  readonly #clusterSize: number;
  /** Clusters that a block of refcounts is about. */
  readonly #blockEntries: number;
  /** Where neither data nor another table may lie, clusters. */
  readonly #reserved: readonly (readonly [first: number, end: number])[];
  #tableOffset: number;
  #tableClusters: number;
  /** No cluster before it is known to be free. */
  #next = 0;

  constructor(store: ByteStore, tables: Tables, header: Qcow2Header) {
    this.#store = store;
    this.#tables = tables;
    this.#order = header.refcountOrder;
    this.#clusterSize = 2 ** header.clusterBits;
    this.#blockEntries = (this.#clusterSize * 8) / 2 ** header.refcountOrder;
    this.#tableOffset = header.refcountTableOffset;
    this.#tableClusters = header.refcountTableClusters;
    const l1End = header.l1Offset + header.l1Entries * 8;
    this.#reserved = [
      [0, 1],
      [header.l1Offset / this.#clusterSize, Math.ceil(l1End / this.#clusterSize)],
    ];
  }

  /** Throws StorageError if the table is wrong there. */
  get(cluster: number): number {
    const block = this.#block(cluster);
    return block === 0 ? 0 : this.#value(block, cluster % this.#blockEntries);
  }

  /** The offset of a cluster that is used once now, by the caller. Throws StorageError. */
  allocate(): number {
    const end = Math.ceil(this.#store.size / this.#clusterSize);
    for (let looks = 0; ; looks++) {
      // A long search would keep the guest waiting; what a crafted table says of clusters that are not there, for ever.
      if (looks === mostLooks) this.#next = Math.max(this.#next, end);
      if (looks >= 2 * mostLooks) this.#damaged(`counts clusters beyond its end, ${this.#next}`);
      const cluster = this.#next;
      if (this.#makeBlock(cluster)) continue;
      if (this.get(cluster) === 0) {
        this.requireOrdinary(cluster);
        this.#set(cluster, 1);
        this.#next = cluster + 1;
        return cluster * this.#clusterSize;
      }
      this.#next++;
    }
  }

  /** One use less of the cluster at `offset`. */
  release(offset: number): void {
    const cluster = Math.floor(offset / this.#clusterSize);
    const count = this.get(cluster);
    if (count === 0) this.#damaged(`uses cluster ${cluster}, and counts it as free`);
    this.#set(cluster, count - 1);
    if (count === 1) this.#next = Math.min(this.#next, cluster);
  }

  /** Throws StorageError if the cluster is a part of the header or of a table that is always there. */
  requireOrdinary(cluster: number): void {
    const table = this.#tableOffset / this.#clusterSize;
    for (const [first, end] of [...this.#reserved, [table, table + this.#tableClusters] as const]) {
      if (cluster >= first && cluster < end)
        this.#damaged(`uses cluster ${cluster} for its header or tables, and twice`);
    }
  }

  /** Makes the block that counts a cluster, in that cluster, if there is none. False: there is one. */
  #makeBlock(cluster: number): boolean {
    if (cluster >= this.#covered) {
      this.#growTable(cluster);
      return true;
    }
    if (this.#block(cluster) !== 0) return false;
    // Nobody can have counted it, so it is free.
    this.requireOrdinary(cluster);
    const offset = cluster * this.#clusterSize;
    this.#tables.write(offset, new Uint8Array(this.#clusterSize));
    this.#setValue(offset, cluster % this.#blockEntries, 1);
    this.#setTableEntry(this.#tableOffset, cluster, offset);
    return true;
  }

  /** Clusters that the table can have blocks for. */
  get #covered(): number {
    return ((this.#tableClusters * this.#clusterSize) / 8) * this.#blockEntries;
  }

  /** Writes a table of twice the size, and the blocks that count it, behind all that is; then the header changes over. */
  #growTable(cluster: number): void {
    const first = Math.max(cluster, Math.ceil(this.#store.size / this.#clusterSize));
    const entriesPerCluster = this.#clusterSize / 8;
    const firstBlock = Math.floor(first / this.#blockEntries);
    let [clusters, blocks] = [2 * this.#tableClusters, 1];
    for (;;) {
      const lastBlock = Math.floor((first + clusters + blocks - 1) / this.#blockEntries);
      const wanted = [Math.max(clusters, Math.ceil((lastBlock + 1) / entriesPerCluster)), lastBlock - firstBlock + 1];
      if (wanted[0] === clusters && wanted[1] === blocks) break;
      [clusters = clusters, blocks = blocks] = wanted;
    }
    const offset = first * this.#clusterSize;
    const table = new Uint8Array(clusters * this.#clusterSize);
    this.#store.read(this.#tableOffset, table.subarray(0, this.#tableClusters * this.#clusterSize));
    const view = new DataView(table.buffer);
    for (let i = 0; i < blocks; i++) {
      const block = (first + clusters + i) * this.#clusterSize;
      view.setBigUint64(8 * (firstBlock + i), BigInt(block));
      this.#tables.write(block, new Uint8Array(this.#clusterSize));
    }
    for (let one = first; one < first + clusters + blocks; one++) {
      const block = Number(view.getBigUint64(8 * Math.floor(one / this.#blockEntries)));
      this.#setValue(block, one % this.#blockEntries, 1);
    }
    this.#tables.write(offset, table);
    const fields = new DataView(new ArrayBuffer(12));
    fields.setBigUint64(0, BigInt(offset));
    fields.setUint32(8, clusters);
    this.#tables.write(at.refcountTableOffset, new Uint8Array(fields.buffer));
    const old = { offset: this.#tableOffset, clusters: this.#tableClusters };
    this.#tableOffset = offset;
    this.#tableClusters = clusters;
    for (let i = 0; i < old.clusters; i++) this.release(old.offset + i * this.#clusterSize);
  }

  #setTableEntry(table: number, cluster: number, block: number): void {
    this.#tables.setEntry(table + 8 * Math.floor(cluster / this.#blockEntries), Math.floor(block / two32), block >>> 0);
  }

  /** Where the block is that counts a cluster; 0: there is none. */
  #block(cluster: number): number {
    if (cluster >= this.#covered) return 0;
    const [high, low] = this.#tables.entry(this.#tableOffset + 8 * Math.floor(cluster / this.#blockEntries));
    const block = high * two32 + ((low & ~511) >>> 0);
    if (block === 0) return 0;
    if (block % this.#clusterSize !== 0 || block >= this.#store.size) {
      this.#damaged(`has a block of refcounts at ${place(block)}, which is not in the file or no cluster's start`);
    }
    return block;
  }

  #value(block: number, index: number): number {
    if (this.#order >= 3) return this.#tables.value(block + index * 2 ** (this.#order - 3), 2 ** (this.#order - 3));
    const bit = index << this.#order;
    return (this.#tables.value(block + (bit >> 3), 1) >> (bit & 7)) & (2 ** (2 ** this.#order) - 1);
  }

  #set(cluster: number, count: number): void {
    this.#setValue(this.#block(cluster), cluster % this.#blockEntries, count);
  }

  #setValue(block: number, index: number, count: number): void {
    if (this.#order >= 3) {
      const bytes = new Uint8Array(2 ** (this.#order - 3));
      for (let i = bytes.length - 1, rest = count; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
      this.#tables.write(block + index * bytes.length, bytes);
      return;
    }
    const bit = index << this.#order;
    const mask = (2 ** (2 ** this.#order) - 1) << (bit & 7);
    const byte = this.#tables.value(block + (bit >> 3), 1);
    this.#tables.write(block + (bit >> 3), Uint8Array.of((byte & ~mask) | (count << (bit & 7))));
  }

  #damaged(what: string): never {
    throw new StorageError(`${this.#store.name} ${what}; "qemu-img check -r all" may mend it`);
  }
}
