/**
 * Loads and removes modules: dependencies first, one state after the other (coming, live, going), references counted,
 * everything an init acquired given back when it fails. Source: kernel/module/main.c, kmod's modprobe.
 */
import { KvmError, messageOf } from "../base/errors.js";
import { type Log, silent } from "../base/log.js";
import type { ModuleContext, ModuleDefinition, Parameter, ParameterValue } from "./define-module.js";

export type ModuleState = "coming" | "live" | "going";

/** A line of lsmod. */
export interface ModuleInfo {
  readonly name: string;
  readonly state: ModuleState;
  readonly references: number;
  readonly users: readonly string[];
}

export interface LoaderOptions {
  readonly log?: Log;
  /** Called before each step of an init; a test throws here. */
  readonly onStep?: (module: string, step: string) => void;
  /** Called when a step holds something that is to be given back, and when it has been given back; a test counts. */
  readonly onHeld?: (module: string, step: string, held: boolean) => void;
}

interface Loaded {
  readonly definition: ModuleDefinition;
  state: ModuleState;
  references: number;
  readonly users: Set<string>;
  readonly undo: (() => void)[];
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  offer: unknown;
  /** Settled when it is live or has failed. */
  readonly ready: Promise<void>;
}

export class ModuleLoader {
  readonly #available = new Map<string, ModuleDefinition>();
  readonly #loaded = new Map<string, Loaded>();
  readonly #log: Log;
  readonly #onStep: (module: string, step: string) => void;
  readonly #onHeld: (module: string, step: string, held: boolean) => void;

