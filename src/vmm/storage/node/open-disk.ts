/** Disks of files that a user names. */
import { statSync } from "node:fs";
import { type ByteStore, type Disk, StorageError } from "../disk.js";
import { isQcow2 } from "../qcow2/header.js";
import { Qcow2Disk } from "../qcow2/qcow2.js";
import { RawDisk } from "../raw.js";
import { NotHereYet } from "../remote-store.js";
import { bounded, type Room } from "../room.js";
import { decompressors } from "./decompressors.js";
import { FileStore } from "./file-store.js";

export const diskFormats = ["raw", "qcow2"] as const;
export type DiskFormat = (typeof diskFormats)[number];

export interface DiskFile {
  readonly path: string;
  /** Default: qcow2 for a name that ends so, else raw. */
  readonly format?: DiskFormat | undefined;
  readonly readOnly?: boolean;
  /** What it is an overlay of, and that of, each a file: what an image itself names is never opened. */
  readonly backing?: readonly string[];
  /** What is opened instead of a file of that name, and closed with the disk. */
  readonly store?: ByteStore | undefined;
  /** For what the file grows by. A raw one does not. */
  readonly room?: Room | undefined;
}

/** Throws StorageError; with a `store` whose bytes are elsewhere NotHereYet, too, which leaves it open. */
export function openDisk({ path, format, readOnly = false, backing = [], store, room }: DiskFile): Disk {
  const files = [path, ...backing];
  for (const [index, file] of files.entries()) {
    const twin = files.slice(0, index).find((other) => isSame(other, file));
    if (twin !== undefined) throw new StorageError(`${file} cannot be an overlay of itself`);
  }
  return open(files, { format, readOnly, store, room });
}

function open(
  [path = "", ...backing]: readonly string[],
  {
    format,
    readOnly,
    store: given,
    room,
  }: Pick<DiskFile, "format" | "store" | "room"> & { readonly readOnly: boolean },
): Disk {
  const below = backing.length > 0 ? open(backing, { readOnly: true }) : undefined;
  let store: ByteStore | undefined;
  try {
    store = given ?? FileStore.open(path, { readOnly });
    const wanted = format ?? formatOf(path);
    if (wanted === "qcow2") {
      const grows = room && !readOnly ? bounded(store, room) : store;
      return new Qcow2Disk(grows, { readOnly, backing: below, decompressors });
    }
    if (format === undefined) requireRaw(store);
    if (below) throw new StorageError(`${path} is a raw image, and no overlay of ${below.name}`);
    return new RawDisk(store, { readOnly });
  } catch (error) {
    if (!(error instanceof NotHereYet)) store?.close();
    below?.close();
    throw error;
  }
}

/** The format of a file for which none is said. */
export const formatOf = (path: string): DiskFormat => (path.endsWith(".qcow2") ? "qcow2" : "raw");

/**
 * A guest can write anything at the start of a raw disk; whoever took that for a format would let it choose one. `remedy`: how the
 * caller is told a format.
 */
export function requireRaw(store: ByteStore, remedy = "say format=qcow2, or format=raw if it is none"): void {
  const start = new Uint8Array(4);
  store.read(0, start);
  if (!isQcow2(start)) return;
  throw new StorageError(`${store.name} begins as a qcow2 image: ${remedy}`);
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}
