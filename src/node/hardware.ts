/**
 * What a snapshot says of how its machine's devices were made, and the devices made again. A snapshot may come from anybody,
 * so that nothing of the host is opened because it says so: who restores names the files of disks and the network again, and
 * it is looked whether they are what they were.
 */
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { messageOf } from "../base/errors.js";
import { anything, boolean, having, integer, listOf, oneOf, text, time } from "../base/takes.js";
import type { PciDevice } from "../vmm/devices/pci/device.js";
import { createPciDevice } from "../vmm/devices/pci/models.js";
import type { VirtioPciState } from "../vmm/devices/virtio/virtio-pci.js";
import { VmmError } from "../vmm/errors.js";
import { ramImage, type Snapshot } from "../vmm/snapshot/snapshot.js";
import { type GuestDisk, type OpenDisks, withDisks } from "./disks.js";
import { type NetworkChoice, type OpenNetwork, openNetwork } from "./network.js";

/** A file of a disk, as it was. */
interface FileBelow {
  readonly path: string;
  readonly size: number;
  /** When it was written last, ms since 1970. */
  readonly modified: number;
  /** SHA-256, in hexadecimal digits. */
  readonly digest: string;
}

interface SavedDisk {
  readonly overlay: boolean;
  /** Its own, and those that it lies over. */
  readonly files: readonly FileBelow[];
}

export interface Hardware {
  readonly made: "unikvm";
  readonly cpus: number;
  /** Devices in the bus's first slots that only who made the machine can make. */
  readonly own: number;
  /** In the slots behind: these, then the disks, then the card. */
  readonly models: readonly string[];
  readonly disks: readonly SavedDisk[];
  readonly network: boolean;
}

const fileCheck = having({ path: text, size: integer(0, Number.MAX_SAFE_INTEGER), modified: time, digest: text });
const hardwareCheck = having({
  made: anything,
  cpus: integer(1, 0xffff),
  own: integer(0, 32),
  models: listOf(text),
  disks: listOf(having({ overlay: boolean, files: listOf(fileCheck) })),
  network: oneOf(true, false),
});

/** What belongs to a machine of the host. */
export interface HostParts {
  readonly disks: readonly GuestDisk[];
  readonly network: NetworkChoice | undefined;
}

/** Reads all files of disks, for their digests. Throws VmmError. */
export async function describeHardware(
  { cpus, own, models }: Pick<Hardware, "cpus" | "own" | "models">,
  { disks, network }: HostParts,
): Promise<Hardware> {
  const saved: SavedDisk[] = [];
  for (const { path, backing = [], overlay = false, from } of disks) {
    if (from) throw new VmmError(`the disk ${path} is in no file, which a snapshot could name; fetch it first`);
    const files: FileBelow[] = [];
    for (const file of [path, ...backing]) files.push(await describeFile(file));
    saved.push({ overlay, files });
  }
  return { made: "unikvm", cpus, own, models, disks: saved, network: network !== undefined };
}

async function describeFile(path: string): Promise<FileBelow> {
  const { size, mtimeMs } = statSync(path);
  return { path, size, modified: mtimeMs, digest: await digestOf(path) };
}

async function digestOf(path: string): Promise<string> {
  try {
    const hash = createHash("sha256");
    for await (const part of createReadStream(path)) hash.update(part as Uint8Array);
    return hash.digest("hex");
  } catch (error) {
    throw new VmmError(`${path}, which a disk lies on, cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** What is given is not what a snapshot's machine had. */
export class OtherHardware extends VmmError {}

/** Throws OtherHardware: the disks or the network that were given are not those of the snapshot. */
async function requireSame({ disks: saved, network: had }: Hardware, { disks, network }: HostParts): Promise<void> {
  if (had !== (network !== undefined)) {
    throw new OtherHardware(
      had
        ? "the snapshot's machine has a network card; say again what it may reach: network: {}, or --network user"
        : "the snapshot's machine has no network card; leave the network out",
    );
  }
  if (saved.length !== disks.length) {
    const names = saved.map(({ files }) => files.map(({ path }) => JSON.stringify(path)).join(" over ")).join(", ");
    throw new OtherHardware(
      `the snapshot's machine has other disks (${saved.length}) than are given (${disks.length}); name their files again: ${names || "none"}`,
    );
  }
  for (const [index, { overlay, files }] of saved.entries()) {
    const given = disks[index] as GuestDisk;
    const paths = [given.path, ...(given.backing ?? [])];
    if (overlay !== (given.overlay ?? false)) {
      throw new OtherHardware(
        `${given.path} is ${overlay ? "an" : "no"} overlay in the snapshot; give it as ${overlay ? "one" : "it was"}`,
      );
    }
    if (paths.length !== files.length) {
      throw new OtherHardware(
        `${given.path} lies over ${files.length - 1} files in the snapshot, and ${paths.length - 1} are given`,
      );
    }
    for (const [at, path] of paths.entries()) await requireUnchanged(path, files[at] as FileBelow);
  }
}

