/**
 * Unpacks a tar that a guest made into a folder of the host. Whatever it holds, nothing is written outside: a path's folders are
 * looked at one by one and are no links, what lies where a file is to be is removed and not written to, and a hard link leads
 * to a file that is inside. Nothing is kept but the path that is being written to.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { bytesOf } from "../api/bytes.js";
import { VmError } from "../api/error.js";
import type { TarEntry } from "../api/tar/format.js";
import { TarReader } from "../api/tar/read.js";

/** What the host's user wants of permissions; not to be somebody else. */
const permissions = 0o777;
/** Folders in each other. */
const mostDepth = 1000;

interface Folder {
  readonly name: string;
  /** What it is to be when all that is in it is there. */
  state: Pick<TarEntry, "mode" | "time"> | undefined;
}

/** What was not unpacked, since a host has no use for it: devices and pipes. */
export interface UnpackEvents {
  leftOut?(path: string): void;
}

/**
 * Into `folder`, which is made and must not be there before; on an error it is removed again. Throws VmError, or what the
 * stream throws.
 */
export async function unpackTree(
  tar: ReadableStream<Uint8Array>,
  folder: string,
  events: UnpackEvents = {},
): Promise<void> {
  mkdirSync(folder, { mode: 0o700 });
  const reader = new TarReader(bytesOf(tar));
  try {
    const tree = new Tree(folder, events);
    for (let entry = await reader.next(); entry; entry = await reader.next()) await tree.put(entry, reader);
    tree.end();
  } catch (error) {
    await reader.close().catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
    throw asVmError(error);
  }
}

function asVmError(error: unknown): unknown {
  const { code, message, errno, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof VmError || code === undefined || syscall === undefined) return error;
  const number = errno === undefined ? {} : { errno: Math.abs(errno) };
  return new VmError(code, message.replace(`${code}: `, ""), { cause: error, ...number });
}

class Tree {
  readonly #root: string;
  readonly #events: UnpackEvents;
  /** Of the root. */
  #state: Folder["state"];
  /** From the root on: each is in the one before it, is a folder, and no link. */
  readonly #open: Folder[] = [];

  constructor(root: string, events: UnpackEvents) {
    this.#root = root;
    this.#events = events;
  }

  async put(entry: TarEntry, reader: TarReader): Promise<void> {
    const parts = partsOf(entry.path);
    const last = parts.at(-1);
    if (last === undefined) {
      if (entry.kind === "folder") this.#state = entry;
      return;
    }
    if (entry.kind === "folder") {
      this.#enter(parts);
      const folder = this.#open.at(-1);
      if (folder) folder.state = entry;
      return;
    }
    this.#enter(parts.slice(0, -1));
    const path = this.#path(last);
    switch (entry.kind) {
      case "file":
        return writeFile(path, entry, reader);
      case "symlink":
        remove(path);
        symlinkSync(entry.target, path);
        lutimesSync(path, seconds(entry), seconds(entry));
        return;
      case "hardLink":
        return this.#link(entry, path);
      default:
        this.#events.leftOut?.(parts.join("/"));
    }
  }

  end(): void {
    while (this.#open.length > 0) this.#leave();
    if (this.#state) settle(this.#root, this.#state);
  }

  /** Has these folders be the ones that are open; those that are not there are made. */
  #enter(parts: readonly string[]): void {
    let same = 0;
    while (same < this.#open.length && this.#open[same]?.name === parts[same]) same++;
    while (this.#open.length > same) this.#leave();
    for (const name of parts.slice(same)) {
      const path = this.#path(name);
      makeFolder(path);
      this.#open.push({ name, state: undefined });
    }
  }

  #leave(): void {
    const path = this.#path();
    const { state } = this.#open.pop() as Folder;
    if (state) settle(path, state);
  }

  #path(...more: readonly string[]): string {
    return join(this.#root, ...this.#open.map(({ name }) => name), ...more);
  }

  /** Its target is looked for as a new thing's place is: through no link. */
  #link({ target, path: name }: TarEntry, path: string): void {
    const parts = partsOf(target);
    let at = this.#root;
    for (const [i, part] of parts.entries()) {
      at = join(at, part);
      const state = lstatSync(at);
      if (i + 1 < parts.length ? state.isDirectory() : state.isFile()) continue;
      throw new VmError("EPERM", `${quoted(name)} is a link to ${quoted(target)}, which is no file in the folder`);
    }
    if (at === path) return;
    if (parts.length === 0) throw new VmError("EPERM", `${quoted(name)} is a link to the folder itself`);
    remove(path);
    linkSync(at, path);
  }
}

const quoted = (text: string): string => JSON.stringify(text);

/** The names in a path, none of which leads up. */
function partsOf(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new VmError("EPERM", `${quoted(path)} leads out of the folder`);
  if (parts.length > mostDepth) throw new VmError("ENAMETOOLONG", `${quoted(path.slice(0, 100))} … is too deep`);
  return parts;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (!lstatSync(path).isDirectory())
      throw new VmError("ENOTDIR", `${quoted(path)} is no folder, and things are to be in it`);
  }
}

/** A folder stays. */
function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

const seconds = ({ time }: Pick<TarEntry, "time">): number => Number(time) / 1e9;

function settle(path: string, state: Pick<TarEntry, "mode" | "time">): void {
  chmodSync(path, state.mode & permissions);
  utimesSync(path, seconds(state), seconds(state));
}

async function writeFile(path: string, entry: TarEntry, reader: TarReader): Promise<void> {
  remove(path);
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | (O_NOFOLLOW ?? 0), 0o600);
  try {
    for await (const bytes of reader.contents()) {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    }
    fchmodSync(fd, entry.mode & permissions);
    futimesSync(fd, seconds(entry), seconds(entry));
  } finally {
    closeSync(fd);
  }
}
