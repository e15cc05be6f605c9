import assert from "node:assert/strict";
import { test } from "node:test";
import { mayFail } from "../src/base/fault.js";
import { defineModule, type ModuleContext } from "../src/modules/define-module.js";
import { ModuleLoader } from "../src/modules/loader.js";
import { formatResults, runScenario, type ScenarioResult, scenarios } from "./fault-injection.js";

test("M3: every step of every init and every allocation fails once, and nothing is left behind", async (t) => {
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios()) results.push(await runScenario(scenario));
  for (const line of formatResults(results).split("\n")) t.diagnostic(line);
  assert.deepEqual(
    results.flatMap(({ name, left }) => left.map((line) => `${name}: ${line}`)),
    [],
  );
  for (const { name, steps, allocations, refused, degraded } of results) {
    assert.ok(steps > 0, name);
    assert.equal(refused + degraded, steps + allocations, name);
  }
  const machines = results.filter(({ name }) => name.startsWith("a VM of"));
  assert.equal(machines.length, 6);
  for (const { name, allocations } of machines) assert.ok(allocations > 10, name);
});

test("the run finds what is left behind", async () => {
  const leaking = (name: string, init: (context: ModuleContext) => Promise<void>) =>
    runScenario({
      name,
      loader: (hooks) =>
        new ModuleLoader([defineModule({ name: "leaky", description: "", license: "MIT", init })], hooks),
      act: (loader) => loader.modprobe("leaky"),
    });
  // What is held when the init fails, and never given back.
  let failed = false;
  const kept = await leaking("kept", async (context) => {
    await context.step(
      "first",
      () => {},
      () => {
        if (failed) throw new Error("cannot be undone");
      },
    );
    failed = true;
    mayFail("second");
    failed = false;
  });
  assert.match(kept.left[0] ?? "", /^second: .*"held":"first"/);
  // A failure without an errno.
  const nameless = await leaking("nameless", async () => {
    try {
      mayFail("memory");
    } catch {
      throw new Error("oops");
    }
  });
  assert.match(nameless.left[0] ?? "", /^memory: no errno but Error: oops/);
});
