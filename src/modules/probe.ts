/**
 * What modprobe would do: which modules a name stands for, and what is loaded for each, in which order. Pure: it says,
 * others do. Source: modprobe(8), libkmod's probe list.
 */
import { globMatches } from "./glob.js";
import { ModprobeConfig } from "./modprobe-config.js";
import { moduleNameOf, normaliseAlias } from "./names.js";
import type { ModuleTree } from "./tree.js";

/** A module that was asked for or is needed. */
export interface Target {
  readonly name: string;
  /** What it was found by, if that was an alias: options and the blacklist know either name. */
  readonly alias?: string;
  /** Where it lies; undefined if it is built in, or nowhere. */
  readonly path: string | undefined;
  readonly builtin: boolean;
}

/** One step of loading: what modprobe's -v prints. */
export type Action =
  | { readonly kind: "insmod"; readonly target: Target; readonly options: string }
  | { readonly kind: "install"; readonly target: Target; readonly command: string; readonly options: string }
  | { readonly kind: "builtin"; readonly target: Target };

export interface PlanOptions {
  /** For the module that was asked for. */
  readonly options?: string;
  /** Whether install commands and soft dependencies of the module that was asked for are passed over. */
  readonly ignoreCommands?: boolean;
  /** Passed over with what they would do; modprobe passes over what the kernel has. */
  readonly isLoaded?: (target: Target) => boolean;
}

interface Entry extends Target {
  readonly key: string;
  visited: boolean;
  ignoreCommand: boolean;
}

/** An action as modprobe prints it. */
export function actionText(action: Action): string {
  if (action.kind === "builtin") return `builtin ${action.target.name}`;
  if (action.kind === "install") return `install ${action.command} ${action.options}`;
  return `insmod ${action.target.path} ${action.options}`;
}

export class Probe {
  readonly #tree: ModuleTree;
  readonly #config: ModprobeConfig;
  readonly #failedSoftdep: (name: string) => void;
  readonly #entries = new Map<string, Entry>();

  constructor(tree: ModuleTree, config = new ModprobeConfig(), failedSoftdep: (name: string) => void = () => {}) {
    this.#tree = tree;
    this.#config = config;
    this.#failedSoftdep = failedSoftdep;
  }

  /** The modules that a name or alias stands for; none if nobody knows it. */
  lookup(given: string): readonly Target[] {
    return this.#lookup(given) ?? [];
  }

  /** The modules of that name only. */
  lookupName(given: string): Target | undefined {
    const name = moduleNameOf(given);
    if (this.#tree.line(name) || this.#tree.isBuiltin(name)) return this.#entry(name);
    return undefined;
  }

  #lookup(given: string): Entry[] | undefined {
    const alias = normaliseAlias(given);
    if (alias === undefined) return undefined;
    const tree = this.#tree;
    const { aliases, install, remove } = this.#config;
    const byConfig = aliases.filter((one) => globMatches(one.alias, alias));
    if (byConfig.length > 0) return byConfig.map((one) => this.#entry(one.module, one.alias));
    if (!alias.includes(":") && tree.line(alias)) return [this.#entry(alias)];
    const bySymbol = alias.startsWith("symbol:") ? tree.withSymbol(alias) : [];
    if (bySymbol.length > 0) return bySymbol.map((name) => this.#entry(name, alias));
    if ([...install, ...remove].some(({ module }) => module === alias)) return [this.#entry(moduleNameOf(alias))];
    const byAlias = tree.withAlias(alias);
    if (byAlias.length > 0) return byAlias.map((name) => this.#entry(name, alias));
    if (tree.isBuiltin(alias)) return [this.#entry(alias)];
    return tree.builtinsWithAlias(alias).map((name) => this.#entry(name, alias));
  }

  #entry(name: string, alias?: string): Entry {
    const key = alias === undefined ? name : `${name}\\${alias}`;
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = {
        key,
        name,
        ...(alias !== undefined && { alias }),
        path: this.#tree.line(name)?.path,
        builtin: this.#tree.isBuiltin(name),
        visited: false,
        ignoreCommand: false,
      };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  isBlacklisted({ name }: Target): boolean {
    return this.#config.blacklist.includes(name);
  }

  /** What is to be done to have the module, in order. */
  plan(target: Target, { options = "", ignoreCommands = false, isLoaded = () => false }: PlanOptions = {}): Action[] {
    const wanted = this.#entry(target.name, target.alias);
    if (isLoaded(wanted)) return [];
    for (const entry of this.#entries.values()) entry.visited = false;
    const list: Entry[] = [];
    this.#collect(wanted, ignoreCommands, list);
    return list.flatMap((entry) => {
      if (isLoaded(entry)) return [];
      const own = this.#optionsOf(entry);
      const extra = entry === wanted ? options : "";
      const all = own === "" && extra === "" ? "" : own === "" ? extra : `${own} ${extra}`;
      return this.#action(entry, all) ?? [];
    });
  }

  #action(entry: Entry, options: string): Action | undefined {
    const command = entry.ignoreCommand ? undefined : this.#installCommand(entry);
    if (command !== undefined) return { kind: "install", target: entry, command, options };
    if (entry.path !== undefined) return { kind: "insmod", target: entry, options };
    return entry.builtin ? { kind: "builtin", target: entry } : undefined;
  }

  #installCommand({ name }: Entry): string | undefined {
    return this.#config.install.find(({ module }) => globMatches(module, name))?.command;
  }

  #optionsOf({ name, alias }: Entry): string {
    return this.#config.options
      .filter(({ module, options }) => options !== "" && (module === name || module === alias))
      .map(({ options }) => options)
      .join(" ");
  }

  /** Dependencies with what surrounds each, then the module itself. */
  #collect(entry: Entry, ignoreCommand: boolean, list: Entry[]): void {
    if (entry.visited) return;
    entry.visited = true;
    for (const path of this.#tree.line(entry.name)?.dependencies ?? []) {
      this.#surround(this.#entry(moduleNameOf(path)), list);
    }
    if (ignoreCommand) {
      entry.ignoreCommand = true;
      list.push(entry);
    } else {
      this.#surround(entry, list);
    }
  }

  /** The module between its soft dependencies. */
  #surround(entry: Entry, list: Entry[]): void {
    const softdep = this.#config.softdeps.find(({ module }) => globMatches(module, entry.name));
    const [pre, post] = [this.#softdeps(softdep?.pre), this.#softdeps(softdep?.post)];
    for (const one of pre) this.#collect(one, false, list);
    list.push(entry);
    entry.ignoreCommand = pre.length > 0 || post.length > 0;
    for (const one of post) this.#collect(one, false, list);
  }

  #softdeps(names: readonly string[] = []): Entry[] {
    return names.flatMap((name) => {
      const found = this.#lookup(name);
      if (!found) this.#failedSoftdep(name);
      return found ?? [];
    });
  }
}

/**
 * The files that have to be loaded to have all these modules or aliases, each once, in an order that works: soft
 * dependencies too. `unknown` are the names that the tree does not know; what is built in needs no file.
 */
export function modulesFor(tree: ModuleTree, names: readonly string[]): { paths: string[]; unknown: string[] } {
  const config = new ModprobeConfig();
  for (const line of tree.softdep.split("\n")) config.add(line);
  const probe = new Probe(tree, config);
  const unknown = names.filter((name) => probe.lookup(name).length === 0);
  const actions = names.flatMap((name) => probe.lookup(name).flatMap((target) => probe.plan(target)));
  return { paths: [...new Set(actions.flatMap(({ target }) => target.path ?? []))], unknown };
}
