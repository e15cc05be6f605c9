/** Files that are there whole or as they were before, whenever the process that writes them ends. */
import { randomUUID } from "node:crypto";
import { type FileHandle, open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf } from "../errors.js";

/** Names of files that are not whole, by what they will be and the process that writes them. */
const partial = /^\.(.+)\.(\d+)\.[0-9a-f-]{36}\.partial$/;

const complaints: Readonly<Record<string, string>> = {
  ENOENT: "its folder is not there",
  ENOTDIR: "a part of its path is no folder",
  EISDIR: "it is a folder",
  EACCES: "access is denied",
  EROFS: "its file system can only be read",
  ENOSPC: "the file system is full",
  EDQUOT: "the quota is used up",
};

/** Why a file could not be made or replaced, as sentences for users have it. */
export const whyNotWritten = (error: unknown): string =>
  complaints[(error as NodeJS.ErrnoException).code ?? ""] ?? messageOf(error);

/** Appends to the file. */
export type Write = (bytes: Uint8Array) => Promise<void>;

/**
 * Makes or replaces the regular file `path`, which gets what `fill` writes, and these permissions; what a link leads to is
 * replaced, not the link. Rejects with what `fill` rejects with, or the file system's error; the file is then as it was before.
 */
export async function writeWhole<T>(path: string, mode: number, fill: (write: Write) => Promise<T>): Promise<T> {
  const place = await placeOf(path);
  const folder = dirname(place);
  const work = join(folder, `.${basename(place)}.${process.pid}.${randomUUID()}.partial`);
  await removeLeftovers(folder, basename(place));
  try {
    const file = await open(work, "wx", mode);
    let made: T;
    try {
      made = await fill((bytes) => writeAll(file, bytes));
      // Before its name says that it is there.
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(work, place);
    await syncFolder(folder);
    return made;
  } catch (error) {
    await rm(work, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** A rename would put a file in the place of a device, as /dev/null. */
async function placeOf(path: string): Promise<string> {
  let there: Awaited<ReturnType<typeof stat>>;
  try {
    there = await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return path;
    throw error;
  }
  if (there.isDirectory()) throw Object.assign(new Error("it is a folder"), { code: "EISDIR" });
  if (!there.isFile()) throw new Error("it is no regular file, and is not replaced");
  return realpath(path);
}

/** Of processes that were killed while they wrote a file of that name, or any. Rejects with the file system's error. */
export async function removeLeftovers(folder: string, name?: string): Promise<void> {
  for (const found of await readdir(folder)) {
    const [, of, pid] = partial.exec(found) ?? [];
    if ((name === undefined || of === name) && pid !== undefined && !isAlive(Number(pid)))
      await rm(join(folder, found), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
}

/** So that the new name outlives a loss of power; not every system lets a folder be opened. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}
