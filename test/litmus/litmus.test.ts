/**
 * Forbidden outcomes of litmus tests do not come; `npm run litmus` tries each ten million times. What this can see, it says
 * itself: the outcome of store buffers, which every host has, and each test's outcome once its accesses are turned round.
 */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { batch } from "./guest.js";
import { type Implementation, implementations, type LitmusResult, runLitmus } from "./run.js";
import { litmusTests, seenEverywhere, turnedRound } from "./tests.js";

const tries = 40_000;
/** Runs until what is to be seen is seen, since a busy machine may run one processor after the other. */
const patience = 20;
const seed = 20_240_607;
const small = litmusTests.filter(({ threads }) => threads.length === 2);
const large = litmusTests.filter(({ threads }) => threads.length > 2);
const cores = availableParallelism();

const list = (results: readonly LitmusResult[]) =>
  results.map((one) => `${one.test.name}: ${one.seen} of ${one.tries}`);

for (const implementation of Object.keys(implementations) as Implementation[]) {
  test(`${implementation}: two processors see no forbidden outcome`, async () => {
    const results = await runLitmus({ tests: small, implementation, tries, seed });
    assert.deepEqual(list(results.filter((one) => !one.test.allowed && one.seen > 0)), []);
  });

  test(`${implementation}: three and four processors see no forbidden outcome`, async () => {
    const results = await runLitmus({ tests: large, implementation, tries: tries / 4, seed });
    assert.deepEqual(list(results.filter((one) => !one.test.allowed && one.seen > 0)), []);
  });

  test(`${implementation}: what is not forbidden is seen once the last processor's accesses are turned round`, async () => {
    let unseen = small.filter(({ allowed }) => !allowed).map(turnedRound);
    for (let i = 0; i < patience && unseen.length > 0; i++) {
      const results = await runLitmus({ tests: unseen, implementation, tries: batch, seed: seed + i });
      unseen = results.filter(({ seen }) => seen === 0).map((one) => one.test);
    }
    assert.deepEqual(
      unseen.map(({ name }) => name),
      [],
    );
  });

  test(`${implementation}: store buffers are seen`, {
    skip: cores < 2 && "it takes two processors of the host",
  }, async () => {
    let seen = 0;
    for (let i = 0; i < patience && seen === 0; i++) {
      const [result] = await runLitmus({ tests: [seenEverywhere], implementation, tries, seed: seed + i });
      seen = result?.seen ?? 0;
    }
    assert.notEqual(seen, 0);
  });
}
