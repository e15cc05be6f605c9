/**
 * Many processors work and come and go, and the kernel has nothing to complain of. `npm run soak` lets them work for minutes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { implementations, noGuest } from "./booting.test-support.js";
import { soak } from "./soak.js";

/** A busy machine runs a processor's thread late; nothing here is to be as late as this. */
const patience = 20;

for (const type of implementations) {
  test(`four processors at work, unplugged and plugged, ${type}`, { skip: noGuest }, async () => {
    const { faults, console } = await soak({ type, cpus: 4, seconds: 2, patience });
    assert.deepEqual(faults, [], console);
  });
}

test("sixteen processors at work, unplugged and plugged, hv", { skip: noGuest }, async () => {
  const { faults, console } = await soak({ type: "hv", cpus: 16, seconds: 1, patience });
  assert.deepEqual(faults, [], console);
});
