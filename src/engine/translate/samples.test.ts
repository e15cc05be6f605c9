import assert from "node:assert/strict";
import { test } from "node:test";
import { Samples } from "./samples.js";

test("what is seen again and again is hot, and what is seen as often among much else is not", () => {
  const samples = new Samples(() => false);
  const again = Array.from({ length: 20 }, () => samples.take(64));
  assert.equal(again.indexOf(true), 7);
  assert.ok(again.slice(7).every(Boolean));

  // Evenly, by turns: a hundred thousand samples, a hundred of each place and more.
  for (const [places, expected] of [
    [800, false],
    [250, true],
  ] as const) {
    const spread = new Samples(() => false);
    let found = false;
    for (let i = 0; i < 100_000; i++) found = spread.take(8 * (i % places)) || found;
    assert.equal(found, expected, `${places} places`);
  }
});

test("a loop that begins late is found as soon as one that begins at once", () => {
  const samples = new Samples(() => false);
  for (let i = 0; i < 100_000; i++) samples.take(1000 + i);
  let tries = 1;
  while (!samples.take(64)) tries++;
  assert.ok(tries <= 16, `${tries}`);
});

test("what was asked for stays hot until it is there; what was refused is tried again after a time", () => {
  const asked = new Set([64]);
  const samples = new Samples((address) => asked.has(address));
  for (let i = 0; i < 8; i++) samples.take(64);
  for (let i = 0; i < 20_000; i++) samples.take(1000 + i);
  assert.ok(samples.take(64));
  samples.refuse(64);
  asked.clear();
  for (let i = 0; i < 1000; i++) assert.equal(samples.take(64), false);
  let tries = 1;
  while (!samples.take(64)) tries++;
  assert.ok(tries < 4000, `${tries}`);
  samples.forget(64);
  assert.equal(samples.take(64), false);
});

test("a guest that runs everywhere makes nothing grow", () => {
  const samples = new Samples(() => false);
  let most = 0;
  for (let i = 0; i < 300_000; i++) {
    samples.take(8 * i);
    // Eight samples each and nothing to translate there.
    if (i % 8 === 7) samples.refuse(8 * i);
    most = Math.max(most, samples.size);
  }
  assert.ok(most < 8192, `${most}`);
});
