/**
 * Which registers that are held as a whole (register-file.ts) an instruction need not write: those that are written again before
 * anybody reads them, and before the region can be left, since then the state must have them.
 */
import type { AccessGroup } from "./access-groups.js";
import type { FlowGraph, FlowNode } from "./control-flow.js";
import type { Over, Registers, Template } from "./template.js";

/** What of a region's instruction counts here. */
export interface Writing {
  readonly offset: number;
  readonly template: Pick<
    Template<unknown>,
    "length" | "jumps" | "fallsThrough" | "reads" | "writes" | "keeps" | "plain" | "branches" | "leaves"
  >;
  readonly isCall: boolean;
  /** It is looked at whether the instruction goes on where it did. */
  readonly over?: Over | undefined;
  readonly table: readonly number[];
}

/**
 * The instructions that have such, with their numbers among `wholes`. `groups` are of each block the groups of its instructions'
 * accesses (access-groups.ts), by its position: only the first of a group may leave.
 */
export function deadWrites<I extends Writing>(
  graph: FlowGraph<I>,
  wholes: Registers,
  groups: readonly (readonly (AccessGroup | undefined)[])[],
): ReadonlyMap<I, Registers> {
  const found = new Map<I, Registers>();
  if (wholes.length === 0) return found;
  const all = (1 << wholes.length) - 1;
  const bitOf = new Map(wholes.map((n, i) => [n, 1 << i]));
  const bits = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum | (bitOf.get(n) ?? 0), 0);
  /** Which of them somebody may read from a block's beginning on. */
  const needed: number[] = [];
  // Forward edges lead to blocks later in the order.
  for (const node of graph.nodes.toReversed()) {
    const { instructions } = node.block;
    if (instructions.length === 0) continue;
    const grouped = groups[node.order] ?? [];
    let now = neededBehind(graph, node, needed, all);
    for (let i = instructions.length - 1; i >= 0; i--) {
      const instruction = instructions[i] as I;
      const { branches, leaves, plain, reads, writes, keeps } = instruction.template;
      // What is written in part alone stays otherwise as it is.
      const parts = bits(keeps) & now;
      if (!branches) {
        const written = bits(writes);
        const dead = written & ~now;
        if (dead !== 0)
          found.set(
            instruction,
            wholes.filter((n) => (bitOf.get(n) ?? 0) & dead),
          );
        now &= ~written;
      }
      now |= bits(reads) | parts;
      const group = grouped[i];
      const checked = group !== undefined && grouped.indexOf(group) < i;
      if (leaves || instruction.over || (plain && !checked)) now = all;
    }
    needed[node.order] = now;
  }
  return found;
}

function neededBehind<I extends Writing>(
  graph: FlowGraph<I>,
  node: FlowNode<I>,
  needed: readonly number[],
  all: number,
): number {
  const { offset, template, isCall, table } = node.block.instructions.at(-1) as I;
  if (isCall || table.length > 0) return all;
  const followed = template.jumps.map((distance) => (distance === undefined ? undefined : offset + distance));
  if (template.fallsThrough) followed.push(offset + template.length);
  if (followed.length === 0) return all;
  let sum = 0;
  for (const to of followed) {
    const position = to === undefined ? undefined : graph.position(to);
    if (position === undefined || graph.edge(node.order, position) !== "forward") return all;
    sum |= needed[position] as number;
  }
  return sum;
}
