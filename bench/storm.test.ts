/**
 * Whatever a guest's processors do, its time limit and its user end it. Five milliseconds of slack are for a busy machine;
 * `npm run bench:storm` wants a second of a quiet one.
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

const slack = 5000;
const names = Object.keys(storms) as StormName[];

async function endsInTime(options: StormOptions): Promise<void> {
  const late = await runStorm(options);
  assert.ok(late < slack, `${late} ms late`);
}

for (const [i, name] of names.entries()) {
  // Each with one implementation here, and with both in the bench.
  const implementation = i % 2 === 0 ? "hv" : "pr";
  test(`${implementation}: the user ends ${name}`, () =>
    endsInTime({ name, implementation, threads: "worker", after: 100, by: "user" }));
}

for (const implementation of ["hv", "pr"] as const) {
  const name = "doorbells from a doorbell's handler";
  test(`${implementation}: the user ends ${name}, on one thread`, () =>
    endsInTime({ name, implementation, threads: "single", after: 100, by: "user" }));
}

const folder = mkdtempSync(join(tmpdir(), "unikvm-storm-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function command(name: StormName, ...args: string[]): string[] {
  const kernel = join(folder, name.replaceAll(/\W/g, "-"));
  writeFileSync(kernel, selfTestProgram({ image: stormGuest(name), littleEndian: false }));
  return ["run", "--type", "hv", "--cpus", String(stormCpus), "--memory", "64M", "--kernel", kernel, ...args];
}

test("the command's time limit ends doorbells as it ends a loop", async () => {
  const milliseconds: number[] = [];
  for (const name of ["nothing but a loop", "doorbells to itself"] as const) {
    const begin = performance.now();
    const { status, stderr } = await unikvm(command(name, "--timeout", "2")).finished;
    assert.equal(status, 124, stderr);
    milliseconds.push(performance.now() - begin);
  }
  const [loop = 0, storm = 0] = milliseconds;
  assert.ok(storm - loop < slack, `${storm} ms, ${loop} ms for a loop`);
});

test("Ctrl-A X ends a storm of exits", async () => {
  const running = unikvm(command("console output", "--timeout", "60"), { interactive: true });
  await running.see("..........");
  const begin = performance.now();
  running.type("\u0001x");
  const { status, stderr } = await running.finished;
  assert.equal(status, 0, stderr);
  assert.ok(performance.now() - begin < slack);
});
