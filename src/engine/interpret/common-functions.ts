import { FunctionBuilder, type ValueType } from "../../wasm/function-builder.js";
import type { ModuleBuilder } from "../../wasm/module-builder.js";

/** Functions of the interpreter's module that many handlers call, made when the first of them asks for one. */
export class CommonFunctions {
  readonly #module: ModuleBuilder;
  readonly #known = new Map<string, number>();

  constructor(module: ModuleBuilder) {
    this.#module = module;
  }

  /** The index of the function with this name, whose body `emit` emits. */
  get(
    name: string,
    params: readonly ValueType[],
    results: readonly ValueType[],
    emit: (f: FunctionBuilder) => void,
  ): number {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const index = this.#module.declare(name, params, results);
    this.#known.set(name, index);
    const f = new FunctionBuilder(params);
    emit(f);
    this.#module.define(index, f);
    return index;
  }
}
