/** Random words for guests. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeRandom } from "./random.js";

test("words come in batches, each once, and are not kept", () => {
  let filled = 0;
  let kept: Int32Array | undefined;
  const random = makeRandom((words) => {
    if (kept) assert.ok(kept.every((word) => word === 0));
    kept = words;
    for (let i = 0; i < words.length; i++) words[i] = ++filled;
  });
  for (let i = 1; i <= 1000; i++) assert.equal(random(), i);
  assert.equal(filled, 1024);
});

test("without a source they are the host's: no two streams agree", () => {
  const [a, b] = [makeRandom(), makeRandom()];
  const draw = (from: () => number) => Array.from({ length: 300 }, from);
  const [first, second] = [draw(a), draw(b)];
  assert.notDeepEqual(first, second);
  assert.ok(new Set(first).size > 290);
  assert.ok(first.every((word) => (word | 0) === word));
});
