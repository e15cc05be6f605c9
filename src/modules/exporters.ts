/**
 * Who exports what, and of several exporters of one symbol, which one a module gets: such that all it needs can be
 * loaded together, since the kernel refuses a module that exports what a loaded one does. Of what can be loaded: the
 * exporter that the importer's `depends=` names, else one that is needed anyway for what only it exports, else the first
 * in modules.order. Sources: modpost (`depends=`); kernel/module/main.c (verify_exported_symbols, resolve_symbol).
 */
import type { GraphExport, GraphModule } from "./graph-module.js";
import { gplCompatible } from "./licence.js";
import { mayImport, normalise } from "./namespace.js";

/** An export with who exports it. */
export interface Exporter {
  readonly module: GraphModule;
  readonly terms: GraphExport;
}

/** A symbol that two modules export, both of which a third one needs. */
export interface ExportConflict {
  readonly module: GraphModule;
  readonly symbol: string;
  readonly exporters: readonly [GraphModule, GraphModule];
}

/** What is loaded already: it provides before anything else does, and keeps out who exports the same. */
export interface Present {
  has(module: GraphModule): boolean;
  exports(symbol: string): boolean;
}

/** All that one module needs. */
export interface NeededSet {
  /** The module itself first. */
  readonly members: ReadonlySet<GraphModule>;
  /** Which member provides the symbol to a member that imports it; undefined: none does, or has to. */
  provider(importer: GraphModule, symbol: string): GraphModule | undefined;
  /** The first two members that cannot be loaded together; undefined: all of them can. */
  readonly conflict: ExportConflict | undefined;
}

/** So many ways are tried to make one module's set loadable. */
const maxAttempts = 1000;
/** After so many looks at an import or an exporter for all modules together, nobody is searched a set for any more. */
const patience = 20_000_000;

export class Exporters {
  /** By symbol, each with its exporters in the order of modules.order. */
  readonly all = new Map<string, Exporter[]>();
  /** Of the modules that export what others do too, these symbols. */
  readonly #shared = new Map<GraphModule, string[]>();
  readonly plain: (symbol: string) => string;
  readonly imported: (symbol: string) => string;
  steps = 0;

  /** `plain` and `imported` take from exports' and imports' names what an ABI puts before them. */
  constructor(
    modules: readonly GraphModule[],
    { plain, imported }: Readonly<Record<"plain" | "imported", (symbol: string) => string>>,
  ) {
    this.plain = plain;
    this.imported = imported;
    for (const module of modules) for (const terms of module.exports) this.#add(module, terms);
    for (const [symbol, exporters] of this.all) {
      if (exporters.length < 2) continue;
      for (const { module } of exporters) listOf(this.#shared, module).push(symbol);
    }
  }

  #add(module: GraphModule, terms: GraphExport): void {
    const symbol = this.plain(terms.name);
    const known = this.all.get(symbol);
    // What is no export but a text among their names belongs to the last who has it, as for depmod; exports go before.
    if (!known || known[0]?.terms.textOnly) this.all.set(symbol, [{ module, terms }]);
    else if (!terms.textOnly && known.at(-1)?.module !== module) known.push({ module, terms });
  }

  /** The symbols that the module is not the only one to export. */
  sharedOf(module: GraphModule): readonly string[] {
    return this.#shared.get(module) ?? [];
  }

  /** Who may provide an import; none: no module does. */
  of(importer: GraphModule, symbol: string): readonly Exporter[] {
    const all = this.all.get(this.imported(symbol)) ?? [];
    this.steps += 1 + all.length;
    if (all.length < 2) return all;
    const others = all.filter(({ module }) => module !== importer);
    const usable = others.filter(({ terms }) => mayUse(importer, symbol, terms));
    return usable.length > 0 ? usable : others;
  }

  /** The checksum of what the module exports; undefined: it has none. */
  crcOf(module: GraphModule, symbol: string): number | undefined {
    return this.all.get(symbol)?.find((exporter) => exporter.module === module)?.terms.crc;
  }

