/**
 * `npm run litmus -- [--tries N] [--seed N] [--only REGEXP] [--engine NAME] [--guest NAME]`: each litmus test (tests.ts,
 * x86/tests.ts) so many times, ten million if not said otherwise, under hv and pr, x86's with accesses that the engine orders and as
 * the host does, and whether an outcome came that is forbidden. "met" is in how many tries processor 0 found all others at
 * it: only these say something, and a host with fewer free processors than the test has makes few of them.
 */
import { parseArgs } from "node:util";
import { hostIsX86 } from "../../src/engine/ordering.js";
import { chosen, countOf, oneOf, patternOf } from "../../tools/own-command.js";
import { runLitmus } from "./run.js";
import { litmusTests, seenEverywhere } from "./tests.js";
import { LitmusGuest } from "./x86/run.js";
import { storeBuffers, litmusTests as x86Tests } from "./x86/tests.js";

const engines = ["hv", "pr"] as const;
const guests = ["powerpc", "x86"] as const;
const usage = `usage: npm run litmus -- [options]
  --tries N      of each test (default: 10000000)
  --seed N       repeats a run
  --only REGEXP  tests whose names match
  --engine NAME  ${engines.join(" or ")}; can be given again (default: both)
  --guest NAME   ${guests.join(" or ")}; can be given again (default: both)
`;
const { tries, seed, only, ...wanted } = chosen({ name: "litmus", usage }, () => {
  const { values } = parseArgs({
    options: {
      tries: { type: "string", default: "10000000" },
      seed: { type: "string", default: String(Date.now() % 2 ** 31) },
      only: { type: "string", default: "" },
      engine: { type: "string", multiple: true, default: [...engines] },
      guest: { type: "string", multiple: true, default: [...guests] },
    },
  });
  return {
    tries: countOf("tries", values.tries),
    seed: countOf("seed", values.seed, 0),
    only: patternOf("only", values.only),
    engines: values.engine.map((name) => oneOf("engine", name, engines)),
    guests: values.guest.map((name) => oneOf("guest", name, guests)),
  };
});
let failed = false;

interface Result {
  readonly test: { readonly name: string; readonly outcome: readonly number[]; readonly allowed: boolean };
  readonly tries: number;
  readonly seen: number;
  readonly met: number;
  readonly counts: ReadonlyMap<string, number>;
}

/** Says what came out since `begin`. `expected`: it is to be seen. */
function report(how: string, { test, tries, seen, met, counts }: Result, begin: number, expected: boolean): void {
  const wrong = (!test.allowed && seen > 0) || (expected && seen === 0);
  failed ||= wrong;
  const outcomes = [...counts].map(([outcome, count]) => `${outcome}: ${count}`).join(", ");
  console.log(
    `${how} ${test.name}: ${test.outcome.join("")} is ${test.allowed ? "allowed" : "forbidden"}, seen ${seen} ` +
      `times in ${tries} tries, ${met} met, ${((performance.now() - begin) / 1000).toFixed(0)} s (${outcomes})` +
      `${wrong ? " WRONG" : ""}`,
  );
}

async function powerpc(implementation: (typeof engines)[number]): Promise<void> {
  for (const test of litmusTests.filter(({ name }) => only.test(name))) {
    const begin = performance.now();
    const [result] = await runLitmus({ tests: [test], implementation, tries, seed });
    if (result) report(implementation, result, begin, test === seenEverywhere);
  }
}

async function x86(implementation: (typeof engines)[number]): Promise<void> {
  for (const ordered of hostIsX86() ? [true, false] : [true]) {
    const guest = new LitmusGuest({ implementation, ordered, seed });
    for (const test of x86Tests.filter(({ name }) => only.test(name))) {
      const begin = performance.now();
      const how = `x86 ${implementation}, ${ordered ? "ordered" : "plain"},`;
      report(how, await guest.run(test, { tries }), begin, test === storeBuffers && !ordered);
    }
    await guest.close();
  }
}

console.log(`seed ${seed}`);
for (const guest of wanted.guests) {
  for (const engine of wanted.engines) await (guest === "x86" ? x86(engine) : powerpc(engine));
}
process.exitCode = failed ? 1 : 0;
