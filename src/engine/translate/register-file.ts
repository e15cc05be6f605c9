/**
 * Registers that live in locals while a region runs, and what is known of them where code is being emitted: whether the local
 * has the register's value, and whether the vCPU's state lacks it.
 *
 * Outside loops a register is loaded where it is first needed, and stored before anything that can leave: an exit in the
 * middle of a block then has nothing to store. Inside a loop, whatever the loop touches is loaded in front of it and stored
 * where it is left.
 *
 * Registers that every instruction of some kind writes and hardly any reads are held in another way, as a whole: by a function
 * that writes them, from its beginning to its end, but for calls. An architecture may have a group of them that are not worked
 * out until somebody looks (`Deferred`): then only what they come from is held, and nothing at all before it is written.
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

/** Registers, all held as a whole, that are worked out when somebody looks. Outside regions all are there. */
export interface Deferred {
  /** The register that says what they come from, an i32: 0 where they are there themselves. */
  readonly source: number;
  /** Those of them that hold something, by what the source is: of 0, all. */
  places(source: number): readonly number[];
}

const valid = 1;
const dirty = 2;

/** What is known of where deferred registers come from, unless it is `origin` and a source. */
const Source = { unknown: 0, inState: 1, origin: 2 } as const;
/** The source's local, where nothing has been written yet: the state has it, and all of them. */
const inState = -1;

/** What is known of each register, by its number: bits `valid` and `dirty`; behind them, what is of deferred ones. */
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
  readonly #deferred: Deferred | undefined;
  /** All of those, without their source. */
  readonly #places: readonly number[];
  readonly #settle: () => void;
  /** The function reads or writes them. */
  #defers = false;

  /**
   * @param state local that holds the state's address.
   * @param settle emits what has deferred registers worked out that are in the state.
   */
  constructor(
    f: FunctionBuilder,
    state: number,
    registers: readonly Holdable[],
    deferred?: Deferred,
    settle: () => void = () => {},
  ) {
    this.#f = f;
    this.#state = state;
    this.#registers = registers;
    this.#deferred = deferred;
    this.#places = deferred?.places(0) ?? [];
    this.#settle = settle;
    this.#locals = new Int32Array(registers.length).fill(-1);
    this.#known = new Uint8Array(registers.length + 1);
  }

  #local(number: number): number {
    let local = this.#locals[number] as number;
    if (local < 0) {
      local = this.#f.local((this.#registers[number] as Holdable).type);
      this.#locals[number] = local;
    }
    return local;
  }

  /** Says which registers the function reads and writes, and begins to hold those that are held as a whole. */
  begin(reads: Uint8Array, writes: Uint8Array): void {
    const { source = -1 } = this.#deferred ?? {};
    const isDeferred = (n: number) => n === source || this.#places.includes(n);
    this.#whole = this.#registers.flatMap(({ whole }, n) => (whole && writes[n] && !isDeferred(n) ? [n] : []));
    this.#defers = source >= 0 && (reads[source] !== 0 || writes[source] !== 0);
    // Locals of their own, that have had nothing else: it would be kept for the exits, which store them all.
    if (this.#defers) for (const n of this.#places) this.#local(n);
    this.loadWhole();
  }

  /** The function begins, or a call has returned. */
  loadWhole(): void {
    for (const n of this.#whole) {
      this.#push(n);
      this.#f.set(this.#local(n));
    }
    if (!this.#deferred || !this.#defers) return;
    this.#f.i32Const(inState);
    this.#f.set(this.#local(this.#deferred.source));
    this.#source = Source.inState;
  }

  /** The function is about to be left, or to call: from here, or where nothing is known of the way to here. */
  storeWhole(from: "here" | "anywhere"): void {
    for (const n of this.#whole) this.#store(n);
    if (!this.#deferred || !this.#defers) return;
    const { source } = this.#deferred;
    const known = from === "here" ? this.#source : Source.unknown;
    if (known === Source.inState) return;
    const places = known === Source.unknown ? this.#places : this.#deferred.places(known - Source.origin);
    if (known === Source.unknown) {
      this.#f.get(this.#local(source));
      this.#f.i32Const(inState);
      this.#f.i32("ne");
      this.#f.if();
    }
    for (const n of [...places, source]) this.#store(n);
    if (known === Source.unknown) this.#f.end();
  }

  get #source(): number {
    return this.#known[this.#registers.length] as number;
  }

  set #source(known: number) {
    this.#known[this.#registers.length] = known;
  }

  /**
   * Sees to it that it is known here where deferred registers come from, which somebody is about to look at: what their source
   * says, by its number.
   */
  knowSource(): number {
    const { source } = this.#deferred as Deferred;
    if (this.#source >= Source.origin) return this.#source - Source.origin;
    const f = this.#f;
    if (this.#source === Source.unknown) {
      f.get(this.#local(source));
      f.if();
      this.storeWhole("here");
    }
    this.#push(source);
    f.if();
    this.#settle();
    f.end();
    for (const n of this.#places) {
      this.#push(n);
      f.set(this.#local(n));
    }
    f.i32Const(0);
    f.set(this.#local(source));
    if (this.#source === Source.unknown) f.end();
    this.#source = Source.origin;
    return 0;
  }

  /** Deferred registers have been written: they come from this. */
  writeSource(value: number): void {
    this.#f.i32Const(value);
    this.#f.set(this.#local((this.#deferred as Deferred).source));
    this.#source = Source.origin + value;
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
      if (this.#whole.includes(number) || this.#places.includes(number)) this.#f.get(this.#local(number));
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
    for (let n = 0; n < this.#registers.length; n++) {
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
    if (this.#deferred && writes[this.#deferred.source]) this.#source = Source.unknown;
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
    for (let n = 0; n < this.#registers.length; n++) this.#known[n] = (known[n] as number) & valid;
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
    const source = this.#source;
    this.#known = known.map((before, n) => (before & valid ? before | ((this.#known[n] as number) & dirty) : before));
    const before = known.at(-1) as number;
    this.#source = source === before ? before : Source.unknown;
  }

  /** Nothing is known: another function has run. */
  forget(): void {
    this.#known.fill(0);
  }

  static nothingKnown(registers: readonly Holdable[]): Knowledge {
    return new Uint8Array(registers.length + 1);
  }

  /** What two paths have in common, both flushed. */
  static meet(a: Knowledge | undefined, b: Knowledge): Knowledge {
    const met = a ? a.map((known, n) => known & (b[n] as number) & valid) : b.map((known) => known & valid);
    const source = b.at(-1) as number;
    met[met.length - 1] = a && a.at(-1) !== source ? Source.unknown : source;
    return met;
  }
}
