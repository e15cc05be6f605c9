/**
 * A disk in qcow2's format: a table of tables says where each cluster of the disk is in the file; what it does not name is
 * the backing disk's, or zeros. Each write is in the tables when it returns, in an order that a process may be killed in at
 * any moment: refcount, data, table.
 * Source: QEMU, "qcow2 Image File Format", versions 2 and 3.
 */
import { type ByteStore, type Disk, place, StorageError } from "../disk.js";
import { type Decompressors, unpack } from "./compressed.js";
import { at, type Qcow2Header, readHeader } from "./header.js";
import { Refcounts } from "./refcounts.js";
import { Tables } from "./tables.js";

const two32 = 2 ** 32;
/** In the upper half of an entry: it may be written in place; it is compressed. */
const copiedBit = 0x8000_0000;
const compressedBit = 0x4000_0000;
/** In the lower half: reads as zeros, whatever lies there. */
const zeroBit = 1;

/** Where a cluster of the disk is. */
type Mapping =
  | { readonly kind: "nowhere" }
  /** `offset` in the file; 0 with `zero`: no cluster is reserved for it. */
  | { readonly kind: "plain"; readonly offset: number; readonly copied: boolean; readonly zero: boolean }
  | { readonly kind: "compressed"; readonly offset: number; readonly length: number };

export interface Qcow2Options {
  readonly readOnly?: boolean;
  /** What the image is an overlay of; only read, and closed with it. */
  readonly backing?: Disk | undefined;
  readonly decompressors: Decompressors;
}

export class Qcow2Disk implements Disk {
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
  readonly version: string | undefined;
  readonly #store: ByteStore;
  readonly #header: Qcow2Header;
  readonly #clusterSize: number;
  readonly #tables: Tables;
  readonly #refcounts: Refcounts;
  readonly #backing: Disk | undefined;
  readonly #decompressors: Decompressors;
  /** The cluster that was unpacked last. */
  #unpacked: { readonly offset: number; readonly bytes: Uint8Array } | undefined;

  /**
   * Throws StorageError: it is no such image, or damaged, or names a backing file that was not given, or none and one was:
   * what a file names is never opened by itself.
   */
  constructor(store: ByteStore, { readOnly = false, backing, decompressors }: Qcow2Options) {
    const header = readHeader(store);
    this.name = store.name;
    this.version = store.version;
    this.size = header.size;
    this.readOnly = readOnly || store.readOnly;
    this.#store = store;
    this.#header = header;
    this.#clusterSize = 2 ** header.clusterBits;
    this.#tables = new Tables(store);
    this.#refcounts = new Refcounts(store, this.#tables, header);
    this.#backing = backing;
    this.#decompressors = decompressors;
    if (header.backing !== undefined && !backing) {
      const named = JSON.stringify(header.backing);
      throw new StorageError(`${this.name} is an overlay of ${named}; name that file, too, with backing=FILE`);
    }
    if (header.backing === undefined && backing) {
      throw new StorageError(`${this.name} is no overlay of another file, but ${backing.name} was given as that`);
    }
    if (this.readOnly) return;
    if (header.damage) {
      throw new StorageError(
        `${this.name} ${header.damage}, so it can only be read; "qemu-img check -r all" may mend it`,
      );
    }
    this.#checkTables();
    // What another program keeps beside the disk, as bitmaps of what has changed, will not be right any more.
    if (header.autoclear) this.#tables.setEntry(at.autoclear, 0, 0);
  }

