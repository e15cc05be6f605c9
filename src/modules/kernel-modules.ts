/**
 * Loads and removes modules as the kernel does: states (coming, live, going), symbols bound to their providers,
 * references counted, everything that an init acquired given back when it fails. Finding what must be loaded before is
 * modprobe's part (loader.ts). Source: kernel/module/main.c.
 */
import { Errno, KvmError } from "../base/errors.js";
import { type Log, silent } from "../base/log.js";
import { thisPackage } from "../base/package.js";
import {
  boolean,
  callback,
  guard,
  having,
  oneOfTypes,
  optional,
  options,
  recordOf,
  type Signatures,
  text,
} from "../base/takes.js";
import { requireDeclared } from "./declared.js";
import { type Exports, type Imports, type ModuleDefinition, vermagicOf } from "./define-module.js";
import { DeviceNodes } from "./device-nodes.js";
import { gplCompatible } from "./licence.js";
import { LoadedModule, type LoaderHooks, type ModuleState } from "./loaded-module.js";
import { mayImport, namesModules, normalise } from "./namespace.js";
import { findParameter, type ParameterValue, parseParameter } from "./parameters.js";
import { formatModuleTaints, formatTainted, type Taint, taintMask } from "./taint.js";

export type { ModuleState } from "./loaded-module.js";

/** A line of lsmod. */
export interface ModuleInfo {
  /** The module's. */
  readonly name: string;
  /** Whether it comes, is live, or goes. */
  readonly state: ModuleState;
  /** Of modules and of others. */
  readonly references: number;
  /** Modules that use it, by name. */
  readonly users: readonly string[];
  /** "(PO)", or nothing. */
  readonly taints: string;
}

/** What a loader of modules is made with, and whom it tells. */
export interface LoaderOptions extends Partial<LoaderHooks> {
  /** Takes messages of the kernel side. Default: nobody. */
  readonly log?: Log;
}

/** How a module is loaded. */
export interface LoadOptions {
  /** Loads it though it was declared with another version of unikvm; taints the kernel (F). */
  readonly force?: boolean;
}

/** How a module is removed. */
export interface RemoveOptions {
  /** Removes it though it is in use; taints the kernel (R). Who uses it will fail. */
  readonly force?: boolean;
}

/** Values of a module's parameters, by name; text is read as the kernel reads it. */
export type GivenParameters = Readonly<Record<string, ParameterValue>>;

interface Provider {
  readonly module: LoadedModule;
  readonly local: string;
  readonly gplOnly: boolean;
  readonly namespace: string | undefined;
}

/** Parameters given to a module. */
export const given = optional(recordOf(oneOfTypes("boolean", "number", "string")));
const force = optional(options({ force: optional(boolean) }));
const loaderOptions = options({ log: optional(callback), onStep: optional(callback), onHeld: optional(callback) });

export const kernelModulesSignatures = {
  insmod: { definition: having({}), parameters: given, options: force },
  rmmod: { name: text, options: force },
  offer: { name: text },
  lsmod: {},
  nodes: {},
  parameters: { name: text },
  setParameter: { name: text, parameter: text, value: oneOfTypes("boolean", "number", "string") },
  tainted: {},
} as const satisfies Signatures<KernelModules>;

export class KernelModules {
  static {
    const { insmod, ...others } = kernelModulesSignatures;
    guard(KernelModules.prototype, "loader", { insmod }, true);
    guard(KernelModules.prototype, "loader", others);
  }

  /** In the order in which they were loaded. */
  readonly #loaded = new Map<string, LoadedModule>();
  readonly #nodes = new DeviceNodes();
  readonly #tainted = new Set<Taint>();
  /** Whom it tells. */
  protected readonly hooks: LoaderHooks;

  constructor(options: LoaderOptions = {}) {
    loaderOptions(options, "new ModuleLoader", "options");
    this.hooks = { log: silent, onStep: () => {}, onHeld: () => {}, ...options };
  }

  /** The module of this name, whatever its state. */
  protected loaded(name: string): LoadedModule | undefined {
    return this.#loaded.get(normalise(name));
  }

  /** The modules that `name` uses. */
  protected usedBy(name: string): string[] {
    return [...this.#loaded.values()].filter(({ users }) => users.has(name)).map((module) => module.name);
  }

  /** Whether a module that is loaded exports it. */
  protected exported(symbol: string): boolean {
    return this.#findSymbol(symbol) !== undefined;
  }

  /** Begins with what the kernel prints about it. */
  #refuse(code: keyof typeof Errno, message: string): never {
    this.hooks.log("error", message);
    throw new KvmError(code, message);
  }

  // init_module

