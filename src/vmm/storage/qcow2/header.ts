/**
 * The head of a qcow2 image, read and written. Everything in a file is a claim: a number is believed when it cannot make
 * anything larger than the file is, and places lie inside.
 * Source: QEMU, "qcow2 Image File Format" (docs/interop/qcow2.txt), versions 2 and 3.
 */
import { type ByteStore, place, StorageError, sectorSize } from "../disk.js";

const magic = 0x5146_49fb;
const headerSize = { 2: 72, 3: 104 } as const;
export const at = {
  magic: 0,
  version: 4,
  backingOffset: 8,
  backingLength: 16,
  clusterBits: 20,
  size: 24,
  encryption: 32,
  l1Entries: 36,
  l1Offset: 40,
  refcountTableOffset: 48,
  refcountTableClusters: 56,
  snapshots: 60,
  incompatible: 72,
  compatible: 80,
  autoclear: 88,
  refcountOrder: 96,
  headerLength: 100,
  compression: 104,
} as const;

/** Incompatible features. */
const Incompatible = { dirty: 1n, corrupt: 2n, externalData: 4n, compression: 8n, extendedL2: 16n } as const;
const known = Incompatible.dirty | Incompatible.corrupt | Incompatible.compression;

const [leastClusterBits, mostClusterBits] = [9, 21];
const mostBackingName = 1023;
/** What QEMU takes, too: bytes. */
const mostL1 = 32 * 1048576;
const mostRefcountTable = 8 * 1048576;

export const compressions = ["deflate", "zstd"] as const;
export type Compression = (typeof compressions)[number];

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  /** Bytes of the disk. */
  readonly size: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  /** log2 of the bits of a refcount. */
  readonly refcountOrder: number;
  readonly compression: Compression;
  /** The name in the file, which nobody opens by itself. */
  readonly backing: string | undefined;
  /** Why it may not be written: the sentence's end. */
  readonly damage: string | undefined;
  /** Features that a program which does not know them must take away when it writes. */
  readonly autoclear: boolean;
}

/** Whether the bytes begin as an image does. */
export const isQcow2 = (start: Uint8Array): boolean =>
  start.length >= 4 && new DataView(start.buffer, start.byteOffset).getUint32(0) === magic;

/** Throws StorageError: it is no such image, or one that this program does not know. */
export function readHeader(store: ByteStore): Qcow2Header {
  const bytes = new Uint8Array(112);
  store.read(0, bytes);
  const view = new DataView(bytes.buffer);
  const refuse = (what: string): never => {
    throw new StorageError(`${store.name} ${what}`);
  };
  if (!isQcow2(bytes)) refuse("is no qcow2 image");
  const version = view.getUint32(at.version);
  if (version !== 2 && version !== 3) return refuse(`is a qcow2 image of version ${version}; 2 and 3 are known`);
  if (store.size < headerSize[version]) refuse("is a qcow2 image that was cut off in its header");
  const headerLength = version === 3 ? view.getUint32(at.headerLength) : headerSize[2];
  const clusterBits = view.getUint32(at.clusterBits);
  if (clusterBits < leastClusterBits || clusterBits > mostClusterBits) {
    refuse(`has clusters of 2^${clusterBits} bytes; qcow2 has 2^${leastClusterBits} to 2^${mostClusterBits}`);
  }
  const clusterSize = 2 ** clusterBits;
  if (headerLength < headerSize[version] || headerLength % 8 !== 0 || headerLength > clusterSize) {
    refuse(`has a header of ${headerLength} bytes, which cannot be`);
  }
  const features = version === 3 ? view.getBigUint64(at.incompatible) : 0n;
  if (features & Incompatible.externalData) refuse("keeps its data in another file, which unikvm does not support");
  if (features & Incompatible.extendedL2) refuse("has extended L2 entries, which unikvm does not support");
  if (features & ~known) refuse(`has features 0x${(features & ~known).toString(16)} that unikvm does not know`);
  if (view.getUint32(at.encryption) !== 0) refuse("is encrypted, which unikvm does not support");
  const method = version === 3 && headerLength > at.compression ? (bytes[at.compression] ?? 0) : 0;
  const compression = compressions[method];
  if (compression === undefined || ((features & Incompatible.compression) !== 0n) !== method > 0) {
    return refuse(`is compressed with method ${method}, which unikvm does not know`);
  }
  const refcountOrder = version === 3 ? view.getUint32(at.refcountOrder) : 4;
  if (refcountOrder > 6) refuse(`has refcounts of 2^${refcountOrder} bits, which cannot be`);

  const wide = (offset: number): number => Number(view.getBigUint64(offset));
  const size = wide(at.size);
  if (!Number.isSafeInteger(size) || size % sectorSize !== 0) {
    refuse(`has ${view.getBigUint64(at.size)} bytes, which is no number of sectors`);
  }
  const l1Entries = Math.ceil(size / (clusterSize * (clusterSize / 8)));
  const claimed = view.getUint32(at.l1Entries);
  if (claimed < l1Entries) refuse(`has ${claimed} L1 entries; a disk of ${size} bytes needs ${l1Entries}`);
  if (l1Entries * 8 > mostL1) refuse(`has a disk of ${size} bytes, too many for clusters of ${clusterSize}`);
  const table = (what: string, offset: number, length: number): number => {
    if (offset % clusterSize === 0 && offset > 0 && offset + length <= alignUp(store.size, clusterSize)) return offset;
    return refuse(`has its ${what} at ${place(offset)}, which is not in the file or no cluster's start`);
  };
  const refcountTableClusters = view.getUint32(at.refcountTableClusters);
  if (refcountTableClusters === 0 || refcountTableClusters * clusterSize > mostRefcountTable) {
    refuse(`has a refcount table of ${refcountTableClusters} clusters, which cannot be`);
  }
  return {
    version,
    clusterBits,
    size,
    l1Entries,
    l1Offset: l1Entries === 0 ? 0 : table("L1 table", wide(at.l1Offset), l1Entries * 8),
    refcountTableOffset: table("refcount table", wide(at.refcountTableOffset), refcountTableClusters * clusterSize),
    refcountTableClusters,
    refcountOrder,
    compression,
    backing: backingName(store, view, clusterSize),
    damage:
      features & Incompatible.corrupt
        ? "is marked corrupt"
        : features & Incompatible.dirty
          ? "was not closed by the program that wrote it"
          : undefined,
    autoclear: version === 3 && view.getBigUint64(at.autoclear) !== 0n,
  };
}

