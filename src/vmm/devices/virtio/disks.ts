/** A guest's disks as devices, whatever they are kept in. */
import type { SparseImage } from "../../core/sparse-image.js";
import { VmmError } from "../../errors.js";
import { type Disk, StorageError } from "../../storage/disk.js";
import { OverlayDisk } from "../../storage/overlay.js";
import { Room } from "../../storage/room.js";
import { VirtioBlock, type VirtioBlockState } from "./block.js";
import { VirtioPciDevice, type VirtioPciState } from "./virtio-pci.js";

/** No disk gets more queues, however many CPUs there are. */
const mostQueues = 8;
/** Sentences about what a disk could not do, before it is enough. */
const mostReports = 10;

/** Disks that are open, as the devices that they are for the guest. */
export interface OpenDisks {
  readonly devices: readonly VirtioPciDevice[];
  /** What was written to overlays, by the disk's name. */
  images(): Readonly<Record<string, SparseImage>>;
  /** What cannot be flushed at once is: before `close`, where nothing more is written. Rejects with VmmError. */
  settle(): Promise<void>;
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

/** How they are opened. */
export interface Opening {
  readonly cpus: number;
  /** Is told what a disk could not do while the guest ran. */
  readonly report: (sentence: string) => void;
  readonly saved: SavedDisks | undefined;
  /** Bytes that all that is written may take. */
  readonly limit?: number | undefined;
  /** Bytes that all of it may take in memory: overlays, caches. */
  readonly memory?: number | undefined;
}

/** A disk that is to be opened. */
export interface ClosedDisk {
  /** What it is called in sentences. */
  readonly name: string;
  /** What is written to it is kept in memory, and goes into snapshots. */
  readonly overlay: boolean;
  /** What is kept of it in memory at most beside what is written, bytes. */
  readonly cache: number;
  /** `written`: what a snapshot says was written to its overlay; `room`: for what is. Throws StorageError, or rejects with it. */
  readonly open: (written: SparseImage | undefined, room: Room | undefined) => Disk | Promise<Disk>;
}

/** All of them, or none. Rejects with VmmError; KvmError, EINVAL: what was saved is of other disks. */
export async function openDisks(
  closed: readonly ClosedDisk[],
  { cpus, report, saved, limit, memory }: Opening,
): Promise<OpenDisks> {
  const disks: Disk[] = [];
  const room = limit === undefined ? undefined : new Room(limit);
  const kept = memory === undefined ? room : memoryRoom(closed, memory, room);
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
    for (const [index, one] of closed.entries()) {
      const written = saved?.images[diskName(index)];
      if (saved && one.overlay && !written) {
        throw new StorageError(`the snapshot lacks what was written over ${one.name}`);
      }
      disks.push(await one.open(written, one.overlay ? kept : room));
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
    const settle = async (): Promise<void> => {
      const late = disks.filter((disk) => disk.late);
      const ended = await Promise.allSettled(late.map((disk) => disk.flushSoon()));
      const failed = ended.find((one) => one.status === "rejected");
      asVmmError(() => {
        if (failed) throw failed.reason;
      });
    };
    return { devices, images, settle, close: () => asVmmError(close) };
  } catch (error) {
    close();
    return asVmmError(() => {
      throw error;
    });
  }
}

/** For what is written to overlays; caches have theirs. Throws VmmError: there is not even that for them. */
function memoryRoom(closed: readonly ClosedDisk[], memory: number, also: Room | undefined): Room {
  const caches = closed.reduce((sum, { cache }) => sum + cache, 0);
  if (caches > memory) {
    throw new VmmError(
      `the disks' caches take up to ${caches} bytes, of ${memory} that disks may take in memory; limits.memory is too small`,
    );
  }
  return new Room(memory - caches, "what is written to disks and kept in memory", also);
}

/** A disk that is only read, and over it what is written, in memory. Closes it where it throws StorageError. */
export function overlaid(base: Disk, written: SparseImage | undefined, room: Room | undefined): Disk {
  try {
    return new OverlayDisk(base, written, room);
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
