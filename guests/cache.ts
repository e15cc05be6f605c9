/**
 * Fetched guests, under the user's cache folder ($XDG_CACHE_HOME or ~/.cache, then unikvm/guests), one folder each.
 * A folder appears whole, by a rename; its files' digests are checked before they are used.
 */
import { createHash, randomUUID } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { replaceFolder } from "../src/base/node/replace-folder.js";
import { diskFull } from "./apt.js";
import type { GuestArchitecture } from "./debian-parts.js";
import { withLock } from "./lock.mjs";
import { GuestUnavailable } from "./unavailable.js";
import { userCache } from "./user-cache.js";

/** How a guest is made. */
export interface GuestRecipe {
  readonly name: string;
  readonly architecture: GuestArchitecture;
  /** The kernel's command line. */
  readonly append: string;
  /** File names in the guest's folder. */
  readonly kernel: string;
  readonly initrd: string;
  /**
   * Brings into `folder` what comes from elsewhere. Throws GuestUnavailable with a sentence for the user, or the reason of
   * `signal`, when nothing works in the folder any more.
   */
  fetch(
    folder: string,
    report: Report,
    signal?: AbortSignal,
  ): Promise<{ description: string; packages: Readonly<Record<string, string>> }>;
  /** Makes the rest from it; done again when `assembly` changes. */
  assemble(folder: string, report: Report): void;
  /** Digest of what `assemble` puts together. */
  readonly assembly: string;
}

export type Report = (line: string) => void;

