import assert from "node:assert/strict";
import { test } from "node:test";
import type { InsnDefinition } from "./insn.js";
import { instructions } from "./instructions.js";
import { unfinished } from "./unfinished.js";

test("every declaration has semantics or stands among the unfinished, once", () => {
  const encodings = (list: readonly InsnDefinition[]) => list.map(({ encodings }) => encodings.join("; ")).sort();
  const without = instructions.filter(({ semantics }) => !semantics);
  assert.deepEqual(encodings(unfinished.map(({ definition }) => definition)), encodings(without));
  assert.ok(unfinished.every(({ reason }) => reason.length > 10));
});
