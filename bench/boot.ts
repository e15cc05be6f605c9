/**
 * `npm run bench:boot`: from the start of the kernel to /init, one vCPU, under each implementation and under QEMU's TCG (or v86)
 * where it is installed, in turn; the best of some rounds. Times are only comparable within one run: the table gives ratios to
 * the first of QEMU and v86.
 *
 *   npm run bench:boot -- --guest amd64 --rounds 3 --memory 256 --skip pr
 *   npm run bench:boot -- --guest i386 --engines qemu,v86,hv
 *
 * The time is the guest's own uptime when /init begins, which follows the host's clock under all of them: starting Node
 * or QEMU, and QEMU's firmware, do not count. "beside RAM" is the peak resident set less the guest's memory, all but some 8 MB
 * of which the guest writes to once it has said its time. "M a second" are million instructions of the whole run by the CPU time
 * of the thread that runs them, which a busy machine does not disturb; a repeated string instruction of x86 is one, however often
 * it repeats.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Architecture, Command } from "./suite/architectures.js";
import { architectureNamed, countOf, guestNames, runCommand, say } from "./suite/command.js";
import { engineNames, enginesOf, peersOf } from "./suite/engines.js";
import { threadTimes } from "./suite/process.js";
import { alignedCells } from "./suite/table.js";

const usage = `usage: npm run bench:boot -- [options]
  --guest NAME     ${guestNames} (default: the first)
  --engines LIST   of qemu, v86 (of i386), hv, pr (default: qemu,hv,pr)
  --skip NAME      one engine less; can be given again
  --node PATH      hv once more on another Node.js, and v86 if it is wanted; can be given again
  --rounds N       boots of each (default: 3)
  --memory MB      of the guest (default: 256)
  --timeout SECONDS  for one boot (default: 600)
`;

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

/** What /init runs: it says when it does, and then writes to all of its memory but a little. */
const command = [
  "read up idle </proc/uptime; echo bench: init runs $up",
  "mount -t tmpfs -o size=100% fill /tmp",
  "dd if=/dev/zero of=/tmp/fill bs=1M count=$(awk '/^MemAvailable/ { print int($2 / 1024) - 8 }' /proc/meminfo)",
].join("; ");

/** The guest did not come to its end. */
class BootFailed extends Error {
  override name = "BootFailed";
}

/** VmHWM of a process and of nothing else, MB; Linux only. */
function peakResident(pid: number | undefined): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(text)?.[1] ?? Number.NaN) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** Adds up what `--stats` reports, one line a vCPU. Millions. */
function instructionsOf(stderr: string, { name, each }: Architecture["counter"]): number | undefined {
  const lines = stderr.matchAll(new RegExp(`^cpu\\d+ +${name} +(\\d+)$`, "gm"));
  const counts = [...lines].map((match) => Number(match[1]));
  return counts.length > 0 ? counts.reduce((sum, one) => sum + one, 0) / each / 1e6 : undefined;
}

/** One boot, which ends with the guest's power-off. */
function measure({ program, args }: Command, counter: Architecture["counter"], seconds: number): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    let [resident, thread] = [Number.NaN, Number.NaN];
    const limit = setTimeout(() => child.kill("SIGKILL"), seconds * 1000);
    const watch = setInterval(() => {
      const now = peakResident(child.pid);
      if (!Number.isNaN(now)) resident = now;
      // At the end only the others are left.
      for (const { run } of threadTimes(child.pid).values()) if (!(run <= thread)) thread = run;
    }, 50);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(limit);
      clearInterval(watch);
      const boot = Number(/^bench: init runs ([\d.]+)/m.exec(stdout)?.[1] ?? Number.NaN);
      if (status !== 0 || Number.isNaN(boot)) {
        reject(new BootFailed(`${program} ended with ${status}: ${stderr.slice(-500) || stdout.slice(-500)}`));
        return;
      }
      const whole = (performance.now() - begin) / 1000;
      resolve({ boot, whole, resident, thread, instructions: instructionsOf(stderr, counter) });
    });
  });
}

function print(results: ReadonlyMap<string, readonly Measured[]>, reference: string | undefined, memory: number): void {
  const best = (list: readonly Measured[], key: "boot" | "whole" | "resident") =>
    Math.min(...list.map((one) => one[key]));
  const other = results.get(reference ?? "");
  const table = [
    [
      "",
      "to /init",
      reference === undefined ? "" : `of ${reference}'s`,
      "whole run",
      "M a second",
      "peak RSS",
      "beside RAM",
    ],
  ];
  for (const [name, list] of results) {
    const boot = best(list, "boot");
    const rates = list.flatMap(({ instructions, thread }) => (instructions === undefined ? [] : instructions / thread));
    const resident = best(list, "resident");
    table.push([
      name,
      `${boot.toFixed(2)} s`,
      other ? `${(boot / best(other, "boot")).toFixed(2)} x` : "",
      `${best(list, "whole").toFixed(2)} s`,
      rates.length > 0 ? Math.max(...rates).toFixed(0) : "",
      `${resident.toFixed(0)} MB`,
      `${(resident - memory).toFixed(0)} MB`,
    ]);
  }
  for (const line of alignedCells(table)) console.log(line);
}

async function main(): Promise<number> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      ...{ guest: text, engines: text, rounds: { ...text, default: "3" }, memory: { ...text, default: "256" } },
      skip: { ...text, multiple: true, default: [] },
      node: { ...text, multiple: true, default: [] },
      timeout: { ...text, default: "600" },
    },
  });
  const architecture = architectureNamed(values.guest);
  const [rounds, memory] = [countOf("rounds", values.rounds), countOf("memory", values.memory)];
  const timeout = countOf("timeout", values.timeout);
  const names = engineNames(architecture, values.engines, values.skip);
  const engines = await enginesOf(architecture, { names, nodes: values.node, report: say });
  const guest = await architecture.guest();
  const images = { ...guest, append: `${guest.append}${architecture.append} unikvm.run="${command}"`, memory };
  const results = new Map<string, Measured[]>();
  let failed = false;
  for (let round = 1; round <= rounds; round++) {
    for (const engine of engines) {
      try {
        const measured = await measure(engine.command(images), architecture.counter, timeout);
        results.set(engine.name, [...(results.get(engine.name) ?? []), measured]);
        say(`round ${round}, ${engine.name}: ${measured.boot.toFixed(2)} s`);
      } catch (error) {
        if (!(error instanceof BootFailed)) throw error;
        failed = true;
        say(`round ${round}, ${engine.name}: FAILED: ${error.message}`);
      }
    }
  }
  print(
    results,
    names.find((name) => peersOf(architecture).includes(name) && results.has(name)),
    memory,
  );
  return failed ? 1 : 0;
}

await runCommand(usage, main);
