/**
 * `npm run bench:move`: how long the guest's clock stands still when its VM moves to another loaded kvm, in Debian's guest,
 * under each implementation, with one vCPU and two, a thread for each. A program in the guest looks at the time base all
 * the time; the longest time that it did not see pass is the stop, or what the guest's own interrupts took if that was
 * more: the same without a move stands beside it. Median and worst of some rounds.
 */
import { parseArgs } from "node:util";
import { gapProgram, loadKvm, whileRunning } from "../test/boot/moving.test-support.js";
import { chosen, countOf } from "../tools/own-command.js";

const usage = `usage: npm run bench:move -- [--rounds N]
  --rounds N   with a move, and as many without (default: 7)
`;
const rounds = chosen({ name: "bench", usage }, () => {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" } } });
  return countOf("rounds", values.rounds);
});
const seconds = 2;
const types = { hv: 1, pr: 2 } as const;

const script = `#!/bin/sh
while :; do echo ready; /gap | od -An -tu8; done
`;

interface Row {
  readonly moving: readonly number[];
  readonly still: readonly number[];
}

async function measure(type: keyof typeof types, cpus: number): Promise<Row> {
  const kvms = [await loadKvm(), await loadKvm()];
  const files = [gapProgram(seconds), { path: "gap.sh", type: "file", mode: 0o755, data: script } as const];
  const kvm = kvms[0]?.kvm;
  if (!kvm) throw new Error("no kvm");
  const options = {
    kvm,
    type: types[type],
    threads: "worker",
    cpus,
    append: "quiet unikvm.run=/gap.sh",
    files,
  } as const;
  const gaps: number[] = [];
  await whileRunning(options, async ({ run, see, text }) => {
    // The first round warms up; of the others every second one moves.
    for (let round = 0; round <= 2 * rounds; round++) {
      await see("ready\n");
      const seen = () => [...text().matchAll(/^ +(\d+)$/gm)].map(([, ticks]) => Number(ticks) / 512_000);
      const before = seen().length;
      await pause((seconds * 1000) / 2);
      if (round % 2 === 1) await run.moveTo((kvms[((round + 1) / 2) % 2] as (typeof kvms)[0]).kvm);
      while (seen().length === before) await pause(20);
      if (round > 0) gaps.push(seen().at(-1) ?? Number.NaN);
    }
  });
  return { moving: gaps.filter((_, i) => i % 2 === 0), still: gaps.filter((_, i) => i % 2 === 1) };
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const sorted = (all: readonly number[]): number[] => [...all].sort((a, b) => a - b);
const shown = (all: readonly number[]): string =>
  `${(sorted(all)[all.length >> 1] ?? Number.NaN).toFixed(1).padStart(7)} ${Math.max(...all)
    .toFixed(1)
    .padStart(7)}`;

process.stdout.write(
  "longest time that the guest did not see, ms    moved: median   worst   not moved: median   worst\n",
);
for (const type of ["hv", "pr"] as const) {
  for (const cpus of [1, 2]) {
    const { moving, still } = await measure(type, cpus);
    process.stdout.write(`${`${type}, ${cpus} vCPU`.padEnd(54)}${shown(moving)}            ${shown(still)}\n`);
  }
}
