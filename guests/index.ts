/** Guest systems that unikvm can bring by itself. */
import { boolean, callback, having, optional, options, taking } from "../src/base/takes.js";
import { ensureGuest, findGuest, type Guest, type GuestRecipe, type Report } from "./cache.js";
import { debianGuest } from "./debian.js";
import { drivers } from "./drivers.js";
import { GuestUnavailable } from "./unavailable.js";

export { type Guest, guestFolder, type Report, removeGuest } from "./cache.js";
export { isInitramfs } from "./cpio-reader.js";
export { drivers as guestDriverNames } from "./drivers.js";
export { type ExportedGuest, exportGuest, importGuest } from "./exchange.js";
export { driversFor, type KernelDrivers, kernelVersion, type OwnKernel } from "./kernel-drivers.js";
export { GuestUnavailable } from "./unavailable.js";

const recipes: readonly GuestRecipe[] = [debianGuest];

const toStderr: Report = (line) => {
  process.stderr.write(`unikvm: ${line}\n`);
};

export interface Fetching {
  /** Ends it; its reason is thrown, and nothing is left behind. */
  readonly signal?: AbortSignal;
  readonly report?: Report;
}

/** The guest that `unikvm run` boots when it is given no kernel; fetched if need be. Throws GuestUnavailable. */
export const ensureDefaultGuest = taking(
  "ensureDefaultGuest",
  { options: optional(options({ signal: optional(having({ aborted: boolean })), report: optional(callback) })) },
  ({ signal, report = toStderr }: Fetching = {}): Promise<Guest> => ensureGuest(debianGuest, report, { signal }),
  { promises: true },
);

/** The same if it seems to be there, for who does not read its files: their digests are not looked at. */
export function knownDefaultGuest(): Guest | undefined {
  const found = findGuest(debianGuest, { digests: false });
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
  const [first] = listGuests();
  const kept = first && !("missing" in first.guest) ? findKernelModules(first.guest) : undefined;
  return kept === undefined ? [] : [kept];
}

const underscored = (name: string): string => name.replaceAll("-", "_");

/** Whether guestDrivers takes this name. */
export const isGuestDriver = (name: string): boolean =>
  drivers.some((driver) => underscored(driver) === underscored(name));

/** Names of the guests that can be fetched, the default one first. */
export const guestNames: readonly string[] = recipes.map((recipe) => recipe.name);

/** Fetches a guest; `again`: also if it is there whole. Throws GuestUnavailable; RangeError for an unknown name. */
export function fetchGuest(
  name: string,
  { again = false, signal, report = toStderr }: Fetching & { readonly again?: boolean } = {},
): Promise<Guest> {
  const recipe = recipes.find((one) => one.name === name);
  if (!recipe) throw new RangeError(`no guest is called ${name}; there is ${guestNames.join(", ")}`);
  return ensureGuest(recipe, report, { again, signal });
}

export interface ListedGuest {
  readonly name: string;
  /** `unreadable`: it may well be there. */
  readonly guest: Guest | { readonly missing: string; readonly unreadable?: true };
}

/** Every guest that can be fetched, with its files if it is cached. */
export function listGuests(): readonly ListedGuest[] {
  return recipes.map((recipe) => {
    try {
      return { name: recipe.name, guest: findGuest(recipe) };
    } catch (error) {
      if (!(error instanceof GuestUnavailable)) throw error;
      return { name: recipe.name, guest: { missing: error.message, unreadable: true } };
    }
  });
}
