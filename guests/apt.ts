/**
 * Gets packages of another architecture through the user's own apt-get: their sources, proxies and keyrings, but lists,
 * cache and package state of our own. Needs no root and changes nothing of the system; apt verifies what it loads.
 */
import { once } from "node:events";
import { mkdirSync, readdirSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { notFound, notRunnable, startChild } from "./child.mjs";
import { GuestUnavailable } from "./unavailable.js";

/** The sentence for a disk that is full; `why` in the system's or apt's words. */
export const diskFull = (why: string): string =>
  `there is no room on the disk of the cache: ${why}\nMake room, or set XDG_CACHE_HOME to a folder on another disk.`;

/** apt's words for it, and those of the C library that it repeats. */
const diskFullWords = /no space left on device|disk quota exceeded|file too large|enough free space/i;

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Ends it, with all that it has started; then its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Ends it when the disk of this folder is full: apt-get waits for ever then for a method that has died. */
  readonly fills?: string;
}

/** Runs a program to its end, which it meets at the latest when we do. Throws GuestUnavailable: there is no such program. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, signal, fills }: RunOptions = {},
): Promise<Ran> {
  signal?.throwIfAborted();
  const { child, end } = startChild(program, args, {
    ...(cwd !== undefined && { cwd }),
    output: "pipe",
    env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  let full = false;
  const watch = setInterval(() => {
    full ||= fills !== undefined && isFull(fills);
    if (full) end();
  }, 1000);
  signal?.addEventListener("abort", end);
  const closed = once(child, "close").finally(() => {
    clearInterval(watch);
    signal?.removeEventListener("abort", end);
  });
  const [status] = (await closed) as [number | null];
  signal?.throwIfAborted();
  if (full) throw new GuestUnavailable(diskFull("no space left on device"));
  if (status === notFound) throw new GuestUnavailable(`the program ${program} was not found`);
  if (status === notRunnable) throw new GuestUnavailable(`the program ${program} cannot be run`);
  return { status, stdout, stderr };
}

function isFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < 65536;
  } catch {
    return false;
  }
}

const quoted = (text: string) => `"${text.replaceAll('"', "")}"`;

/** The first value of each field of a package's record ("Depends: a, b" as ["Depends", "a, b"]). */
function record(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of (text.split("\n\n")[0] ?? "").split("\n")) {
    const match = /^([A-Za-z0-9-]+): (.*)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) fields.set(match[1], match[2]);
  }
  return fields;
}

/** apt with state of its own in `folder`, which must exist, for packages of `architecture`. */
export class PrivateApt {
  readonly #config: string;
  readonly #folder: string;
  readonly #architecture: string;
  readonly #signal: AbortSignal | undefined;
  #updateTrouble: readonly string[] = [];

  /** `signal` ends what runs, with its reason. */
  constructor(folder: string, architecture: string, signal?: AbortSignal) {
    this.#signal = signal;
    this.#folder = folder;
    this.#architecture = architecture;
    this.#config = join(folder, "apt.conf");
    for (const part of ["lists/partial", "cache/archives/partial", "state"]) {
      mkdirSync(join(folder, part), { recursive: true });
    }
    const status = join(folder, "state/status");
    writeFileSync(status, "");
    // The hooks of the system's configuration (APT::Update::Post-Invoke and the like) would work on the system's state.
    const lines = [
      "#clear APT::Update;",
      "#clear DPkg;",
      "#clear APT::Architectures;",
      `APT::Architecture ${quoted(architecture)};`,
      `APT::Architectures { ${quoted(architecture)}; };`,
      `Dir::State ${quoted(join(folder, "state"))};`,
      `Dir::State::Lists ${quoted(join(folder, "lists"))};`,
      `Dir::State::status ${quoted(status)};`,
      `Dir::Cache ${quoted(join(folder, "cache"))};`,
      `Dir::Log ${quoted(folder)};`,
      'Acquire::Languages "none";',
      'Acquire::Retries "3";',
      // Root would hand the download to a user who may not enter our folder.
      'APT::Sandbox::User "root";',
    ];
    writeFileSync(this.#config, `${lines.join("\n")}\n`);
  }

  #run(program: "apt-get" | "apt-cache", ...args: string[]): Promise<Ran> {
    const folder = this.#folder;
    return runProgram(program, ["-c", this.#config, "-q", ...args], {
      cwd: folder,
      fills: folder,
      signal: this.#signal,
    });
  }

  /**
   * Reads the sources' indexes. Its status says little: one suite may be in flux or lack the architecture. What counts
   * is whether the packages are then found.
   */
  async update(): Promise<void> {
    const { stderr } = await this.#run("apt-get", "update");
    // Of a source that could not be read apt only warns.
    this.#updateTrouble = stderr.split("\n").filter((line) => /^[EW]:/.test(line));
  }

  /** A package's record; throws GuestUnavailable if no source has it. */
  async show(name: string): Promise<ReadonlyMap<string, string>> {
    const { status, stdout } = await this.#run(
      "apt-cache",
      "show",
      "--no-all-versions",
      `${name}:${this.#architecture}`,
    );
    const fields = record(stdout);
    if (status === 0 && fields.has("Version")) return fields;
    const trouble = this.#updateTrouble;
    const full = trouble.find((line) => diskFullWords.test(line));
    if (full !== undefined) throw new GuestUnavailable(diskFull(full));
    const unread =
      trouble.length > 0 ? `\nIt could not read all of its sources:\n${trouble.slice(0, 4).join("\n")}` : "";
    throw new GuestUnavailable(
      `apt knows no package ${name} for ${this.#architecture}: the sources of this system must include Debian's, ` +
        `not limited to another architecture.${unread}`,
    );
  }

  /** Downloads and verifies; the .deb files lie in the folder afterwards. */
  async download(names: readonly string[]): Promise<void> {
    const { status, stderr } = await this.#run(
      "apt-get",
      "download",
      ...names.map((n) => `${n}:${this.#architecture}`),
    );
    if (status === 0) return;
    const why = stderr.trim();
    if (diskFullWords.test(why)) throw new GuestUnavailable(diskFull(why));
    throw new GuestUnavailable(`apt-get could not download ${names.join(" and ")}:\n${why}`);
  }

  /** Downloads and verifies packages with all that they depend on; the paths of the .deb files. */
  async downloadWithDependencies(names: readonly string[]): Promise<string[]> {
    // Says for each one that is not there why, which apt-get install does only for some.
    for (const name of names) await this.show(name);
    const { status, stderr } = await this.#run(
      "apt-get",
      ...["install", "--yes", "--download-only", "--no-install-recommends"],
      ...names.map((n) => `${n}:${this.#architecture}`),
    );
    const why = stderr.trim();
    if (status !== 0 && diskFullWords.test(why)) throw new GuestUnavailable(diskFull(why));
    if (status !== 0) {
      throw new GuestUnavailable(`apt-get could not download ${names.join(", ")} with what they depend on:\n${why}`);
    }
    const archives = join(this.#folder, "cache/archives");
    return readdirSync(archives)
      .filter((name) => name.endsWith(".deb"))
      .map((name) => join(archives, name));
  }
}
