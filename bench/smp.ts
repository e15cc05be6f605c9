/**
 * `npm run bench:smp`: what two programs that have nothing to do with each other get done on two vCPUs, beside what one gets
 * done alone on one of them: "throughput", 2.0 at the best. Under each implementation, and under qemu-system-ppc64 where it
 * is installed. It wants two free processors of the host. On a machine that does other things the last columns say more: the same
 * without the time that the vCPUs' threads were ready to run and the host had no processor for them, and the CPU time of the
 * engine's process for the same work, two at once against one after the other (1.0 at the best).
 *
 *   npm run bench:smp -- --rounds 3 --size 4 --only shell --skip qemu
 */
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { ensureDefaultGuest } from "../guests/index.js";
import { bootArguments, main, withInitrd } from "../test/boot/booting.test-support.js";
import { threadTimes } from "./suite/process.js";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    /** How much work there is: 4 is some three seconds of each. */
    size: { type: "string", default: "4" },
    only: { type: "string", default: "" },
    skip: { type: "string", multiple: true, default: [] },
  },
});
const size = Number(values.size);
const rounds = Number(values.rounds);

/** Programs, each for one vCPU: within one program, with the kernel's help, with new processes all the time. */
const programs = {
  digest: `dd if=/dev/zero bs=64k count=${size * 60} 2>/dev/null | sha256sum`,
  awk: `awk 'BEGIN { for (i = 0; i < ${size * 20_000}; i++) s += i % 7; print s }'`,
  shell: `i=0; while [ $i -lt ${size * 400} ]; do (exit $i); i=$((i + 1)); done; echo $i`,
} as const;
const names = (Object.keys(programs) as (keyof typeof programs)[]).filter((name) => new RegExp(values.only).test(name));

/** Says when each part begins and ends; the first run of each, on either vCPU, warms up. */
const script = `#!/bin/sh
${names.map((name) => `do_${name}() { ${programs[name]}; }`).join("\n")}
if [ -n "$1" ]; then "do_$1" >/dev/null; exit; fi
for name in ${names.join(" ")}; do
  taskset 1 /smp.sh $name & taskset 2 /smp.sh $name; wait
  round=0
  while [ $round -lt ${rounds} ]; do
    echo "mark $name one"
    taskset 1 /smp.sh $name
    echo "mark $name two"
    taskset 1 /smp.sh $name & taskset 2 /smp.sh $name; wait
    echo "mark $name end"
    round=$((round + 1))
  done
done
`;

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
    // Of two that run beside each other, both must be through.
    ready: Math.max(...busiest.map(({ wait }) => time - wait)),
    cpu: threads.reduce((sum, { run }) => sum + run, 0),
  };
}

/** Runs the guest, and looks at the host's clock and at the engine's CPU time at each mark. */
function measure(program: string, args: readonly string[]): Promise<ReadonlyMap<string, readonly Measured[]>> {
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
        reject(new Error(`it ended with ${status}: ${stderr.slice(-500) || stdout.slice(-500)}`));
        return;
      }
      resolve(new Map([...marks].map(([name, list]) => [name, list.flatMap((mark, i) => measured(mark, list, i))])));
    });
  });
}

interface Measured {
  readonly one: Part;
  readonly two: Part;
}
/** What is between three marks that begin with this one. */
function measured(begin: Mark, list: readonly Mark[], i: number): Measured[] {
  const [middle, end] = list.slice(i + 1);
  if (i % 3 !== 0 || !middle || !end) return [];
  return [{ one: between(begin, middle, 1), two: between(middle, end, 2) }];
}

const files = [{ path: "smp.sh", type: "file", mode: 0o755, data: script }] as const;
const append = "quiet unikvm.run=/smp.sh";
const table = [["", "", "one, s", "two, s", "throughput", "when ready", "CPU time"]];
await ensureDefaultGuest();
await withInitrd(files, async (guest) => {
  const ours = (["hv", "pr"] as const).map((type) => {
    const boot = bootArguments(guest, { type, append, args: ["--cpus", "2"], timeout: 3600 });
    return { name: type, program: process.execPath, args: [main, ...boot] };
  });
  const machine = ["-M", "pseries,x-vof=on", "-cpu", "power9", "-smp", "2", "-m", "512M", "-nodefaults", "-no-reboot"];
  const images = ["-kernel", guest.kernel, "-initrd", guest.initrd, "-append", `${guest.append} ${append}`];
  const console = ["-accel", "tcg,thread=multi", "-display", "none", "-serial", "stdio"];
  const qemu = { name: "qemu", program: "qemu-system-ppc64", args: [...machine, ...console, ...images] };
  for (const { name, program, args } of [...ours, qemu].filter((one) => !values.skip.includes(one.name))) {
    try {
      for (const [work, list] of await measure(program, args)) {
        const least = (which: "one" | "two", key: keyof Part) => Math.min(...list.map((part) => part[which][key]));
        const ratio = (key: keyof Part) => (2 * least("one", key)) / least("two", key);
        const figures = [least("one", "time"), least("two", "time"), ratio("time"), ratio("ready"), 1 / ratio("cpu")];
        table.push([name, work, ...figures.map((one) => one.toFixed(2))]);
      }
    } catch (error) {
      process.stderr.write(`${name}: SKIPPED: ${(error as Error).message}\n`);
    }
  }
});
for (const [name = "", work = "", ...figures] of table) {
  process.stdout.write(`${name.padEnd(6)}${work.padEnd(8)}${figures.map((one) => one.padStart(12)).join("")}\n`);
}
