import assert from "node:assert/strict";
import { test } from "node:test";
import { measure } from "./memory.js";
import { kinds } from "./memory-case.js";

const mebibytes = 64;
/** As few as are more than the limit if none of them is given back. */
const count = 4;
/** One that is alive, one that has ended, and what Node.js itself takes the more. */
const limit = (2 * mebibytes + 100) * 1048576;

for (const kind of kinds) {
  // A command that reboots starts slowly: without threads only `npm run bench:memory` has it.
  for (const memory of kind === "reboots" ? (["shared"] as const) : (["shared", "unshared"] as const)) {
    test(`${kind}, ${memory}: at most one machine's memory is held beside what is alive`, () => {
      const { before, most } = measure(kind, memory, count, mebibytes);
      assert.ok(most > mebibytes * 1048576, "nothing was written to memory");
      assert.ok(most - before < limit, `${(most - before) >> 20} MiB were held for VMs of ${mebibytes}`);
    });
  }
}
