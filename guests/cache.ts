/**
 * Fetched guests, under the user's cache folder ($XDG_CACHE_HOME or ~/.cache, then unikvm/guests), one folder each.
 * A folder appears whole, by a rename; its files' digests are checked before they are used.
 */
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { withLock } from "./lock.mjs";

/** How a guest is made. */
export interface GuestRecipe {
  readonly name: string;
  /** The kernel's command line. */
  readonly append: string;
  /** File names in the guest's folder. */
  readonly kernel: string;
  readonly initrd: string;
  /** Brings into `folder` what comes from elsewhere. Throws GuestUnavailable with a sentence for the user. */
  fetch(folder: string, report: Report): Promise<{ description: string; packages: Readonly<Record<string, string>> }>;
  /** Makes the rest from it; done again when `assembly` changes. */
  assemble(folder: string, report: Report): void;
  /** Digest of what `assemble` puts together. */
  readonly assembly: string;
}

export type Report = (line: string) => void;

/** A guest that is there, as `unikvm run` needs it: absolute paths, and the kernel's command line. */
export interface Guest {
  readonly name: string;
  readonly description: string;
  readonly packages: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  /** Bytes on disk. */
  readonly size: number;
}

interface Manifest {
  readonly format: 1;
  readonly description: string;
  readonly packages: Readonly<Record<string, string>>;
  readonly assembly: string;
  readonly files: Readonly<Record<string, { readonly size: number; readonly sha256: string }>>;
}

const manifestName = "guest.json";

/** Where guests are kept. */
export function guestFolder(): string {
  const configured = process.env["XDG_CACHE_HOME"];
  // A relative path is to be ignored (XDG Base Directory Specification, "Basics").
  const cache = configured !== undefined && isAbsolute(configured) ? configured : join(homedir(), ".cache");
  return join(cache, "unikvm", "guests");
}

const digest = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

function readManifest(folder: string): Manifest | undefined {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, manifestName), "utf8")) as Manifest;
    return manifest.format === 1 && typeof manifest.files === "object" ? manifest : undefined;
  } catch {
    return undefined;
  }
}

function writeManifest(folder: string, manifest: Omit<Manifest, "format" | "files">): void {
  const files: Record<string, { size: number; sha256: string }> = {};
  for (const name of readdirSync(folder)) {
    if (name === manifestName) continue;
    const path = join(folder, name);
    files[name] = { size: statSync(path).size, sha256: digest(path) };
  }
  writeFileSync(join(folder, manifestName), `${JSON.stringify({ format: 1, ...manifest, files }, null, 2)}\n`);
}

/** What is wrong with a cached guest's files, or undefined if they are as they were written. */
function damage(folder: string, manifest: Manifest): string | undefined {
  for (const [name, { size, sha256 }] of Object.entries(manifest.files)) {
    const path = join(folder, name);
    try {
      if (statSync(path).size !== size) return `${name} has a wrong size`;
      if (digest(path) !== sha256) return `${name} has a wrong digest`;
    } catch {
      return `${name} cannot be read`;
    }
  }
  return undefined;
}

function describe(recipe: GuestRecipe, folder: string, manifest: Manifest): Guest {
  return {
    name: recipe.name,
    description: manifest.description,
    packages: manifest.packages,
    folder,
    kernel: join(folder, recipe.kernel),
    initrd: join(folder, recipe.initrd),
    append: recipe.append,
    size: Object.values(manifest.files).reduce((sum, { size }) => sum + size, 0),
  };
}

/** The guest of a recipe if it is cached whole, else why not. */
export function findGuest(recipe: GuestRecipe): Guest | { readonly missing: string } {
  const folder = join(guestFolder(), recipe.name);
  const manifest = readManifest(folder);
  if (!manifest) return { missing: "not fetched" };
  const wrong = damage(folder, manifest);
  if (wrong !== undefined) return { missing: `damaged: ${wrong}` };
  if (manifest.assembly !== recipe.assembly) return { missing: "made by another version of unikvm" };
  return describe(recipe, folder, manifest);
}

/** Puts `folder` in the place of what is there, if anything. */
function install(folder: string, place: string, unique: () => string): void {
  const old = unique();
  try {
    renameSync(place, old);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  renameSync(folder, place);
  rmSync(old, { recursive: true, force: true });
}

/** Fetches or reassembles under the lock, in a folder of its own that takes the guest's place only when it is whole. */
async function make(recipe: GuestRecipe, report: Report, again: boolean): Promise<Guest> {
  const guests = guestFolder();
  const place = join(guests, recipe.name);
  const unique = () => join(guests, `.partial-${randomUUID()}`);
  // With the lock in hand nobody else has a partial folder: these are of processes that were killed.
  for (const name of readdirSync(guests)) {
    if (name.startsWith(".partial-")) rmSync(join(guests, name), { recursive: true, force: true });
  }
  const present = findGuest(recipe);
  if (!again && !("missing" in present)) return present;
  const manifest = readManifest(place);
  const folder = unique();
  mkdirSync(folder);
  try {
    let made: { description: string; packages: Readonly<Record<string, string>> };
    if (!again && manifest && damage(place, manifest) === undefined) {
      made = manifest;
      for (const name of Object.keys(manifest.files))
        writeFileSync(join(folder, name), readFileSync(join(place, name)));
    } else {
      made = await recipe.fetch(folder, report);
    }
    recipe.assemble(folder, report);
    const { description, packages } = made;
    writeManifest(folder, { description, packages, assembly: recipe.assembly });
    install(folder, place, unique);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const guest = findGuest(recipe);
  if ("missing" in guest) throw new Error(`the guest ${recipe.name} was just made and is ${guest.missing}`);
  report(`${guest.description} is ready in ${place}`);
  return guest;
}

/** The recipe's guest, fetched first if it is not there whole (`again`: in any case). Throws GuestUnavailable. */
export async function ensureGuest(recipe: GuestRecipe, report: Report, again = false): Promise<Guest> {
  const present = findGuest(recipe);
  if (!again && !("missing" in present)) return present;
  if ("missing" in present && present.missing.startsWith("damaged")) report(`the cached guest is ${present.missing}`);
  mkdirSync(guestFolder(), { recursive: true });
  return withLock(
    join(guestFolder(), ".lock"),
    () => make(recipe, report, again),
    (pid) => report(`waiting for process ${pid}, which is fetching a guest`),
  );
}

/** Removes a cached guest; false if there was none. */
export async function removeGuest(name: string): Promise<boolean> {
  const guests = guestFolder();
  const place = join(guests, name);
  mkdirSync(guests, { recursive: true });
  return withLock(join(guests, ".lock"), () => {
    if (!existsSync(place)) return false;
    rmSync(place, { recursive: true, force: true });
    return true;
  });
}
