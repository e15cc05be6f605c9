/**
 * `vm.fs`: the guest's files. Each call is something that the agent does in a process of its own (guests/agent/files.h), whose
 * exit status is an errno.
 */

import { hostTurn } from "../base/host-turn.js";
import { ByteQueue } from "../vmm/core/byte-queue.js";
import { requireBody } from "./bytes.js";
import { systemError } from "./errno.js";
import { notSupported, VmError } from "./error.js";
import type { PackTree } from "./platform.js";
import { Feeder, Program, type Runner, requireOptions, throwIfFailed } from "./program.js";
import { outputOf, packInGuest, unpackInGuest } from "./trees.js";
import type { Abort, Body, Dirent, Stats, VmFs } from "./types.js";

/** errno(3): what the host finds too much of itself. */
const EFBIG = 27;
const ENAMETOOLONG = 36;
/** More of names than any folder, with all in it, that a host wants to hear of, bytes. */
const mostNames = 64 << 20;
/** More of files than that. */
const mostEntries = 1 << 20;
/** Of so many, others wait until they are in order. */
const namesAtOnce = 8192;
/** PATH_MAX: bytes of a path with the zero behind it, of which there are at least as many as characters. */
const mostPath = 4095;
/** The most that `readFile` brings, bytes: what a string or a buffer may have everywhere. */
const mostFile = 2 ** 30 - 1;

interface Work extends Abort {
  /** What it is called in sentences, as "open '/x'". */
  readonly title: string;
  readonly input?: Body | undefined;
  /** Bytes of output that are taken. */
  readonly most?: number;
}

/** Has the agent do it; what it wrote. Throws VmError, or the reason of `signal`. */
export async function builtIn(
  runner: Runner,
  command: readonly string[],
  { title, input, most = 65536, signal }: Work,
) {
  const output = new ByteQueue();
  let tooMuch = false;
  const feeder = new Feeder(() => program);
  const program: Program = new Program(runner, {
    request: { command, builtIn: true, noInput: input === undefined },
    signal,
    output: (channel, bytes) => {
      if (channel === 2 || tooMuch) return;
      if (output.length + bytes.length > most) {
        tooMuch = true;
        program.kill(9);
        return;
      }
      output.append(bytes);
      program.want(channel, bytes.length);
    },
    room: () => feeder.room(),
    inputEnded: () => feeder.end(),
    lost: () => feeder.end(),
  });
  const status = await feeder.toTheEnd(input);
  if (tooMuch) throw systemError(EFBIG, title);
  throwIfFailed(status, title);
  return output.peek();
}

/** A file of the guest's kernel about itself, of which none has more bytes. */
export const readProc = (runner: Runner, path: string): Promise<Uint8Array> =>
  builtIn(runner, ["read", "0", "-", path], { title: `open '${path}'`, most: 1 << 20 });

/** The guest is not to be trusted with what becomes paths and sizes here. */
const nonsense = (what: string): VmError => new VmError("AGENT_FAILED", `the guest's agent says nonsense: ${what}`);

/** S_IFMT and its values, as in stat(2), 12 bits further down: as getdents64(2) has them. */
const FileType = { fifo: 1, character: 2, directory: 4, block: 6, file: 8, link: 10, socket: 12 } as const;

class Kind {
  readonly #type: number;

  constructor(type: number) {
    this.#type = type;
  }

  isFile(): boolean {
    return this.#type === FileType.file;
  }
  isDirectory(): boolean {
    return this.#type === FileType.directory;
  }
  isSymbolicLink(): boolean {
    return this.#type === FileType.link;
  }
  isCharacterDevice(): boolean {
    return this.#type === FileType.character;
  }
  isBlockDevice(): boolean {
    return this.#type === FileType.block;
  }
  isFIFO(): boolean {
    return this.#type === FileType.fifo;
  }
  isSocket(): boolean {
    return this.#type === FileType.socket;
  }
}

/** There may be many of them: methods are the class's. */
class GuestDirent extends Kind implements Dirent {
  readonly name: string;
  readonly parentPath: string;

  constructor(name: string, parentPath: string, type: number) {
    super(type);
    this.name = name;
    this.parentPath = parentPath;
  }
}

const statFields = 13;

