import assert from "node:assert/strict";
import { test } from "node:test";
import type { Optimiser } from "../../wasm/optimiser.js";
import { Tiers } from "./tiers.js";

const least = 30_000_000;

/** Tiers on an optimiser that notes what each module is compiled with, and a clock that is set by hand. */
function tiersAt() {
  const compiled: { budget: number; sizes: number[] }[] = [];
  let budget = 0;
  const optimiser: Optimiser = {
    least,
    within: (given, compile) => {
      budget = given;
      return compile();
    },
  };
  const clock = { now: 0 };
  const tiers = new Tiers(optimiser, () => clock.now);
  const compile = (...sizes: number[]) => {
    compiled.length = 0;
    const made = sizes.map((size) => ({ body: new Uint8Array(size) }));
    tiers.compile(made, (some) => compiled.push({ budget, sizes: some.map(({ body }) => body.length) }));
    return compiled.toSorted((a, b) => (a.sizes[0] as number) - (b.sizes[0] as number));
  };
  return { clock, compile };
}

test("regions of a size are compiled together, each once", () => {
  const { compile } = tiersAt();
  assert.deepEqual(
    compile(100, 30_000, 2000, 3000, 20_000, 6000).map(({ sizes }) => sizes),
    [[100, 2000], [3000], [6000], [30_000, 20_000]],
  );
});

test("while few regions come, all are optimised early", () => {
  const { compile } = tiersAt();
  for (const { budget } of compile(100, 4000, 8000, 30_000)) assert.equal(budget, least);
});

test("when many come, larger ones are optimised later, by the square of their size, until few come again", () => {
  const { clock, compile } = tiersAt();
  const many = Array.from({ length: 100 }, () => 20_000);
  compile(...many);
  const [small, middle, large] = compile(500, 4000, 20_000);
  assert.equal(small?.budget, least);
  assert.ok((middle?.budget ?? 0) > 100_000_000, JSON.stringify(middle));
  assert.equal(large?.budget, 25 * (middle?.budget ?? 0));
  clock.now += 3000;
  assert.equal(compile(20_000)[0]?.budget, least);
});
