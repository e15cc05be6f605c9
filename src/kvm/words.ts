/** Plain data of one declared layout in a VM's memory, field by field (saved.ts has the whole as values). */
import type { FieldList, Struct } from "../base/struct.js";
import type { VmMemory } from "./memory.js";

/** The names of the fields of one type. */
type Of<F extends FieldList, T> = {
  [K in keyof F]: F[K] extends T | readonly [T, number] ? K : never;
}[keyof F] &
  string;

export class Words<F extends FieldList> {
  readonly memory: VmMemory;
  readonly base: number;
  readonly #layout: Struct<F>;

  constructor(memory: VmMemory, base: number, layout: Struct<F>) {
    this.memory = memory;
    this.base = base;
    this.#layout = layout;
  }

  /** Address of a field's value, of 32 bits. */
  at(name: Of<F, "i32">, index = 0): number {
    return this.base + this.#layout.offset[name] + 4 * index;
  }
  /** Unsigned. */
  get(name: Of<F, "i32">, index = 0): number {
    return this.memory.u32(this.at(name, index));
  }
  set(name: Of<F, "i32">, value: number, index = 0): void {
    this.memory.setI32(this.at(name, index), value);
  }
  /** Unsigned. */
  get64(name: Of<F, "i64">, index = 0): bigint {
    return this.memory.u64(this.base + this.#layout.offset[name] + 8 * index);
  }
  set64(name: Of<F, "i64">, value: bigint, index = 0): void {
    this.memory.setI64(this.base + this.#layout.offset[name] + 8 * index, value);
  }
  float(name: Of<F, "f64">, index = 0): number {
    return this.memory.f64(this.base + this.#layout.offset[name] + 8 * index);
  }
  setFloat(name: Of<F, "f64">, value: number, index = 0): void {
    this.memory.setF64(this.base + this.#layout.offset[name] + 8 * index, value);
  }
}
