/** The supervisor's side against qemu-system-ppc64: both byte orders, problem state, translation, interrupts, registers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { engines } from "./engines.js";
import { qemuSystemVersion, runSupervisor } from "./supervisor.js";
import { parseDraw } from "./supervisor-cases.js";

const seed = 20230610;
/** Draws of each instruction that users do not have, and of each that they have. */
const own = 40;
const count = 4;

test("random cases of system instructions and contexts against qemu-system-ppc64", async (t) => {
  if (!qemuSystemVersion()) {
    t.skip("qemu-system-ppc64 is not installed: the engines were not compared with it");
    return;
  }
  const failures: string[] = [];
  const result = await runSupervisor({
    seed,
    count,
    own,
    engines: Object.keys(engines),
    show: 1,
    log: (line) => failures.push(line),
  });
  t.diagnostic(`seed ${seed}, ${result.cases} cases on ${Object.keys(engines).join(" and ")}`);
  assert.ok(result.failures.size === 0, `\n${failures.slice(0, 40).join("\n")}`);
});

test("a case has a name by which it is had again", () => {
  assert.deepEqual(parseDraw("mtspr 48/17@3"), { kind: "mtspr 48", ordinal: 17, slot: 3 });
  assert.throws(() => parseDraw("mtspr 48"), /no case's name/);
});
