import assert from "node:assert/strict";
import { test } from "node:test";
import { threadTime } from "./thread-time.js";

test("a thread's time passes while it works, and not while it waits", (t) => {
  const time = threadTime();
  if (!time) return t.skip("SKIPPED: this system does not tell a thread's time");
  const begin = time();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  const waited = time() - begin;
  const end = performance.now() + 60_000;
  while (time() < begin + waited + 50) assert.ok(performance.now() < end, "it does not pass");
  assert.ok(waited < 100, `${waited} ms for waiting 200`);
});
