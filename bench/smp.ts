/**
 * `npm run bench:smp`: what programs that have nothing to do with each other get done on two vCPUs or more, beside what one gets
 * done alone on one of them: "throughput", as many as vCPUs at the best. Under each implementation, and under QEMU's TCG where it
 * is installed. It wants as many free processors of the host. On a machine that does other things the last columns say more: the
 * same without the time that the vCPUs' threads were ready to run and the host had no processor for them, and the CPU time of the
 * engine's process for the same work, all at once against one after the other (1.0 at the best).
 *
 *   npm run bench:smp -- --guest amd64 --cpus 4 --rounds 3 --size 4 --only shell --skip qemu
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { architectureNamed, countOf, guestNames, patternOf, runCommand, say, UsageError } from "./suite/command.js";
import { writeInitrd } from "./suite/compile.js";
import { engineNames, enginesOf } from "./suite/engines.js";
import { threadTimes } from "./suite/process.js";
import { v86Name } from "./suite/v86.js";

const usage = `usage: npm run bench:smp -- [options]
  --guest NAME     ${guestNames} (default: the first)
  --cpus N         vCPUs, from 2 to 32 (default: 2)
  --size N         how much work there is: 4, the default, is some three seconds of each
  --only REGEXP    of digest, awk, shell
  --rounds N       (default: 3)
  --engines LIST   of qemu, hv, pr (default: all of them)
  --skip NAME      one engine less; can be given again
`;

/** Programs, each for one vCPU: within one program, with the kernel's help, with new processes all the time. */
const programs = {
  digest: (size: number) => `dd if=/dev/zero bs=64k count=${size * 60} 2>/dev/null | sha256sum`,
  awk: (size: number) => `awk 'BEGIN { for (i = 0; i < ${size * 20_000}; i++) s += i % 7; print s }'`,
  shell: (size: number) => `i=0; while [ $i -lt ${size * 400} ]; do (exit $i); i=$((i + 1)); done; echo $i`,
} as const;
type Work = keyof typeof programs;

/** Says when each part begins and ends; the first run of each, on every vCPU, warms up. */
function scriptOf(names: readonly Work[], size: number, rounds: number, cpus: number): string {
  const onEach = Array.from({ length: cpus }, (_, cpu) => `taskset ${(2 ** cpu).toString(16)} /smp.sh $name & `).join(
    "",
  );
  return `#!/bin/sh
${names.map((name) => `do_${name}() { ${programs[name](size)}; }`).join("\n")}
if [ -n "$1" ]; then "do_$1" >/dev/null; exit; fi
for name in ${names.join(" ")}; do
  ${onEach}wait
  round=0
  while [ $round -lt ${rounds} ]; do
    echo "mark $name one"
    taskset 1 /smp.sh $name
    echo "mark $name all"
    ${onEach}wait
    echo "mark $name end"
    round=$((round + 1))
  done
done
`;
}

interface Mark {
  readonly time: number;
  readonly threads: ReturnType<typeof threadTimes>;
}
/** Seconds: by the clock, without what the busiest threads waited for the host, and of CPU time. */
interface Part {
  readonly time: number;
  readonly ready: number;
  readonly cpu: number;
}

/** Between two marks; so many vCPUs were at work. */
function between(from: Mark, to: Mark, busy: number): Part {
  const threads = [...to.threads].map(([id, { run, wait }]) => {
    const before = from.threads.get(id) ?? { run: 0, wait: 0 };
    return { run: run - before.run, wait: wait - before.wait };
  });
  const busiest = threads.sort((a, b) => b.run - a.run).slice(0, busy);
  const time = to.time - from.time;
  return {
    time,
    // Of those that run beside each other, all must be through.
    ready: Math.max(...busiest.map(({ wait }) => time - wait)),
    cpu: threads.reduce((sum, { run }) => sum + run, 0),
  };
}

/** The guest did not do all that it was to do. */
class RunFailed extends Error {
  override name = "RunFailed";
}

interface Run {
  readonly program: string;
  readonly args: readonly string[];
  readonly rounds: number;
  readonly cpus: number;
}

