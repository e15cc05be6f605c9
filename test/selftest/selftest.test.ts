/** `unikvm selftest` on both implementations and with both ways of running CPUs: the first boot of every check-in. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { tests } from "../../guests/selftest/index.js";

const main = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

function selftest(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, "selftest", ...args], { encoding: "utf8", timeout: 300_000 });
}

for (const type of ["hv", "pr"]) {
  for (const threads of ["worker", "single"]) {
    test(`the self-test passes under ${type}, threads: ${threads}`, () => {
      const { status, stdout, stderr } = selftest("--type", type, "--threads", threads);
      assert.equal(status, 0, stdout + stderr);
      assert.equal(stderr, "");
      for (const { name } of tests) assert.match(stdout, new RegExp(`^${name} +pass +pass$`, "m"));
      assert.match(stdout, /^all passed: \d{4} checks in [\d.]+ s$/m);
    });
  }
}

test("both implementations side by side, some tests alone", () => {
  const { status, stdout } = selftest("--test", "^(entry|RTAS)$");
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^ +hv little +hv big +pr little +pr big$/m);
  assert.match(stdout, /^entry +pass +pass +pass +pass$/m);
  assert.doesNotMatch(stdout, /trace/);
});

test("a pattern that fits nothing is a usage error", () => {
  const { status, stderr } = selftest("--test", "nonsense");
  assert.equal(status, 2);
  assert.match(stderr, /No test fits. There is: entry, /);
});

test("a guest that does not come to its end fails every test it did not reach", () => {
  const { status, stdout } = selftest("--type", "pr", "--timeout", "0.001");
  assert.equal(status, 1, stdout);
  assert.match(stdout, /^machine check +FAIL +FAIL$/m);
  assert.match(stdout, /the guest's end: expected powerOff, got timeout/);
});