/** A guest that is there, as `unikvm run` needs it: absolute paths, and the kernel's command line. */
export interface Guest {
  /** As `unikvm guest list` has it. */
  readonly name: string;
  /** What its programs are of. */
  readonly architecture: GuestArchitecture;
  /** What it is, for people. */
  readonly description: string;
  /** What it was made from: name to version. */
  readonly packages: Readonly<Record<string, string>>;
  /** Absolute path. */
  readonly folder: string;
  /** Absolute path. */
  readonly kernel: string;
  /** Absolute path. */
  readonly initrd: string;
  /** The kernel's command line. */
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

/** Where guests are kept. Throws GuestUnavailable: the user has no home folder, and names none. */
export const guestFolder = (): string => join(userCache(), "guests");

/** In pieces, so that little memory is enough. */
function digest(path: string): string {
  const hash = createHash("sha256");
  const piece = Buffer.alloc(1 << 16);
  const descriptor = openSync(path, "r");
  try {
    for (;;) {
      const length = readSync(descriptor, piece);
      if (length === 0) return hash.digest("hex");
      hash.update(piece.subarray(0, length));
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Such an error says that the file is not as it was written; any other, that this process cannot tell now. */
const isDamage = (error: unknown): boolean =>
  ["ENOENT", "ENOTDIR", "EISDIR", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? "");

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether it is what writeManifest writes; names of files must not lead out of the folder. */
function isManifest(value: unknown): value is Manifest {
  if (!isRecord(value) || value["format"] !== 1) return false;
  const { description, packages, assembly, files } = value;
  return (
    typeof description === "string" &&
    typeof assembly === "string" &&
    isRecord(packages) &&
    Object.values(packages).every((version) => typeof version === "string") &&
    isRecord(files) &&
    Object.entries(files).every(
      ([name, file]) =>
        /^[\w-][\w.-]*$/.test(name) &&
        isRecord(file) &&
        typeof file["size"] === "number" &&
        typeof file["sha256"] === "string",
    )
  );
}

/** What the folder's manifest says, or why it says nothing. Throws GuestUnavailable: it is there, but cannot be read. */
function readManifest(folder: string): Manifest | { readonly missing: string } {
  const path = join(folder, manifestName);
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isManifest(value) ? value : { missing: `damaged: ${manifestName} is not as it was written` };
  } catch (error) {
    if (error instanceof SyntaxError) return { missing: `damaged: ${manifestName} is not as it was written` };
    if (!isDamage(error)) throw unreadable(path, error);
    return { missing: existsSync(folder) ? `damaged: ${manifestName} is missing` : "not fetched" };
  }
}

const unreadable = (path: string, error: unknown): GuestUnavailable =>
  new GuestUnavailable(`the cached guest cannot be read: ${path}: ${error instanceof Error ? error.message : error}`);

function writeManifest(folder: string, manifest: Omit<Manifest, "format" | "files">): void {
  const files: Record<string, { size: number; sha256: string }> = {};
  for (const name of readdirSync(folder)) {
    if (name === manifestName) continue;
    const path = join(folder, name);
    files[name] = { size: statSync(path).size, sha256: digest(path) };
  }
  writeFileSync(join(folder, manifestName), `${JSON.stringify({ format: 1, ...manifest, files }, null, 2)}\n`);
}

/**
 * What is wrong with a cached guest's files, or undefined if they are as they were written; without `digests`, if they have their
 * sizes. Throws as readManifest.
 */
function damage(recipe: GuestRecipe, folder: string, { files }: Manifest, digests: boolean): string | undefined {
  for (const name of [recipe.kernel, recipe.initrd]) if (!(name in files)) return `${manifestName} has no ${name}`;
  for (const [name, { size, sha256 }] of Object.entries(files)) {
    const path = join(folder, name);
    try {
      if (statSync(path).size !== size) return `${name} has a wrong size`;
      if (digests && digest(path) !== sha256) return `${name} has a wrong digest`;
    } catch (error) {
      if (!isDamage(error)) throw unreadable(path, error);
      return `${name} is missing`;
    }
  }
  return undefined;
}

function describe(recipe: GuestRecipe, folder: string, manifest: Manifest): Guest {
  return {
    name: recipe.name,
    architecture: recipe.architecture,
    description: manifest.description,
    packages: manifest.packages,
    folder,
    kernel: join(folder, recipe.kernel),
    initrd: join(folder, recipe.initrd),
    append: recipe.append,
    size: Object.values(manifest.files).reduce((sum, { size }) => sum + size, 0),
  };
}

/**
 * The guest of a recipe if it is cached whole, else why not. Without `digests`, for who does not read its files, these are looked at
 * by size alone. Throws GuestUnavailable if that cannot be told now.
 */
export function findGuest(recipe: GuestRecipe, { digests = true } = {}): Guest | { readonly missing: string } {
  const folder = join(guestFolder(), recipe.name);
  const manifest = readManifest(folder);
  if ("missing" in manifest) return manifest;
  const wrong = damage(recipe, folder, manifest, digests);
  if (wrong !== undefined) return { missing: `damaged: ${wrong}` };
  if (manifest.assembly !== recipe.assembly) return { missing: "made by another version of unikvm" };
  return describe(recipe, folder, manifest);
}

/** Fetches or reassembles under the lock, in a folder of its own that takes the guest's place only when it is whole. */
async function make(recipe: GuestRecipe, report: Report, { again = false, signal }: FetchOptions): Promise<Guest> {
  const guests = guestFolder();
  const place = join(guests, recipe.name);
  const unique = () => join(guests, `.partial-${randomUUID()}`);
  // With the lock in hand nobody else has a partial folder: these are of processes that were killed.
  for (const name of readdirSync(guests)) {
    if (name.startsWith(".partial-")) rmSync(join(guests, name), { recursive: true, force: true });
  }
  const present = again ? undefined : findGuest(recipe);
  if (present && !("missing" in present)) return present;
  const manifest = again ? undefined : readManifest(place);
  const folder = unique();
  mkdirSync(folder);
  try {
    let made: { description: string; packages: Readonly<Record<string, string>> };
    if (manifest && !("missing" in manifest) && damage(recipe, place, manifest, true) === undefined) {
      made = manifest;
      for (const name of Object.keys(manifest.files)) copyFileSync(join(place, name), join(folder, name));
    } else {
      made = await recipe.fetch(folder, report, signal);
    }
    recipe.assemble(folder, report);
    const { description, packages } = made;
    writeManifest(folder, { description, packages, assembly: recipe.assembly });
    replaceFolder(folder, place, unique());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const guest = findGuest(recipe);
  if ("missing" in guest) throw new Error(`the guest ${recipe.name} was just made and is ${guest.missing}`);
  report(`${guest.description} is ready in ${place}`);
  return guest;
}

export interface FetchOptions {
  /** Also if it is there whole. */
  readonly again?: boolean;
  /** Ends fetching, and waiting for another process that fetches; its reason is thrown, and nothing is left behind. */
  readonly signal?: AbortSignal | undefined;
}

/** The recipe's guest, fetched first if it is not there whole. Throws GuestUnavailable. */
export async function ensureGuest(recipe: GuestRecipe, report: Report, options: FetchOptions = {}): Promise<Guest> {
  const { again = false, signal } = options;
  const present = again ? undefined : findGuest(recipe);
  if (present && !("missing" in present)) return present;
  if (present?.missing.startsWith("damaged")) report(`the cached guest is ${present.missing}`);
  return writingCache(() =>
    withLock(
      join(guestFolder(), ".lock"),
      () => make(recipe, report, options),
      (pid) => report(`waiting for process ${pid}, which is fetching a guest`),
      signal,
    ),
  );
}

/** Does what writes into the cache; if the file system refuses, the error says what to do. */
export async function writingCache<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (["ENOSPC", "EDQUOT"].includes(code ?? "")) throw new GuestUnavailable(diskFull(message));
    if (!["EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR", "EEXIST", "EFBIG"].includes(code ?? "")) throw error;
    const what = `the cache ${guestFolder()} cannot be written: ${message}`;
    throw new GuestUnavailable(`${what}\nSet XDG_CACHE_HOME to a folder that can.`);
  }
}

/** Removes a cached guest; false if there was none. `signal` ends the waiting for a process that fetches. */
export async function removeGuest(name: string, signal?: AbortSignal): Promise<boolean> {
  const guests = guestFolder();
  const place = join(guests, name);
  const remove = (): boolean => {
    if (!existsSync(place)) return false;
    rmSync(place, { recursive: true, force: true });
    return true;
  };
  return writingCache(() => withLock(join(guests, ".lock"), remove, undefined, signal));
}
