/** The set-up of a checkout, on a small copy of its frame with a build that only notes that it ran. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { root } from "../boot/booting.test-support.js";

const build = `
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
appendFileSync("builds", "began\\n");
await new Promise((resolve) => setTimeout(resolve, 300));
if (process.env.FAIL) process.exit(1);
mkdirSync("dist/src/cli", { recursive: true });
writeFileSync("dist/src/cli/main.js", "console.log('args', process.argv.slice(2).join());");
appendFileSync("builds", "ended\\n");
`;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "unikvm-setup-"));
  for (const name of ["guests", "src", "node_modules"]) mkdirSync(join(folder, name));
  for (const name of ["setup.mjs", "launch.mjs", "unikvm", "guests/lock.mjs", "guests/child.mjs"]) {
    copyFileSync(join(root, name), join(folder, name));
  }
  const lock = JSON.stringify({ name: "toy", lockfileVersion: 3, packages: { "": { name: "toy" } } });
  writeFileSync(join(folder, "package.json"), '{ "name": "toy", "type": "module" }');
  writeFileSync(join(folder, "package-lock.json"), lock);
  writeFileSync(join(folder, "node_modules/.package-lock.json"), '{ "packages": {} }');
  writeFileSync(join(folder, "tsconfig.json"), "{}");
  writeFileSync(join(folder, "build.mjs"), build);
  writeFileSync(join(folder, "src/a.ts"), "export {};");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const { UNIKVM_SETUP: _, ...env } = process.env;
const run = (args: readonly string[] = [], more: Record<string, string> = {}) =>
  spawnSync(join(folder, "unikvm"), args, { encoding: "utf8", env: { ...env, ...more } });
const builds = () => readFileSync(join(folder, "builds"), "utf8").trim().split("\n");

test("the first run builds, the next does not, a changed source does", () => {
  const first = run(["one", "two"]);
  assert.equal(first.stdout, "args one,two\n");
  assert.equal(first.stderr, "unikvm: building\n");
  const second = run(["three"]);
  assert.equal(second.stdout, "args three\n");
  assert.equal(second.stderr, "");
  writeFileSync(join(folder, "src/a.ts"), "export const a = 1;");
  assert.equal(run().stderr, "unikvm: building\n");
  assert.deepEqual(builds(), ["began", "ended", "began", "ended"]);
});

test("two at once build once", async () => {
  const children = [1, 2].map((n) => spawn(join(folder, "unikvm"), [String(n)], { env, stdio: "ignore" }));
  const statuses = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0]));
  assert.deepEqual(statuses, [0, 0]);
  assert.deepEqual(builds(), ["began", "ended"]);
});

test("a set-up that was killed halfway is done again", async () => {
  const child = spawn(process.execPath, [join(folder, "setup.mjs")], { env, stdio: "ignore", detached: true });
  while (!existsSync(join(folder, "builds"))) await new Promise((resolve) => setTimeout(resolve, 10));
  process.kill(-(child.pid ?? 0), "SIGKILL");
  await once(child, "exit");
  const { status, stdout } = run(["again"]);
  assert.equal(status, 0);
  assert.equal(stdout, "args again\n");
  assert.deepEqual(builds(), ["began", "began", "ended"]);
});

test("a set-up that is killed ends the build that it has begun", async () => {
  const child = spawn(process.execPath, [join(folder, "setup.mjs")], { env, stdio: "ignore" });
  while (!existsSync(join(folder, "builds"))) await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill("SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.deepEqual(builds(), ["began"]);
});

test("a build that fails is a sentence and status 3, and is tried again", () => {
  const { status, stdout, stderr } = run([], { FAIL: "1" });
  assert.equal(status, 3);
  assert.equal(stdout, "");
  assert.match(stderr, /^unikvm: building\nunikvm: `.*build\.mjs` failed \(1\)\n$/);
  assert.equal(run().status, 0);
});

test("it can be called through links from elsewhere", () => {
  symlinkSync("unikvm", join(folder, "first"));
  symlinkSync(join(folder, "first"), join(folder, "src", "second"));
  const { stdout } = spawnSync(join(folder, "src/second"), ["linked"], { encoding: "utf8", env, cwd: tmpdir() });
  assert.equal(stdout, "args linked\n");
});

test("without node, a sentence", () => {
  const { status, stderr } = spawnSync("/bin/sh", [join(folder, "unikvm")], {
    encoding: "utf8",
    env: { PATH: join(folder, "src") },
  });
  assert.equal(status, 3);
  assert.match(stderr, /needs Node\.js 20 or later/);
});
