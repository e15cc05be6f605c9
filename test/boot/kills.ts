/**
 * The process is killed at random moments: while the guest writes to a disk, while a snapshot is saved, while exec's cache is
 * written. What was said to be safe is found again, and nothing half done is left.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ensureDefaultGuest, type GuestArchitecture, guestDrivers } from "../../guests/index.js";
import { createVm, type Disk } from "../../src/index-node.js";
import { loadSnapshot, snapshotInfo } from "../../src/vmm/snapshot/node/snapshot-file.js";
import { ownCache } from "./own-cache.test-support.js";

interface Base {
  readonly guest: GuestArchitecture;
  /** A file: a snapshot of a guest that has `disks`, the first as an overlay that nothing was written to. */
  readonly snapshot: string;
}
/** What a child does, see kills-child.ts. */
export type Task = Base &
  (
    | {
        readonly kind: "disk";
        readonly image: string;
        readonly type: "hv" | "pr";
        /** Records have numbers above it. */
        readonly first: number;
      }
    | {
        readonly kind: "save";
        readonly disks: readonly Disk[];
        readonly target: string;
        readonly packing: "deflate" | "stored";
      }
    | { readonly kind: "cache"; readonly disks: readonly Disk[] }
  );

/** A number below. */
export type Random = (below: number) => number;

const child = fileURLToPath(new URL("./kills-child.js", import.meta.url));
/** A child that has said nothing for so long has failed, milliseconds. */
const patience = 240_000;

class Child {
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  #heard: () => void = () => undefined;
  #errors = "";
  #over = false;

