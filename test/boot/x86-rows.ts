/**
 * Boots of x86 guests over everything that can be chosen for one: what there is of each, a boot of a row, and what is wrong with it.
 * The guest looks for what was chosen, does work whose output is known (x86-row.sh, shell-work.sh, vector-states.c), and powers off.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PrivateApt } from "../../guests/apt.js";
import { only, unpack } from "../../guests/debian-package.js";
import { listGuest } from "../../guests/index.js";
import { userCache } from "../../guests/user-cache.js";
import {
  bootArguments,
  type Finished,
  type Implementation,
  root,
  type ThreadMode,
  textBetween,
  unikvm,
  withInitrd,
} from "./booting.test-support.js";
import { allRows, type RowOf } from "./pairwise.js";
import { expectedOfShellWork, shellWork } from "./shell-work.js";

export const axes = {
  /** Debian's kernels: of 64 bits, of 32 with PAE, of 32 without. */
  kernel: ["amd64", "686-pae", "686"],
  cpu: ["x86-64-v1", "x86-64-v2", "x86-64-v3", "max"],
  module: ["kvm-intel", "kvm-amd"],
  acpi: ["on", "off"],
  /** Who has the devices' interrupts: the APICs, or the older controllers. */
  interrupts: ["apic", "pic"],
  cpus: ["1", "4"],
  memory: ["256M", "2560M"],
  type: ["hv", "pr"],
  /** In Node.js a thread for each vCPU or one for all, or in Chromium with threads and without. */
  where: ["threads", "single", "page", "page-single"],
} as const;
export type X86Row = RowOf<typeof axes>;

export const inPage = ({ where }: X86Row): boolean => where.startsWith("page");

/** A page's guest is one file, with the modules that it needs: there is none of the kernel without PAE. A page has not that much memory. */
export const allowed = (row: X86Row): boolean => !inPage(row) || (row.kernel !== "686" && row.memory === "256M");

export const everyRow = (): X86Row[] => allRows(axes, allowed);

export const portOf = ({ kernel }: X86Row) => (kernel === "amd64" ? "amd64" : "i386");

/** Where the kernel is that no guest has; `unikvm run` unpacks it. */
const kernel686 = (): string => join(userCache(), "tests", "vmlinuz-686");

