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

/** One step of removing. */
export type Removal =
  | { readonly kind: "rmmod"; readonly target: Target }
  | { readonly kind: "remove"; readonly target: Target; readonly command: string };

/** What a kernel has loaded. */
export interface Host {
  /** undefined: it is not there. */
  state(target: Target): "live" | "builtin" | undefined;
  /** How many use it; undefined: nobody knows. */
  references(target: Target): number | undefined;
}

export interface RemovalOptions {
  /** Whether remove commands and soft dependencies are passed over. */
  readonly ignoreCommands?: boolean;
  /** Given: what is not loaded there, or in use, is not removed. */
  readonly host?: Host;
  /** Whether it is an error that it is not loaded. */
  readonly firstTime?: boolean;
  /** Told why a module cannot be removed. */
  readonly refuse?: (why: string) => void;
}

/** Soft dependencies of soft dependencies are followed so far; modprobe's own stack ends somewhere too. */
const deepest = 1000;
/** So many steps of removing are told: modprobe, which goes by every path, has no limit. */
const mostRemovals = 10_000;

interface Entry extends Target {
  readonly key: string;
  visited: boolean;
  ignoreCommand: boolean;
}

export const removalText = (step: Removal): string =>
  step.kind === "rmmod" ? `rmmod ${step.target.name}` : `remove ${step.command.replaceAll("$CMDLINE_OPTS", "")}`;

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
  #depth = 0;

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

  /** What is to be done to remove the module, in order; undefined: it cannot be, and `refuse` was told why. */
  removal(target: Target, options: RemovalOptions = {}): Removal[] | undefined {
    const steps: Removal[] = [];
    return this.#remove(this.#entry(target.name, target.alias), options, steps, []) ? steps : undefined;
  }

  /** `above` are the modules as whose soft dependency it is removed. */
  #remove(entry: Entry, options: RemovalOptions, steps: Removal[], above: readonly Entry[]): boolean {
    const { ignoreCommands, host, firstTime, refuse = () => {} } = options;
    if (above.includes(entry) || above.length > deepest || steps.length > mostRemovals) return true;
    const softdep = ignoreCommands ? undefined : this.#softdepOf(entry);
    const command = ignoreCommands ? undefined : this.#removeCommand(entry);
    const known = command === undefined ? host : undefined;
    const state = known?.state(entry);
    if (known && state === undefined) {
      if (firstTime) refuse(`Module ${entry.name} is not in kernel.`);
      return !firstTime;
    }
    if (state === "builtin") {
      if (above.length === 0) refuse(`Module ${entry.name} is builtin.`);
      return above.length > 0;
    }
    const others = (names: readonly string[] = []) => {
      for (const one of this.#softdeps(names).reverse()) this.#remove(one, options, steps, [...above, entry]);
    };
    others(softdep?.post);
    if (known && (known.references(entry) ?? 0) > 0) {
      refuse(`Module ${entry.name} is in use.`);
      return false;
    }
    steps.push(command === undefined ? { kind: "rmmod", target: entry } : { kind: "remove", target: entry, command });
    if (command === undefined) {
      const used = (this.#tree.line(entry.name)?.dependencies ?? []).map((path) => this.#entry(moduleNameOf(path)));
      for (const one of used) if (known?.references(one) === 0) steps.push({ kind: "rmmod", target: one });
    }
    others(softdep?.pre);
    return true;
  }

  #removeCommand({ name }: Entry): string | undefined {
    return this.#config.remove.find(({ module }) => globMatches(module, name))?.command;
  }

  #softdepOf({ name }: Entry) {
    return this.#config.softdeps.find(({ module }) => globMatches(module, name));
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
    const softdep = this.#softdepOf(entry);
    const [pre, post] = [this.#softdeps(softdep?.pre), this.#softdeps(softdep?.post)];
    this.#depth++;
    for (const one of pre) this.#collect(one, false, list);
    list.push(entry);
    entry.ignoreCommand = pre.length > 0 || post.length > 0;
    for (const one of post) this.#collect(one, false, list);
    this.#depth--;
  }

  #softdeps(names: readonly string[] = []): Entry[] {
    return names.flatMap((name) => {
      const found = this.#depth > deepest ? undefined : this.#lookup(name);
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