  /**
   * Loads exactly this module. EEXIST: one of its name is there. ENOENT: a symbol that it imports has no provider, or
   * the symbol is for GPL-compatible modules only. EINVAL: a namespace is closed to it, a parameter is malformed.
   * ENOEXEC: it exports what another exports, or was declared with another version. Else what its init threw.
   */
  async insmod(definition: ModuleDefinition, given: GivenParameters = {}, options: LoadOptions = {}): Promise<void> {
    requireDeclared(definition);
    const { name } = definition;
    const key = normalise(name);
    const present = this.#loaded.get(key);
    // One that is coming may yet fail, and then this one has its place.
    if (present?.state === "coming") await present.ready.catch(() => {});
    if (this.#loaded.has(key)) throw new KvmError("EEXIST", `module ${name} is loaded already`);
    const module = new LoadedModule(definition, this.hooks, this.#nodes);
    this.#checkVersion(module, options.force === true);
    this.#checkModinfo(module);
    this.#loaded.set(key, module);
    try {
      const imports = await this.#resolveSymbols(module);
      this.#checkExports(module);
      this.#parseParameters(module, given);
      const context = module.context(imports);
      const offer = await definition.init(context);
      requireExports(definition, offer);
      module.offer = offer;
      if (definition.exit) module.onRelease(() => definition.exit?.(context));
      module.state = "live";
    } catch (error) {
      module.state = "going";
      this.#free(module);
      module.settle(error);
      throw error;
    }
    module.settle();
  }

  #checkVersion(module: LoadedModule, force: boolean): void {
    const { vermagic } = module.definition;
    const wanted = vermagicOf(thisPackage.version);
    if (vermagic === wanted) return;
    if (!force) this.#refuse("ENOEXEC", `${module.name}: version magic '${vermagic}' should be '${wanted}'`);
    this.#taint(module, "F", `${module.name}: bad vermagic: kernel tainted.`);
  }

  #checkModinfo(module: LoadedModule): void {
    const { name, license, inTree, importNamespaces = [] } = module.definition;
    const closed = importNamespaces.find(namesModules);
    if (closed !== undefined) this.#refuse("ENOEXEC", `${name}: tries to import module namespace: ${closed}`);
    if (!inTree) this.#taint(module, "O", `${name}: loading out-of-tree module taints kernel.`);
    if (!gplCompatible(license)) this.#taint(module, "P", `${name}: module license '${license}' taints kernel.`);
  }

  /** The kernel says it the first time only. */
  #taint(module: LoadedModule, taint: Taint, message: string): void {
    if (!this.#tainted.has(taint)) this.hooks.log("warning", message);
    this.#tainted.add(taint);
    module.taints.add(taint);
  }

