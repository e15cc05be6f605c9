import assert from "node:assert/strict";
import { test } from "node:test";
import { allRows, pairsOf, pairwise } from "./pairwise.js";

const axes = { a: ["1", "2", "3"], b: ["1", "2"], c: ["1", "2", "3"], d: ["1", "2"], e: ["1", "2"] } as const;
const allowed = ({ a, b, c }: { readonly a: string; readonly b: string; readonly c: string }) =>
  !(a === "3" && b === "2") && !(c === "1" && b === "2");

test("every two values that can meet do, in few rows that are all allowed", () => {
  for (let seed = 0; seed < 20; seed++) {
    for (const rule of [undefined, allowed]) {
      const rows = pairwise(axes, { seed, ...(rule && { allowed: rule }) });
      const wanted = new Set(allRows(axes, rule).flatMap(pairsOf));
      assert.deepEqual(new Set(rows.flatMap(pairsOf)), wanted);
      // Three values of each of two axes need nine.
      assert.ok(rows.length >= 9 && rows.length <= 14, `${rows.length}`);
      if (rule) assert.ok(rows.every(rule));
    }
  }
});

test("a seed says which, and rows that are wanted come first", () => {
  const first = [{ a: "2", b: "1", c: "1", d: "2", e: "2" }] as const;
  const rows = pairwise(axes, { seed: 5, first });
  assert.deepEqual(rows[0], first[0]);
  assert.deepEqual(rows, pairwise(axes, { seed: 5, first }));
  assert.notDeepEqual(rows, pairwise(axes, { seed: 6, first }));
  assert.throws(() => pairwise(axes, { seed: 5, first: [{ ...first[0], b: "2" }], allowed }), RangeError);
});
