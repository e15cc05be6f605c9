/**
 * Who needs whom: one resolver for the project's own modules and for a kernel's ELF modules. Pure: no I/O.
 * Source: depmod(8) and modpost. Where two modules export one symbol the kernel's tools disagree (modpost keeps the
 * first in modules.order, depmod the last); here it is the first, everywhere. Without duplicates the result is depmod's.
 */

export interface GraphExport {
  readonly name: string;
  readonly namespace?: string;
  readonly gplOnly: boolean;
  readonly crc?: number;
}

/** A module as the resolver sees it. */
export interface GraphModule {
  /** As in lsmod: underscores, no ending. Unique in a tree. */
  readonly name: string;
  /** As modules.dep names it: relative to the tree, or absolute. */
  readonly path: string;
  readonly exports: readonly GraphExport[];
  /** The symbols it needs, each in the order of its first mention: the order decides among equals in modules.dep. */
  readonly imports: readonly string[];
  /** Those of the imports that may stay undefined. */
  readonly weakImports?: ReadonlySet<string>;
  /** The checksum that an import was compiled against. */
  readonly importCrcs?: ReadonlyMap<string, number>;
  /** Values of `.modinfo`'s fields, in their order. */
  readonly aliases: readonly string[];
  readonly softdeps: readonly string[];
  readonly weakdeps?: readonly string[];
}

export interface ResolveOptions {
  /** What the kernel itself exports, with the checksum if known; undefined if nobody knows, and then nothing is missed. */
  readonly kernelSymbols?: ReadonlyMap<string, number | undefined>;
  /** A character that the ABI puts before every C name (depmod's -P). */
  readonly symbolPrefix?: string;
}

/** A symbol that more than one module exports. */
export interface DuplicateExport {
  readonly symbol: string;
  readonly owner: GraphModule;
  readonly other: GraphModule;
}

/** An import with its importer. */
export interface ImportProblem {
  readonly module: GraphModule;
  readonly symbol: string;
  readonly kind: "unknown" | "version";
}

export interface Graph {
  /** In the order of modules.order. */
  readonly modules: readonly GraphModule[];
  /** Every exported symbol's owner, in the order of modules.order and of each module's exports. */
  readonly symbols: ReadonlyMap<string, GraphModule>;
  /** Who provides what an import names; undefined: no module does. */
  provider(symbol: string): GraphModule | undefined;
  readonly duplicates: readonly DuplicateExport[];
  /** What `depmod -e` reports, in its order. */
  readonly problems: readonly ImportProblem[];
  /** Loops, each closed by its first module again; in the order and with the starting points that depmod reports. */
  readonly cycles: readonly (readonly GraphModule[])[];
  /** How many modules lie in loops. */
  readonly cyclic: number;
  /** What the module imports from, in the order of its imports. */
  direct(module: GraphModule): readonly GraphModule[];
  /**
   * All that the module needs, as its line in modules.dep lists them: whoever needs comes before whoever is needed, so
   * that they load from the last to the first. Only on a graph without cycles.
   */
  dependencies(module: GraphModule): readonly GraphModule[];
}

/** The kernel's loader or the linker provides these. */
const providedByLoader = ["__this_module", "_GLOBAL_OFFSET_TABLE_", "TOC."];

interface Node {
  readonly module: GraphModule;
  readonly direct: Node[];
  users: number;
  /** Position in the topological order: users first. */
  order: number;
  all: readonly Node[] | undefined;
}

/** Finds providers and dependencies. The modules come in the order of modules.order, their names differ. */
export function resolve(modules: readonly GraphModule[], options: ResolveOptions = {}): Graph {
  const nodes = modules.map((module): Node => ({ module, direct: [], users: 0, order: -1, all: undefined }));
  const byModule = new Map(nodes.map((node) => [node.module, node]));
  if (new Set(modules.map(({ name }) => name)).size < modules.length) {
    throw new Error(`two modules are named ${firstRepeated(modules.map(({ name }) => name))}`);
  }
  const prefix = options.symbolPrefix ?? "";
  const plain = (symbol: string) => (prefix !== "" && symbol.startsWith(prefix) ? symbol.slice(prefix.length) : symbol);
  // The 64-bit PowerPC ELF ABI, version 1, calls the entry of function foo `.foo`.
  const imported = (symbol: string) => plain(symbol.startsWith(".") ? symbol.slice(1) : symbol);
  const { owners, duplicates } = collectExports(nodes, plain);
  const problems: ImportProblem[] = [];
  for (const node of nodes) link(node, { owners, problems, imported, kernel: options.kernelSymbols });
  const unsorted = sortTopologically(nodes);
  const { cycles, cyclic } = unsorted.length === 0 ? { cycles: [], cyclic: 0 } : reportCycles(unsorted);

  const nodeOf = (module: GraphModule): Node => {
    const node = byModule.get(module);
    if (!node) throw new Error(`${module.name} is not in this graph`);
    return node;
  };
  return {
    modules,
    symbols: new Map([...owners].map(([symbol, { node }]) => [symbol, node.module])),
    provider: (symbol) => owners.get(imported(symbol))?.node.module,
    duplicates,
    problems,
    cycles: cycles.map((cycle) => cycle.map(({ module }) => module)),
    cyclic,
    direct: (module) => nodeOf(module).direct.map((node) => node.module),
    dependencies(module) {
      if (unsorted.length > 0) throw new Error("the graph has cycles");
      return allBelow(nodeOf(module)).map((node) => node.module);
    },
  };
}

