/** Files of the host that a guest has as disks. */
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { guestFolder } from "../../guests/index.js";
import { withLock } from "../../guests/lock.mjs";
import type { SparseImage } from "../vmm/core/sparse-image.js";
import { type OpenDisks, type Opening, openDisks, overlaid } from "../vmm/devices/virtio/disks.js";
import { ChoiceError, VmmError } from "../vmm/errors.js";
import type { Disk } from "../vmm/storage/disk.js";
import { openHttp } from "../vmm/storage/http-bytes.js";
import { type DiskFile, openDisk } from "../vmm/storage/node/open-disk.js";
import { tablesRoom } from "../vmm/storage/qcow2/tables.js";
import { blobBytes, RemoteStore, remoteRoom, whenHere } from "../vmm/storage/remote-store.js";
import type { Room } from "../vmm/storage/room.js";

export type { OpenDisks, SavedDisks } from "../vmm/devices/virtio/disks.js";

/** A disk as a guest is to have it. */
export interface GuestDisk extends Omit<DiskFile, "store" | "room"> {
  /** Where its bytes are, if they are in no file; they are only read. `path` is what it is called. */
  readonly from?: Blob | URL | undefined;
  /** What the guest writes is kept in memory: it goes into snapshots, and is gone with the machine. */
  readonly overlay?: boolean;
}

const isWritten = ({ readOnly = false, overlay = false }: GuestDisk): boolean => !readOnly && !overlay;

/**
 * Opens the disks, has `use` use them, and closes them. What is written to is this process's alone, among those of the same
 * user. Throws VmmError. `report` is told what a disk could not do while the guest ran.
 */
export async function withDisks<T>(
  files: readonly GuestDisk[],
  cpus: number,
  report: (sentence: string) => void,
  use: (disks: OpenDisks) => Promise<T>,
  {
    saved,
    limit,
    memory,
    signal,
  }: Partial<Pick<Opening, "saved" | "limit" | "memory">> & { readonly signal?: AbortSignal } = {},
): Promise<T> {
  requireApart(files);
  const written = files.filter(isWritten).map(({ path }) => path);
  return alone(written, async () => {
    const disks = await openDisks(
      files.map((file) => ({
        name: file.path,
        overlay: file.overlay ?? false,
        cache: cacheOf(file),
        open: (written, room) => open(file, written, room, signal),
      })),
      { cpus, report, saved, limit, memory },
    );
    try {
      return await use(disks);
    } finally {
      disks.close();
    }
  });
}

/** Of what is elsewhere, and of tables: the overlay's, the image's, those of images below it. */
function cacheOf({ path, format, from, overlay = false, backing = [] }: GuestDisk): number {
  const isImage = format === undefined ? path.endsWith(".qcow2") : format === "qcow2";
  const tables = (overlay ? 1 : 0) + (isImage ? 1 : 0) + backing.length;
  return (from ? remoteRoom : 0) + tables * tablesRoom;
}

/** Runs `work` while no other process of this user does so with any of these files. Throws VmmError if one does. */
async function alone<T>([path, ...others]: readonly string[], work: () => Promise<T>): Promise<T> {
  if (path === undefined) return work();
  const stat = statSync(path, { throwIfNoEntry: false });
  // Opening it says what is wrong.
  if (!stat) return alone(others, work);
  const lock = join(dirname(guestFolder()), "disks", `${stat.dev}-${stat.ino}`);
  const busy = new AbortController();
  const give = (pid: number): void =>
    busy.abort(new VmmError(`${path} is a disk of the running process ${pid}; two that write to it would destroy it`));
  try {
    return await withLock(lock, () => alone(others, work), give, busy.signal);
  } catch (error) {
    const { path: at, message } = error as NodeJS.ErrnoException;
    if (at === undefined || !(at.startsWith(lock) || lock.startsWith(`${at}/`))) throw error;
    const what = `that nobody else writes to the disk ${path} cannot be made sure: ${message}`;
    throw new VmmError(`${what}\nSet XDG_CACHE_HOME to a folder that can be written to.`, { cause: error });
  }
}

/** A disk that is read from the file and written to in memory, or what is opened as it is. */
async function open(
  { overlay = false, from, ...file }: GuestDisk,
  written: SparseImage | undefined,
  room: Room | undefined,
  signal: AbortSignal | undefined,
): Promise<Disk> {
  const store = from && new RemoteStore(from instanceof URL ? await openHttp(from, { signal }) : blobBytes(from));
  const above = overlay && !file.readOnly;
  const disk = await whenHere(() => openDisk({ ...file, store, room, ...(above ? { readOnly: true } : {}) }));
  return above ? overlaid(disk, written, room) : disk;
}

/** What a disk writes to, nothing else may be made of. */
function requireApart(files: readonly GuestDisk[]): void {
  const uses = files.flatMap((file) => [
    { path: file.path, written: isWritten(file) },
    ...(file.backing ?? []).map((below) => ({ path: below, written: false })),
  ]);
  const identity = (path: string): string => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat ? `${stat.dev} ${stat.ino}` : path;
  };
  for (const [index, { path, written }] of uses.entries()) {
    const other = uses.findIndex((use) => identity(use.path) === identity(path));
    if (other < index && (written || uses[other]?.written)) {
      throw new ChoiceError(
        `${path} is used twice, and written to; make one of them readonly, or an overlay of its own`,
      );
    }
  }
}
