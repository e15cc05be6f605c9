/**
 * Files that somebody else names: a tree's content, an option. A FIFO would never open, a device never end, and a file
 * may be larger than any memory; so only regular files are opened, and no more is read than a limit says.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { devNull } from "node:os";

/** A text file of a tree, a configuration: none is larger. */
export const maxTextSize = 2 ** 27;

/** The file is none that may be read; the message is a sentence. */
export class NotReadable extends Error {
  override name = "NotReadable";
}

/** Opens a regular file. Throws NotReadable for what is none, and the file system's error; a folder gives EISDIR. */
export function openRegular(path: string): { readonly fd: number; readonly size: number } {
  // Opening a device may already do something, and opening a FIFO waits: both are looked at before.
  requireRegular(path, statSync(path));
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stat = fstatSync(fd);
    requireRegular(path, stat);
    return { fd, size: stat.size };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function requireRegular(path: string, stat: Stats): void {
  if (stat.isFile()) return;
  if (stat.isDirectory()) throw Object.assign(new Error(`${path} is a folder`), { code: "EISDIR" });
  const what = stat.isFIFO() ? "a FIFO" : stat.isSocket() ? "a socket" : "a device";
  throw new NotReadable(`${path} is ${what}, and only regular files are read`);
}

/** Whether it is the device that stands for an empty file, as in `-C /dev/null`. */
function isNull(path: string): boolean {
  const stat = statSync(path);
  return stat.isCharacterDevice() && stat.rdev === statSync(devNull, { throwIfNoEntry: false })?.rdev;
}

/** All of a file up to `limit` bytes; /dev/null is empty. Throws as `openRegular`, and NotReadable for a larger one. */
export function readRegular(path: string, limit: number = maxTextSize): Uint8Array {
  if (isNull(path)) return new Uint8Array();
  const { fd, size } = openRegular(path);
  try {
    return readAll(fd, { path, size, limit });
  } finally {
    closeSync(fd);
  }
}

/** What is in an open file; its size is only a hint, for what the kernel makes up has none. */
export function readAll(fd: number, { path, size, limit }: { path: string; size: number; limit: number }): Uint8Array {
  const tooLarge = () => new NotReadable(`${path} has more than ${limit} bytes, and is not read`);
  if (size > limit) throw tooLarge();
  let bytes = new Uint8Array(size + 1);
  let length = 0;
  for (;;) {
    const count = readSync(fd, bytes, length, bytes.length - length, length);
    length += count;
    if (length > limit) throw tooLarge();
    if (count === 0) return bytes.subarray(0, length);
    if (length < bytes.length) continue;
    const larger = new Uint8Array(Math.min(bytes.length * 2 + 4096, limit + 1));
    larger.set(bytes);
    bytes = larger;
  }
}

/** The same as text. */
export const readRegularText = (path: string, limit?: number): string =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(readRegular(path, limit));
