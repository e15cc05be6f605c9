/**
 * Registers that live in locals while a region runs, and what is known of them where code is being emitted: whether the local
 * has the register's value, and whether the vCPU's state lacks it.
 *
 * Outside loops a register is loaded where it is first needed, and stored before anything that can leave: an exit in the
 * middle of a block then has nothing to store. Inside a loop, whatever the loop touches is loaded in front of it and stored
 * where it is left.
 *
 * Registers that every instruction of some kind writes and hardly any reads are held in another way, as a whole: by a function
 * that writes them, from its beginning to its end, but for calls.
 */
import type { FunctionBuilder } from "../../wasm/function-builder.js";

/** A register that regions hold. */
export interface Holdable {
  readonly type: "i32" | "i64" | "f64";
  /** Byte offset in the vCPU's state. */
  readonly offset: number;
  /** Held from the function's beginning to its end. No routine looks at it in the state while a region runs. */
  readonly whole?: boolean;
  /** Written to the state at once as well: what else looks at it there finds it, and nothing is to be stored later. */
  readonly through?: boolean;
}

const valid = 1;
const dirty = 2;

/** What is known of each register, by its number: bits `valid` and `dirty`. */
export type Knowledge = Uint8Array;

export class RegisterFile {
  readonly #f: FunctionBuilder;
  readonly #state: number;
  readonly #registers: readonly Holdable[];
  readonly #locals: Int32Array;
  #known: Knowledge;
  /** In a loop: the registers that it writes, stored where it is left and nowhere else. */
  #kept: Uint8Array | undefined;
  /** Those held as a whole that the function writes. The others among them are read from the state. */
  #whole: readonly number[] = [];

  /** @param state local that holds the state's address. */
  constructor(f: FunctionBuilder, state: number, registers: readonly Holdable[]) {
    this.#f = f;
    this.#state = state;
    this.#registers = registers;
    this.#locals = new Int32Array(registers.length).fill(-1);
    this.#known = new Uint8Array(registers.length);
  }

  #local(number: number): number {
    let local = this.#locals[number] as number;
    if (local < 0) {
      local = this.#f.local((this.#registers[number] as Holdable).type);
      this.#locals[number] = local;
    }
    return local;
  }

  /** Says which registers the function writes, and begins to hold those that are held as a whole. */
  begin(writes: Uint8Array): void {
    this.#whole = this.#registers.flatMap(({ whole }, n) => (whole && writes[n] ? [n] : []));
    this.loadWhole();
  }

  /** The function begins, or a call has returned. */
  loadWhole(): void {
    for (const n of this.#whole) {
      this.#push(n);
      this.#f.set(this.#local(n));
    }
  }

  /** The function is about to be left, or to call. */
  storeWhole(): void {
    for (const n of this.#whole) this.#store(n);
  }

  #isWhole(number: number): boolean {
    return (this.#registers[number] as Holdable).whole === true;
  }

  #isThrough(number: number): boolean {
    return (this.#registers[number] as Holdable).through === true;
  }

  /** Pushes what the state has. */
  #push(number: number): void {
    const { type, offset } = this.#registers[number] as Holdable;
    this.#f.get(this.#state);
    this.#f.load(type, offset);
  }

  /** Sees to it that the local has the value. */
  load(number: number): void {
    if (this.#isWhole(number) || (this.#known[number] as number) & valid) return;
    this.#push(number);
    this.#f.set(this.#local(number));
    this.#known[number] = valid;
  }

  /** Pushes the value. */
  read(number: number): void {
    if (this.#isWhole(number)) {
      if (this.#whole.includes(number)) this.#f.get(this.#local(number));
      else this.#push(number);
      return;
    }
    if ((this.#known[number] as number) & valid) {
      this.#f.get(this.#local(number));
      return;
    }
    this.#push(number);
    this.#f.tee(this.#local(number));
    this.#known[number] = valid;
  }

  /** Takes the value from the stack. */
  write(number: number): void {
    this.#f.set(this.#local(number));
    if (this.#isThrough(number)) this.#store(number);
    this.mayWrite(number);
  }

  /** Takes the value from the stack; the state has it already. */
  note(number: number): void {
    this.#f.set(this.#local(number));
    this.mayWrite(number);
  }

  /** The register will perhaps be written in what follows, and its local has the value. */
  mayWrite(number: number): void {
    if (!this.#isWhole(number)) this.#known[number] = this.#isThrough(number) ? valid : valid | dirty;
  }

  #store(number: number): void {
    const { type, offset } = this.#registers[number] as Holdable;
    this.#f.get(this.#state);
    this.#f.get(this.#local(number));
    this.#f.store(type, offset);
  }

  /** Stores what the state lacks. In a loop: nothing, its exits do it. */
  flush(): void {
    if (this.#kept) return;
    for (let n = 0; n < this.#known.length; n++) {
      if (!((this.#known[n] as number) & dirty)) continue;
      this.#store(n);
      this.#known[n] = valid;
    }
  }

  /** Loads what a loop touches and begins it. Returns what ends it. */
  enterLoop(reads: Uint8Array, writes: Uint8Array): void {
    this.flush();
    for (let n = 0; n < reads.length; n++) if (reads[n] || writes[n]) this.load(n);
    this.#kept = writes.map((written, n) => (this.#isWhole(n) || this.#isThrough(n) ? 0 : written));
  }

  /** Stores what the loop writes: it is being left. What is known stays as the loop has it. */
  storeKept(): void {
    const kept = this.#kept as Uint8Array;
    for (let n = 0; n < kept.length; n++) if (kept[n]) this.#store(n);
  }

  /** Emits what stands outside the loop, though inside it by nesting. The stores have been made. */
  outside(body: () => void): void {
    const kept = this.#kept;
    const known = this.#known.slice();
    this.#kept = undefined;
    for (let n = 0; n < known.length; n++) this.#known[n] = (known[n] as number) & valid;
    body();
    this.#kept = kept;
    this.#known = known;
  }

  get inLoop(): boolean {
    return this.#kept !== undefined;
  }

  /** The loop's code is at its end. */
  endLoop(): void {
    this.#kept = undefined;
  }

  save(): Knowledge {
    return this.#known.slice();
  }

  restore(known: Knowledge): void {
    this.#known = known.slice();
  }

  /**
   * What ran under a condition is over; `known` is from before it. What it wrote is to be stored, too where an access since the
   * instruction began has stored what was there before.
   */
  endArm(known: Knowledge): void {
    this.#known = known.map((before, n) => (before & valid ? before | ((this.#known[n] as number) & dirty) : before));
  }

  /** Nothing is known: another function has run. */
  forget(): void {
    this.#known.fill(0);
  }

  /** What two paths have in common, both flushed. */
  static meet(a: Knowledge | undefined, b: Knowledge): Knowledge {
    return a ? a.map((known, n) => known & (b[n] as number) & valid) : b.map((known) => known & valid);
  }
}