function backingName(store: ByteStore, view: DataView, clusterSize: number): string | undefined {
  const offset = Number(view.getBigUint64(at.backingOffset));
  const length = view.getUint32(at.backingLength);
  if (offset === 0 || length === 0) return undefined;
  if (length > mostBackingName || offset + length > clusterSize) {
    throw new StorageError(
      `${store.name} has its backing file's name at ${place(offset)}, ${length} bytes, which cannot be`,
    );
  }
  const bytes = new Uint8Array(length);
  store.read(offset, bytes);
  return new TextDecoder().decode(bytes);
}

export interface NewImage {
  /** Bytes of the disk. */
  readonly size: number;
  /** Default: 16. */
  readonly clusterBits?: number;
  /** Of the file that it is an overlay of, for whoever asks the image; with its format. */
  readonly backing?: { readonly name: string; readonly format: "raw" | "qcow2" };
}

/** Writes an image of version 3 whose disk is zeros, or what its backing file has, into an empty store. Throws StorageError. */
export function formatQcow2(store: ByteStore, { size, clusterBits = 16, backing }: NewImage): void {
  const clusterSize = 2 ** clusterBits;
  const l1Entries = Math.ceil(size / (clusterSize * (clusterSize / 8)));
  const l1Clusters = Math.ceil((l1Entries * 8) / clusterSize);
  const name = new TextEncoder().encode(backing?.name ?? "");
  const used = 3 + l1Clusters;
  const fits = clusterBits >= leastClusterBits && clusterBits <= mostClusterBits && used <= clusterSize / 2;
  if (!fits || !Number.isSafeInteger(size) || size % sectorSize !== 0 || size < 0 || l1Entries * 8 > mostL1) {
    throw new StorageError(`${store.name}: no qcow2 image has ${size} bytes in clusters of 2^${clusterBits}`);
  }
  if (name.length > mostBackingName || headerSize[3] + 32 + name.length > clusterSize) {
    throw new StorageError(`${store.name}: the backing file's name has ${name.length} bytes, too many`);
  }
  const bytes = new Uint8Array(used * clusterSize);
  const view = new DataView(bytes.buffer);
  view.setUint32(at.magic, magic);
  view.setUint32(at.version, 3);
  view.setUint32(at.clusterBits, clusterBits);
  view.setBigUint64(at.size, BigInt(size));
  view.setUint32(at.l1Entries, l1Entries);
  view.setBigUint64(at.l1Offset, BigInt(3 * clusterSize));
  view.setBigUint64(at.refcountTableOffset, BigInt(clusterSize));
  view.setUint32(at.refcountTableClusters, 1);
  view.setUint32(at.refcountOrder, 4);
  view.setUint32(at.headerLength, headerSize[3]);
  if (backing) {
    const format = new TextEncoder().encode(backing.format);
    view.setUint32(headerSize[3], 0xe279_2aca);
    view.setUint32(headerSize[3] + 4, format.length);
    bytes.set(format, headerSize[3] + 8);
    // Behind the extension's padding and the end of extensions, 8 zero bytes.
    const start = headerSize[3] + 8 + 8 + 8;
    view.setBigUint64(at.backingOffset, BigInt(start));
    view.setUint32(at.backingLength, name.length);
    bytes.set(name, start);
  }
  view.setBigUint64(clusterSize, BigInt(2 * clusterSize));
  for (let i = 0; i < used; i++) view.setUint16(2 * clusterSize + 2 * i, 1);
  store.write(0, bytes);
}

const alignUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;
