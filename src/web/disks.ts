/** Disks of a machine in a page. In its worker. */
import type { Disk as DiskOption } from "../api/types.js";
import { type ClosedDisk, type OpenDisks, type Opening, openDisks, overlaid } from "../vmm/devices/virtio/disks.js";
import { VmmError } from "../vmm/errors.js";
import { type ByteStore, type Disk, StorageError } from "../vmm/storage/disk.js";
import { LateStore } from "../vmm/storage/late-store.js";
import { isQcow2 } from "../vmm/storage/qcow2/header.js";
import { Qcow2Disk } from "../vmm/storage/qcow2/qcow2.js";
import { tablesRoom } from "../vmm/storage/qcow2/tables.js";
import { RawDisk } from "../vmm/storage/raw.js";
import { RemoteStore, remoteRoom, whenHere } from "../vmm/storage/remote-store.js";
import { bounded, type Room } from "../vmm/storage/room.js";
import { originFolder } from "./origin-files.js";
import { BlobStore, OriginFile, originBlob } from "./stores.js";

/** A disk as the worker is told of it: a string is a file of the origin's. */
export interface SentDisk {
  readonly source: string | Blob;
  readonly format: DiskOption["format"] | undefined;
  readonly readOnly: DiskOption["readOnly"] | undefined;
  readonly mode: DiskOption["mode"] | undefined;
}

/** Rejects with VmmError; KvmError, EINVAL: what was saved is of other disks. */
export async function openPageDisks(disks: readonly SentDisk[], opening: Opening): Promise<OpenDisks> {
  const stores: ByteStore[] = [];
  try {
    for (const disk of disks) stores.push(await openStore(disk));
    const closedDisks = await Promise.all(disks.map((disk, index) => closed(disk, stores[index] as ByteStore)));
    const open = await openDisks(closedDisks, opening);
    // The worker ends with its VM, and others are to have them at once.
    return { ...open, settle: () => open.settle().finally(() => end(stores)) };
  } catch (error) {
    for (const store of stores) store.close();
    await end(stores);
    throw error instanceof StorageError ? new VmmError(error.message, { cause: error }) : error;
  }
}

const end = (stores: readonly ByteStore[]): Promise<unknown> =>
  Promise.all(stores.map((store) => (store instanceof LateStore ? store.end() : undefined)));

async function openStore({ source, readOnly = false, mode = "overlay" }: SentDisk): Promise<ByteStore> {
  if (typeof source !== "string") return new BlobStore("the Blob", source);
  const write = mode === "write" && !readOnly;
  if (await originFolder()) return write ? OriginFile.open(source) : new BlobStore(source, await originBlob(source));
  // Few browsers need it, and others do not load it.
  const { DatabaseFile, databaseBytes } = await import("./database.js");
  return write ? new LateStore(await DatabaseFile.open(source)) : new RemoteStore(await databaseBytes(source));
}

async function closed(disk: SentDisk, store: ByteStore): Promise<ClosedDisk> {
  const overlay = (disk.mode ?? "overlay") === "overlay" && !disk.readOnly;
  const open = await opener(disk, store, overlay || disk.readOnly === true);
  return {
    name: store.name,
    overlay,
    // A Blob is read through a cache, too.
    cache: remoteRoom + (overlay ? 2 : 1) * tablesRoom,
    open: (written, room) => whenHere(() => (overlay ? overlaid(open(room), written, room) : open(room))),
  };
}

/** What reads it. A page fetches what unpacks clusters only for a disk that may have such. */
async function opener(
  { source, format }: SentDisk,
  store: ByteStore,
  readOnly: boolean,
): Promise<(room: Room | undefined) => Disk> {
  if ((format ?? (typeof source === "string" && source.endsWith(".qcow2") ? "qcow2" : "raw")) === "qcow2") {
    // It changes its tables in steps, between which nobody may come again.
    if (store.late) {
      throw new StorageError(
        `${store.name} is a qcow2 image, which this browser's database cannot be written to; leave mode out`,
      );
    }
    const { anyDecompressors: decompressors } = await import("../vmm/storage/qcow2/decompressors.js");
    return (room) => new Qcow2Disk(room && !readOnly ? bounded(store, room) : store, { readOnly, decompressors });
  }
  if (format === undefined) await whenHere(() => requireRaw(store));
  return () => new RawDisk(store, { readOnly });
}

/** A guest can write anything at the start of a raw disk; whoever took that for a format would let it choose one. */
function requireRaw(store: ByteStore): void {
  const start = new Uint8Array(4);
  store.read(0, start);
  if (!isQcow2(start)) return;
  throw new StorageError(`${store.name} begins as a qcow2 image: say format "qcow2", or "raw" if it is none`);
}
