/**
 * `npm run bench:use`: what a user waits for, against what it is to take; of any guest. Each row is a file of bench/use/
 * and a line in bench/use/rows.ts; the median of its runs is shown, and their best. Times are the clock's: on a machine that
 * does other things they are too long.
 *
 *   npm run bench:use -- --guest amd64 --only 'exec|fork' --runs 5 --type hv
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { architectureOfGuest } from "../guests/index.js";
import { architectureNamed, countOf, guestNames, oneOf, patternOf, runCommand } from "./suite/command.js";
import { SharedVm } from "./use/row.js";
import { rows } from "./use/rows.js";

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[sorted.length >> 1] ?? Number.NaN)) / 2;
};

const usage = `usage: npm run bench:use -- [options]
  --guest NAME   ${guestNames} (default: the first)
  --type NAME    hv (the default) or pr
  --only REGEXP  only rows whose names match
  --runs N       of each row
  --out FILE     the results as JSON
`;

async function main(): Promise<number> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      ...{ guest: text, runs: text, out: text, only: { ...text, default: "" }, type: { ...text, default: "hv" } },
    },
  });
  const guest = architectureOfGuest(architectureNamed(values.guest).name);
  const type = oneOf("type", values.type, ["hv", "pr"]);
  const only = patternOf("only", values.only);
  const wanted = values.runs === undefined ? undefined : countOf("runs", values.runs);
  const shared = new SharedVm({ type, guest });
  let failed = false;
  const results: { name: string; target: string; unit: string; median: number; best: number; runs: number }[] = [];
  const cell = (value: number, unit: string): string => `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`.padStart(12);
  process.stdout.write(`${"".padEnd(64)}${"target".padStart(12)}${"median".padStart(12)}${"best".padStart(12)}\n`);
  try {
    for (const row of rows.filter(({ name }) => only.test(name))) {
      const runs = wanted ?? row.runs;
      const measured: number[] = [];
      try {
        await row.measure({ type, guest, runs, shared, result: (value) => void measured.push(value) });
      } catch (error) {
        process.stdout.write(`${row.name.padEnd(64)}  failed: ${error instanceof Error ? error.message : error}\n`);
        failed = true;
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
  return failed ? 1 : 0;
}

await runCommand(usage, main);
