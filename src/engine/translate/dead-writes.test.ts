import assert from "node:assert/strict";
import { test } from "node:test";
import { accessGroups } from "./access-groups.js";
import { analyse, type BasicBlock } from "./control-flow.js";
import { deadWrites, type Writing } from "./dead-writes.js";

/** Registers 16 and 17 are held as a whole. */
const wholes = [16, 17];
type Made = Partial<Writing["template"]> & { readonly isCall?: boolean };

/** Blocks by their starts, each instruction a unit long; a block's successors are where its last one goes inside. */
function deadIn(
  given: Readonly<Record<number, readonly Made[]>>,
): readonly (readonly [at: number, dead: readonly number[]])[] {
  const starts = Object.keys(given).map(Number);
  const blocks = new Map<number, BasicBlock<Writing>>();
  for (const start of starts) {
    const instructions = (given[start] ?? []).map(({ isCall = false, ...template }, i): Writing => {
      const plain = {
        ...{ jumps: [], fallsThrough: true, reads: [], writes: [], keeps: [], plain: undefined },
        length: 1,
      };
      return {
        offset: start + i,
        table: [],
        isCall,
        template: { ...plain, branches: false, leaves: false, ...template },
      };
    });
    const { offset, template } = instructions.at(-1) as Writing;
    const next = [...template.jumps.map((by) => offset + (by ?? 1000)), ...(template.fallsThrough ? [offset + 1] : [])];
    blocks.set(start, { start, instructions, successors: next.filter((to) => starts.includes(to)), calls: false });
  }
  const graph = analyse([starts[0] as number], blocks);
  const groups = graph.nodes.map(({ block }) =>
    accessGroups(
      block.instructions.map(({ template }) => template),
      65536,
    ),
  );
  return [...deadWrites(graph, wholes, groups)]
    .map(([{ offset }, dead]) => [offset, dead] as const)
    .sort(([a], [b]) => a - b);
}

const both = { writes: [3, 16, 17] };
const access = { plain: { register: 3, displacement: 0, size: 8, stores: false } };
const ends = { jumps: [undefined], fallsThrough: false };

test("what is written again before it is read, or may be, is dead", () => {
  assert.deepEqual(deadIn({ 0: [both, { writes: [17] }, both, ends] }), [
    [0, [16, 17]],
    [1, [17]],
  ]);
  assert.deepEqual(deadIn({ 0: [both, { reads: [17] }, both, ends] }), [[0, [16]]]);
});

test("where the region may be left, nothing is: in its middle, by a call, out of it, behind a condition's write", () => {
  for (const between of [{ leaves: true }, access]) assert.deepEqual(deadIn({ 0: [both, between, both, ends] }), []);
  assert.deepEqual(deadIn({ 0: [both, { isCall: true, ...ends }] }), []);
  assert.deepEqual(deadIn({ 0: [both, { ...both, branches: true }, ends] }), []);
  // Of accesses that are checked together the first may leave.
  assert.deepEqual(deadIn({ 0: [access, { writes: [16] }, access, { writes: [16] }, ends] }), [[1, [16]]]);
});

test("over a branch it is what neither side reads; over a loop's end, nothing", () => {
  const branch = { jumps: [3], branches: true };
  assert.deepEqual(
    deadIn({ 0: [both, branch], 2: [{ ...both }, { jumps: [10], fallsThrough: false }], 4: [both, ends] }),
    [[0, [16, 17]]],
  );
  assert.deepEqual(deadIn({ 0: [both, branch], 2: [{ writes: [16] }, ends], 4: [both, ends] }), [[0, [16]]]);
  assert.deepEqual(deadIn({ 0: [both, { jumps: [-1], branches: true }], 2: [both, ends] }), []);
});
