/** The supervisor's side against qemu-system-ppc64: both byte orders, problem state, translation, interrupts, registers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { has } from "../../src/arch/powerpc/isa/levels.js";
import { missing } from "../oracles/oracles.js";
import { engines } from "./engines.js";
import { undrawn } from "./generate.js";
import { summary } from "./set-aside.js";
import { runSupervisor } from "./supervisor.js";
import { parseDraw, SupervisorCases } from "./supervisor-cases.js";
import { kinds } from "./supervisor-system.js";

const seed = 20230610;
/** Draws of each instruction that users do not have, and of each that they have. */
const own = 200;
const count = 8;

test("random cases of system instructions and contexts against qemu-system-ppc64", {
  skip: missing("qemuSystem"),
}, async (t) => {
  const failures: string[] = [];
  const result = await runSupervisor({
    seed,
    count,
    own,
    engines: Object.keys(engines),
    show: 1,
    log: (line) => failures.push(line),
  });
  t.diagnostic(`seed ${seed}, ${summary(result)} on ${Object.keys(engines).join(" and ")}`);
  assert.ok(result.failures.size === 0, `\n${failures.slice(0, 40).join("\n")}`);
  for (const { name } of kinds()) assert.equal(result.drawn.get(name), own, `${name} was not drawn ${own} times`);
});

test("every instruction of v3.0 that users' programs do not draw is drawn here", () => {
  const drawn = new Set(kinds().flatMap(({ variants }) => variants));
  const missing = undrawn(instructionSet(), false).map(({ mnemonic }) => mnemonic);
  const lacking = instructionSet().variants.filter(
    ({ variant }) => has("3.0", variant.definition) && missing.includes(variant.mnemonic) && !drawn.has(variant),
  );
  assert.deepEqual(
    lacking.map(({ variant }) => variant.mnemonic),
    [],
  );
});

test("a case is the same whenever it is drawn", () => {
  const name = { kind: "tlbie", ordinal: 5, slot: 9 };
  const [first, again, other] = [1, 1, 2].map((n) => new SupervisorCases(n).draw(name));
  assert.deepEqual(again, first);
  assert.notDeepEqual(other, first);
  assert.throws(() => new SupervisorCases(1).draw({ ...name, kind: "nothing" }), /no kind of case called nothing/);
});

test("a case has a name by which it is had again", () => {
  assert.deepEqual(parseDraw("mtspr 48/17@3"), { kind: "mtspr 48", ordinal: 17, slot: 3 });
  assert.throws(() => parseDraw("mtspr 48"), /no case's name/);
});
