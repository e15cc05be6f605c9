/** What the boot tests share: the default guest with files added, run by unikvm or by QEMU. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CpioEntry, cpio } from "../../guests/cpio.js";
import { type Guest, listGuest } from "../../guests/index.js";
import { Unavailable } from "../../tools/own-command.js";

/** The repository's root; this file runs from dist/test/boot. */
export const root = fileURLToPath(new URL("../../../", import.meta.url));
export const main = join(root, "dist/src/cli/main.js");

export const implementations = ["hv", "pr"] as const;
export type Implementation = (typeof implementations)[number];

/** How vCPUs get their threads: a worker each, or all in slices on one thread. */
export const threadModes = ["worker", "single"] as const;
export type ThreadMode = (typeof threadModes)[number];

const found = listGuest().guest;
/** The default guest if it is cached. */
export const defaultGuest: Guest | undefined = "missing" in found ? undefined : found;
/** Given to a test's `skip`: why there is nothing to boot, or false. */
export const noGuest =
  defaultGuest === undefined && `the default guest is ${"missing" in found ? found.missing : "there"}`;

/** The same of a guest that is not the default one. */
export function noGuestNamed(name?: string): string | false {
  const { port, guest } = listGuest(name);
  return "missing" in guest && `the guest ${port} is ${guest.missing}: unikvm guest fetch ${port}`;
}

/** The same for commands. Throws Unavailable. */
export function requireGuest(name?: string): void {
  const missing = noGuestNamed(name);
  if (missing) throw new Unavailable(missing);
}

/** The same for tests that take too long for `npm test`: they run only with UNIKVM_X86_EXEC=1. */
export const noLongRunOf = (name: string): string | false =>
  process.env["UNIKVM_X86_EXEC"] === undefined ? "it takes long; UNIKVM_X86_EXEC=1 runs it" : noGuestNamed(name);

export interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Without carriage returns. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** Resolves when stdout holds `text`; rejects when the program ends before. */
  readonly see: (text: string | RegExp) => Promise<void>;
  readonly type: (text: string) => void;
  readonly finished: Promise<Finished>;
}

function start(program: string, args: readonly string[], stdin: "ignore" | "pipe"): Running {
  const child = spawn(program, args, { stdio: [stdin, "pipe", "pipe"], cwd: root });
  let stdout = "";
  let stderr = "";
  const waiting = new Set<() => void>();
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text.replaceAll("\r", "");
    for (const look of waiting) look();
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  return {
    child,
    finished,
    type: (text) => child.stdin?.write(text),
    see: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (typeof text === "string" ? !stdout.includes(text) : !text.test(stdout)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
        finished.then(() => reject(new Error(`it ended before ${text} appeared:\n${stdout}\n${stderr}`)), reject);
      }),
  };
}

/** `unikvm ARGS`. Nothing on stdin unless `interactive`. */
export function unikvm(args: readonly string[], { interactive = false } = {}): Running {
  return start(process.execPath, [main, ...args], interactive ? "pipe" : "ignore");
}

export interface Boot {
  readonly type: Implementation;
  readonly threads?: ThreadMode;
  /** The guest's name; the default one if left out. */
  readonly guest?: string | undefined;
  /** Appended to the guest's own command line. */
  readonly append?: string;
  /** Files added to the initramfs. */
  readonly files?: readonly CpioEntry[];
  readonly args?: readonly string[];
  /** Limit in seconds. */
  readonly timeout?: number;
  readonly interactive?: boolean;
}

/** Calls `use` with an initramfs of the guest that has `files` in addition; `name`: another guest than the default one. */
export async function withInitrd<T>(
  files: readonly CpioEntry[],
  use: (guest: Guest) => Promise<T>,
  name?: string,
): Promise<T> {
  const { guest } = listGuest(name);
  if ("missing" in guest) throw new Error(`the guest ${name ?? "that is the default"} is ${guest.missing}`);
  if (files.length === 0) return use(guest);
  const folder = mkdtempSync(join(tmpdir(), "unikvm-boot-"));
  try {
    const initrd = join(folder, "initrd");
    writeFileSync(initrd, Buffer.concat([readFileSync(guest.initrd), cpio(files)]));
    return await use({ ...guest, initrd });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The command line that boots the guest with unikvm. */
export function bootArguments(guest: Guest, { type, threads = "worker", append = "", args = [], timeout = 300 }: Boot) {
  return [
    ...["run", "--type", type, "--threads", threads, "--memory", "512M", "--timeout", String(timeout)],
    ...["--kernel", guest.kernel, "--initrd", guest.initrd, "--append", `${guest.append} ${append}`.trim(), ...args],
  ];
}

/** Boots with unikvm until it ends. */
export function boot(options: Boot): Promise<Finished> {
  const { files = [], guest: name } = options;
  return withInitrd(files, (guest) => unikvm(bootArguments(guest, options)).finished, name);
}

/** The same guest under QEMU, which judges the initramfs and what a test expects of it. */
export function bootWithQemu({ append = "", files = [] }: Pick<Boot, "append" | "files">): Promise<Finished> {
  return withInitrd(files, async (guest) => {
    const args = [
      ...["-M", "pseries,x-vof=on", "-cpu", "power9", "-m", "512M", "-nodefaults", "-no-reboot"],
      ...["-display", "none", "-serial", "stdio", "-kernel", guest.kernel, "-initrd", guest.initrd],
      ...["-append", `${guest.append} ${append}`],
    ];
    const running = start("qemu-system-ppc64", args, "ignore");
    const limit = setTimeout(() => running.child.kill("SIGKILL"), 300_000);
    return running.finished.finally(() => clearTimeout(limit));
  });
}

/** The part of the console's text from the first `from` to the end of the line that begins with `to`. */
export function textBetween(text: string, from: string, to: string): string {
  const first = text.indexOf(from);
  const last = text.indexOf(`\n${to}`, first);
  return first < 0 || last < 0 ? "" : text.slice(first, text.indexOf("\n", last + 1));
}