/** Runs the guest, and looks at the host's clock and at the engine's CPU time at each mark. */
function measure({ program, args, rounds, cpus }: Run): Promise<ReadonlyMap<string, readonly Measured[]>> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const marks = new Map<string, Mark[]>();
    let [stdout, stderr, seen] = ["", "", 0];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text.replaceAll("\r", "");
      const found = [...stdout.matchAll(/^mark (\w+) \w+\n/gm)];
      for (const [, name = ""] of found.slice(seen)) {
        const mark = { time: performance.now() / 1000, threads: threadTimes(child.pid) };
        marks.set(name, [...(marks.get(name) ?? []), mark]);
      }
      seen = found.length;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (status) => {
      if (status !== 0 || [...marks.values()].some((list) => list.length !== 3 * rounds)) {
        reject(new RunFailed(`it ended with ${status}: ${stderr.slice(-500) || stdout.slice(-500)}`));
        return;
      }
      resolve(
        new Map([...marks].map(([name, list]) => [name, list.flatMap((mark, i) => measured(mark, list, i, cpus))])),
      );
    });
  });
}

interface Measured {
  readonly one: Part;
  readonly all: Part;
}
/** What is between three marks that begin with this one. */
function measured(begin: Mark, list: readonly Mark[], i: number, cpus: number): Measured[] {
  const [middle, end] = list.slice(i + 1);
  if (i % 3 !== 0 || !middle || !end) return [];
  return [{ one: between(begin, middle, 1), all: between(middle, end, cpus) }];
}

async function main(): Promise<number> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      ...{ guest: text, engines: text, cpus: { ...text, default: "2" }, rounds: { ...text, default: "3" } },
      ...{ size: { ...text, default: "4" }, only: { ...text, default: "" } },
      skip: { ...text, multiple: true, default: [] },
    },
  });
  const architecture = architectureNamed(values.guest);
  const [rounds, size, cpus] = [
    countOf("rounds", values.rounds),
    countOf("size", values.size),
    countOf("cpus", values.cpus, 2, 32),
  ];
  const only = patternOf("only", values.only);
  const names = (Object.keys(programs) as Work[]).filter((name) => only.test(name));
  if (names.length === 0)
    throw new UsageError(`--only: of ${Object.keys(programs).join(", ")} none matches ${only.source}`);
  const chosen = engineNames(architecture, values.engines, values.skip);
  if (chosen.includes(v86Name)) throw new UsageError("v86 has one processor");
  const engines = await enginesOf(architecture, { names: chosen, report: say });
  const guest = await architecture.guest();
  const folder = mkdtempSync(join(tmpdir(), "unikvm-smp-"));
  const table = [["", "", "one, s", "all, s", "throughput", "when ready", "CPU time"]];
  let failed = false;
  try {
    const initrd = join(folder, "initrd");
    const data = scriptOf(names, size, rounds, cpus);
    writeInitrd(guest, [{ path: "smp.sh", type: "file", mode: 0o755, data }], initrd);
    const append = `${guest.append}${architecture.append} quiet unikvm.run=/smp.sh`;
    for (const { name, command } of engines) {
      try {
        const images = { kernel: guest.kernel, initrd, append, memory: 512, cpus };
        for (const [work, list] of await measure({ ...command(images), rounds, cpus })) {
          const least = (which: "one" | "all", key: keyof Part) => Math.min(...list.map((part) => part[which][key]));
          const ratio = (key: keyof Part) => (cpus * least("one", key)) / least("all", key);
          const figures = [least("one", "time"), least("all", "time"), ratio("time"), ratio("ready"), 1 / ratio("cpu")];
          table.push([name, work, ...figures.map((one) => one.toFixed(2))]);
        }
      } catch (error) {
        if (!(error instanceof RunFailed)) throw error;
        failed = true;
        say(`${name}: FAILED: ${error.message}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  for (const [name = "", work = "", ...figures] of table) {
    process.stdout.write(`${name.padEnd(6)}${work.padEnd(8)}${figures.map((one) => one.padStart(12)).join("")}\n`);
  }
  return failed ? 1 : 0;
}

await runCommand(usage, main);
