import assert from "node:assert/strict";
import { test } from "node:test";
import { nextPoll } from "./halt-poll.js";

test("who is woken soon looks longer each time, who sleeps for long not at all", () => {
  const most = 200_000;
  const grown = [0];
  for (let i = 0; i < 6; i++) grown.push(nextPoll(grown.at(-1) as number, 190_000, most));
  assert.deepEqual(grown, [0, 10_000, 20_000, 40_000, 80_000, 160_000, 200_000]);
  assert.equal(nextPoll(40_000, 30_000, most), 40_000, "it found something in time");
  assert.equal(nextPoll(40_000, most + 1, most), 0);
  assert.equal(nextPoll(0, 4e6, most), 0);
});

test("a VM's limit holds at once, and 0 is off", () => {
  assert.equal(nextPoll(160_000, 100, 50_000), 50_000);
  assert.equal(nextPoll(0, 3000, 5000), 5000);
  for (const [poll, blocked] of [
    [0, 0],
    [0, 1],
    [10_000, 1],
  ] as const) {
    assert.equal(nextPoll(poll, blocked, 0), 0);
  }
});
