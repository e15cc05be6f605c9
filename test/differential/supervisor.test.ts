/** Supervisor state against qemu-system-ppc64: interrupts, MSR, 32-bit mode, facilities, special purpose registers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { engines } from "./engines.js";
import { qemuSystemVersion, runSupervisor } from "./supervisor.js";

const seed = 20230610;

test("random cases in supervisor state against qemu-system-ppc64", async (t) => {
  if (!qemuSystemVersion()) {
    t.skip("qemu-system-ppc64 is not installed: the engines were not compared with it");
    return;
  }
  const failures: string[] = [];
  const result = await runSupervisor({
    seed,
    count: 4,
    own: 200,
    engines: Object.keys(engines),
    show: 1,
    log: (line) => failures.push(line),
  });
  t.diagnostic(`seed ${seed}, ${result.cases} cases on ${Object.keys(engines).join(" and ")}`);
  assert.ok(result.failures.size === 0, `\n${failures.slice(0, 40).join("\n")}`);
});
