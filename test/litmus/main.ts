/**
 * `npm run litmus -- [--tries N] [--seed N] [--only REGEXP] [--engine NAME]`: each litmus test (tests.ts) so many times, ten
 * million if not said otherwise, under hv and pr, and whether an outcome came that is forbidden. "met" is in how many tries
 * processor 0 found all others at it: only these say something, and a host with fewer free processors than the test has
 * makes few of them.
 */
import { parseArgs } from "node:util";
import { type Implementation, implementations, runLitmus } from "./run.js";
import { litmusTests, seenEverywhere } from "./tests.js";

const { values } = parseArgs({
  options: {
    tries: { type: "string", default: "10000000" },
    seed: { type: "string" },
    only: { type: "string", default: "" },
    engine: { type: "string", multiple: true, default: Object.keys(implementations) },
  },
});
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const only = new RegExp(values.only);
let failed = false;
console.log(`seed ${seed}`);
for (const implementation of values.engine as Implementation[]) {
  if (!(implementation in implementations)) throw new Error(`there is no engine ${implementation}`);
  for (const test of litmusTests.filter(({ name }) => only.test(name))) {
    const begin = performance.now();
    const [result] = await runLitmus({ tests: [test], implementation, tries: Number(values.tries), seed });
    if (!result) continue;
    const { tries, seen, met, counts } = result;
    const wrong = (!test.allowed && seen > 0) || (test === seenEverywhere && seen === 0);
    failed ||= wrong;
    const outcomes = [...counts].map(([outcome, count]) => `${outcome}: ${count}`).join(", ");
    console.log(
      `${implementation} ${test.name}: ${test.outcome.join("")} is ${test.allowed ? "allowed" : "forbidden"}, seen ${seen} ` +
        `times in ${tries} tries, ${met} met, ${((performance.now() - begin) / 1000).toFixed(0)} s (${outcomes})` +
        `${wrong ? " WRONG" : ""}`,
    );
  }
}
process.exitCode = failed ? 1 : 0;