  read(offset: number, bytes: Uint8Array): void {
    this.#inClusters(offset, bytes.length, (where, done, length) => {
      this.#readPart(this.#find(where), where, bytes.subarray(done, done + length));
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#inClusters(offset, bytes.length, (where, done, length) => {
      this.#writePart(where, bytes.subarray(done, done + length));
    });
  }

  writeZeroes(offset: number, length: number, keep: boolean): void {
    this.#inClusters(offset, length, (where, _, part) => {
      if (!this.#isWhole(where, part) || !this.#zeroCluster(where, keep)) this.#writePart(where, new Uint8Array(part));
    });
  }

  discard(offset: number, length: number): void {
    this.#inClusters(offset, length, (where, _, part) => {
      const mapping = this.#isWhole(where, part) ? this.#find(where) : undefined;
      if (mapping && mapping.kind !== "nowhere" && !(mapping.kind === "plain" && mapping.offset === 0)) {
        this.#zeroCluster(where, false);
      }
    });
  }

  flush(): void {
    if (!this.readOnly) this.#store.flush();
  }

  flushSoon(): Promise<void> {
    return this.readOnly ? Promise.resolve() : this.#store.flushSoon();
  }

  close(): void {
    this.#store.close();
    this.#backing?.close();
  }

  #inClusters(offset: number, length: number, visit: (where: number, done: number, length: number) => void): void {
    for (let done = 0; done < length; ) {
      const where = offset + done;
      const part = Math.min(this.#clusterSize - (where % this.#clusterSize), length - done);
      visit(where, done, part);
      done += part;
    }
  }

  /** Whether it is a cluster of the disk, or all that there is of the last one. */
  #isWhole(where: number, length: number): boolean {
    return where % this.#clusterSize === 0 && (length === this.#clusterSize || where + length === this.size);
  }

  // Tables.

  #l1Place(where: number): number {
    const perTable = this.#clusterSize * (this.#clusterSize / 8);
    return this.#header.l1Offset + 8 * Math.floor(where / perTable);
  }

  /** Where the L2 table is that tells of a place of the disk. */
  #l2Table(where: number): { readonly offset: number; readonly copied: boolean } | undefined {
    const [high, low] = this.#tables.entry(this.#l1Place(where));
    const offset = this.#offsetIn(high, low);
    if (offset === 0) return undefined;
    this.#requireInside("an L2 table", offset);
    return { offset, copied: (high & copiedBit) !== 0 };
  }

  #l2Place(table: number, where: number): number {
    return table + 8 * (Math.floor(where / this.#clusterSize) % (this.#clusterSize / 8));
  }

  #find(where: number): Mapping {
    const table = this.#l2Table(where);
    if (!table) return { kind: "nowhere" };
    return this.#mapping(...this.#tables.entry(this.#l2Place(table.offset, where)));
  }

  #mapping(high: number, low: number): Mapping {
    if (high & compressedBit) {
      // So many bits of sectors lie above the offset, which is of bytes.
      const sectorBits = this.#header.clusterBits - 8;
      const offsetBits = 62 - sectorBits - 32;
      const sectors = ((high & 0x3fff_ffff) >>> offsetBits) + 1;
      const offset = (high & (2 ** offsetBits - 1)) * two32 + low;
      if (offset >= this.#store.size)
        this.#damaged(`has a compressed cluster at ${place(offset)}, which is not in the file`);
      return { kind: "compressed", offset, length: sectors * 512 - (offset % 512) };
    }
    const offset = this.#offsetIn(high, low);
    const zero = (low & zeroBit) !== 0 && this.#header.version === 3;
    if (offset === 0 && !zero) return { kind: "nowhere" };
    if (offset !== 0) this.#requireInside("a cluster", offset);
    return { kind: "plain", offset, copied: (high & copiedBit) !== 0, zero };
  }

  #offsetIn(high: number, low: number): number {
    return (high & 0x00ff_ffff) * two32 + ((low & ~511) >>> 0);
  }

  #requireInside(what: string, offset: number): void {
    if (offset % this.#clusterSize === 0 && offset < this.#store.size) return;
    this.#damaged(`has ${what} at ${place(offset)}, which is not in the file or no cluster's start`);
  }

  /** An L2 table that may be written in place, made if there is none. Its offset. */
  #ownL2Table(where: number): number {
    const old = this.#l2Table(where);
    if (old?.copied) {
      this.#requireOnce(old.offset);
      return old.offset;
    }
    const bytes = new Uint8Array(this.#clusterSize);
    if (old) this.#store.read(old.offset, bytes);
    const offset = this.#inNewCluster((made) => {
      this.#tables.write(made, bytes);
      this.#tables.setEntry(this.#l1Place(where), (Math.floor(made / two32) | copiedBit) >>> 0, made >>> 0);
    });
    if (old) this.#refcounts.release(old.offset);
    return offset;
  }

  /** Has `use` put a new cluster to use, and takes it back if that fails. Its offset. */
  #inNewCluster(use: (offset: number) => void): number {
    const offset = this.#refcounts.allocate();
    try {
      use(offset);
    } catch (error) {
      this.#takeBack(offset);
      throw error;
    }
    return offset;
  }

  /** A cluster that nobody came to use. If that cannot be written, it is lost until the image is checked; nothing else is. */
  #takeBack(offset: number): void {
    try {
      this.#refcounts.release(offset);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }

  /** An image that says that a cluster is its alone must count it so: otherwise a write would change something else, too. */
  #requireOnce(offset: number): void {
    const cluster = offset / this.#clusterSize;
    this.#refcounts.requireOrdinary(cluster);
    const count = this.#refcounts.get(cluster);
    if (count !== 1) this.#damaged(`uses cluster ${cluster} once, and counts ${count}`);
  }

  /** Of a cluster's part. */
  #readPart(mapping: Mapping, where: number, bytes: Uint8Array): void {
    const within = where % this.#clusterSize;
    if (mapping.kind === "compressed") {
      bytes.set(this.#unpack(mapping.offset, mapping.length).subarray(within, within + bytes.length));
    } else if (mapping.kind === "plain") {
      if (mapping.zero) bytes.fill(0);
      else this.#store.read(mapping.offset + within, bytes);
    } else {
      // A backing disk may be shorter.
      const has = Math.max(0, Math.min(bytes.length, (this.#backing?.size ?? 0) - where));
      if (has > 0) this.#backing?.read(where, bytes.subarray(0, has));
      bytes.fill(0, has);
    }
  }

  #unpack(offset: number, length: number): Uint8Array {
    if (this.#unpacked?.offset === offset) return this.#unpacked.bytes;
    const data = new Uint8Array(Math.min(length, this.#store.size - offset));
    this.#store.read(offset, data);
    const bytes = new Uint8Array(this.#clusterSize);
    unpack(this.name, this.#decompressors[this.#header.compression], data, bytes);
    this.#unpacked = { offset, bytes };
    return bytes;
  }

  #writePart(where: number, bytes: Uint8Array): void {
    const table = this.#ownL2Table(where);
    const entry = this.#l2Place(table, where);
    const old = this.#mapping(...this.#tables.entry(entry));
    const within = where % this.#clusterSize;
    if (old.kind === "plain" && old.copied && old.offset !== 0) {
      this.#requireOnce(old.offset);
      if (!old.zero) {
        this.#store.write(old.offset + within, bytes);
        return;
      }
      this.#writeCluster(old.offset, old, where, bytes);
      this.#setPlain(entry, old.offset);
      return;
    }
    this.#inNewCluster((offset) => {
      this.#writeCluster(offset, old, where, bytes);
      this.#setPlain(entry, offset);
    });
    this.#releaseMapping(old);
  }

  /** All of a cluster at `offset`, with `bytes` where they belong and around them what was there before. */
  #writeCluster(offset: number, old: Mapping, where: number, bytes: Uint8Array): void {
    const within = where % this.#clusterSize;
    const zeros = old.kind === "plain" ? old.zero : old.kind === "nowhere" && !this.#backing;
    const fresh = zeros && offset >= this.#store.size;
    if (bytes.length === this.#clusterSize) {
      this.#store.write(offset, bytes);
    } else if (fresh) {
      // Behind the end there are zeros already.
      this.#store.write(offset + within, bytes);
      if (this.#store.size < offset + this.#clusterSize) this.#store.resize(offset + this.#clusterSize);
    } else {
      const whole = new Uint8Array(this.#clusterSize);
      this.#readPart(old, where - within, whole);
      whole.set(bytes, within);
      this.#store.write(offset, whole);
    }
  }

  #setPlain(entry: number, offset: number): void {
    this.#tables.setEntry(entry, (Math.floor(offset / two32) | copiedBit) >>> 0, offset >>> 0);
  }

  /** What no entry names any more. */
  #releaseMapping(old: Mapping): void {
    if (old.kind === "plain" && old.offset !== 0) this.#refcounts.release(old.offset);
    if (old.kind !== "compressed") return;
    const first = old.offset - (old.offset % this.#clusterSize);
    for (let at = first; at < old.offset + old.length; at += this.#clusterSize) this.#refcounts.release(at);
    this.#unpacked = undefined;
  }

  /** Makes a whole cluster read as zeros in the table alone. False: the image has no way to say that. */
  #zeroCluster(where: number, keep: boolean): boolean {
    const known = this.#find(where);
    if (known.kind === "nowhere" && !this.#backing) return true;
    if (known.kind === "plain" && known.zero && (keep || known.offset === 0)) return true;
    if (this.#header.version === 2 && this.#backing) return false;
    const entry = this.#l2Place(this.#ownL2Table(where), where);
    const old = this.#mapping(...this.#tables.entry(entry));
    const reserved = keep && old.kind === "plain" && old.copied ? old.offset : 0;
    if (this.#header.version === 2) {
      if (keep) return false;
      this.#tables.setEntry(entry, 0, 0);
    } else if (reserved !== 0) {
      this.#tables.setEntry(entry, (Math.floor(reserved / two32) | copiedBit) >>> 0, (reserved | zeroBit) >>> 0);
      return true;
    } else {
      this.#tables.setEntry(entry, 0, zeroBit);
    }
    this.#releaseMapping(old);
    return true;
  }

  /**
   * Whether each L2 table, and what the first million entries name, are counted: what is used and counted as free would be
   * given to a second one.
   */
  #checkTables(): void {
    let left = 2 ** 20;
    const perTable = this.#clusterSize * (this.#clusterSize / 8);
    for (let where = 0; where < this.size; where += perTable) {
      const table = this.#l2Table(where);
      if (!table) continue;
      this.#requireCounted(table.offset);
      const end = Math.min(this.size, where + perTable);
      for (let at = where; at < end && left > 0; at += this.#clusterSize, left--) {
        const mapping = this.#mapping(...this.#tables.entry(this.#l2Place(table.offset, at)));
        if (mapping.kind !== "nowhere" && mapping.offset !== 0) this.#requireCounted(mapping.offset);
      }
    }
  }

  #requireCounted(offset: number): void {
    const cluster = Math.floor(offset / this.#clusterSize);
    this.#refcounts.requireOrdinary(cluster);
    if (this.#refcounts.get(cluster) === 0) this.#damaged(`uses cluster ${cluster}, and counts it as free`);
  }

  #damaged(what: string): never {
    throw new StorageError(`${this.name} ${what}; "qemu-img check -r all" may mend it`);
  }
}