function asStats(bytes: Uint8Array): Stats {
  if (bytes.length !== 8 * statFields) throw nonsense(`a file's state of ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const at = (field: number): number => Number(view.getBigUint64(8 * field, true));
  const [mode, size, ino, nlink, uid, gid] = [at(0), at(1), at(2), at(3), at(4), at(5)];
  /** Major and minor number, as Linux makes one of them (makedev(3)). */
  const device = (field: number): number => {
    const number = view.getBigUint64(8 * field, true);
    const [major, minor] = [number >> 32n, number & 0xffff_ffffn];
    return Number(((major & ~0xfffn) << 32n) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | (minor & 0xffn));
  };
  const time = (field: number): number => Number(view.getBigInt64(8 * field, true)) / 1e6;
  const [atimeMs, mtimeMs, ctimeMs] = [time(10), time(11), time(12)];
  return Object.assign(new Kind(mode >> 12), {
    ...{ mode, size, ino, nlink, uid, gid, dev: device(6), rdev: device(7), blksize: at(8), blocks: at(9) },
    ...{ atimeMs, mtimeMs, ctimeMs },
    ...{ atime: new Date(atimeMs), mtime: new Date(mtimeMs), ctime: new Date(ctimeMs) },
  });
}

/** In order of names; at most so many. A guest can say a million of them, so that others have their turn meanwhile. */
async function asDirents(bytes: Uint8Array, parentPath: string, most: number): Promise<Dirent[]> {
  let runs: Dirent[][] = [];
  let found: Dirent[] = [];
  const decoder = new TextDecoder();
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at + 1);
    if (end < 0) throw nonsense("a folder's list that breaks off");
    const [type = 0, name] = [bytes[at], decoder.decode(bytes.subarray(at + 1, end))];
    // A guest's own doing, but whoever joins paths trusts it.
    if (name === "" || name === "." || name === ".." || name.includes("/")) {
      throw nonsense(`a file in a folder that is called ${JSON.stringify(name)}`);
    }
    // Each takes more here than in what the guest sends.
    if (runs.length * namesAtOnce + found.length === most) throw systemError(EFBIG, `scandir '${parentPath}'`);
    found.push(new GuestDirent(name, parentPath, type));
    at = end + 1;
    if (found.length < namesAtOnce) continue;
    runs.push(found.sort(byName));
    found = [];
    await hostTurn();
  }
  runs.push(found.sort(byName));
  while (runs.length > 1) {
    const longer: Dirent[][] = [];
    for (let i = 0; i < runs.length; i += 2) longer.push(await merged(runs[i] ?? [], runs[i + 1] ?? []));
    runs = longer;
  }
  return runs[0] ?? [];
}

const byName = (a: Dirent, b: Dirent): number => (a.name < b.name ? -1 : 1);

/** Of two that are in order. */
async function merged(a: readonly Dirent[], b: readonly Dirent[]): Promise<Dirent[]> {
  const all: Dirent[] = [];
  let [i, j] = [0, 0];
  for (;;) {
    const [one, other] = [a[i], b[j]];
    const next = one && (!other || one.name < other.name) ? one : other;
    if (!next) return all;
    if (next === one) i++;
    else j++;
    all.push(next);
    if (all.length % namesAtOnce === 0) await hostTurn();
  }
}

interface NameOptions<Types extends boolean = false> {
  readonly withFileTypes?: Types;
  readonly recursive?: boolean;
}

const below = (folder: string, name: string): string => (folder.endsWith("/") ? folder : `${folder}/`) + name;

/** What is not text of UTF-8 is not made to look so. Its encoding's names are node:fs's. */
function withEncoding<T extends object>(options: string | T, call: string): T & { readonly encoding?: string | null } {
  const all = typeof options === "string" ? ({ encoding: options } as unknown as T) : options;
  requireOptions(all, call);
  const { encoding } = all as { readonly encoding?: string | null };
  if (!encoding || /^utf-?8$/i.test(encoding)) return all;
  throw new VmError("EINVAL", `${call}: encoding is ${JSON.stringify(encoding)}; there is "utf8" alone, or bytes`);
}

const octal = (mode: number, call: string): string => {
  if (Number.isInteger(mode) && mode >= 0 && mode <= 0o7777) return mode.toString(8);
  throw new VmError("EINVAL", `${call}: mode is ${mode}, not a number from 0 to 0o7777`);
};

const position = (value: number, name: string): number => {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new VmError("EINVAL", `createReadStream: ${name} is ${value}, not a whole number of bytes`);
};

export class GuestFiles implements VmFs {
  readonly #runner: Runner;

  readonly #packTree: PackTree | undefined;

  /** `packTree` packs folders of the host, where there are any. */
  constructor(runner: Runner, packTree?: PackTree) {
    this.#runner = runner;
    this.#packTree = packTree;
  }

  readFile(path: string, options: "utf8" | (Abort & { readonly encoding: "utf8" })): Promise<string>;
  readFile(path: string, options?: Abort): Promise<Uint8Array>;
  async readFile(
    path: string,
    options: "utf8" | (Abort & { readonly encoding?: "utf8" }) = {},
  ): Promise<string | Uint8Array> {
    const { encoding, signal } = withEncoding(options ?? {}, "readFile");
    const command = ["read", "0", "-", path];
    const bytes = await builtIn(this.#runner, command, { title: `open '${path}'`, most: mostFile, ...abort(signal) });
    return encoding ? new TextDecoder().decode(bytes) : bytes.slice();
  }

  async writeFile(
    path: string,
    data: Body,
    options: "utf8" | (Abort & { readonly mode?: number; readonly flag?: "w" | "a" | "wx" }) = {},
  ): Promise<void> {
    const { mode = 0o666, flag = "w", signal } = withEncoding(options, "writeFile");
    requireBody(data, "writeFile: data");
    const command = ["write", flag, octal(mode, "writeFile"), path];
    await builtIn(this.#runner, command, { title: `open '${path}'`, input: data, ...abort(signal) });
  }

  readdir(path: string, options?: NameOptions): Promise<readonly string[]>;
  readdir(path: string, options: NameOptions<true>): Promise<readonly Dirent[]>;
  async readdir(
    path: string,
    options: "utf8" | NameOptions | NameOptions<true> = {},
  ): Promise<readonly string[] | readonly Dirent[]> {
    const { withFileTypes, recursive } = withEncoding<NameOptions<boolean>>(options, "readdir");
    const bytes = await this.#list(path);
    const found = await asDirents(bytes, path, mostEntries);
    // One after the other. A guest that says of each folder that there are more in it comes to an end, too.
    let room = mostNames - bytes.length;
    for (let i = 0; recursive && i < found.length; i++) {
      const each = found[i];
      if (!each?.isDirectory()) continue;
      const inside = below(each.parentPath, each.name);
      if (inside.length > mostPath) throw systemError(ENAMETOOLONG, `scandir '${path}'`);
      const more = await this.#list(inside, room);
      room -= inside.length + more.length;
      for (const one of await asDirents(more, inside, mostEntries - found.length)) found.push(one);
    }
    if (withFileTypes) return found;
    const from = below(path, "").length;
    return found.map(({ parentPath, name }) => below(parentPath, name).slice(from));
  }

  async #list(path: string, most = mostNames): Promise<Uint8Array> {
    const title = `scandir '${path}'`;
    return builtIn(this.#runner, ["readdir", path], { title, most });
  }

  async stat(path: string): Promise<Stats> {
    return asStats(await builtIn(this.#runner, ["stat", path], { title: `stat '${path}'` }));
  }

  async lstat(path: string): Promise<Stats> {
    return asStats(await builtIn(this.#runner, ["lstat", path], { title: `lstat '${path}'` }));
  }

  async readlink(path: string): Promise<string> {
    return new TextDecoder().decode(await builtIn(this.#runner, ["readlink", path], { title: `readlink '${path}'` }));
  }

  async mkdir(path: string, options: { readonly recursive?: boolean; readonly mode?: number } = {}): Promise<void> {
    requireOptions(options, "mkdir");
    const { recursive = false, mode = 0o777 } = options;
    const command = ["mkdir", octal(mode, "mkdir"), recursive ? "1" : "0", path];
    await builtIn(this.#runner, command, { title: `mkdir '${path}'` });
  }

  async rm(path: string, options: { readonly recursive?: boolean; readonly force?: boolean } = {}): Promise<void> {
    requireOptions(options, "rm");
    const { recursive = false, force = false } = options;
    await builtIn(this.#runner, ["rm", recursive ? "1" : "0", force ? "1" : "0", path], { title: `rm '${path}'` });
  }

  async rename(from: string, to: string): Promise<void> {
    await builtIn(this.#runner, ["rename", from, to], { title: `rename '${from}' -> '${to}'` });
  }

  async symlink(target: string, path: string): Promise<void> {
    await builtIn(this.#runner, ["symlink", target, path], { title: `symlink '${target}' -> '${path}'` });
  }

  async chmod(path: string, mode: number): Promise<void> {
    await builtIn(this.#runner, ["chmod", octal(mode, "chmod"), path], { title: `chmod '${path}'` });
  }

  async upload(tree: ReadableStream<Uint8Array> | string, path: string, options: Abort = {}): Promise<void> {
    requireOptions(options, "upload");
    if (typeof tree !== "string") return unpackInGuest(this.#runner, tree, path, options);
    if (!this.#packTree) throw notSupported("vm.fs.upload() of a folder of the host", "give it a stream of a tar");
    return unpackInGuest(this.#runner, this.#packTree(tree), path, options);
  }

  download(path: string, options: Abort & { readonly exclude?: readonly string[] } = {}): ReadableStream<Uint8Array> {
    requireOptions(options, "download");
    return packInGuest(this.#runner, path, options);
  }

  createReadStream(
    path: string,
    options: Abort & { readonly start?: number; readonly end?: number } = {},
  ): ReadableStream<Uint8Array> {
    requireOptions(options, "createReadStream");
    const { start = 0, end, signal } = options;
    const first = position(start, "start");
    const count = end === undefined ? "-" : String(Math.max(0, position(end, "end") + 1 - first));
    return outputOf(this.#runner, ["read", String(first), count, path], `open '${path}'`, signal);
  }
}

const abort = (signal: AbortSignal | undefined): Abort => (signal ? { signal } : {});
