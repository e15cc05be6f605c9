import assert from "node:assert/strict";
import { test } from "node:test";
import { analyse, type BasicBlock } from "./control-flow.js";

/** Blocks by their start, each with its successors. */
function graph(entries: number[], edges: Record<number, number[]>, calls: number[] = []) {
  const blocks = Object.entries(edges).map(([start, successors]): [number, BasicBlock<never>] => [
    Number(start),
    { start: Number(start), instructions: [], successors, calls: calls.includes(Number(start)) },
  ]);
  const flow = analyse(entries, new Map(blocks));
  const at = (start: number) => flow.position(start) as number;
  return { flow, at, edge: (from: number, to: number) => flow.edge(at(from), at(to)) };
}

test("a loop that nests stays a loop, and is a way in where it is outermost", () => {
  const { flow, at, edge } = graph([0], { 0: [4], 4: [8, 16], 8: [8, 12], 12: [4], 16: [] });
  assert.deepEqual(flow.entries, [0, 4]);
  assert.equal(edge(12, 4), "back");
  assert.equal(edge(8, 8), "back");
  assert.deepEqual([...flow.loop(at(4))].sort(), [at(4), at(8), at(12)].sort());
  assert.ok(!flow.loop(at(4)).has(at(16)));
});

test("an edge into the middle of a loop goes round by the way in", () => {
  // 0 leads to both blocks of the loop 4, 8.
  const { flow, edge } = graph([0], { 0: [4, 8], 4: [8], 8: [4, 12], 12: [] });
  const around = [edge(4, 8), edge(8, 4)].filter((kind) => kind === "around");
  assert.equal(around.length, 1);
  assert.ok(flow.entries.length > 1, "its target is a way in");
});

test("a return point makes a loop with a call in it two halves", () => {
  const { flow, edge } = graph([0, 8], { 0: [4], 4: [8], 8: [4, 12], 12: [] });
  assert.deepEqual(flow.entries.slice(0, 2), [0, 8]);
  assert.equal(edge(8, 4), "around");
});

test("a loop whose last instruction is a call goes round by the way in", () => {
  // Its header, 8, is where the call in 4 returns to.
  const { flow, at, edge } = graph([8], { 8: [4, 12], 4: [8], 12: [] }, [4]);
  assert.equal(edge(4, 8), "around");
  assert.ok(flow.nodes.every((node) => !node.isLoop));
  assert.deepEqual([...flow.loop(at(8))], [at(8)]);
});

test("every block but the way in has a dominator before it", () => {
  const { flow } = graph([0, 20], { 0: [4, 8], 4: [12], 8: [12], 12: [0, 16], 16: [], 20: [12] });
  for (const node of flow.nodes.slice(1)) assert.ok(node.dominator < node.order, `${node.block.start}`);
});

test("no offset is the way in's, not even one before the region", () => {
  const { flow } = graph([0], { 0: [4], 4: [] });
  assert.deepEqual(
    [-1, -4, 8].map((offset) => flow.position(offset)),
    [undefined, undefined, undefined],
  );
});
