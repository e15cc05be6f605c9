/** RAM for the next twin is all 0, is of the size that is asked for, is taken once, and is given back when nobody will. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { PlacedRam } from "../vmm/core/machine.js";
import { logPage, PageSet } from "../vmm/core/written-pages.js";
import { SpareRam } from "./spare-ram.js";

const size = 20 * logPage;

function placed() {
  const made: { closed: number }[] = [];
  const place = (): PlacedRam => {
    const bytes = new Uint8Array(size);
    const one = { bytes: () => bytes, pages: new PageSet(20), closed: 0, close: () => void one.closed++ };
    made.push(one);
    return one;
  };
  return { made, place };
}

const pages = new PageSet(20);
pages.addBytes(3 * logPage, 10 * logPage);

async function ready(made: readonly unknown[], count: number): Promise<void> {
  const end = performance.now() + 60_000;
  while (made.length < count) {
    assert.ok(performance.now() < end);
    await sleep(5);
  }
}

test("one is made some time after it was asked for, and taken once", async () => {
  const { made, place } = placed();
  const spare = new SpareRam();
  spare.prepare(place, pages);
  spare.prepare(place, pages);
  assert.equal(spare.take(size), undefined, "not yet, and no more then");
  spare.prepare(place, pages);
  await ready(made, 1);
  // Perhaps half of it was touched.
  const ram = spare.take(size);
  assert.ok(ram?.bytes().every((byte) => byte === 0));
  assert.equal(spare.take(size), undefined);
  assert.deepEqual(
    made.map(({ closed }) => closed),
    [0],
    "who took it closes it",
  );
});

test("one of another size, and one that nobody takes, is given back", async () => {
  const { made, place } = placed();
  const spare = new SpareRam();
  spare.prepare(place, pages);
  await ready(made, 1);
  assert.equal(spare.take(size + logPage), undefined);
  spare.prepare(place, pages);
  await ready(made, 2);
  spare.close();
  spare.prepare(place, pages);
  await sleep(400);
  assert.deepEqual(
    made.map(({ closed }) => closed),
    [1, 1],
  );
});

test("where none can be made there is none", async () => {
  const spare = new SpareRam();
  let asked = 0;
  const refuse = (): PlacedRam => {
    asked++;
    throw new Error("no memory");
  };
  spare.prepare(refuse, pages);
  const end = performance.now() + 60_000;
  while (asked === 0 && performance.now() < end) await sleep(5);
  assert.equal(spare.take(size), undefined);
  spare.close();
});
