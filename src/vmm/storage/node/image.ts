/** Images of disks as files: what one is, and a new one. */
import { rmSync, statSync } from "node:fs";
import { dirname, relative } from "node:path";
import { StorageError, sectorSize } from "../disk.js";
import { formatQcow2, readHeader } from "../qcow2/header.js";
import { RawDisk } from "../raw.js";
import { FileStore } from "./file-store.js";
import { type DiskFormat, formatOf, requireRaw } from "./open-disk.js";

export interface ImageInfo {
  readonly format: DiskFormat;
  /** Bytes of the disk. */
  readonly size: number;
  /** Bytes of the file that are on the host's disk; what was never written takes none. */
  readonly used: number;
  /** Of a qcow2 image. */
  readonly version?: number;
  readonly clusterSize?: number;
  /** The file that it says it is an overlay of. */
  readonly backing?: string | undefined;
  /** Why it can only be read. */
  readonly damage?: string | undefined;
}

/**
 * What its head says; its tables are looked at when it is opened. `format` as for `openDisk`, `remedy` as for `requireRaw`. Throws
 * StorageError.
 */
export function imageInfo(path: string, format?: DiskFormat, remedy?: string): ImageInfo {
  const store = FileStore.open(path, { readOnly: true });
  try {
    const used = statSync(path).blocks * 512;
    const wanted = format ?? formatOf(path);
    if (wanted === "qcow2") {
      const { version, size, clusterBits, backing, damage } = readHeader(store);
      return { format: wanted, size, used, version, clusterSize: 2 ** clusterBits, backing, damage };
    }
    if (format === undefined) requireRaw(store, remedy);
    return { format: wanted, size: new RawDisk(store).size, used };
  } finally {
    store.close();
  }
}

export interface NewDisk {
  readonly path: string;
  readonly format?: DiskFormat | undefined;
  /** Bytes, made a whole number of sectors. Default: as many as the backing file's disk has. */
  readonly size?: number | undefined;
  /** What it is to be an overlay of. */
  readonly backing?: string | undefined;
}

/** What is below an overlay is known by its name alone. */
const namedQcow2 = "give it a name that ends with .qcow2";

/** A new file, whole or not at all: zeros, or what its backing file has. Throws StorageError; one that is there stays. */
export function createImage({ path, format = formatOf(path), size, backing }: NewDisk): ImageInfo {
  if (backing !== undefined && format !== "qcow2") {
    throw new StorageError(
      `${path} is to be a raw image, and only a qcow2 image can be an overlay; give it that format`,
    );
  }
  const below = backing === undefined ? undefined : imageInfo(backing, undefined, namedQcow2);
  const bytes = size ?? below?.size;
  if (bytes === undefined) throw new StorageError(`${path} needs a size, as 10G, or a backing file to take it from`);
  if (bytes === 0)
    throw new StorageError(`${path} is to have 0 bytes, and no guest has use for a disk without a sector`);
  const whole = Math.ceil(bytes / sectorSize) * sectorSize;
  const store = FileStore.create(path);
  try {
    if (format === "raw") store.resize(whole);
    else if (!below || backing === undefined) formatQcow2(store, { size: whole });
    else {
      // As programs look for it: from the overlay's folder.
      const name = relative(dirname(path), backing);
      formatQcow2(store, { size: whole, backing: { name, format: below.format } });
    }
    store.flush();
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    store.close();
  }
  return imageInfo(path, format);
}