function firstRepeated(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}

interface Owner {
  readonly node: Node;
  readonly crc: number | undefined;
}

function collectExports(nodes: readonly Node[], plain: (symbol: string) => string) {
  const owners = new Map<string, Owner>();
  const duplicates: DuplicateExport[] = [];
  for (const node of nodes) {
    for (const { name, crc } of node.module.exports) {
      const symbol = plain(name);
      const before = owners.get(symbol);
      if (!before) owners.set(symbol, { node, crc });
      else if (before.node !== node) duplicates.push({ symbol, owner: before.node.module, other: node.module });
    }
  }
  return { owners, duplicates };
}

interface LinkState {
  readonly owners: ReadonlyMap<string, Owner>;
  readonly problems: ImportProblem[];
  readonly imported: (symbol: string) => string;
  readonly kernel: ReadonlyMap<string, number | undefined> | undefined;
}

/** Finds each import's provider. */
function link(node: Node, { owners, problems, imported, kernel }: LinkState): void {
  const { module } = node;
  const known = new Set<Node>();
  for (const symbol of module.imports) {
    const name = imported(symbol);
    const owner = owners.get(name);
    if (owner && !known.has(owner.node)) {
      known.add(owner.node);
      node.direct.push(owner.node);
      owner.node.users++;
    }
    if (!kernel || module.weakImports?.has(symbol)) continue;
    if (!owner && !kernel.has(name)) {
      if (!providedByLoader.includes(name)) problems.push({ module, symbol, kind: "unknown" });
      continue;
    }
    const exported = owner ? owner.crc : kernel.get(name);
    const wanted = module.importCrcs?.get(symbol);
    if (exported !== undefined && wanted !== undefined && exported !== wanted) {
      problems.push({ module, symbol, kind: "version" });
    }
  }
}

/** Numbers the nodes, users before what they use, as depmod does: depth first from the last. Returns those in or below loops. */
function sortTopologically(nodes: readonly Node[]): Node[] {
  const users = new Map(nodes.map((node) => [node, node.users]));
  const ready = nodes.filter((node) => node.users === 0);
  let order = 0;
  for (let node = ready.pop(); node; node = ready.pop()) {
    node.order = order++;
    for (const used of node.direct) {
      const left = (users.get(used) ?? 0) - 1;
      users.set(used, left);
      if (left === 0) ready.push(used);
    }
  }
  return nodes.filter((node) => node.order < 0);
}

/** So often may one walk come through a module: loops that share modules have more paths than anyone wants to read. */
const maxVisits = 64;
/** After so many steps a walk comes through a module once only. */
const patience = 100_000;

interface Step {
  readonly node: Node;
  readonly from: Step | undefined;
}

/**
 * The loops among nodes that no topological order reaches, found from one of them after the other, the last dependency
 * first. depmod goes on for ever when a loop does not pass through where it began, and takes a module below a loop for
 * one; here no path meets a module twice.
 */
function reportCycles(unsorted: readonly Node[]): { cycles: Node[][]; cyclic: number } {
  const cycles: Node[][] = [];
  const inLoops = new Set<Node>();
  const waiting = [...unsorted];
  let steps = 0;
  for (let root = waiting.shift(); root; root = waiting.shift()) {
    const visits = new Map<Node, number>();
    const stack: Step[] = [{ node: root, from: undefined }];
    for (let step = stack.pop(); step; step = stack.pop()) {
      const { node, from } = step;
      steps++;
      if (node === root && from) {
        const path = pathTo(from);
        cycles.push([...path, root]);
        for (const member of path) {
          inLoops.add(member);
          takeOut(waiting, member);
        }
        continue;
      }
      const seen = visits.get(node) ?? 0;
      if (seen >= (steps < patience ? maxVisits : 1) || pathTo(from).includes(node)) continue;
      visits.set(node, seen + 1);
      if (node.direct.length === 0) takeOut(waiting, node);
      for (const used of node.direct) stack.push({ node: used, from: step });
    }
  }
  return { cycles, cyclic: inLoops.size };
}

/** Removes the node if it is there; what followed it comes first then, as in depmod's ring of nodes that wait. */
function takeOut(waiting: Node[], node: Node): void {
  const at = waiting.indexOf(node);
  if (at < 0) return;
  const before = waiting.splice(0, at + 1);
  before.pop();
  waiting.push(...before);
}

function pathTo(last: Step | undefined): Node[] {
  const path: Node[] = [];
  for (let step = last; step; step = step.from) path.push(step.node);
  return path.reverse();
}

/** The node's transitive dependencies in topological order; each node's is computed once. */
function allBelow(node: Node): readonly Node[] {
  if (node.all) return node.all;
  const waiting = [node];
  for (let top = waiting.at(-1); top; top = waiting.at(-1)) {
    const missing = top.direct.filter((used) => !used.all);
    if (missing.length > 0) {
      waiting.push(...missing);
      continue;
    }
    waiting.pop();
    if (top.all) continue;
    const below = new Set(top.direct);
    for (const used of top.direct) for (const deeper of used.all ?? []) below.add(deeper);
    top.all = [...below].sort((a, b) => a.order - b.order);
  }
  return node.all ?? [];
}
