import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { collectGarbage } from "./garbage.js";

let kept: Uint8Array | undefined;

test("what nothing refers to is collected", async () => {
  // Small: nothing that an engine would hurry for.
  kept = new Uint8Array(1 << 20);
  const seen = new WeakRef(kept);
  await sleep(20);
  collectGarbage();
  await sleep(20);
  assert.equal(seen.deref(), kept);
  kept = undefined;
  // A moment when nothing on the stack refers to it.
  await sleep(20);
  collectGarbage();
  await sleep(20);
  assert.equal(seen.deref(), undefined);
});

const status = "/proc/self/status";
const skip = existsSync(status) ? false : `the platform has no ${status}`;
/** Address space that the process has, GiB. */
const addressSpace = (): number => Number(/VmSize:\s+(\d+)/.exec(readFileSync(status, "utf8"))?.[1]) / 2 ** 20;
const before = skip ? 0 : addressSpace();

test("no address space is kept, for which Linux would not let the process fork", { skip }, async () => {
  collectGarbage();
  const end = performance.now() + 2000;
  while (addressSpace() > before + 4 && performance.now() < end) await sleep(100);
  assert.ok(addressSpace() < before + 4, `${addressSpace()} GiB after ${before}`);
});
