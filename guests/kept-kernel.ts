/**
 * Kernels of the user's that unpack themselves, as they are loaded: kept in the user's cache, since unpacking one takes as long as
 * half a boot. A folder for each, by the digest of the kernel's file; the file in it is called by its own digest.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isBzImage, unpacksItself } from "../src/vmm/loaders/bzimage.js";
import { unpackKernel } from "../src/vmm/loaders/kernel-image.js";
import type { Report } from "./cache.js";
import { keepFolder } from "./kept-folder.js";
import { userCache } from "./user-cache.js";

/** Each is some 70 MB. */
const mostKept = 4;

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/**
 * What is in the kernel's file if it is a bzImage that does not unpack itself, else the file. Errors as `unpackKernel`; where the cache cannot be used it is
 * unpacked all the same.
 */
export async function unpackedKernel(
  file: Uint8Array,
  limit: number,
  path: string,
  report: Report,
): Promise<Uint8Array> {
  if (!isBzImage(file) || unpacksItself(file)) return file;
  let place: string;
  try {
    place = join(userCache(), "kernels", digest(file));
  } catch {
    return unpackKernel(file, limit, path);
  }
  const kept = readKept(place);
  if (kept && kept.length <= limit) return kept;
  const made = await unpackKernel(file, limit, path);
  const folder = { place, what: "an unpacked kernel", isOld: isOldIn(dirname(place)), make: writeInto(made) };
  await keepFolder(folder, report).catch((error: Error) => report(`the unpacked kernel is not kept: ${error.message}`));
  return made;
}

/** Undefined: there is none, or it is not as it was written and is gone now. */
function readKept(place: string): Uint8Array | undefined {
  try {
    const [name = ""] = readdirSync(place);
    const bytes = readFileSync(join(place, name));
    if (digest(bytes) === name) {
      const now = new Date();
      utimesSync(place, now, now);
      return bytes;
    }
    rmSync(place, { recursive: true, force: true });
  } catch {
    // It is made, or cannot be kept either, which is said then.
  }
  return undefined;
}

/** Of the folders beside one that is made, those that were used before the few that may stay. */
function isOldIn(parent: string): (name: string) => boolean {
  return (name) => {
    const used = (one: string): number => statSync(join(parent, one)).mtimeMs;
    const kept = readdirSync(parent).filter((one) => /^[0-9a-f]{64}$/.test(one));
    return kept.sort((a, b) => used(b) - used(a)).indexOf(name) >= mostKept - 1;
  };
}

const writeInto =
  (made: Uint8Array) =>
  async (work: string): Promise<string> => {
    const folder = join(work, "kernel");
    mkdirSync(folder);
    writeFileSync(join(folder, digest(made)), made);
    return folder;
  };