  /** Who provides an import if nothing is known of what else is needed. */
  preferred(importer: GraphModule, symbol: string): Exporter | undefined {
    return byPreference(importer, this.of(importer, symbol))[0];
  }

  /** The modules that need, or need what needs, a symbol of which there are several exporters, or one of these. */
  contested(modules: readonly GraphModule[]): ReadonlySet<GraphModule> {
    const found = new Set<GraphModule>(this.#shared.keys());
    if (found.size === 0) return found;
    const users = new Map<GraphModule, GraphModule[]>();
    for (const module of modules) {
      for (const symbol of module.imports) {
        const [exporter, another] = this.all.get(this.imported(symbol)) ?? [];
        if (another) found.add(module);
        else if (exporter) listOf(users, exporter.module).push(module);
      }
    }
    for (const module of found) for (const user of users.get(module) ?? []) found.add(user);
    return found;
  }

  /** All that must be loaded for the module, beside what is present. undefined: the search has become too long. */
  choose(root: GraphModule, present?: Present): NeededSet | undefined {
    /** Which candidate each choice takes; those after it take their first. */
    let taken: readonly number[] = [];
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      if (this.steps > patience) return undefined;
      const search = new Search(this, { root, present, taken, lenient: false });
      if (search.run()) return search;
      // The last choice that has another candidate takes it.
      const made = [...search.choices];
      for (let last = made.at(-1); last && last.at + 1 >= last.of; last = made.at(-1)) made.pop();
      if (made.length === 0) break;
      taken = made.map(({ at }, index) => (index === made.length - 1 ? at + 1 : at));
    }
    const search = new Search(this, { root, present, taken: [], lenient: true });
    search.run();
    return search;
  }
}

function listOf<K, V>(lists: Map<K, V[]>, key: K): V[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}

/** Whether the kernel would give it to the importer: licence, namespace, checksum. What is not known is no obstacle. */
function mayUse(importer: GraphModule, symbol: string, { gplOnly, namespace, crc }: GraphExport): boolean {
  const { name, license, importNamespaces, importCrcs } = importer;
  const wanted = importCrcs?.get(symbol);
  if (crc && wanted && crc !== wanted) return false;
  if (gplOnly && license !== undefined && !gplCompatible(license)) return false;
  return importNamespaces === undefined || mayImport(namespace, name, importNamespaces);
}

/** Those that the importer's `depends=` names first. */
function byPreference({ depends = [] }: GraphModule, exporters: readonly Exporter[]): readonly Exporter[] {
  const isNamed = ({ module }: Exporter) => depends.some((one) => normalise(one) === module.name);
  const named = exporters.filter(isNamed);
  return named.length === 0 ? exporters : [...named, ...exporters.filter((one) => !named.includes(one))];
}

/**
 * The set's members but its first, users before what they use, and of several that could come next the one with the
 * lowest rank. undefined: they need each other.
 */
export function sortSet(set: NeededSet, rank: (module: GraphModule) => number): GraphModule[] | undefined {
  const used = new Map<GraphModule, Set<GraphModule>>();
  const users = new Map<GraphModule, number>();
  for (const module of set.members) {
    const providers = new Set(module.imports.flatMap((symbol) => set.provider(module, symbol) ?? []));
    used.set(module, providers);
    for (const provider of providers) users.set(provider, (users.get(provider) ?? 0) + 1);
  }
  const ready = [...set.members].filter((module) => !users.get(module));
  const sorted: GraphModule[] = [];
  while (ready.length > 0) {
    const next = ready.reduce((best, one) => (rank(one) < rank(best) ? one : best));
    ready.splice(ready.indexOf(next), 1);
    sorted.push(next);
    for (const provider of used.get(next) ?? []) {
      const left = (users.get(provider) ?? 0) - 1;
      users.set(provider, left);
      if (left === 0) ready.push(provider);
    }
  }
  return sorted.length < set.members.size ? undefined : sorted.slice(1);
}

interface Task {
  readonly root: GraphModule;
  readonly present: Present | undefined;
  readonly taken: readonly number[];
  /** Takes what cannot be loaded too, and remembers the first pair that does not go together. */
  readonly lenient: boolean;
}