  /** Binds each import to its provider, which from now on is in use by the module. */
  async #resolveSymbols(module: LoadedModule): Promise<Record<string, unknown>> {
    const { imports = {} } = module.definition;
    const values: Record<string, unknown> = {};
    for (const [local, { name: symbol }] of Object.entries(imports as Imports)) {
      const found = this.#findSymbol(symbol);
      const provider = found && this.#permit(module, symbol, found);
      if (!provider) {
        const why = found ? `; ${found.module.name} exports it to GPL-compatible modules only` : "";
        this.hooks.log("warning", `${module.name}: Unknown symbol ${symbol} (err -${Errno.ENOENT})`);
        throw new KvmError("ENOENT", `${module.name}: Unknown symbol ${symbol} (err -${Errno.ENOENT})${why}`);
      }
      await this.#use(module, provider.module);
      values[local] = provider.module.valueOf(provider.local);
    }
    return values;
  }

  #permit(module: LoadedModule, symbol: string, found: Provider): Provider | undefined {
    const { name, license, importNamespaces = [] } = module.definition;
    if (found.gplOnly && !gplCompatible(license)) return undefined;
    if (mayImport(found.namespace, name, importNamespaces)) return found;
    const message = `${name}: module uses symbol (${symbol}) from namespace ${found.namespace}, but does not import it.`;
    this.hooks.log("error", message);
    this.hooks.log("warning", `${name}: Unknown symbol ${symbol} (err -${Errno.EINVAL})`);
    throw new KvmError("EINVAL", message);
  }

  /** A provider that is still coming is waited for. */
  async #use(module: LoadedModule, provider: LoadedModule): Promise<void> {
    if (provider === module) throw new KvmError("ENOEXEC", `${module.name}: imports what it exports itself`);
    if (provider.state === "coming") await provider.ready;
    if (provider.state !== "live") {
      throw new KvmError("EBUSY", `${module.name}: module ${provider.name}, which it needs, is ${provider.state}`);
    }
    if (!provider.users.has(module.name)) module.onRelease(provider.hold(module.name));
  }

  #findSymbol(symbol: string): Provider | undefined {
    for (const module of this.#loaded.values()) {
      for (const [local, exported] of Object.entries((module.definition.exports ?? {}) as Exports)) {
        if (exported.symbol.name !== symbol) continue;
        return { module, local, gplOnly: exported.gplOnly === true, namespace: exported.namespace };
      }
    }
    return undefined;
  }

  #checkExports(module: LoadedModule): void {
    for (const { symbol } of Object.values((module.definition.exports ?? {}) as Exports)) {
      const owner = this.#findSymbol(symbol.name)?.module;
      if (owner === undefined || owner === module) continue;
      this.#refuse("ENOEXEC", `${module.name}: exports duplicate symbol ${symbol.name} (owned by ${owner.name})`);
    }
  }

  #parseParameters(module: LoadedModule, given: GivenParameters): void {
    const { name, params = {} } = module.definition;
    for (const [parameter, { default: value }] of Object.entries(params)) module.parameters.set(parameter, value);
    for (const [parameter, value] of Object.entries(given)) {
      const declared = findParameter(params, parameter);
      const row = declared === undefined ? undefined : params[declared];
      if (declared === undefined || !row) {
        this.hooks.log("warning", `${name}: unknown parameter '${parameter}' ignored`);
        continue;
      }
      try {
        module.parameters.set(declared, parseParameter(name, declared, row, value));
      } catch (error) {
        if (error instanceof KvmError) this.hooks.log("error", error.message.replace(/^\w+: /, ""));
        throw error;
      }
    }
  }

  // delete_module

  /**
   * Removes a module: its exit, then what its init acquired, last first. ENOENT: not loaded. EBUSY: it is in use by
   * modules or otherwise, or on its way in or out.
   */
  rmmod(name: string, { force = false }: RemoveOptions = {}): void {
    const module = this.loaded(name);
    if (!module) throw new KvmError("ENOENT", `module ${name} is not currently loaded`);
    if (module.state !== "live") throw new KvmError("EBUSY", `module ${module.name} is ${module.state}`);
    if (module.users.size > 0) {
      throw new KvmError("EBUSY", `module ${module.name} is in use by: ${[...module.users].join(" ")}`);
    }
    if (module.references > 0) {
      const count = `${module.references} reference${module.references === 1 ? "" : "s"}`;
      if (!force) throw new KvmError("EBUSY", `module ${module.name} is in use (${count})`);
      this.#taint(module, "R", `${module.name}: forced out with ${count}: kernel tainted.`);
    }
    module.state = "going";
    this.#free(module);
  }

  #free(module: LoadedModule): void {
    module.release();
    this.#loaded.delete(normalise(module.name));
  }

  // What /proc and /sys show

  /** What a live module's init returned. ENOENT: it is not loaded, coming or going. */
  offer<T>(name: string): T {
    const module = this.loaded(name);
    if (module?.state !== "live") {
      throw new KvmError("ENOENT", `module ${module?.name ?? name} is ${module ? module.state : "not loaded"}`);
    }
    return module.offer as T;
  }

  /** The last loaded first, as /proc/modules. */
  lsmod(): ModuleInfo[] {
    return [...this.#loaded.values()].reverse().map(({ name, state, references, users, taints }) => ({
      name,
      state,
      references: references + users.size,
      users: [...users],
      taints: formatModuleTaints(taints),
    }));
  }

  /** What of /dev is modules', by name: whose. A module that is not live yet has what it will have. */
  nodes(): ReadonlyMap<string, string> {
    return new Map(this.#nodes.owners);
  }

  /** Reads /sys/module/NAME/parameters. ENOENT: the module is not loaded. */
  parameters(name: string): Readonly<Record<string, ParameterValue>> {
    const module = this.loaded(name);
    if (!module) throw new KvmError("ENOENT", `module ${name} is not currently loaded`);
    return Object.fromEntries(module.parameters);
  }

  /** Writes /sys/module/NAME/parameters/PARAMETER. ENOENT: there is none. EACCES: read-only. EINVAL: malformed. */
  setParameter(name: string, parameter: string, value: ParameterValue): void {
    const module = this.loaded(name);
    const { params = {} } = module?.definition ?? {};
    const declared = findParameter(params, parameter);
    const row = declared === undefined ? undefined : params[declared];
    if (!module || declared === undefined || !row) {
      throw new KvmError("ENOENT", `module ${name} is not loaded or has no parameter ${parameter}`);
    }
    if (!row.writable) throw new KvmError("EACCES", `${module.name}: parameter ${declared} is set when it is loaded`);
    module.parameters.set(declared, parseParameter(module.name, declared, row, value));
  }

  /** "Tainted: …" as an oops has it, and the mask of /proc/sys/kernel/tainted. */
  tainted(): {
    /** "Tainted: ", or "Not tainted". */
    readonly text: string;
    /** A bit for each taint. */
    readonly mask: number;
  } {
    return { text: formatTainted(this.#tainted), mask: taintMask(this.#tainted) };
  }
}

/** A module that lacks what it promised would fail its importers later, and far away. */
function requireExports({ name, exports = {} }: ModuleDefinition, offer: unknown): void {
  for (const [local, { symbol }] of Object.entries(exports as Exports)) {
    if ((offer as Readonly<Record<string, unknown>> | undefined)?.[local] === undefined) {
      throw new KvmError("ENOEXEC", `${name}: init gave no value for ${local}, which it exports as ${symbol.name}`);
    }
  }
}