/** Brings it, through apt-get. Throws GuestUnavailable. */
export async function fetchKernel686(): Promise<void> {
  const place = kernel686();
  mkdirSync(dirname(place), { recursive: true });
  const work = mkdtempSync(join(dirname(place), "work-"));
  try {
    const apt = new PrivateApt(work, "i386");
    await apt.update();
    const name = /linux-image-[^ ,(]+/.exec((await apt.show("linux-image-686")).get("Depends") ?? "")?.[0];
    assert.ok(name, "linux-image-686 depends on no kernel");
    await apt.download([name]);
    await unpack(only(work, /^linux-image-.*\.deb$/), ["./boot/vmlinuz-*"], join(work, "unpacked"));
    renameSync(only(join(work, "unpacked/boot"), /^vmlinuz-/), place);
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** Why there is nothing to boot, or false. */
export function noKernelOf(row: X86Row): string | false {
  const { port, guest } = listGuest(portOf(row));
  if ("missing" in guest) return `the guest ${port} is ${guest.missing}: unikvm guest fetch ${port}`;
  if (row.kernel !== "686") return false;
  try {
    readFileSync(kernel686());
    return false;
  } catch {
    return "Debian's linux-image-686 is not there; UNIKVM_PAIRS=all brings it";
  }
}

const compiled = new Map<string, Uint8Array>();
/** A program for a guest, without a library: vector-states.c. */
function vectorStates(port: "amd64" | "i386"): Uint8Array {
  const known = compiled.get(port);
  if (known) return known;
  const folder = mkdtempSync(join(tmpdir(), "unikvm-vectors-"));
  const file = join(folder, "vector-states");
  try {
    const { status, stderr } = spawnSync(
      "gcc",
      [
        ..."-std=gnu11 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-unused-function".split(" "),
        ..."-mgeneral-regs-only -ffreestanding -fno-builtin -fno-stack-protector -fcf-protection=none".split(" "),
        ..."-fno-pic -no-pie -fno-asynchronous-unwind-tables -static -nostdlib -Wl,--build-id=none".split(" "),
        // The kernel's headers lie where the compiler looks for them for 64 bits.
        ...(port === "i386" ? ["-m32", "-march=i686", "-idirafter", "/usr/include/x86_64-linux-gnu"] : ["-m64"]),
        ...["-o", file, "vector-states.c"],
      ],
      { cwd: join(root, "test/boot"), encoding: "utf8" },
    );
    assert.equal(status, 0, stderr);
    const bytes = readFileSync(file);
    compiled.set(port, bytes);
    return bytes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface GuestProgram {
  readonly path: string;
  readonly type: "file";
  readonly mode: number;
  readonly data: Uint8Array;
}

/** What the guest has besides busybox; `long`: the shell's long work, too. */
export const filesOf = (row: X86Row, long: boolean): readonly GuestProgram[] => [
  ...(long ? [shellWork] : []),
  { path: "row.sh", type: "file", mode: 0o755, data: readFileSync(join(root, "test/boot/x86-row.sh")) },
  { path: "vector-states", type: "file", mode: 0o755, data: vectorStates(portOf(row)) },
];

/** What the kernel is told. */
export const toldOf = ({ acpi, interrupts }: X86Row): readonly string[] => [
  ...(acpi === "off" ? ["acpi=off"] : []),
  ...(interrupts === "pic" ? ["noapic", "pci=nomsi"] : []),
];

export interface Length {
  /** Whether the shell does all of shell-work.sh. */
  readonly long: boolean;
  /** Limit in seconds. */
  readonly timeout: number;
}

/** Boots a row in Node.js, to its end. */
export function bootRow(row: X86Row, { long, timeout }: Length): Promise<Finished> {
  const { kernel, cpu, module, cpus, memory, type, where } = row;
  return withInitrd(
    filesOf(row, long),
    (guest) => {
      const place = kernel === "686" ? { ...guest, kernel: kernel686() } : guest;
      const options = {
        type: type as Implementation,
        threads: (where === "threads" ? "worker" : "single") as ThreadMode,
        append: ["quiet panic=-1", ...toldOf(row), "unikvm.run=/row.sh"].join(" "),
        args: ["--cpu", cpu, "--module", module, "--cpus", cpus, "--memory", memory, "--machine", "pc"],
        timeout,
      };
      return unikvm(bootArguments(place, options)).finished;
    },
    portOf(row),
  );
}

/** What row.sh has printed is right: what was chosen is what the guest found, and nobody saw a register of another's. */
export function checkWork(row: X86Row, text: string, long: boolean): void {
  const { kernel, cpu, module, acpi, cpus, memory } = row;
  const found = /^row .*$/m.exec(text)?.[0];
  const vendor = module === "kvm-intel" ? "GenuineIntel" : "AuthenticAMD";
  const level = cpu === "max" ? "v3" : cpu.slice(-2);
  const machine = kernel === "amd64" ? "x86_64" : "i686";
  // In 2 GiB, without what the kernel keeps for itself.
  const large = memory === "256M" ? 0 : 1;
  assert.equal(found, `row ${machine} ${kernel} ${cpus} ${vendor} ${acpi} ${level} ${large}`, text);
  assert.match(text, /^sum 9b1354225d822f59 7\.485470860550$/m);
  if (long) assert.equal(textBetween(text, "sha256 ", "work done"), expectedOfShellWork, text);
  const registers = level === "v3" ? "ymm" : "xmm";
  const vectors = new RegExp(
    `^vectors ${registers}, processors ${cpus}, died 0, wrong 0, rounds [1-9]\\d+, switched [1-9]\\d*, signals [1-9]\\d*$`,
    "m",
  );
  assert.match(text, vectors);
}

/** The same, and how it ended: without ACPI nothing turns the power off. */
export function checkRow(row: X86Row, { status, stdout, stderr }: Finished, long: boolean): void {
  checkWork(row, stdout, long);
  const all = `${stdout}\n${stderr}`;
  assert.match(stdout, /^unikvm\.run: exit status 0$/m, all);
  assert.match(stdout, row.acpi === "on" ? /reboot: Power down/ : /reboot: System halted/, all);
  assert.equal(status, 0, all);
}

export const nameOf = (row: X86Row): string =>
  Object.entries(row)
    .map(([, value]) => value)
    .join(" ");