  constructor(task: Task, env: NodeJS.ProcessEnv = {}) {
    this.#process = spawn(process.execPath, [child, JSON.stringify(task)], { env: { ...process.env, ...env } });
    let text = "";
    this.#process.stdout?.setEncoding("utf8").on("data", (more: string) => {
      const parts = `${text}${more}`.split("\n");
      text = parts.pop() ?? "";
      this.lines.push(...parts);
      this.#heard();
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (more: string) => {
      this.#errors += more;
    });
    this.#ended = new Promise((resolve) =>
      this.#process.on("close", () => {
        this.#over = true;
        this.#heard();
        resolve(undefined);
      }),
    );
  }

  /** Resolves once a line begins so; throws if it ends before, or not in time. */
  async see(start: string): Promise<string> {
    const end = performance.now() + patience;
    for (;;) {
      const line = this.lines.find((one) => one.startsWith(start));
      if (line !== undefined) return line;
      if (this.#over || performance.now() > end) {
        await this.kill();
        throw new Error(`no "${start}": ${this.lines.slice(-5).join("; ").slice(0, 500)} ${this.#errors}`);
      }
      await Promise.race([new Promise<void>((resolve) => (this.#heard = resolve)), sleep(1000)]);
    }
  }

  /** At once. Resolves when all that it had said is there. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }
}

const slots = 16;
const recordSize = 4096;

/** As `yes "NAME NUMBER" | head -c 4096` writes it. */
function record(name: string, number: number): Buffer {
  const line = `${name} ${number}\n`;
  return Buffer.from(line.repeat(Math.ceil(recordSize / line.length))).subarray(0, recordSize);
}

/** What a file, or a part of a disk, has to have: what was said to be on disk, or something later. */
class Kept {
  readonly #name: string;
  readonly #places: Buffer[] = Array.from({ length: slots }, () => Buffer.alloc(recordSize));
  /** By place: the last number that was said to be there, in this round. */
  #said: (number | undefined)[] = [];
  synced = 0;

  constructor(name: string) {
    this.#name = name;
  }

  hear(lines: readonly string[]): void {
    this.#said = [];
    for (const line of lines) {
      const [, number] = new RegExp(`^synced ${this.#name} (\\d+)$`).exec(line) ?? [];
      if (number === undefined) continue;
      this.#said[Number(number) % slots] = Number(number);
      this.synced++;
    }
  }

  /** Throws if a place has not what was said, or what was to come there later, whole or in part. */
  check(found: Buffer, first: number): void {
    for (let place = 0; place < slots; place++) {
      const is = Buffer.alloc(recordSize);
      is.set(found.subarray(place * recordSize, (place + 1) * recordSize));
      const said = this.#said[place];
      const last = said === undefined ? (this.#places[place] as Buffer) : record(this.#name, said);
      let later = said === undefined ? first + 1 + ((place - first - 1 + 64 * slots) % slots) : said + slots;
      const may = [last];
      for (; may.length < 8; later += slots) may.push(record(this.#name, later));
      // One that was being written lies over the one before.
      const isMix = (a: Buffer, b: Buffer): boolean => is.every((byte, i) => byte === a[i] || byte === b[i]);
      if (!may.some((one, i) => is.equals(one) || isMix(one, may[i + 1] ?? one))) {
        const begin = is.subarray(0, 24).toString("latin1");
        throw new Error(`${this.#name}: place ${place} had ${said ?? "what was before"}, and has ${begin}`);
      }
      this.#places[place] = is;
    }
    this.#said = [];
  }
}

/** Of a file that is replaced: whole, and not older than what was said. */
class Replaced {
  #last = 0;
  synced = 0;

  hear(lines: readonly string[]): void {
    for (const line of lines) {
      const [, number] = /^synced r (\d+)$/.exec(line) ?? [];
      if (number === undefined) continue;
      this.#last = Number(number);
      this.synced++;
    }
  }

  check(found: Buffer): void {
    const number = Number(/^r (\d+)\n/.exec(found.toString("latin1"))?.[1] ?? 0);
    if (number < this.#last || (number > 0 && !found.equals(record("r", number)))) {
      throw new Error(`r: ${this.#last} was renamed and synced; it begins ${found.subarray(0, 24).toString("latin1")}`);
    }
    this.#last = number;
  }
}

export interface DiskKills extends Base {
  readonly rounds: number;
  readonly random: Random;
  readonly folder: string;
  readonly format: "raw" | "qcow2";
  /** A raw image that all rounds of ten begin with. */
  readonly fresh: string;
  readonly type: (round: number) => "hv" | "pr";
  readonly each?: (done: number, counts: string) => void;
}

/** Runs a program, and throws what it says unless its status is one of these. Its status. */
function run(program: string, args: readonly string[], good: readonly number[] = [0]): number {
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (error) throw error;
  if (status === null || !good.includes(status))
    throw new Error(`${program} ${args[0]}: ${status}: ${stdout}${stderr}`);
  return status;
}

/** Kills while a guest writes; every record that was synced is found after the restart. What it counted. */
export async function killsOfDisks(kills: DiskKills): Promise<string> {
  const { rounds, random, folder, format, fresh, guest, snapshot } = kills;
  const image = join(folder, `killed.${format}`);
  const plain = join(folder, "killed.plain");
  let [a, b, r] = [new Kept("a"), new Kept("b"), new Replaced()];
  let [synced, leaks, first, before] = [0, 0, 0, 0];
  const begin = (): void => {
    synced += a.synced + b.synced + r.synced;
    [a, b, r] = [new Kept("a"), new Kept("b"), new Replaced()];
    if (format === "raw") copyFileSync(fresh, image);
    else {
      const clusters = `cluster_size=${[65536, 4096, 512][random(3)]}`;
      run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", "-o", clusters, fresh, image]);
    }
  };
  /** What is there when the file system has replayed its journal is right, by others' programs. */
  const look = (): void => {
    if (format === "qcow2") {
      // Clusters that are counted and not used are what a kill may leave.
      if (run("qemu-img", ["check", "-q", "-f", "qcow2", image], [0, 3]) === 3) leaks++;
      run("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", image, plain]);
    } else copyFileSync(image, plain);
    run("e2fsck", ["-fy", "-E", "journal_only", plain], [0, 1]);
    run("e2fsck", ["-fn", plain]);
  };
  for (let round = 0; round <= rounds; round++) {
    if (round % 10 === 0) begin();
    const one = new Child({ kind: "disk", guest, snapshot, image, type: kills.type(round), first });
    try {
      await one.see("writing");
      for (const kept of ["a", "b", "r"] as const) {
        const bytes = Buffer.from((await one.see(`found ${kept}`)).split(" ")[2] ?? "", "base64");
        if (kept === "r") r.check(bytes);
        else (kept === "a" ? a : b).check(bytes, before);
      }
      // The last one only looks.
      if (round === rounds) break;
      await sleep(random(4) === 0 ? random(60) : random(1500));
    } finally {
      await one.kill();
    }
    before = first;
    first += 10_000;
    for (const kept of [a, b, r]) kept.hear(one.lines);
    look();
    kills.each?.(round + 1, `${synced + a.synced + b.synced + r.synced} synced`);
  }
  synced += a.synced + b.synced + r.synced;
  return `${rounds} kills while ${format} was written, ${synced} records that were synced are found; leaked clusters in ${leaks}`;
}

/** Files of a folder that are not whole. */
const partial = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith(".partial"));

export interface SaveKills extends Base {
  readonly disks: readonly Disk[];
  readonly rounds: number;
  readonly random: Random;
  readonly folder: string;
  readonly each?: (done: number, counts: string) => void;
}

/** Kills while a snapshot is saved: its file is the old one or the new one. */
export async function killsOfSaves({
  guest,
  snapshot,
  disks,
  rounds,
  random,
  folder,
  each,
}: SaveKills): Promise<string> {
  const target = join(folder, "saved.snapshot");
  let [saved, fresh, most] = [0, 0, 0];
  let last: string | undefined;
  const older = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const packing = round % 2 === 0 ? "stored" : "deflate";
    const one = new Child({ kind: "save", guest, snapshot, disks, target, packing });
    try {
      await one.see("saving");
      await sleep(random(packing === "stored" ? 2500 : 4000));
    } finally {
      await one.kill();
    }
    for (const line of one.lines) {
      if (!line.startsWith("saved ")) continue;
      if (last !== undefined) older.add(last);
      last = line.slice(6);
      saved++;
    }
    most = Math.max(most, partial(folder).length);
    if (last === undefined && !readdirSync(folder).includes("saved.snapshot")) continue;
    // All of it, with all digests.
    await loadSnapshot(target);
    const { digest } = await snapshotInfo(target);
    if (older.has(digest)) throw new Error(`round ${round}: an older snapshot is there again`);
    if (digest !== last) {
      if (last !== undefined) older.add(last);
      last = digest;
      fresh++;
    }
    each?.(round + 1, `${saved} saved`);
  }
  const one = new Child({ kind: "save", guest, snapshot, disks, target, packing: "stored" });
  await one.see("saved").finally(() => one.kill());
  const left = partial(folder).filter((name) => !name.includes(`.${process.pid}.`));
  // The last one was killed, too: at most its own.
  if (most > 1 || left.length > 1) throw new Error(`files that are not whole are left: ${left.join(", ")}`);
  return `${rounds} kills while a snapshot was saved, of ${saved} whole saves and ${fresh} that nobody heard of: always whole, never an older one; at most ${most} file that was not whole`;
}

/** Kills while exec's cache is written: what is there is whole, and the next one goes on, waits for nobody. */
export async function killsOfCache({
  guest,
  snapshot,
  disks,
  rounds,
  random,
  folder,
  each,
}: SaveKills): Promise<string> {
  const home = join(folder, "cache");
  const kept = ownCache(home);
  const env = { XDG_CACHE_HOME: home };
  const there = (): string[] => readdirSync(kept).filter((name) => name.endsWith(".snapshot"));
  let [whole, none, damaged, most] = [0, 0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    if (round > 0) {
      const [file] = there();
      if (file !== undefined && round % 2 === 0) rmSync(join(kept, file));
      else if (file !== undefined) {
        const bytes = readFileSync(join(kept, file));
        const at = bytes.length - 1 - random(bytes.length >> 1);
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        writeFileSync(join(kept, file), bytes);
        damaged++;
      }
    }
    const one = new Child({ kind: "cache", guest, snapshot, disks }, env);
    try {
      await one.see("saving");
      await sleep(random(3000));
    } finally {
      await one.kill();
    }
    const files = there();
    if (files.length > 1) throw new Error(`${files.length} files`);
    most = Math.max(most, partial(kept).length);
    if (files[0] === undefined) none++;
    else {
      await loadSnapshot(join(kept, files[0]));
      whole++;
    }
    each?.(round + 1, `${whole} whole, ${none} none`);
  }
  // A lock of one that was killed is there; and then one that is used.
  for (let i = 0; i < 2; i++) {
    const one = new Child({ kind: "cache", guest, snapshot, disks }, env);
    await one.see("up works").finally(() => one.kill());
  }
  const left = readdirSync(kept).filter((name) => !name.endsWith(".snapshot"));
  if (most > 1 || left.length > 0) throw new Error(`${most} files that were not whole; left: ${left.join(", ")}`);
  return `${rounds} kills while exec's cache was written, ${damaged} over a damaged one: ${whole} times whole, ${none} times none; at most ${most} file that was not whole, and none in the end`;
}

/** A guest that has ext4 and a disk of `size` bytes, as an overlay that nothing was written to. */
export async function makeBase(
  folder: string,
  size: number,
  guest: GuestArchitecture,
): Promise<Base & { readonly disks: readonly Disk[]; readonly fresh: string }> {
  const fresh = join(folder, "fresh.img");
  writeFileSync(fresh, "");
  execFileSync("truncate", ["-s", String(size), fresh]);
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-J", "size=4", fresh]);
  const disks: readonly Disk[] = [{ source: fresh }];
  const snapshot = join(folder, "base.snapshot");
  const vm = await createVm({ guest, memory: "256M", cpus: 2, disks });
  try {
    const drivers = await guestDrivers(await ensureDefaultGuest({ guest }), ["ext4"]);
    await vm.fs.writeFile("/tmp/drivers", drivers);
    await vm.exec(
      "cd / && cpio -idum </tmp/drivers && modprobe ext4 && rm /tmp/drivers && grep -q ext4 /proc/filesystems",
      {
        check: true,
      },
    );
    await vm.snapshot({ name: snapshot, packing: "stored" });
  } finally {
    await vm.close({ grace: 0 });
  }
  return { guest, snapshot, disks, fresh };
}
