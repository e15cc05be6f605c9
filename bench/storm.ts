/**
 * `npm run bench:storm`: how late a guest is ended by its time limit and by the user while all its four processors do
 * nothing but leave straight code (storm-guests.ts): the longest of some rounds, milliseconds, for each implementation and
 * way of running processors. On a quiet machine nothing may be later than a second.
 *
 *   npm run bench:storm -- --rounds 3 --after 2000 --only doorbell
 */
import { parseArgs } from "node:util";
import { chosen, countOf, UsageError } from "../tools/own-command.js";
import { type StormName, storms } from "./storm-guests.js";
import { type Implementation, runStorm, type ThreadMode } from "./storm-run.js";

const usage = `usage: npm run bench:storm -- [options]
  --rounds N            (default: 1)
  --after MILLISECONDS  it is ended after these (default: 2000), a time limit later where processors begin later
  --only TEXT           storms with this in their names, of ${Object.keys(storms).join(", ")}
`;
const { rounds, after, names } = chosen({ name: "bench", usage }, () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "1" },
      after: { type: "string", default: "2000" },
      only: { type: "string", default: "" },
    },
  });
  const names = (Object.keys(storms) as StormName[]).filter((name) => name.includes(values.only));
  if (names.length === 0) throw new UsageError(`--only: no storm's name has "${values.only}" in it`);
  return { rounds: countOf("rounds", values.rounds), after: countOf("after", values.after), names };
});

const ways: readonly (readonly [Implementation, ThreadMode])[] = [
  ["hv", "worker"],
  ["hv", "single"],
  ["pr", "worker"],
  ["pr", "single"],
];
const limit = 1000;
const lines = [
  `| milliseconds late, limit / user | ${ways.map((way) => way.join(" ")).join(" | ")} |`,
  `|---|${"---|".repeat(ways.length)}`,
];
let latest = 0;
for (const name of names) {
  const cells: string[] = [];
  for (const [implementation, threads] of ways) {
    const worst = { limit: 0, user: 0 };
    for (let round = 0; round < rounds; round++) {
      for (const by of ["limit", "user"] as const) {
        const late = await runStorm({ name, implementation, threads, after, by });
        worst[by] = Math.max(worst[by], late);
      }
    }
    latest = Math.max(latest, worst.limit, worst.user);
    cells.push(`${worst.limit.toFixed(0)} / ${worst.user.toFixed(0)}`);
  }
  const line = `| ${name} | ${cells.join(" | ")} |`;
  process.stderr.write(`${line}\n`);
  lines.push(line);
}
process.stdout.write(`${lines.join("\n")}\n`);
if (latest > limit) {
  process.stdout.write(`later than ${limit} ms\n`);
  process.exitCode = 1;
}
