/**
 * `npm run bench:boot`: from the start of the kernel to /init, one vCPU, the default guest, under each implementation and
 * under qemu-system-ppc64 where it is installed, in turn; the best of some rounds. Times are only comparable within one
 * run: the table gives ratios to QEMU.
 *
 *   npm run bench:boot -- --rounds 3 --memory 256 --skip pr
 *
 * The time is the guest's own uptime when /init begins, which follows the host's clock under all of them: starting Node
 * or QEMU, and QEMU's firmware, do not count. "beside RAM" is the peak resident set less the guest's memory. "M a second" are
 * million instructions of the whole run by the CPU time of the thread that runs them, which a busy machine does not disturb.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensureDefaultGuest, type Guest } from "../guests/index.js";
import { threadTimes } from "./suite/process.js";

interface Measured {
  /** Seconds from the kernel's first line to /init. */
  readonly boot: number;
  /** Seconds from the start of the process to its end. */
  readonly whole: number;
  /** Peak resident set, MB. */
  readonly resident: number;
  /** CPU seconds of the process's busiest thread, the vCPU's. */
  readonly thread: number;
  /** Million guest instructions from start to power-off, if it is known. */
  readonly instructions: number | undefined;
}

interface Subject {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
}

const main = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    memory: { type: "string", default: "256" },
    skip: { type: "string", multiple: true, default: [] },
  },
});
const memory = Number(values.memory);

/** VmHWM of a process and of nothing else, MB; Linux only. */
function peakResident(pid: number | undefined): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(text)?.[1] ?? Number.NaN) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** Adds up the instructions that `--stats` reports, one line a vCPU. */
function instructionsOf(stderr: string): number | undefined {
  const counts = [...stderr.matchAll(/^.*\binstructions\b\D*(\d+)/gm)].map((match) => Number(match[1]));
  return counts.length > 0 ? counts.reduce((sum, one) => sum + one, 0) / 1e6 : undefined;
}

function measure({ program, args }: Subject): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    let [resident, thread] = [Number.NaN, Number.NaN];
    const watch = setInterval(() => {
      const now = peakResident(child.pid);
      if (!Number.isNaN(now)) resident = now;
      const times = [...threadTimes(child.pid).values()];
      if (times.length > 0) thread = Math.max(...times.map(({ run }) => run));
    }, 50);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (status) => {
      clearInterval(watch);
      const boot = Number(/^bench: init runs ([\d.]+)/m.exec(stdout)?.[1] ?? Number.NaN);
      if (status !== 0 || Number.isNaN(boot)) {
        reject(new Error(`${program} ended with ${status}: ${stderr.slice(-500) || stdout.slice(-500)}`));
        return;
      }
      const whole = (performance.now() - begin) / 1000;
      resolve({ boot, whole, resident, thread, instructions: instructionsOf(stderr) });
    });
  });
}

function subjects(guest: Guest): Subject[] {
  const append = `${guest.append} unikvm.run="read up idle </proc/uptime; echo bench: init runs $up"`;
  const images = ["--kernel", guest.kernel, "--initrd", guest.initrd, "--append", append];
  const ours = ["hv", "pr"].map((type) => ({
    name: type,
    program: process.execPath,
    args: [main, "run", "--type", type, "--memory", `${memory}M`, "--stats", "--timeout", "600", ...images],
  }));
  const qemu = {
    name: "qemu",
    program: "qemu-system-ppc64",
    args: [
      ...["-M", "pseries,x-vof=on", "-cpu", "power9", "-smp", "1", "-m", `${memory}M`, "-nodefaults", "-no-reboot"],
      ...["-display", "none", "-serial", "stdio"],
      ...["-kernel", guest.kernel, "-initrd", guest.initrd, "-append", append],
    ],
  };
  return [...ours, qemu].filter(({ name }) => !values.skip.includes(name));
}

const all = subjects(await ensureDefaultGuest());
const results = new Map<string, Measured[]>();
for (let round = 0; round < Number(values.rounds); round++) {
  for (const subject of all) {
    try {
      const measured = await measure(subject);
      results.set(subject.name, [...(results.get(subject.name) ?? []), measured]);
      process.stderr.write(`round ${round + 1} ${subject.name}: ${measured.boot.toFixed(2)} s\n`);
    } catch (error) {
      process.stderr.write(`round ${round + 1} ${subject.name}: SKIPPED: ${(error as Error).message}\n`);
    }
  }
}

const best = (list: readonly Measured[], key: "boot" | "whole" | "resident") =>
  Math.min(...list.map((one) => one[key]));
const reference = results.get("qemu");
const table = [["", "to /init", "of QEMU's", "whole run", "M a second", "peak RSS", "beside RAM"]];
for (const [name, list] of results) {
  const boot = best(list, "boot");
  const rates = list.flatMap(({ instructions, thread }) => (instructions === undefined ? [] : instructions / thread));
  const mips = rates.length > 0 ? Math.max(...rates).toFixed(0) : "";
  const resident = best(list, "resident");
  table.push([
    name,
    `${boot.toFixed(2)} s`,
    reference ? `${(boot / best(reference, "boot")).toFixed(2)} x` : "",
    `${best(list, "whole").toFixed(2)} s`,
    mips,
    `${resident.toFixed(0)} MB`,
    `${(resident - memory).toFixed(0)} MB`,
  ]);
}
const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
for (const row of table) {
  console.log(
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
}
