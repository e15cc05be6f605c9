/** Guest systems that unikvm can bring by itself. */
import { GuestUnavailable } from "./apt.js";
import { ensureGuest, findGuest, type Guest, type GuestRecipe, type Report } from "./cache.js";
import { debianGuest } from "./debian.js";

export { GuestUnavailable } from "./apt.js";
export { type Guest, guestFolder, type Report, removeGuest } from "./cache.js";

const recipes: readonly GuestRecipe[] = [debianGuest];

const toStderr: Report = (line) => {
  process.stderr.write(`unikvm: ${line}\n`);
};

/** The guest that `unikvm run` boots when it is given no kernel; fetched if need be. Throws GuestUnavailable. */
export function ensureDefaultGuest(report: Report = toStderr): Promise<Guest> {
  return ensureGuest(debianGuest, report);
}

/**
 * Modules of the guest's kernel with all they need, as an archive to be appended to its initramfs; fetched if need be.
 * Throws GuestUnavailable.
 */
export async function guestDrivers(guest: Guest, names: readonly string[], report: Report = toStderr) {
  // Most boots need none of this.
  const { driversArchive } = await import("./debian-modules.js");
  return driversArchive(guest, names, report);
}

/** Names of the guests that can be fetched, the default one first. */
export const guestNames: readonly string[] = recipes.map((recipe) => recipe.name);

/** Fetches a guest; `again`: also if it is there whole. Throws GuestUnavailable; RangeError for an unknown name. */
export function fetchGuest(
  name: string,
  { again = false, report = toStderr }: { again?: boolean; report?: Report } = {},
): Promise<Guest> {
  const recipe = recipes.find((one) => one.name === name);
  if (!recipe) throw new RangeError(`no guest is called ${name}; there is ${guestNames.join(", ")}`);
  return ensureGuest(recipe, report, again);
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
