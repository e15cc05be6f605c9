/**
 * The shape of a region: basic blocks, their order, dominators, and which of them are loops. WebAssembly has only structured
 * control flow; region.ts nests blocks by what is found here.
 */

export interface BasicBlock<T> {
  /** Address of the first instruction, relative to the region's base. */
  readonly start: number;
  readonly instructions: readonly T[];
  /** Starts of the blocks that may follow inside the region. */
  readonly successors: readonly number[];
  /** It ends with a call, its successor being the return point: a loop that goes on there must not hold anything in locals. */
  readonly calls: boolean;
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
  /** In reverse post-order; the way in is first. */
  readonly nodes: readonly FlowNode<T>[];
  /** Starts of the blocks that the way in leads to, in the order in which it numbers them. */
  readonly entries: readonly number[];
  /** Position of the block that starts at this address. */
  position(start: number): number | undefined;
  /**
   * How an edge is taken: "forward" to a later block, "back" to a loop around the source, or "around" by the way in, if no
   * nesting of loops gives it or there is a call on it.
   */
  edge(from: number, to: number): "forward" | "back" | "around";
  /** Whether any edge is taken around. */
  readonly goesAround: boolean;
  /** Positions of the blocks of the natural loop with this header. */
  loop(header: number): ReadonlySet<number>;
}

/**
 * Analyses the blocks reachable from `entries`. Node 0 stands for the way in: it leads to every entry. An edge that no
 * nesting of loops gives (the flow is irreducible there) makes its target an entry too: such edges go round by the way in.
 */
export function analyse<T>(entries: readonly number[], blocks: ReadonlyMap<number, BasicBlock<T>>): FlowGraph<T> {
  for (let all = entries; ; ) {
    const graph = nest(all, blocks);
    const more = new Set<number>();
    // An outermost loop can be entered at its header without harm; where a slice ended in it, it goes on there.
    for (const node of graph.nodes) {
      if (node.isLoop && !all.includes(node.block.start) && isOutermost(graph, node)) {
        more.add(node.block.start);
      }
      for (const s of node.block.successors) {
        if (node.order > 0 && graph.edge(node.order, graph.position(s) as number) === "around" && !all.includes(s)) {
          more.add(s);
        }
      }
    }
    if (more.size === 0) return graph;
    all = [...all, ...more];
  }
}

function isOutermost<T>(graph: FlowGraph<T>, node: FlowNode<T>): boolean {
  return !graph.nodes.some(
    (other) => other.isLoop && other.order < node.order && graph.loop(other.order).has(node.order),
  );
}

/** Start of the block that stands for the way in: no offset, since a jump out of the region may lead to any, -1 too. */
const wayIn = Number.NEGATIVE_INFINITY;

function nest<T>(entries: readonly number[], given: ReadonlyMap<number, BasicBlock<T>>): FlowGraph<T> {
  const blocks = new Map(given).set(wayIn, { start: wayIn, instructions: [], successors: entries, calls: false });
  const postOrder: number[] = [];
  const seen = new Set<number>();
  // Depth first without recursion: the stack holds blocks and how many of their successors were visited.
  const stack: { start: number; next: number }[] = [{ start: wayIn, next: 0 }];
  seen.add(wayIn);
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
  const edge = (from: number, to: number) => {
    if (to > from) return "forward";
    return dominates(to, from) && !nodes[from]?.block.calls ? "back" : "around";
  };
  let goesAround = false;
  for (const node of nodes) {
    if (node.order > 0) nodes[node.dominator]?.dominated.push(node.order);
    for (const s of node.block.successors) {
      const target = nodes[positions.get(s) as number] as FlowNode<T>;
      const kind = edge(node.order, target.order);
      if (kind === "forward") target.forwardEdges++;
      else if (kind === "back") target.isLoop = true;
      else goesAround = true;
    }
  }
  // What leads back to the header without passing it.
  const loop = (header: number): ReadonlySet<number> => {
    const members = new Set([header]);
    const work = (predecessors[header] ?? []).filter((p) => edge(p, header) === "back");
    for (let n = work.pop(); n !== undefined; n = work.pop()) {
      if (members.has(n)) continue;
      members.add(n);
      work.push(...(predecessors[n] ?? []));
    }
    return members;
  };
  return { nodes, entries, position: (start) => positions.get(start), edge, goesAround, loop };
}
