import assert from "node:assert/strict";
import { test } from "node:test";
import { Gathering } from "./gathering.js";

const slices = 4096;

/** Looks at the end of so many slices; what was last given out. */
function look<R>(gathering: Gathering<R>, requests: number, count = slices): readonly R[] {
  let last: readonly R[] = [];
  for (let i = 0; i < count; i++) last = gathering.take(requests);
  return last;
}

function withRegions(count: number): Gathering<number> {
  const gathering = new Gathering<number>();
  for (let i = 0; i < count; i++) gathering.add(i);
  return gathering;
}

test("regions are gathered in the order in which they were made, when the guest comes to know few hot places", () => {
  const gathering = withRegions(100);
  assert.deepEqual(look(gathering, 100), [], "a hundred were asked for meanwhile");
  assert.deepEqual(look(gathering, 110, slices - 1), [], "not before so many slices");
  assert.deepEqual(
    gathering.take(110),
    Array.from({ length: 48 }, (_, i) => i),
  );
  assert.deepEqual(look(gathering, 110), [], "those are under way");
  gathering.underWay = false;
  const next = look(gathering, 110);
  assert.deepEqual([next[0], next.at(-1)], [48, 95]);
  gathering.underWay = false;
  assert.deepEqual(look(gathering, 110), [], "4 are too few");
});

test("regions that are gone are not gathered", () => {
  const gathering = withRegions(40);
  look(gathering, 40);
  for (let i = 0; i < 8; i++) gathering.forget(i);
  assert.deepEqual(
    look(gathering, 40),
    Array.from({ length: 32 }, (_, i) => i + 8),
  );
});
