/**
 * The shape of a region: basic blocks, their order, dominators, and which of them are loops. WebAssembly has only structured
 * control flow; structure.ts nests blocks by what is found here.
 */

export interface BasicBlock<T> {
  /** Address of the first instruction, relative to the region's base. */
  readonly start: number;
  readonly instructions: readonly T[];
  /** Starts of the blocks that may follow inside the region. */
  readonly successors: readonly number[];
}

/** One block with what the graph says of it. Numbers are positions in reverse post-order. */
export interface FlowNode<T> {
  readonly block: BasicBlock<T>;
  readonly order: number;
  /** Position of the immediate dominator; the entry's is itself. */
  dominator: number;
  /** Blocks that this one immediately dominates, in order. */
  readonly dominated: number[];
  /** An edge from a block that it dominates leads here. */
  isLoop: boolean;
  /** How many edges lead here from blocks earlier in the order. */
  forwardEdges: number;
}

export interface FlowGraph<T> {
  /** In reverse post-order; the entry is first. */
  readonly nodes: readonly FlowNode<T>[];
  /** Position of the block that starts at this address. */
  position(start: number): number | undefined;
  /**
   * How an edge is taken: "forward" to a later block, "back" to a loop around the source, or "leave" if no nesting of
   * loops gives it (the flow is irreducible there): the region is left and looked up again.
   */
  edge(from: number, to: number): "forward" | "back" | "leave";
}

/** Analyses the blocks reachable from `entry`. */
export function analyse<T>(entry: number, blocks: ReadonlyMap<number, BasicBlock<T>>): FlowGraph<T> {
  const postOrder: number[] = [];
  const seen = new Set<number>();
  // Depth first without recursion: the stack holds blocks and how many of their successors were visited.
  const stack: { start: number; next: number }[] = [{ start: entry, next: 0 }];
  seen.add(entry);
  while (stack.length > 0) {
    const top = stack[stack.length - 1] as { start: number; next: number };
    const successors = blocks.get(top.start)?.successors ?? [];
    const successor = successors[top.next++];
    if (successor === undefined) {
      postOrder.push(top.start);
      stack.pop();
    } else if (!seen.has(successor)) {
      seen.add(successor);
      stack.push({ start: successor, next: 0 });
    }
  }
  const starts = postOrder.reverse();
  const positions = new Map(starts.map((start, i) => [start, i]));
  const nodes = starts.map(
    (start, order): FlowNode<T> => ({
      block: blocks.get(start) as BasicBlock<T>,
      order,
      dominator: order === 0 ? 0 : -1,
      dominated: [],
      isLoop: false,
      forwardEdges: 0,
    }),
  );
  const predecessors: number[][] = nodes.map(() => []);
  for (const node of nodes) {
    for (const s of node.block.successors) predecessors[positions.get(s) as number]?.push(node.order);
  }
  const dominatorOf = (n: number) => (nodes[n] as FlowNode<T>).dominator;
  const common = (a: number, b: number): number => {
    let x = a;
    let y = b;
    while (x !== y) {
      while (x > y) x = dominatorOf(x);
      while (y > x) y = dominatorOf(y);
    }
    return x;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of nodes.slice(1)) {
      let dominator = -1;
      for (const p of predecessors[node.order] ?? []) {
        if (dominatorOf(p) < 0) continue;
        dominator = dominator < 0 ? p : common(dominator, p);
      }
      if (dominator !== node.dominator) {
        node.dominator = dominator;
        changed = true;
      }
    }
  }
  const dominates = (a: number, b: number): boolean => {
    let x = b;
    while (x > a) x = dominatorOf(x);
    return x === a;
  };
  const edge = (from: number, to: number) => (to > from ? "forward" : dominates(to, from) ? "back" : "leave");
  for (const node of nodes) {
    if (node.order > 0) nodes[node.dominator]?.dominated.push(node.order);
    for (const s of node.block.successors) {
      const target = nodes[positions.get(s) as number] as FlowNode<T>;
      const kind = edge(node.order, target.order);
      if (kind === "forward") target.forwardEdges++;
      else if (kind === "back") target.isLoop = true;
    }
  }
  return { nodes, position: (start) => positions.get(start), edge };
}
