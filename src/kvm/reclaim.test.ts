import assert from "node:assert/strict";
import { test } from "node:test";
import { Reclaimer } from "./reclaim.js";

const mebi = 1 << 20;

test("memory of ended VMs is collected before the next VM is made, when it is worth it", () => {
  let collections = 0;
  const reclaimer = new Reclaimer(() => void collections++);
  reclaimer.beforeNext();
  reclaimer.ended(32 * mebi);
  reclaimer.beforeNext();
  assert.equal(collections, 0);
  reclaimer.ended(32 * mebi);
  reclaimer.beforeNext();
  assert.equal(collections, 1);
  reclaimer.beforeNext();
  assert.equal(collections, 1, "nothing has ended since");
});

test("and soon afterwards, when nothing on the stack refers to the last one, though no other VM is made", async () => {
  const log: string[] = [];
  const reclaimer = new Reclaimer(() => void log.push("collected"));
  reclaimer.ended(100 * mebi);
  reclaimer.ended(100 * mebi);
  assert.deepEqual(log, []);
  // Its timer keeps no process alive.
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(log, ["collected"]);
  reclaimer.beforeNext();
  assert.deepEqual(log, ["collected"]);
});
