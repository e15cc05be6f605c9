import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root, unikvm } from "../boot/booting.test-support.js";

/** The best of some runs, ms: what the work takes where nothing disturbs it. */
function quickest(args: readonly string[], check: (stdout: string) => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 6; i++) {
    const begin = performance.now();
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    best = Math.min(best, performance.now() - begin);
    assert.equal(status, 0);
    check(stdout);
  }
  return best;
}

test("--help names every command, quickly", () => {
  const node = quickest(["-e", "0"], () => {});
  const help = quickest([join(root, "launch.mjs"), "--help"], (stdout) => {
    for (const name of ["run", "guest", "doctor", "selftest"]) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
  });
  // Under 150 ms in all; Node's own start is 40 ms of that on an idle machine and more on a busy one.
  assert.ok(help < 150 || help - node < 110, `${help.toFixed(0)} ms, of which Node's start ${node.toFixed(0)} ms`);
});

test("--version is the package's", async () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  const { status, stdout } = await unikvm(["--version"]).finished;
  assert.equal(stdout, `${version}\n`);
  assert.equal(status, 0);
});

test("usage errors end with status 2 and a hint", async () => {
  for (const args of [["frobnicate"], ["--frobnicate"], ["guest", "frobnicate"], ["guest", "list", "more"]]) {
    const { status, stdout, stderr } = await unikvm(args).finished;
    assert.equal(status, 2, args.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, /error: /);
  }
});

test("a guest that nobody knows ends with status 3 and the names that are known", async () => {
  const { status, stderr } = await unikvm(["guest", "fetch", "plan9"]).finished;
  assert.equal(status, 3);
  assert.match(stderr, /^unikvm: no guest is called plan9; there is debian\n$/);
});

test("doctor says what the platform allows", async () => {
  const { status, stdout } = await unikvm(["doctor"]).finished;
  assert.equal(status, 0);
  for (const line of ["Node.js", "shared memory", "code generation", "tail calls", "SIMD", "fused relaxed madd"]) {
    assert.match(stdout, new RegExp(`^${line} `, "m"));
  }
});
