/** Files of the host that a guest has as disks. */
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { guestFolder } from "../../guests/index.js";
import { withLock } from "../../guests/lock.mjs";
import { VirtioBlock } from "../vmm/devices/virtio/block.js";
import { VirtioPciDevice } from "../vmm/devices/virtio/virtio-pci.js";
import { VmmError } from "../vmm/errors.js";
import { type Disk, StorageError } from "../vmm/storage/disk.js";
import { MemoryStore } from "../vmm/storage/memory-store.js";
import { decompressors } from "../vmm/storage/node/decompressors.js";
import { type DiskFile, openDisk } from "../vmm/storage/node/open-disk.js";
import { formatQcow2 } from "../vmm/storage/qcow2/header.js";
import { Qcow2Disk } from "../vmm/storage/qcow2/qcow2.js";

/** No disk gets more queues, however many CPUs there are. */
const mostQueues = 8;
/** Sentences about what a disk could not do, before it is enough. */
const mostReports = 10;

/** A disk as a guest is to have it. */
export interface GuestDisk extends DiskFile {
  /** What the guest writes is kept in memory, and gone with it. */
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
): Promise<T> {
  requireApart(files);
  const written = files.filter(isWritten).map(({ path }) => path);
  return alone(written, async () => {
    const disks = openDisks(files, cpus, report);
    try {
      return await use(disks);
    } finally {
      disks.close();
    }
  });
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
  return withLock(lock, () => alone(others, work), give, busy.signal);
}

/** Disks that are open, as the devices that they are for the guest. */
export interface OpenDisks {
  readonly devices: readonly VirtioPciDevice[];
  /** All that was written is on the host's disk then. Throws VmmError. */
  close(): void;
}

function openDisks(files: readonly GuestDisk[], cpus: number, report: (sentence: string) => void): OpenDisks {
  const disks: Disk[] = [];
  const close = (): void => {
    for (const disk of disks.splice(0)) {
      try {
        disk.flush();
      } finally {
        disk.close();
      }
    }
  };
  const told = new Set<string>();
  const once = (sentence: string): void => {
    if (told.has(sentence) || told.size >= mostReports) return;
    told.add(sentence);
    report(sentence);
  };
  try {
    for (const file of files) disks.push(file.overlay && !file.readOnly ? overlayOf(file) : openDisk(file));
    const queues = Math.min(cpus, mostQueues);
    const devices = disks.map(
      (disk, index) => new VirtioPciDevice(new VirtioBlock({ disk, id: `disk${index}`, queues, report: once })),
    );
    return { devices, close: () => asVmmError(close) };
  } catch (error) {
    close();
    return asVmmError(() => {
      throw error;
    });
  }
}

/** A disk that is read from the file and written to in memory. */
function overlayOf({ overlay: _, ...file }: GuestDisk): Disk {
  const base = openDisk({ ...file, readOnly: true });
  const store = new MemoryStore(`what was written over ${base.name}`);
  formatQcow2(store, { size: base.size, backing: { name: "base", format: "raw" } });
  return new Qcow2Disk(store, { backing: base, decompressors });
}

function asVmmError<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof StorageError) throw new VmmError(error.message, { cause: error });
    throw error;
  }
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
      throw new VmmError(`${path} is used twice, and written to; make one of them readonly, or an overlay of its own`);
    }
  }
}
