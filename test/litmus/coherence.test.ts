/** Nothing that processors count together is lost, and none runs a routine as it was before its change was announced. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { coherenceGuest } from "./coherence-guest.js";
import { header } from "./processors.js";
import { type Implementation, implementations, runGuest } from "./run.js";

const counts = 20_000;
/** Of many processors each change waits for all of their threads to be scheduled. */
const changes = (cpus: number): number => Math.ceil(1000 / cpus);

/** What the guest said: values by number and index. */
function read(output: Uint8Array): number[][] {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
  const found: number[][] = [];
  for (let at = 0; at + 16 <= output.length; at += 16) {
    if (view.getBigUint64(at) >= header) found.push([]);
    else found.at(-1)?.push(Number(view.getBigUint64(at + 8)));
  }
  return found;
}

for (const implementation of Object.keys(implementations) as Implementation[]) {
  for (const cpus of [2, 4, 16]) {
    test(`${implementation}: ${cpus} processors lose no count, and run no stale code`, async () => {
      const each = Math.ceil(counts / cpus);
      const [counted, stale] = read(await runGuest(coherenceGuest(cpus, each, changes(cpus)), cpus, implementation));
      const all = each * cpus;
      assert.deepEqual(counted, [all, all, all & 0xff, all]);
      assert.deepEqual(stale, new Array(cpus).fill(0));
    });
  }
}
