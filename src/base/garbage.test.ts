import assert from "node:assert/strict";
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
