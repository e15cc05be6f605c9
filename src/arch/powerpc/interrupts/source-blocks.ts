/**
 * An interrupt controller's sources in the VM's memory, by number: in blocks that are allocated when the first source of
 * each is created. Whoever uses them holds the controller's lock.
 */
import { KvmError } from "../../../base/errors.js";
import type { FieldList, Struct } from "../../../base/struct.js";
import { anything, type Check, integer, listOf, recordOf } from "../../../base/takes.js";
import { allocate } from "../../../kvm/heap.js";
import type { VmMemory } from "../../../kvm/memory.js";
import { restoreFields, type SavedFields, savedValue, saveFields } from "../../../kvm/saved.js";

export const blockSources = 1024;
export const blockMax = 1024;
export const sourceMax = blockSources * blockMax;
/** Bit of every source's flags: it has been created. */
export const sourceExists = 1;

export const isSourceNumber = (irq: number): boolean => Number.isInteger(irq) && irq >= 0 && irq < sourceMax;

/** By number, those that exist. */
export type SavedSources = readonly (readonly [number, SavedFields])[];

const pair: Check = (value, call, name) => {
  listOf(anything)(value, call, name);
  const [number, fields] = value as unknown[];
  integer(0, sourceMax - 1)(number, call, `${name}[0]`);
  recordOf(savedValue)(fields, call, `${name}[1]`);
};
/** Of numbers and what belongs to each: servers, sources. */
export const savedPairs: Check = listOf(pair);

/** EINVAL: the servers that have a vCPU, or which vCPU, differ. */
export function requireSame(saved: SavedSources, here: SavedSources): void {
  const text = (of: SavedSources): string => of.map(([number, { vcpu }]) => `${number}:${String(vcpu)}`).join(" ");
  if (text(saved) === text(here)) return;
  throw new KvmError("EINVAL", "vm.loadState: the saved interrupt controller has other servers than this one");
}

export class SourceBlocks<F extends FieldList & { readonly flags: "i32" }> {
  readonly #memory: VmMemory;
  /** Address of the blocks' addresses, 0 for none. */
  readonly #table: number;
  readonly #source: Struct<F>;

  constructor(memory: VmMemory, table: number, source: Struct<F>) {
    this.#memory = memory;
    this.#table = table;
    this.#source = source;
  }

  /** Address of the source, or undefined if there is none. */
  at(irq: number): number | undefined {
    if (!this.hasBlock(irq)) return undefined;
    const at = this.place(irq);
    return this.#exists(at) ? at : undefined;
  }

  /** Whether there is, or was, a source in the number's block. */
  hasBlock(irq: number): boolean {
    return isSourceNumber(irq) && this.#memory.i32(this.#entry(irq)) !== 0;
  }

  /** Address of the source's place, whose fields are 0 unless it exists. The number is in range. ENOMEM. */
  place(irq: number): number {
    const memory = this.#memory;
    const entry = this.#entry(irq);
    if (memory.i32(entry) === 0) memory.setI32(entry, allocate(memory, this.#source.size * blockSources));
    return memory.u32(entry) + (irq % blockSources) * this.#source.size;
  }

  /** Calls `visit` with each source's address and number. */
  forEach(visit: (at: number, irq: number) => void): void {
    for (let block = 0; block < blockMax; block++) {
      const first = this.#memory.u32(this.#table + 4 * block);
      if (first === 0) continue;
      for (let i = 0; i < blockSources; i++) {
        const at = first + i * this.#source.size;
        if (this.#exists(at)) visit(at, block * blockSources + i);
      }
    }
  }

  save(): SavedSources {
    const saved: (readonly [number, SavedFields])[] = [];
    this.forEach((at, irq) => saved.push([irq, saveFields(this.#memory, this.#source, at)]));
    return saved;
  }

  /** Numbers that are out of range here are left out. */
  restore(saved: SavedSources): void {
    for (const [irq, fields] of saved) {
      if (isSourceNumber(irq)) restoreFields(this.#memory, this.#source, this.place(irq), fields);
    }
  }

  /** Into the sources that exist, which must be the same; `check` throws KvmError at fields that none can have. */
  load(saved: SavedSources, check: Check): void {
    const numbers: number[] = [];
    this.forEach((_, irq) => numbers.push(irq));
    if (saved.length !== numbers.length || saved.some(([irq], i) => irq !== numbers[i])) {
      throw new KvmError("EINVAL", "vm.loadState: the saved interrupt controller has other sources than this one");
    }
    for (const [irq, fields] of saved) {
      check(fields, "vm.loadState", `interrupt source ${irq}`);
      restoreFields(this.#memory, this.#source, this.place(irq), fields);
    }
  }

  #entry(irq: number): number {
    return this.#table + 4 * Math.floor(irq / blockSources);
  }
  #exists(at: number): boolean {
    return (this.#memory.i32(at + this.#source.offset.flags) & sourceExists) !== 0;
  }
}
