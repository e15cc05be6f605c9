/**
 * x86's processors see no outcome that TSO forbids, whether the engine orders accesses or leaves that to a host of x86; `npm run
 * litmus -- --guest x86` tries each ten million times. What this can see, it says itself: store buffers, where the engine
 * does not order, and each test's outcome once its accesses are turned round.
 */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { after, before, describe, test } from "node:test";
import { hostIsX86 } from "../../../src/engine/ordering.js";
import { batch } from "./guest.js";
import { LitmusGuest } from "./run.js";
import { litmusTests, storeBuffers, turnedRound } from "./tests.js";

const seed = 20_261_129;
/** Rounds until what is to be seen is seen, since a busy machine may run one processor after the other. */
const patience = 200;
/** What is rare. */
const longPatience = 20 * patience;
const oneByOne = availableParallelism() < 2 && "it takes two processors of the host";

for (const implementation of ["hv", "pr"] as const) {
  for (const ordered of [true, false]) {
    const skip = !ordered && !hostIsX86() && "a host that is not x86 orders nothing by itself";
    describe(`${implementation}, ${ordered ? "ordered by the engine" : "as the host orders"}`, { skip }, () => {
      let guest: LitmusGuest;
      before(() => {
        guest = new LitmusGuest({ implementation, ordered, seed });
      });
      after(() => guest.close());

      test("no forbidden outcome is seen", async () => {
        const seen: string[] = [];
        for (const one of litmusTests.filter(({ allowed }) => !allowed)) {
          const result = await guest.run(one, { tries: batch });
          if (result.seen > 0) seen.push(`${one.name}: ${JSON.stringify([...result.counts])}`);
        }
        assert.deepEqual(seen, []);
      });

      test("what is forbidden is seen once the last processor's accesses are turned round", async () => {
        const unseen: string[] = [];
        for (const one of litmusTests.filter(({ threads, allowed }) => threads.length === 2 && !allowed)) {
          const { seen } = await guest.run(turnedRound(one), { tries: patience * batch, untilSeen: true });
          if (seen === 0) unseen.push(one.name);
        }
        assert.deepEqual(unseen, []);
      });

      if (ordered) return;
      test("store buffers are seen", { skip: oneByOne }, async () => {
        const { seen } = await guest.run(storeBuffers, { tries: longPatience * batch, untilSeen: true });
        assert.notEqual(seen, 0);
      });
    });
  }
}
