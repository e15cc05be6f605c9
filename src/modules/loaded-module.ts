/** A module that is loaded, or on its way in or out: its state, who uses it, what it must give back. */
import { messageOf } from "../base/errors.js";
import type { Log } from "../base/log.js";
import type { ModuleContext, ModuleDefinition } from "./define-module.js";
import type { DeviceNodes } from "./device-nodes.js";
import type { ParameterValue } from "./parameters.js";
import type { Taint } from "./taint.js";

/** Whether a module comes (its init runs), is live, or goes (its exit runs). */
export type ModuleState = "coming" | "live" | "going";

/** What a test watches, or makes fail. */
export interface LoaderHooks {
  readonly log: Log;
  /** Called before each step of an init; a test throws here. */
  readonly onStep: (module: string, step: string) => void;
  /** Called when a step holds something that is to be given back, and when it has been given back; a test counts. */
  readonly onHeld: (module: string, step: string, held: boolean) => void;
}

export class LoadedModule {
  readonly definition: ModuleDefinition;
  readonly name: string;
  state: ModuleState = "coming";
  /** References that are not of modules: VMs, for instance. */
  references = 0;
  /** Modules that import from it or depend on it. */
  readonly users = new Set<string>();
  readonly taints = new Set<Taint>();
  readonly parameters = new Map<string, ParameterValue>();
  /** What init returned. */
  offer: unknown;
  /** Settled when it is live or has failed. */
  readonly ready: Promise<void>;
  settle: (error?: unknown) => void = () => {};
  readonly #undo: (() => void)[] = [];
  readonly #hooks: LoaderHooks;
  readonly #nodes: DeviceNodes;

  constructor(definition: ModuleDefinition, hooks: LoaderHooks, nodes: DeviceNodes) {
    this.definition = definition;
    this.name = definition.name;
    this.#hooks = hooks;
    this.#nodes = nodes;
    this.ready = new Promise((resolve, reject) => {
      this.settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Whoever loads it is told by other means.
    this.ready.catch(() => {});
  }

  /** The value of one of its exports. */
  valueOf(local: string): unknown {
    return (this.offer as Readonly<Record<string, unknown>> | undefined)?.[local];
  }

  /** Is in use by `user` from now on; returns what ends that. */
  hold(user: string): () => void {
    this.users.add(user);
    return () => void this.users.delete(user);
  }

  onRelease(undo: () => void): void {
    this.#undo.push(undo);
  }

  context(imports: Readonly<Record<string, unknown>>): ModuleContext {
    const { name, parameters } = this;
    const values: Record<string, ParameterValue> = {};
    for (const parameter of parameters.keys()) {
      Object.defineProperty(values, parameter, { enumerable: true, get: () => parameters.get(parameter) });
    }
    return {
      name,
      imports: imports as ModuleContext["imports"],
      parameters: values,
      log: this.#hooks.log,
      step: (step, act, undo) => this.#step(step, act, undo),
      attempt: (act) => this.#attempt(act),
      tryGet: () => {
        if (this.state !== "live") return false;
        this.references++;
        return true;
      },
      put: () => {
        if (this.references === 0) throw new Error(`module ${name} has no reference to give back`);
        this.references--;
      },
      live: () => this.state === "live",
      createNode: (node) => this.#nodes.create(node, name),
    };
  }

  async #step<T>(step: string, act: () => T | Promise<T>, undo?: (value: T) => void): Promise<T> {
    this.#hooks.onStep(this.name, step);
    const value = await act();
    if (undo) {
      this.#hooks.onHeld(this.name, step, true);
      this.#undo.push(() => {
        undo(value);
        this.#hooks.onHeld(this.name, step, false);
      });
    }
    return value;
  }

  async #attempt<T>(act: () => Promise<T>): Promise<T> {
    const mark = this.#undo.length;
    try {
      return await act();
    } catch (error) {
      this.#unwind(this.#undo.splice(mark));
      throw error;
    }
  }

  /** Gives everything back, last first. */
  release(): void {
    this.#unwind(this.#undo.splice(0));
  }

  /** What one undo throws must not keep the others from running. */
  #unwind(undo: (() => void)[]): void {
    for (const act of undo.reverse()) this.guarded(act);
  }

  /** For what happens while it leaves, which nothing may stop. */
  guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#hooks.log("error", `${this.name}: while leaving: ${messageOf(error)}`);
    }
  }
}
