/**
 * `npm run bench:exits`: what it costs that the neutral core calls the architecture through a table of functions. Each way
 * of exits-links.ts is run in turn, in processes of its own, with a guest that does nothing but exit; the median of the
 * rounds' CPU time per exit counts.
 *
 *   npm run bench:exits -- --rounds 9
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chosen, countOf } from "../tools/own-command.js";
import { bundleExits, type Link, links } from "./exits-links.js";

const usage = `usage: npm run bench:exits -- [--rounds N]
  --rounds N   of each way (default: 7)
`;
const rounds = chosen({ name: "bench", usage }, () => {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" } } });
  return countOf("rounds", values.rounds);
});
const implementations = ["hv", "pr"] as const;
const kinds = { user: "exit to the user side", kernel: "exit answered in the kernel side" } as const;

type Sample = Readonly<Record<keyof typeof kinds, number>>;

function run(program: string, implementation: string): Sample {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, implementation], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Sample;
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const folder = mkdtempSync(join(tmpdir(), "unikvm-exits-"));
try {
  const programs = new Map<Link, string>();
  for (const link of links) programs.set(link, await bundleExits(link, folder));
  const samples = new Map<string, Sample[]>();
  for (let round = 0; round < rounds; round++) {
    for (const implementation of implementations) {
      // A different one first each time: what the machine does meanwhile meets all alike.
      for (const [i] of links.entries()) {
        const link = links[(i + round) % links.length] as Link;
        const key = `${implementation} ${link}`;
        const sample = run(programs.get(link) ?? "", implementation);
        process.stderr.write(`${round + 1}/${rounds} ${key}: ${sample.user.toFixed(0)} ${sample.kernel.toFixed(0)}\n`);
        samples.set(key, [...(samples.get(key) ?? []), sample]);
      }
    }
  }
  const lines = ["| | link | ns per exit (lowest to highest) | exits per second |", "|---|---|---|---|"];
  for (const implementation of implementations) {
    for (const [kind, title] of Object.entries(kinds)) {
      for (const link of links) {
        const all = (samples.get(`${implementation} ${link}`) ?? []).map(
          (sample) => sample[kind as keyof typeof kinds],
        );
        const middle = median(all);
        const range = `${Math.min(...all).toFixed(0)} to ${Math.max(...all).toFixed(0)}`;
        lines.push(
          `| ${implementation}, ${title} | ${link} | ${middle.toFixed(0)} (${range}) | ${Math.round(1e9 / middle).toLocaleString("en")} |`,
        );
      }
    }
  }
  process.stdout.write(`${lines.join("\n")}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
