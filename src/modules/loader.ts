/**
 * The modules that can be loaded, and modprobe: aliases, what must be loaded before, soft dependencies, removing what
 * nobody needs any more. Source: kmod's modprobe(8), modprobe.d(5).
 */
import { KvmError, messageOf } from "../base/errors.js";
import { boolean, callback, guard, having, listOf, optional, options, type Signatures, text } from "../base/takes.js";
import { requireDeclared } from "./declared.js";
import type { ModuleDefinition } from "./define-module.js";
import { cycleMessages } from "./depfiles.js";
import { type Graph, type Present, resolve } from "./graph.js";
import {
  type GivenParameters,
  given,
  KernelModules,
  kernelModulesSignatures,
  type LoaderOptions,
  type LoadOptions,
} from "./kernel-modules.js";
import type { LoadedModule } from "./loaded-module.js";
import { graphModule } from "./modinfo.js";
import { normalise } from "./namespace.js";

export type {
  GivenParameters,
  LoaderOptions,
  LoadOptions,
  ModuleInfo,
  ModuleState,
  RemoveOptions,
} from "./kernel-modules.js";

/** What modprobe did. */
export interface Action {
  readonly kind: "insmod" | "rmmod";
  readonly name: string;
  readonly parameters: GivenParameters;
}

export interface ModprobeOptions extends LoadOptions {
  /** Called after each module that was loaded or removed. */
  readonly onAction?: (action: Action) => void;
}

const modprobeOptions = optional(options({ force: optional(boolean), onAction: optional(callback) }));

/** What of modprobe's options is for the kernel. */
const forced = ({ force }: ModprobeOptions): LoadOptions => (force === undefined ? {} : { force });

/** What calls of a loader take; requireDeclared says what is wrong with a definition (ENOEXEC). */
export const loaderSignatures = {
  ...kernelModulesSignatures,
  add: { definition: having({}) },
  resolve: { name: text },
  modprobe: { name: text, parameters: given, options: modprobeOptions },
  remove: { name: text, options: modprobeOptions },
  showDepends: { name: text, loaded: optional(listOf(text)) },
} as const satisfies Signatures<ModuleLoader>;

/** Finds modules, loads them with what they need, and removes them, as modprobe does. Source: kmod's modprobe(8). */
export class ModuleLoader extends KernelModules {
  static {
    const { modprobe, add, resolve, remove, showDepends } = loaderSignatures;
    guard(ModuleLoader.prototype, "loader", { modprobe }, true);
    guard(ModuleLoader.prototype, "loader", { add, resolve, remove, showDepends });
  }

  readonly #available: ModuleDefinition[] = [];
  #resolved: Graph | undefined;

  /** `definitions`, in the order of modules.order, are what modprobe finds. */
  constructor(definitions: readonly ModuleDefinition[], options: LoaderOptions = {}) {
    super(options);
    listOf(having({}))(definitions, "new ModuleLoader", "definitions");
    for (const definition of definitions) this.add(definition);
  }

  /** Lets modprobe find one more. EEXIST: there is one of that name. ENOEXEC: it is not what defineModule makes. */
  add(definition: ModuleDefinition): void {
    requireDeclared(definition);
    if (this.#available.some(({ name }) => normalise(name) === normalise(definition.name))) {
      throw new KvmError("EEXIST", `there is a module ${definition.name} already`);
    }
    this.#available.push(definition);
    this.#resolved = undefined;
  }

