/** Files of the host that a guest has as disks. */
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { guestFolder } from "../../guests/index.js";
import { withLock } from "../../guests/lock.mjs";
import type { SparseImage } from "../vmm/core/sparse-image.js";
import { VirtioBlock, type VirtioBlockState } from "../vmm/devices/virtio/block.js";
import { VirtioPciDevice, type VirtioPciState } from "../vmm/devices/virtio/virtio-pci.js";
import { VmmError } from "../vmm/errors.js";
import { type Disk, StorageError } from "../vmm/storage/disk.js";
import { type DiskFile, openDisk } from "../vmm/storage/node/open-disk.js";
import { OverlayDisk } from "../vmm/storage/overlay.js";

/** No disk gets more queues, however many CPUs there are. */
const mostQueues = 8;
/** Sentences about what a disk could not do, before it is enough. */
const mostReports = 10;

/** A disk as a guest is to have it. */
export interface GuestDisk extends DiskFile {
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
  saved?: SavedDisks,
): Promise<T> {
  requireApart(files);
  const written = files.filter(isWritten).map(({ path }) => path);
  return alone(written, async () => {
    const disks = openDisks(files, { cpus, report, saved });
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
  /** What was written to overlays, by the disk's name. */
  images(): Readonly<Record<string, SparseImage>>;
  /** All that was written is on the host's disk then. Throws VmmError. */
  close(): void;
}

/** What a snapshot has of disks: their devices' states in their order, and what was written to overlays. */
export interface SavedDisks {
  readonly states: readonly VirtioPciState[];
  readonly images: Readonly<Record<string, SparseImage>>;
}

/** In the guest, and in a snapshot. */
const diskName = (index: number): string => `disk${index}`;

interface Opening {
  readonly cpus: number;
  readonly report: (sentence: string) => void;
  readonly saved: SavedDisks | undefined;
}

function openDisks(files: readonly GuestDisk[], { cpus, report, saved }: Opening): OpenDisks {
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
    for (const [index, file] of files.entries()) {
      const written = saved?.images[diskName(index)];
      if (saved && file.overlay && !written) {
        throw new StorageError(`the snapshot lacks what was written over ${file.path}`);
      }
      disks.push(open(file, written));
    }
    const queues = Math.min(cpus, mostQueues);
    const devices = disks.map((disk, index) => {
      const state = saved?.states[index];
      const options = { disk, id: diskName(index), queues, report: once };
      return new VirtioPciDevice(new VirtioBlock(options, state?.device as VirtioBlockState | undefined), state);
    });
    const overlays = disks.map((disk, index) =>
      disk instanceof OverlayDisk ? [[diskName(index), disk] as const] : [],
    );
    const images = () => Object.fromEntries(overlays.flat().map(([name, disk]) => [name, disk.save()]));
    return { devices, images, close: () => asVmmError(close) };
  } catch (error) {
    close();
    return asVmmError(() => {
      throw error;
    });
  }
}

/** A disk that is read from the file and written to in memory, or what is opened as it is. */
function open({ overlay = false, ...file }: GuestDisk, written: SparseImage | undefined): Disk {
  if (!overlay || file.readOnly) return openDisk(file);
  const base = openDisk({ ...file, readOnly: true });
  try {
    return new OverlayDisk(base, written);
  } catch (error) {
    base.close();
    throw error;
  }
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