async function requireUnchanged(path: string, { size, modified, digest }: FileBelow): Promise<void> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new OtherHardware(`${path}, which a disk of the snapshot lies on, is not there`);
  const same = stat.isFile() && stat.size === size;
  if (same && (stat.mtimeMs === modified || (await digestOf(path)) === digest)) return;
  throw new OtherHardware(`${path} is not what it was when the snapshot was made; put back what it was`);
}

type PciSlot = { readonly function?: { readonly device?: unknown } } | null | undefined;

export interface OpenHardware {
  readonly hardware: Hardware;
  /** States of the devices that who made the machine makes. */
  readonly own: readonly VirtioPciState[];
  /** The others. */
  readonly devices: readonly PciDevice[];
  readonly disks: OpenDisks;
  readonly network: OpenNetwork | undefined;
}

/**
 * What a snapshot says of how its machine was made, once it is looked whether `parts` are what that had. Rejects with
 * OtherHardware: they are not; VmmError; KvmError, EINVAL: it says nothing of the kind.
 */
export async function checkedHardware({ state, hardware, images }: Snapshot, parts: HostParts): Promise<Hardware> {
  if (typeof hardware !== "object" || hardware === null || (hardware as Partial<Hardware>).made !== "unikvm") {
    throw new VmmError("the snapshot is of a machine that a program made, with devices that only that program has");
  }
  hardwareCheck(hardware, "snapshot", "hardware");
  const made = hardware as Hardware;
  const { own, models, disks, network } = made;
  // Without memory it is of disks alone, and the machine was not saved.
  const isWhole = Object.hasOwn(images, ramImage);
  if (isWhole && slotsOf(state).length !== own + models.length + disks.length + Number(network)) {
    throw new VmmError("the snapshot has not the state of the devices that it names");
  }
  await requireSame(isWhole ? made : { ...made, network: parts.network !== undefined }, parts);
  return made;
}

function slotsOf(state: Snapshot["state"]): readonly unknown[] {
  const slots: unknown = (state as { readonly pci?: { readonly slots?: unknown } }).pci?.slots ?? [];
  return Array.isArray(slots) ? slots : [];
}

/**
 * Makes a snapshot's devices again, has `use` use them, and closes them; `limit`: as `withDisks`. Throws VmmError; KvmError, EINVAL: a device's state
 * is none.
 */
export async function withHardware<T>(
  snapshot: Snapshot,
  parts: HostParts,
  report: (sentence: string) => void,
  use: (open: OpenHardware) => Promise<T>,
  limit?: number,
): Promise<T> {
  const { state, images } = snapshot;
  const made = await checkedHardware(snapshot, parts);
  const { cpus, own, models, disks: files } = made;
  const slots = slotsOf(state);
  const states = slots.map((slot) => (slot as PciSlot)?.function?.device as VirtioPciState);
  const first = own + models.length;
  const saved = { states: states.slice(first, first + files.length), images };
  return withDisks(
    parts.disks,
    cpus,
    report,
    async (disks) => {
      const network = parts.network && (await openNetwork(parts.network, cpus, states.at(-1)));
      try {
        const cards = models.map((name, index) => createPciDevice(name, states[own + index]));
        const devices = [...cards, ...disks.devices, ...(network ? [network.device] : [])];
        return await use({ hardware: made, own: states.slice(0, own), devices, disks, network });
      } finally {
        network?.close();
      }
    },
    { saved, limit },
  );
}
