/**
 * Whatever a guest's processors do, its time limit and its user end it. Each storm is here once, with one implementation and
 * one way of running processors; `npm run bench:storm` has all of them, and wants a second of a quiet machine. The slack is
 * for a busy one: what is looked for are storms that nothing ends.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { unikvm } from "../test/boot/booting.test-support.js";
import { selfTestProgram } from "../test/selftest/program.js";
import { type StormName, stormCpus, stormGuest, storms } from "./storm-guests.js";
import { runStorm, type StormOptions } from "./storm-run.js";

const slack = 5_000;
const names = Object.keys(storms) as StormName[];

async function endsInTime(options: StormOptions): Promise<void> {
  const late = await runStorm(options);
  assert.ok(late < slack, `${late} ms late`);
}

const ways = [
  ["hv", "single"],
  ["pr", "worker"],
  ["hv", "worker"],
  ["pr", "single"],
] as const;
for (const [i, name] of names.entries()) {
  const [implementation, threads] = ways[i % ways.length] ?? ways[0];
  test(`${implementation}, ${threads}: the user ends ${name}`, () =>
    endsInTime({ name, implementation, threads, after: 100, by: "user" }));
}

for (const implementation of ["hv", "pr"] as const) {
  const name = "doorbells from a doorbell's handler";
  test(`${implementation}: the user ends ${name}, on one thread`, () =>
    endsInTime({ name, implementation, threads: "single", after: 100, by: "user" }));
}

test("a time limit that comes before the processors do is prolonged", () =>
  endsInTime({ name: "nothing but a loop", implementation: "hv", threads: "worker", after: 100, by: "limit" }));

const folder = mkdtempSync(join(tmpdir(), "unikvm-storm-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function command(name: StormName, ...args: string[]): string[] {
  const kernel = join(folder, name.replaceAll(/\W/g, "-"));
  writeFileSync(kernel, selfTestProgram({ image: stormGuest(name), littleEndian: false }));
  return ["run", "--type", "hv", "--cpus", String(stormCpus), "--memory", "64M", "--kernel", kernel, ...args];
}

test("the command's time limit ends doorbells", async () => {
  const begin = performance.now();
  const { status, stderr } = await unikvm(command("doorbells to itself", "--timeout", "2")).finished;
  assert.equal(status, 124, stderr);
  const late = performance.now() - begin - 2000;
  assert.ok(late < slack, `${late} ms late`);
});

test("Ctrl-A X ends a storm of exits", async () => {
  const running = unikvm(command("console output", "--timeout", "120"), { interactive: true });
  await running.see("..........");
  const begin = performance.now();
  running.type("\u0001x");
  const { status, stderr } = await running.finished;
  assert.equal(status, 0, stderr);
  assert.ok(performance.now() - begin < slack);
});
