import assert from "node:assert/strict";
import { test } from "node:test";
import type { BootPlan, Platform } from "../api/platform.js";
import { limitsOf } from "./limits.js";
import { reporting } from "./vm-options.js";

test("what a VM has to report while it runs is said on stderr, and in its console as before", async (t) => {
  const said: string[] = [];
  t.mock.method(process.stderr, "write", (text: string) => said.push(text) > 0);
  const logged: string[] = [];
  const plan = { report: (sentence: string) => logged.push(sentence) } as unknown as BootPlan;
  const sentence = "the disk a.img could not be written: the file system is full";
  const take = async (given: BootPlan): Promise<never> => given.report(sentence) as never;
  const platform = reporting({ boot: take, restore: take } as unknown as Platform);
  await platform.boot(plan);
  await platform.restore(plan, undefined as never);
  t.mock.restoreAll();
  assert.deepEqual(logged, [sentence, sentence]);
  assert.deepEqual(
    said.map((line) => line.trimEnd()),
    [`unikvm: ${sentence}`, `unikvm: ${sentence}`],
  );
});

test("limits of the command line are createVm's, and none where none was named", () => {
  assert.deepEqual(limitsOf({ limitCpu: 0.5, limitDisk: 0 }), { cpu: 0.5, disk: 0 });
  assert.deepEqual(limitsOf({}), {});
});