  /** Who provides what, as modules.dep has it. */
  #graph(): Graph {
    this.#resolved ??= resolve(this.#available.map((definition) => graphModule(definition, definition.name)));
    return this.#resolved;
  }

  /** The modules that modprobe finds, in order. */
  get available(): readonly ModuleDefinition[] {
    return this.#available;
  }

  /** The module that a name or alias stands for. */
  resolve(name: string): string | undefined {
    return this.#find(name)?.name;
  }

  #find(name: string): ModuleDefinition | undefined {
    const wanted = normalise(name);
    return (
      this.#available.find((definition) => normalise(definition.name) === wanted) ??
      this.#available.find(({ aliases = [] }) => aliases.some((alias) => normalise(alias) === wanted))
    );
  }

  /** By name, else by alias. */
  protected override loaded(name: string): LoadedModule | undefined {
    return super.loaded(name) ?? super.loaded(this.resolve(name) ?? name);
  }

  /**
   * Loads a module after all it needs; one that is live already is left alone. ENOENT: none of that name, or nothing
   * provides what it imports. EINVAL: modules need each other. EBUSY: it is going. Else as `insmod`; EEXIST is only what
   * its init threw.
   */
  async modprobe(name: string, parameters: GivenParameters = {}, options: ModprobeOptions = {}): Promise<void> {
    const definition = this.#find(name) ?? this.loaded(name)?.definition;
    if (!definition) throw new KvmError("ENOENT", `module ${name} not found`);
    await this.#modprobe(definition, parameters, options, []);
  }

  async #modprobe(
    definition: ModuleDefinition,
    given: GivenParameters,
    options: ModprobeOptions,
    path: readonly string[],
  ): Promise<void> {
    const { name, softdeps = {} } = definition;
    if (path.includes(name)) throw new KvmError("EINVAL", `modules depend on each other: ${[...path, name].join(" ")}`);
    const present = this.loaded(name);
    if (present?.state === "going") throw new KvmError("EBUSY", `module ${name} is going`);
    if (present) return present.ready;
    const below = [...path, name];
    if (softdeps.pre) await this.#softly(softdeps.pre, options, below);
    for (const needed of this.#missing(definition)) await this.#modprobe(needed, {}, options, below);
    try {
      await this.insmod(definition, given, forced(options));
    } catch (error) {
      // Somebody else was quicker. Not if there is none of that name: then EEXIST is what its own init said.
      const quicker = error instanceof KvmError && error.code === "EEXIST" && this.loaded(name)?.state === "live";
      if (quicker) return;
      throw error;
    }
    options.onAction?.({ kind: "insmod", name, parameters: given });
    if (softdeps.post) await this.#softly(softdeps.post, options, below);
  }

  /**
   * `modprobe -r`: removes a module, then what only it needed. One that is not loaded is left alone. ENOENT: none of that
   * name. EBUSY: it is in use.
   */
  remove(name: string, options: ModprobeOptions = {}): void {
    const definition = this.loaded(name)?.definition ?? this.#find(name);
    if (!definition) throw new KvmError("ENOENT", `module ${name} not found`);
    const { softdeps = {} } = definition;
    if (!this.loaded(definition.name)) return;
    const needed = this.usedBy(definition.name);
    for (const other of softdeps.post ?? []) this.#removeIdle(other, options);
    this.rmmod(definition.name, forced(options));
    options.onAction?.({ kind: "rmmod", name: definition.name, parameters: {} });
    for (const other of [...needed, ...(softdeps.pre ?? [])]) this.#removeIdle(other, options);
  }

  #removeIdle(name: string, options: ModprobeOptions): void {
    const module = this.loaded(name);
    if (module?.state !== "live" || module.references > 0 || module.users.size > 0) return;
    this.remove(module.name, { ...options, force: false });
  }

  /**
   * The modules that would be loaded for `name` where those of `loaded` are, in order, the module itself last; nothing is
   * taken to be loaded unless it is given. ENOENT: none of that name. EINVAL: modules need each other.
   */
  showDepends(name: string, loaded: readonly string[] = []): string[] {
    const definition = this.#find(name);
    if (!definition) throw new KvmError("ENOENT", `module ${name} not found`);
    const graph = this.#graph();
    if (graph.cycles.length > 0) throw new KvmError("EINVAL", cycleMessages(graph).join("; "));
    const there = new Set(loaded.map(normalise));
    const symbols = graph.modules.filter((one) => there.has(one.name)).flatMap((one) => one.exports);
    const exported = new Set(symbols.map((one) => one.name));
    const needed = this.#missing(definition, {
      has: (one) => there.has(one.name),
      exports: (one) => exported.has(one),
    });
    return [...needed, definition].map((one) => one.name);
  }

  /** What a soft dependency lacks keeps nobody from loading. */
  async #softly(names: readonly string[], options: ModprobeOptions, path: readonly string[]): Promise<void> {
    for (const name of names) {
      const definition = this.#find(name);
      if (!definition || path.includes(definition.name)) continue;
      await this.#modprobe(definition, {}, options, path).catch((error: unknown) => {
        this.hooks.log(
          "warning",
          `${definition.name}: soft dependency of ${path.at(-1)} not loaded: ${messageOf(error)}`,
        );
      });
    }
  }

  /** What must be loaded for it first, in order. What is present provides before what is not. EINVAL: a loop. */
  #missing(definition: ModuleDefinition, present: Present = this.#present): ModuleDefinition[] {
    const graph = this.#graph();
    const module = graph.modules.find(({ path }) => path === definition.name);
    // Whom nobody provides with a symbol is told so by the kernel, in its words.
    const missing = module ? graph.missing(module, present) : [];
    if (!missing) throw new KvmError("EINVAL", `${definition.name}: modules that it needs depend on each other`);
    return missing.flatMap(({ path }) => this.#find(path) ?? []);
  }

  readonly #present: Present = {
    has: ({ name }) => super.loaded(name) !== undefined,
    exports: (symbol) => this.exported(symbol),
  };
}
