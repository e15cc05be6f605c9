/**
 * `npm run litmus -- [--tries N] [--seed N] [--only REGEXP] [--engine NAME] [--guest NAME]`: each litmus test (tests.ts,
 * x86/tests.ts) so many times, ten million if not said otherwise, under hv and pr, x86's with accesses that the engine orders and as
 * the host does, and whether an outcome came that is forbidden. "met" is in how many tries processor 0 found all others at
 * it: only these say something, and a host with fewer free processors than the test has makes few of them.
 */
import { parseArgs } from "node:util";
import { hostIsX86 } from "../../src/engine/ordering.js";
import { runLitmus } from "./run.js";
import { litmusTests, seenEverywhere } from "./tests.js";
import { LitmusGuest } from "./x86/run.js";
import { storeBuffers, litmusTests as x86Tests } from "./x86/tests.js";

const engines = ["hv", "pr"] as const;
const guests = ["powerpc", "x86"] as const;
const { values } = parseArgs({
  options: {
    tries: { type: "string", default: "10000000" },
    seed: { type: "string" },
    only: { type: "string", default: "" },
    engine: { type: "string", multiple: true, default: [...engines] },
    guest: { type: "string", multiple: true, default: [...guests] },
  },
});
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const tries = Number(values.tries);
const only = new RegExp(values.only);
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
for (const guest of values.guest) {
  for (const engine of values.engine) {
    const known = engines.find((name) => name === engine);
    if (!known) throw new Error(`there is no engine ${engine}`);
    if (guest === "x86") await x86(known);
    else if (guest === "powerpc") await powerpc(known);
    else throw new Error(`there are no litmus tests of ${guest}`);
  }
}
process.exitCode = failed ? 1 : 0;
