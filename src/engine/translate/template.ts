/**
 * Instructions as regions have them: recorded once, emitted at many places. What depends on the place - which registers are
 * in locals, how far the instruction is from the region's base - is looked up when it is emitted.
 */
import { FunctionBuilder } from "../../wasm/function-builder.js";
import { type Node, type PlainAccess, type Planned, plan, type Recording } from "../ir.js";
import type { Recorder } from "../recorder.js";
import { regionSignature } from "../region-entry.js";
import type { Holdable, RegisterFile } from "./register-file.js";

/** Locals that every region's function has: its parameters, then those that the prologue sets. */
export const regionLocals = {
  state: 0,
  entry: 1,
  depth: 2,
  base: 3,
  asid: 4,
  budget: 5,
  table: 6,
  jumps: 7,
  /** What the architecture notes of the branch last taken, by its `branches`; 0 at first. */
  from: 8,
  at: 9,
} as const;

/** A function with these locals. */
export function regionFunction(): FunctionBuilder {
  const f = new FunctionBuilder(regionSignature[0]);
  const made = (["i64", "i64", "i32", "i32", "i32", "i32", "i32"] as const).map((type) => f.local(type));
  if (made.join() !== "3,4,5,6,7,8,9") throw new Error("the region's locals are not where they should be");
  return f;
}

/** A register is chosen when the instruction runs (string loads, multiples): held in a local, it could not be. */
export class RegisterUnknown extends Error {}

/** An instruction that was found in storage. */
export interface Found<V> {
  readonly variant: V;
  /** What its decoded entry tells of it: with the variant, all of it. */
  readonly word: number;
  /** Bytes. */
  readonly length: number;
}

/** An instruction as any region can emit it. */
export interface Template<V> extends Found<V> {
  readonly planned: Planned;
  /** Distances that it may jump by; undefined stands for any other target. */
  readonly jumps: readonly (number | undefined)[];
  readonly fallsThrough: boolean;
  /** Registers that it reads and writes, by number, of those that regions hold. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** Its only access to storage, if it is off a register that regions hold and under no condition. */
  readonly plain: (PlainAccess & { readonly register: number }) | undefined;
  /** It has conditions or loops of its own. */
  readonly branches: boolean;
  /** It is being emitted just now: nodes carry what belongs to one emission. */
  busy: boolean;
}

/** Where a template is being emitted. */
export interface Place {
  readonly file: RegisterFile;
  /** Distance of the instruction from the region's base address, bytes. */
  offset: number;
}

/** A register's resource: this and its number. */
const prefix = "held";

/** The registers that regions hold in locals, as a recorder uses them. */
export class HeldRegisters {
  /** Set by who emits. */
  place!: Place;
  readonly #registers: readonly Holdable[];
  reads = new Set<number>();
  writes = new Set<number>();

  constructor(registers: readonly Holdable[]) {
    this.#registers = registers;
  }

  begin(): void {
    this.reads = new Set();
    this.writes = new Set();
  }

  read(recorder: Recorder, number: number): Node {
    this.reads.add(number);
    const { type } = this.#registers[number] as Holdable;
    return recorder.node(type, [], () => this.place.file.read(number), `${prefix}${number}`, true);
  }

  write(recorder: Recorder, number: number, value: Node): void {
    this.writes.add(number);
    recorder.effect([value], [`${prefix}${number}`], () => this.place.file.write(number));
  }
}

/** Templates kept for when the same word comes again: some 2 kB each. */
const templateLimit = 4096;

function onlyAccess({ statements }: Recording): Template<unknown>["plain"] {
  const [found, ...others] = statements.flatMap((s) => (s.op === "effect" && s.plain ? [s.plain.access] : []));
  return found && others.length === 0 ? { ...found, register: Number(found.address.slice(prefix.length)) } : undefined;
}

/** Records an instruction into a region; throws `RegisterUnknown` if it is one for the interpreter alone. */
export interface RegionRecorder<V> {
  readonly held: HeldRegisters;
  instruction(variant: V, word: number): Recording;
}

export class Templates<V> {
  readonly #recorder: RegionRecorder<V>;
  /** By word, the last one with that word. */
  readonly #kept = new Map<number, { readonly variant: V; readonly made: Template<V> | undefined }>();

  constructor(recorder: RegionRecorder<V>) {
    this.#recorder = recorder;
  }

  /** Where what is emitted next stands. */
  set place(place: Place) {
    this.#recorder.held.place = place;
  }

  /** The instruction; undefined if it is one for the interpreter alone. */
  template(found: Found<V>): Template<V> | undefined {
    const { word, variant } = found;
    const known = this.#kept.get(word);
    if (known && known.variant === variant) return known.made;
    const made = this.#make(found);
    // Branches hardly ever occur twice.
    if (made && made.jumps.length > 0) return made;
    if (this.#kept.size >= templateLimit) this.#kept.clear();
    this.#kept.set(word, { variant, made });
    return made;
  }

  /** The same once more, for a place where the first is being emitted. */
  another(template: Template<V>): Template<V> {
    return this.#make(template) as Template<V>;
  }

  #make({ variant, word, length }: Found<V>): Template<V> | undefined {
    const { held } = this.#recorder;
    held.begin();
    try {
      const recording = this.#recorder.instruction(variant, word);
      return {
        variant,
        word,
        length,
        planned: plan(recording),
        jumps: recording.jumps.map(({ displacement }) => displacement?.constant as number | undefined),
        fallsThrough: recording.fallsThrough,
        reads: [...held.reads],
        writes: [...held.writes],
        plain: onlyAccess(recording),
        branches: recording.statements.some(({ op }) => op === "if" || op === "repeat"),
        busy: false,
      };
    } catch (error) {
      if (error instanceof RegisterUnknown) return undefined;
      throw error;
    }
  }
}
