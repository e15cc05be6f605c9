/** `--disk`: files that a guest has as disks. */
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { guestFolder } from "../../guests/index.js";
import { withLock } from "../../guests/lock.mjs";
import { VirtioBlock } from "../vmm/devices/virtio/block.js";
import { VirtioPciDevice } from "../vmm/devices/virtio/virtio-pci.js";
import { VmmError } from "../vmm/errors.js";
import { type Disk, StorageError } from "../vmm/storage/disk.js";
import { type DiskFile, diskFormats, openDisk } from "../vmm/storage/node/open-disk.js";
import { propertiesOf } from "./properties.js";

/** For the help. */
export const diskSyntax = `<file>[,format=${diskFormats.join("|")}][,readonly][,backing=FILE]`;

/** No disk gets more queues, however many CPUs there are. */
const mostQueues = 8;
/** Sentences about what a disk could not do, before it is enough. */
const mostReports = 10;

/** Adds one option's value; in a file's name two commas stand for one. Throws VmmError. */
export function parseDisk(text: string, before: readonly DiskFile[] = []): readonly DiskFile[] {
  const [path = "", ...properties] = propertiesOf(text);
  if (path === "") throw new VmmError(`"${text}" names no file; a disk is ${diskSyntax}`);
  let format: DiskFile["format"];
  let readOnly = false;
  const backing: string[] = [];
  for (const property of properties) {
    const [name, value] = [property.split("=", 1)[0] ?? "", property.slice(property.indexOf("=") + 1)];
    if (property === "readonly") readOnly = true;
    else if (name === "backing" && property.includes("=") && value !== "") backing.push(value);
    else if (name === "format") {
      format = diskFormats.find((known) => known === value);
      if (!format) throw new VmmError(`a disk's format is ${diskFormats.join(" or ")}, not "${value}"`);
    } else throw new VmmError(`a disk has no property "${property}"; it has format=, readonly and backing=`);
  }
  return [...before, { path, format, readOnly, backing }];
}

/**
 * Opens the disks, has `use` use them, and closes them. What is written to is this process's alone, among those of the same
 * user. Throws VmmError. `report` is told what a disk could not do while the guest ran.
 */
export async function withDisks<T>(
  files: readonly DiskFile[],
  cpus: number,
  report: (sentence: string) => void,
  use: (disks: OpenDisks) => Promise<T>,
): Promise<T> {
  requireApart(files);
  const written = files.filter(({ readOnly = false }) => !readOnly).map(({ path }) => path);
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

function openDisks(files: readonly DiskFile[], cpus: number, report: (sentence: string) => void): OpenDisks {
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
    for (const file of files) disks.push(openDisk(file));
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

function asVmmError<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof StorageError) throw new VmmError(error.message, { cause: error });
    throw error;
  }
}

/** What a disk writes to, nothing else may be made of. */
function requireApart(files: readonly DiskFile[]): void {
  const uses = files.flatMap(({ path, readOnly = false, backing = [] }) => [
    { path, written: !readOnly },
    ...backing.map((below) => ({ path: below, written: false })),
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