  constructor(definitions: readonly ModuleDefinition[], options: LoaderOptions = {}) {
    for (const definition of definitions) {
      if (this.#available.has(definition.name)) throw new Error(`module ${definition.name} is defined twice`);
      this.#available.set(definition.name, definition);
    }
    this.#log = options.log ?? silent;
    this.#onStep = options.onStep ?? (() => {});
    this.#onHeld = options.onHeld ?? (() => {});
  }

  /** The module a name or alias stands for. */
  resolve(name: string): string | undefined {
    const wanted = normalise(name);
    for (const { name: candidate, aliases = [] } of this.#available.values()) {
      if (normalise(candidate) === wanted || aliases.some((alias) => normalise(alias) === wanted)) return candidate;
    }
    return undefined;
  }

  /**
   * Loads a module and all it depends on; one that is live already is left alone.
   * ENOENT: none of that name. EINVAL: a parameter is unknown or malformed. Else what its init threw.
   */
  async modprobe(name: string, parameters: Readonly<Record<string, ParameterValue | string>> = {}): Promise<void> {
    await this.#load(name, parameters, []);
  }

  /** ENOENT: not loaded. EBUSY: in use, by name or by references. */
  rmmod(name: string): void {
    const resolved = this.resolve(name) ?? name;
    const module = this.#loaded.get(resolved);
    if (!module) throw new KvmError("ENOENT", `module ${name} is not currently loaded`);
    if (module.state !== "live") throw new KvmError("EBUSY", `module ${resolved} is ${module.state}`);
    if (module.users.size > 0) {
      throw new KvmError("EBUSY", `module ${resolved} is in use by: ${[...module.users].join(" ")}`);
    }
    if (module.references > 0) {
      throw new KvmError("EBUSY", `module ${resolved} is in use (${module.references} references)`);
    }
    module.state = "going";
    this.#free(resolved, module);
  }

  /** What a live module offers. ENOENT: it is not loaded, coming or going. */
  offer<T>(name: string): T {
    const resolved = this.resolve(name) ?? name;
    const module = this.#loaded.get(resolved);
    if (module?.state !== "live") {
      throw new KvmError("ENOENT", `module ${resolved} is ${module ? module.state : "not loaded"}`);
    }
    return module.offer as T;
  }

  lsmod(): ModuleInfo[] {
    return [...this.#loaded].map(([name, { state, references, users }]) => ({
      name,
      state,
      references: references + users.size,
      users: [...users],
    }));
  }

  async #load(name: string, given: Readonly<Record<string, ParameterValue>>, path: readonly string[]): Promise<Loaded> {
    const resolved = this.resolve(name);
    const definition = resolved === undefined ? undefined : this.#available.get(resolved);
    if (resolved === undefined || !definition) throw new KvmError("ENOENT", `module ${name} not found`);
    if (path.includes(resolved))
      throw new KvmError("EINVAL", `modules depend on each other: ${[...path, resolved].join(" ")}`);
    const present = this.#loaded.get(resolved);
    if (present) {
      if (present.state === "going") throw new KvmError("EBUSY", `module ${resolved} is going`);
      await present.ready;
      return present;
    }
    const parameters = parse(definition, given);
    let settle = (): void => {};
    let fail = (_: unknown): void => {};
    const ready = new Promise<void>((resolve, reject) => {
      settle = resolve;
      fail = reject;
    });
    ready.catch(() => {});
    const module: Loaded = {
      definition,
      state: "coming",
      references: 0,
      users: new Set(),
      undo: [],
      parameters,
      offer: undefined,
      ready,
    };
    this.#loaded.set(resolved, module);
    try {
      for (const dependency of definition.depends ?? []) {
        const provider = await this.#load(dependency, {}, [...path, resolved]);
        if (provider.state !== "live") throw new KvmError("EBUSY", `module ${dependency} is ${provider.state}`);
        provider.users.add(resolved);
        module.undo.push(() => provider.users.delete(resolved));
      }
      module.offer = await definition.init(this.#context(resolved, module));
      module.state = "live";
      settle();
      return module;
    } catch (error) {
      module.state = "going";
      this.#free(resolved, module);
      fail(error);
      throw error;
    }
  }

  #context(name: string, module: Loaded): ModuleContext {
    return {
      parameter: <T extends ParameterValue>(parameter: string): T => {
        const value = module.parameters.get(parameter);
        if (value === undefined) throw new Error(`module ${name} declares no parameter ${parameter}`);
        return value as T;
      },
      log: (level, message) => this.#log(level, message),
      step: async (step, act, undo) => {
        this.#onStep(name, step);
        const value = await act();
        if (undo) {
          this.#onHeld(name, step, true);
          module.undo.push(() => {
            undo(value);
            this.#onHeld(name, step, false);
          });
        }
        return value;
      },
      attempt: async (act) => {
        const mark = module.undo.length;
        try {
          return await act();
        } catch (error) {
          this.#unwind(name, module.undo.splice(mark));
          throw error;
        }
      },
      tryGet: () => {
        if (module.state !== "live") return false;
        module.references++;
        return true;
      },
      put: () => {
        if (module.references === 0) throw new Error(`module ${name} has no reference to give back`);
        module.references--;
      },
      live: () => module.state === "live",
      offer: <T>(other: string): T => this.offer<T>(other),
    };
  }

  #free(name: string, module: Loaded): void {
    this.#unwind(name, module.undo.splice(0));
    this.#loaded.delete(name);
  }

  /** What one undo throws must not keep the others from running. */
  #unwind(name: string, undo: (() => void)[]): void {
    for (const act of undo.reverse()) {
      try {
        act();
      } catch (error) {
        this.#log("error", `${name}: while leaving: ${messageOf(error)}`);
      }
    }
  }
}

/** Dashes and underscores are the same in module names. */
const normalise = (name: string): string => name.replaceAll("-", "_");

function parse(
  { name, parameters = {} }: ModuleDefinition,
  given: Readonly<Record<string, ParameterValue>>,
): ReadonlyMap<string, ParameterValue> {
  const values = new Map<string, ParameterValue>();
  for (const [parameter, { default: value }] of Object.entries(parameters)) values.set(parameter, value);
  for (const [parameter, text] of Object.entries(given)) {
    const declared = parameters[parameter];
    if (!declared) throw new KvmError("EINVAL", `${name}: unknown parameter '${parameter}'`);
    values.set(parameter, parseValue(name, parameter, declared, text));
  }
  return values;
}

function parseValue(module: string, name: string, { type }: Parameter, value: ParameterValue): ParameterValue {
  const refuse = () => new KvmError("EINVAL", `${module}: '${value}' invalid for parameter '${name}' (${type})`);
  switch (type) {
    case "bool": {
      if (typeof value === "boolean") return value;
      if (["1", "y", "Y", "on", "true"].includes(String(value))) return true;
      if (["0", "n", "N", "off", "false"].includes(String(value))) return false;
      throw refuse();
    }
    case "uint": {
      const number = typeof value === "string" && value.trim() === "" ? Number.NaN : Number(value);
      if (!Number.isInteger(number) || number < 0 || number > 0xffffffff) throw refuse();
      return number;
    }
    case "charp":
      return String(value);
    default:
      return type satisfies never;
  }
}
