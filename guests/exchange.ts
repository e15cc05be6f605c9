/** A default guest out of the cache into one file, and from such a file into the cache: for hosts that cannot fetch it. */
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, readdirSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { constants, deflateRaw, inflateRaw } from "node:zlib";
import { openRegular } from "../src/base/node/regular-file.js";
import { whyNotWritten, writeWhole } from "../src/base/node/whole-file.js";
import { thisPackage } from "../src/base/package.js";
import { ensureGuest, type FetchOptions, type Guest, type GuestRecipe, type Report } from "./cache.js";
import { debianRecipe } from "./debian.js";
import { ensureKernelModules, keepKernelModules } from "./debian-modules.js";
import { type DebianGuest, debianGuestOf, debianParts } from "./debian-parts.js";
import { GuestFile, type GuestFileSource, writeGuestFile } from "./guest-file.js";
import { GuestUnavailable } from "./unavailable.js";

const pack = promisify<Uint8Array, object, Buffer>(deflateRaw);
const unpack = promisify<Uint8Array, object, Buffer>(inflateRaw);

const platform = {
  digest: async (bytes: Uint8Array) => createHash("sha256").update(bytes).digest(),
  // Many take it, and wait for it to arrive; it is made once.
  deflate: (bytes: Uint8Array) => pack(bytes, { level: constants.Z_BEST_COMPRESSION }),
  inflate: async (bytes: Uint8Array, length: number) => {
    const inflated = await unpack(bytes, { maxOutputLength: length });
    if (inflated.length === length) return inflated;
    throw new RangeError(`${inflated.length} bytes, not ${length}`);
  },
};

export interface ExportedGuest {
  readonly guest: Guest;
  /** Bytes of the file. */
  readonly size: number;
  readonly digest: string;
}

/** Files below `folder`, by path with slashes, in an order that is the same everywhere. */
function filesBelow(folder: string): string[] {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return all
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    )
    .sort();
}

/**
 * Writes a guest with its kernel's modules into the file `path`, which is there whole or as it was before; fetched first if need
 * be. Throws GuestUnavailable.
 */
export async function exportDebian(
  which: DebianGuest,
  path: string,
  report: Report,
  signal?: AbortSignal,
): Promise<ExportedGuest> {
  const guest = await ensureGuest(debianRecipe(which), report, { signal });
  const modules = join(await ensureKernelModules(guest, report, signal), "lib/modules");
  report("packing");
  const contents = new Map<string, Uint8Array>();
  for (const name of [debianParts.kernel, debianParts.busybox]) {
    contents.set(name, readFileSync(join(guest.folder, name)));
  }
  // What kmod reads instead of text is made of it.
  for (const file of filesBelow(modules).filter((name) => !name.endsWith(".bin"))) {
    contents.set(`${debianParts.modules}/${file}`, readFileSync(join(modules, file)));
  }
  const { name, architecture, drivers } = which;
  const { description, packages } = guest;
  const about = { ...{ name, architecture, description, packages, drivers }, by: `unikvm ${thisPackage.version}` };
  // The kernel's blocks are packed beside each other, for seconds.
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => undefined);
  const deflate = (bytes: Uint8Array) => Promise.race([platform.deflate(bytes), aborted]);
  let size = 0;
  try {
    const digest = await writeWhole(path, 0o644, (write) =>
      writeGuestFile(about, contents, { ...platform, deflate }, async (bytes) => {
        signal?.throwIfAborted();
        size += bytes.length;
        await write(bytes);
      }),
    );
    return { guest, size, digest };
  } catch (error) {
    signal?.throwIfAborted();
    throw new GuestUnavailable(`the file ${path} cannot be written: ${whyNotWritten(error)}`, { cause: error });
  }
}

/** Puts the guest of such a file into the cache, in the place of the one that is there. Throws GuestUnavailable. */
export async function importGuest(path: string, report: Report, signal?: AbortSignal): Promise<Guest> {
  const { source, close } = openSource(path);
  try {
    const file = await GuestFile.open(source, platform);
    const which = debianGuestOf(file);
    const { description, packages, drivers: has } = file.about;
    const lacking = which.drivers.filter((name) => !has.includes(name));
    if (lacking.length > 0) {
      throw new GuestUnavailable(
        `${path} was made by another version of unikvm, and has no ${lacking.join(", ")}; export it again with this one`,
      );
    }
    // All of it is whole before anything is replaced; what is there already is not unpacked again.
    for (const one of file.paths) await file.read(one);
    const recipe: GuestRecipe = {
      ...debianRecipe(which),
      fetch: async (folder) => {
        for (const name of [debianParts.kernel, debianParts.busybox]) {
          writeFileSync(join(folder, name), await file.read(name), { mode: 0o755 });
        }
        // First, so that a guest that is there has its modules.
        await keepKernelModules({ name: which.name, packages }, (work) => unpackModules(file, work), report, signal);
        return { description, packages };
      },
    };
    const options: FetchOptions = { again: true, signal };
    return await ensureGuest(recipe, report, options);
  } finally {
    close();
  }
}

/** Writes the modules into `folder`, as lib/modules/VERSION. */
async function unpackModules(file: GuestFile, folder: string): Promise<void> {
  const start = `${debianParts.modules}/`;
  for (const path of file.paths.filter((one) => one.startsWith(start))) {
    const place = join(folder, "lib/modules", path.slice(start.length));
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, await file.read(path));
  }
}

function openSource(path: string): { readonly source: GuestFileSource; readonly close: () => void } {
  let opened: ReturnType<typeof openRegular>;
  try {
    opened = openRegular(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = { ENOENT: "there is no such file", EACCES: "access is denied", EISDIR: "it is a folder" }[code ?? ""];
    throw new GuestUnavailable(`the guest's file ${path} cannot be read: ${why ?? message}`, { cause: error });
  }
  const { fd, size } = opened;
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = readSync(fd, bytes, done, length - done, offset + done);
      if (count === 0) throw new GuestUnavailable(`${path} became shorter while it was read`);
      done += count;
    }
    return bytes;
  };
  return { source: { name: path, size, read }, close: () => closeSync(fd) };
}