interface Pending {
  readonly importer: GraphModule;
  readonly candidates: readonly Exporter[];
}

/** One attempt: first what is needed for certain, then one choice after the other, each with what follows from it. */
class Search implements NeededSet {
  readonly #exporters: Exporters;
  readonly #task: Task;
  readonly members = new Set<GraphModule>();
  /** Which member has a symbol that others export too. */
  readonly #owners = new Map<string, GraphModule>();
  #pending: readonly Pending[] = [];
  conflict: ExportConflict | undefined;
  /** For each choice, which candidate was taken of how many. */
  readonly choices: { readonly at: number; readonly of: number }[] = [];

  constructor(exporters: Exporters, task: Task) {
    this.#exporters = exporters;
    this.#task = task;
  }

  /** Whether it came to something that can be loaded. */
  run(): boolean {
    let next: GraphModule | undefined = this.#task.root;
    while (next) {
      if (!this.#need(next)) return false;
      const found = this.#next();
      if (found === false) return false;
      next = found;
    }
    return this.#task.lenient || sortSet(this, () => 0) !== undefined;
  }

  provider(importer: GraphModule, symbol: string): GraphModule | undefined {
    const there = this.#exporters.of(importer, symbol).filter(({ module }) => this.members.has(module));
    return byPreference(importer, there)[0]?.module;
  }

  /** Adds the module, with all that can come from one place only; false if that cannot be loaded. */
  #need(first: GraphModule): boolean {
    const { root, present, lenient } = this.#task;
    const waiting = [first];
    const pending = [...this.#pending];
    for (const module of waiting) {
      if (this.members.has(module)) continue;
      if (!lenient && module !== root && this.#isShutOut(module)) return false;
      this.#claim(module);
      if (!lenient && this.conflict) return false;
      this.members.add(module);
      for (const symbol of module.imports) {
        if (present?.exports(this.#exporters.imported(symbol))) continue;
        const candidates = this.#exporters.of(module, symbol);
        if (candidates.length > 1) pending.push({ importer: module, candidates });
        else if (candidates[0]) waiting.push(candidates[0].module);
      }
    }
    this.#pending = pending;
    return true;
  }

  #claim(module: GraphModule): void {
    for (const symbol of this.#exporters.sharedOf(module)) {
      const owner = this.#owners.get(symbol);
      if (owner) this.conflict ??= { module: this.#task.root, symbol, exporters: [owner, module] };
      else this.#owners.set(symbol, module);
    }
  }

  /** Whether what is loaded exports what the module does. */
  #isShutOut(module: GraphModule): boolean {
    const { present } = this.#task;
    if (!present || present.has(module)) return false;
    return module.exports.some(({ name, textOnly }) => !textOnly && present.exports(this.#exporters.plain(name)));
  }

  /** Whether it could be added. */
  #fits = ({ module }: Exporter): boolean =>
    !this.#exporters.sharedOf(module).some((symbol) => this.#owners.has(symbol)) && !this.#isShutOut(module);

  /** The next module to add: one without an alternative before one of several. undefined: none; false: there must be one. */
  #next(): GraphModule | undefined | false {
    this.#pending = this.#pending.filter(
      ({ candidates }) => !candidates.some(({ module }) => this.members.has(module)),
    );
    let several: { importer: GraphModule; fitting: readonly Exporter[] } | undefined;
    for (const { importer, candidates } of this.#pending) {
      this.#exporters.steps += candidates.length;
      const fitting = candidates.filter(this.#fits);
      if (fitting.length === 0) return this.#task.lenient ? byPreference(importer, candidates)[0]?.module : false;
      if (fitting.length === 1) return fitting[0]?.module;
      several ??= { importer, fitting };
    }
    if (!several) return undefined;
    const at = this.#task.taken[this.choices.length] ?? 0;
    this.choices.push({ at, of: several.fitting.length });
    return byPreference(several.importer, several.fitting)[at]?.module;
  }
}
