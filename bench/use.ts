/**
 * `npm run bench:use`: what a user waits for, against what it is to take; the default guest. Each row is a file of bench/use/
 * and a line in bench/use/rows.ts; the median of its runs is shown, and their best. Times are the clock's: on a machine that
 * does other things they are too long.
 *
 *   npm run bench:use -- --only 'exec|fork' --runs 5 --type hv
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SharedVm } from "./use/row.js";
import { rows } from "./use/rows.js";

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[sorted.length >> 1] ?? Number.NaN)) / 2;
};

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: "" },
      runs: { type: "string" },
      type: { type: "string" },
      out: { type: "string" },
    },
  });
  const type = values.type === "pr" ? "pr" : "hv";
  const only = new RegExp(values.only);
  const shared = new SharedVm({ type });
  const results: { name: string; target: string; unit: string; median: number; best: number; runs: number }[] = [];
  const cell = (value: number, unit: string): string => `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`.padStart(12);
  process.stdout.write(`${"".padEnd(64)}${"target".padStart(12)}${"median".padStart(12)}${"best".padStart(12)}\n`);
  try {
    for (const row of rows.filter(({ name }) => only.test(name))) {
      const runs = Number(values.runs ?? row.runs);
      const measured: number[] = [];
      try {
        await row.measure({ type, runs, shared, result: (value) => void measured.push(value) });
      } catch (error) {
        process.stdout.write(`${row.name.padEnd(64)}  failed: ${error instanceof Error ? error.message : error}\n`);
        process.exitCode = 1;
        continue;
      }
      const best = row.more ? Math.max(...measured) : Math.min(...measured);
      const { name, target, unit } = row;
      results.push({ name, target, unit, median: median(measured), best, runs: measured.length });
      process.stdout.write(
        `${name.padEnd(64)}${target.padStart(12)}${cell(median(measured), unit)}${cell(best, unit)}\n`,
      );
    }
  } finally {
    await shared.close();
  }
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(results, undefined, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
