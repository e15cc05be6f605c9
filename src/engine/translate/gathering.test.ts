import assert from "node:assert/strict";
import { test } from "node:test";
import { Gathering } from "./gathering.js";
import type { MadeByRequest } from "./workshop.js";

const slices = 1024;

/** Looks at the end of so many slices; which regions were given out last. */
function look(gathering: Gathering<MadeByRequest>, requests: number, count = slices): number[] {
  let last: readonly MadeByRequest[] = [];
  for (let i = 0; i < count; i++) last = gathering.take(requests);
  return last.map(({ id }) => id);
}

function withRegions(count: number, size = 4096) {
  const gathering = new Gathering<MadeByRequest>();
  const regions = Array.from({ length: count }, (_, id) => ({ id, size }));
  for (const region of regions) gathering.add(region);
  return { gathering, regions };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test("regions are gathered in the order in which they were made, when the guest comes to know few hot places", () => {
  const { gathering } = withRegions(68);
  assert.deepEqual(look(gathering, 100), [], "a hundred were asked for meanwhile");
  assert.deepEqual(look(gathering, 102, slices - 1), [], "not before so many slices");
  assert.deepEqual(
    gathering.take(102).map(({ id }) => id),
    range(0, 32),
    "128 KiB",
  );
  assert.deepEqual(look(gathering, 102), [], "those are under way");
  gathering.underWay = false;
  assert.deepEqual(look(gathering, 102), range(32, 64));
  gathering.underWay = false;
  assert.deepEqual(look(gathering, 102), [], "4 are too few");
});

test("what is gone is not gathered, and what is large counts twice", () => {
  const { gathering, regions } = withRegions(24);
  for (const region of regions.slice(0, 8)) gathering.forget(region);
  gathering.add({ id: 24, size: 50_000 });
  gathering.add({ id: 25, size: 200_000 });
  for (const id of range(26, 41)) gathering.add({ id, size: 100 });
  look(gathering, 40);
  assert.deepEqual(look(gathering, 40), range(8, 24));
  gathering.underWay = false;
  assert.deepEqual(look(gathering, 40), [24]);
  gathering.underWay = false;
  assert.deepEqual(look(gathering, 40), [25]);
});
