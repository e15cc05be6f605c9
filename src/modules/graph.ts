/**
 * Who needs whom: one resolver for the project's own modules and for a kernel's ELF modules. Pure: no I/O.
 * Source: depmod(8) and modpost. Where two modules export one symbol the kernel's tools disagree (modpost keeps the
 * first in modules.order, depmod the last); here each module gets the exporter with which it can be loaded
 * (exporters.ts). Without duplicates the result is depmod's.
 */
import { type ExportConflict, Exporters, type NeededSet, type Present, sortSet } from "./exporters.js";
import type { GraphModule } from "./graph-module.js";

export type { ExportConflict, Present } from "./exporters.js";
export type { GraphExport, GraphModule } from "./graph-module.js";

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
  /** Every exported symbol's owner, its first exporter, in the order of modules.order and of each module's exports. */
  readonly symbols: ReadonlyMap<string, GraphModule>;
  /** Who provides what the module imports; undefined: no module does. */
  provider(module: GraphModule, symbol: string): GraphModule | undefined;
  readonly duplicates: readonly DuplicateExport[];
  /** The modules for which no choice of exporters can be loaded, each with why; what needs one of them is not listed. */
  readonly conflicts: readonly ExportConflict[];
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
  /**
   * What is to be loaded for the module where something is present, which provides before all others; in the order of
   * loading, without the module. undefined: modules need each other.
   */
  missing(module: GraphModule, present: Present): readonly GraphModule[] | undefined;
}

/** The kernel's loader or the linker provides these. */
const providedByLoader = ["__this_module", "_GLOBAL_OFFSET_TABLE_", "TOC."];

interface Node {
  readonly module: GraphModule;
  /** Where there is a choice of exporters: what was chosen for this module and all that it needs. */
  readonly set: NeededSet | undefined;
  readonly direct: Node[];
  users: number;
  /** Position in the topological order: users first. */
  order: number;
  all: readonly Node[] | undefined;
}

/** Finds providers and dependencies. The modules come in the order of modules.order, their names differ. */
export function resolve(modules: readonly GraphModule[], options: ResolveOptions = {}): Graph {
  if (new Set(modules.map(({ name }) => name)).size < modules.length) {
    throw new Error(`two modules are named ${firstRepeated(modules.map(({ name }) => name))}`);
  }
  const prefix = options.symbolPrefix ?? "";
  const plain = (symbol: string) => (prefix !== "" && symbol.startsWith(prefix) ? symbol.slice(prefix.length) : symbol);
  // The 64-bit PowerPC ELF ABI, version 1, calls the entry of function foo `.foo`.
  const imported = (symbol: string) => plain(symbol.startsWith(".") ? symbol.slice(1) : symbol);
  const exporters = new Exporters(modules, { plain, imported });
  const contested = exporters.contested(modules);
  const nodes = modules.map((module): Node => {
    const set = contested.has(module) ? exporters.choose(module) : undefined;
    return { module, set, direct: [], users: 0, order: -1, all: undefined };
  });
  const byModule = new Map(nodes.map((node) => [node.module, node]));
  const nodeOf = (module: GraphModule): Node => {
    const node = byModule.get(module);
    if (!node) throw new Error(`${module.name} is not in this graph`);
    return node;
  };
  const problems: ImportProblem[] = [];
  for (const node of nodes) link(node, { exporters, problems, nodeOf, kernel: options.kernelSymbols });
  const unsorted = sortTopologically(nodes);
  const { cycles, cyclic } = unsorted.length === 0 ? { cycles: [], cyclic: 0 } : reportCycles(unsorted);
  const rank = (module: GraphModule) => nodeOf(module).order;

  return {
    modules,
    symbols: new Map([...exporters.all].flatMap(([symbol, [first]]) => (first ? [[symbol, first.module]] : []))),
    provider: (module, symbol) => providerFor(nodeOf(module), symbol, exporters),
    duplicates: duplicatesOf(exporters, modules),
    conflicts: conflictsOf(nodes),
    problems,
    cycles: cycles.map((cycle) => cycle.map(({ module }) => module)),
    cyclic,
    direct: (module) => nodeOf(module).direct.map((node) => node.module),
    dependencies(module) {
      if (unsorted.length > 0) throw new Error("the graph has cycles");
      const node = nodeOf(module);
      return (node.set && sortSet(node.set, rank)) ?? allBelow(node).map((below) => below.module);
    },
    missing(module, present) {
      const set = exporters.choose(module, present);
      return (
        set &&
        sortSet(set, rank)
          ?.filter((one) => !present.has(one))
          .reverse()
      );
    },
  };
}

function firstRepeated(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}

function providerFor({ module, set }: Node, symbol: string, exporters: Exporters): GraphModule | undefined {
  return set ? set.provider(module, symbol) : exporters.preferred(module, symbol)?.module;
}

function duplicatesOf({ all, plain }: Exporters, modules: readonly GraphModule[]): DuplicateExport[] {
  return modules.flatMap((other) =>
    other.exports.flatMap(({ name, textOnly }) => {
      const symbol = plain(name);
      const owner = all.get(symbol)?.[0]?.module;
      return textOnly || !owner || owner === other ? [] : [{ symbol, owner, other }];
    }),
  );
}

/** Of those that share a conflict the first that has it, and whoever does not need one of these. */
function conflictsOf(nodes: readonly Node[]): ExportConflict[] {
  const found = new Map(nodes.flatMap(({ module, set }) => (set?.conflict ? [[module, set.conflict]] : [])));
  return nodes.flatMap(({ module, set }) => {
    const conflict = found.get(module);
    if (!conflict || !set) return [];
    const below = [...set.members].some((member) => member !== module && found.has(member));
    return below ? [] : [conflict];
  });
}

interface LinkState {
  readonly exporters: Exporters;
  readonly problems: ImportProblem[];
  readonly nodeOf: (module: GraphModule) => Node;
  readonly kernel: ReadonlyMap<string, number | undefined> | undefined;
}

/** Finds each import's provider. */
function link(node: Node, { exporters, problems, nodeOf, kernel }: LinkState): void {
  const { module } = node;
  const known = new Set<Node>();
  for (const symbol of module.imports) {
    const name = exporters.imported(symbol);
    const owner = providerFor(node, symbol, exporters);
    const provider = owner && nodeOf(owner);
    if (provider && !known.has(provider)) {
      known.add(provider);
      node.direct.push(provider);
      provider.users++;
    }
    if (!kernel || module.weakImports?.has(symbol)) continue;
    if (!owner && !kernel.has(name)) {
      if (!providedByLoader.includes(name)) problems.push({ module, symbol, kind: "unknown" });
      continue;
    }
    const exported = owner ? exporters.crcOf(owner, name) : kernel.get(name);
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
