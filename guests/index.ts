/** Guest systems that unikvm can bring by itself. */
import { boolean, callback, having, optional, options, taking, text } from "../src/base/takes.js";
import { ensureGuest, findGuest, type Guest, type Report, removeGuest as removeFolder } from "./cache.js";
import { debianRecipe } from "./debian.js";
import { type DebianGuest, debianGuests, type GuestArchitecture } from "./debian-parts.js";
import { type ExportedGuest, exportDebian } from "./exchange.js";
import { GuestUnavailable } from "./unavailable.js";

export { type Guest, guestFolder, type Report } from "./cache.js";
export { isInitramfs, isTextFile } from "./cpio-reader.js";
export type { GuestArchitecture } from "./debian-parts.js";
export { type ExportedGuest, importGuest } from "./exchange.js";
export { unpackedKernel } from "./kept-kernel.js";
export { driversFor, type KernelDrivers, kernelVersion, type OwnKernel } from "./kernel-drivers.js";
export { GuestUnavailable } from "./unavailable.js";

/** By its name, or by its architecture as Debian or uname(1) calls it. Throws RangeError listing those there are. */
function debianGuest(called: string | undefined): DebianGuest {
  const [first] = debianGuests;
  const found =
    called === undefined
      ? first
      : debianGuests.find(({ name, architecture, port }) => [name, architecture, port].includes(called));
  if (found) return found;
  throw new RangeError(`no guest is called ${called}; there is ${guestNames.join(", ")}`);
}

const toStderr: Report = (line) => {
  process.stderr.write(`unikvm: ${line}\n`);
};

export interface Fetching {
  /** Ends it; its reason is thrown, and nothing is left behind. */
  readonly signal?: AbortSignal;
  readonly report?: Report;
}

export interface ChosenGuest {
  /** As `guestNames` has it, or an architecture: "x86_64" for what Debian calls "amd64". Default: the first. */
  readonly guest?: string;
}

/** The guest that `unikvm run` boots when it is given no kernel; fetched if need be. Throws GuestUnavailable; RangeError for an unknown name. */
export const ensureDefaultGuest = taking(
  "ensureDefaultGuest",
  {
    options: optional(
      options({ guest: optional(text), signal: optional(having({ aborted: boolean })), report: optional(callback) }),
    ),
  },
  async ({ guest, signal, report = toStderr }: Fetching & ChosenGuest = {}): Promise<Guest> =>
    ensureGuest(debianRecipe(debianGuest(guest)), report, { signal }),
  { promises: true },
);

/** The same if it seems to be there, for who does not read its files: their digests are not looked at. */
export function knownDefaultGuest(guest?: string): Guest | undefined {
  const found = findGuest(debianRecipe(debianGuest(guest)), { digests: false });
  return "missing" in found ? undefined : found;
}

/**
 * Modules of the guest's kernel with all they need, as an archive to be appended to its initramfs; fetched if need be.
 * Throws GuestUnavailable.
 */
export async function guestDrivers(
  guest: Guest,
  names: readonly string[],
  { signal, report = toStderr }: Fetching = {},
): Promise<Uint8Array> {
  // Most boots need none of this.
  const { driversArchive } = await import("./debian-modules.js");
  return driversArchive(guest, names, report, signal);
}

/**
 * Folders with lib/modules of the default guest's kernel: fetched if need be for the guest that is given, else as they are, for
 * a kernel that may be the same. Throws GuestUnavailable.
 */
export async function ownKernelFolders(guest?: Guest, { signal, report = toStderr }: Fetching = {}): Promise<string[]> {
  const { ensureKernelModules, findKernelModules } = await import("./debian-modules.js");
  if (guest) return [await ensureKernelModules(guest, report, signal)];
  return guestNames
    .map((name) => knownDefaultGuest(name))
    .map((known) => known && findKernelModules(known))
    .filter((folder) => folder !== undefined);
}

const underscored = (name: string): string => name.replaceAll("-", "_");

/** Modules that guestDrivers has of some guest's kernel. */
export const guestDriverNames: readonly string[] = [...new Set(debianGuests.flatMap(({ drivers }) => drivers))];

/** Whether guestDrivers takes this name. */
export const isGuestDriver = (name: string): boolean =>
  guestDriverNames.some((driver) => underscored(driver) === underscored(name));

/** What the guests that can be fetched are chosen by, the default one first. */
export const guestNames: readonly string[] = debianGuests.map(({ port }) => port);

/** What a guest's programs are of. RangeError: an unknown name. */
export const architectureOfGuest = (guest?: string): GuestArchitecture => debianGuest(guest).architecture;

/** For which architecture the machine is that boots a guest. RangeError: an unknown name. */
export const machineOfGuest = (guest?: string): string => debianGuest(guest).machine;

/** What a machine for this architecture boots if it is given nothing, by name; undefined: there is no guest for it. */
export const guestOfMachine = (architecture: string): string | undefined =>
  debianGuests.find(({ machine }) => machine === architecture)?.port;

/** Fetches a guest; `again`: also if it is there whole. Throws GuestUnavailable; RangeError for an unknown name. */
export async function fetchGuest(
  name: string,
  { again = false, signal, report = toStderr }: Fetching & { readonly again?: boolean } = {},
): Promise<Guest> {
  return ensureGuest(debianRecipe(debianGuest(name)), report, { again, signal });
}

/** Writes a guest into a file, fetched first if need be. Throws GuestUnavailable; RangeError for an unknown name. */
export async function exportGuest(
  path: string,
  report: Report,
  signal?: AbortSignal,
  name?: string,
): Promise<ExportedGuest> {
  return exportDebian(debianGuest(name), path, report, signal);
}

/** Removes a cached guest; false if there was none. `signal` ends the waiting for a process that fetches. RangeError for an unknown name. */
export async function removeGuest(name: string, signal?: AbortSignal): Promise<boolean> {
  return removeFolder(debianGuest(name).name, signal);
}

export interface ListedGuest {
  /** In the cache. */
  readonly name: string;
  /** What it is chosen by. */
  readonly port: string;
  readonly architecture: GuestArchitecture;
  /** `unreadable`: it may well be there. */
  readonly guest: Guest | { readonly missing: string; readonly unreadable?: true };
}

/** One that can be fetched, with its files if it is cached. RangeError: an unknown name. */
export function listGuest(called?: string): ListedGuest {
  const which = debianGuest(called);
  const { name, port, architecture } = which;
  try {
    return { name, port, architecture, guest: findGuest(debianRecipe(which)) };
  } catch (error) {
    if (!(error instanceof GuestUnavailable)) throw error;
    return { name, port, architecture, guest: { missing: error.message, unreadable: true } };
  }
}

/** Every one of them, the default one first. */
export const listGuests = (): readonly ListedGuest[] => guestNames.map((name) => listGuest(name));
