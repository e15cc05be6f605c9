/**
 * Instructions as regions have them: recorded once for all words of a form, emitted at many places. What depends on the
 * place - which registers are in locals, how far the instruction is from the region's base - and what the word says - which
 * registers, which displacement - is looked up when it is emitted.
 */
import { FunctionBuilder } from "../../wasm/function-builder.js";
import {
  type Late,
  type Node,
  numberIn,
  OperandDecides,
  type Planned,
  plan,
  type Recording,
  type Resource,
  type Statement,
  type Type,
} from "../ir.js";
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

/**
 * A function with these locals, for the vCPU with this state: where it is takes no register. Its calls name routines by the
 * numbers of `Linkage`.
 */
export function regionFunction(state: number): FunctionBuilder {
  const f = new FunctionBuilder(regionSignature[0], true);
  f.isAlways(regionLocals.state, state);
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
  /** It goes on behind the region's pages, in another that follows them only as far as the soft TLB says so. */
  readonly over?: Over;
}

/** Where an instruction goes on: a page by its number, and from the region's first one. */
export interface Over {
  readonly page: number;
  readonly part: number;
}

/** An instruction as any region can emit it. */
export interface Template<V> extends Found<V> {
  readonly form: Form;
  /** Distances that it may jump by; undefined stands for any other target. */
  readonly jumps: readonly (number | undefined)[];
  readonly fallsThrough: boolean;
  /** Registers that it reads and writes, by number, of those that regions hold. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** Of deferred ones, those that it reads only because it writes a part of them. */
  readonly keeps: readonly number[];
  /** Its only access to storage, if it is off a register that regions hold and under no condition. */
  readonly plain:
    | { readonly register: number; readonly displacement: number; readonly size: number; readonly stores: boolean }
    | undefined;
  /** It has conditions or loops of its own. */
  readonly branches: boolean;
  /** It may be left in its middle, elsewhere than at its only access. */
  readonly leaves: boolean;
}

/** Where a template is being emitted. */
export interface Place {
  readonly file: RegisterFile;
  /** Distance of the instruction from the region's base address, bytes. */
  offset: number;
  /** The instruction's word. */
  word: number;
}

/** Numbers of registers that regions hold, ascending. */
export type Registers = readonly number[];

/** A register's number: one for all words of a form, or late. */
export type RegisterNumber = Pick<Late<number>, "at" | "now"> & { readonly late: boolean };

export function registerNumber(number: number): RegisterNumber {
  return { at: () => number, now: number, late: false };
}

/** The registers that regions hold in locals, as a recorder uses them. */
export class HeldRegisters {
  /** Set by who emits. */
  place!: Place;
  readonly #registers: readonly Holdable[];
  /** Registers that are not to be written: nobody would read them. */
  dead: Registers = none;
  /** What deferred registers come from before the instruction (register-file.ts). */
  origin = 0;
  reads: RegisterNumber[] = [];
  writes: RegisterNumber[] = [];
  keeps: RegisterNumber[] = [];
  /** Which registers of one file the recording names: where two are the same, the order of reads and writes counts. */
  readonly #named = new Map<string, RegisterNumber[]>();

  constructor(registers: readonly Holdable[]) {
    this.#registers = registers;
  }

  begin(): void {
    this.reads = [];
    this.writes = [];
    this.keeps = [];
    this.#named.clear();
  }

  /** The resource of a register, of a file whose registers are named by their numbers. */
  resource(file: string, number: RegisterNumber): Resource {
    const named = this.#named.get(file);
    if (named) named.push(number);
    else this.#named.set(file, [number]);
    return `${file}${number.now}`;
  }

  /** Pairs of registers that are the same in this word, or are not: other words of the form must agree. */
  pairs(): Pair[] {
    const pairs: Pair[] = [];
    for (const named of this.#named.values()) {
      named.forEach((a, i) => {
        for (const b of named.slice(0, i)) {
          if (a !== b && (a.late || b.late)) pairs.push({ a, b, same: a.now === b.now });
        }
      });
    }
    return pairs;
  }

  read(recorder: Recorder, which: RegisterNumber | number): Node;
  read<T extends Type>(recorder: Recorder, which: RegisterNumber | number, type: T): Node<T>;
  read(recorder: Recorder, which: RegisterNumber | number, wanted?: Type): Node {
    const number = typeof which === "number" ? registerNumber(which) : which;
    this.reads.push(number);
    const { type } = this.#registers[number.now] as Holdable;
    if (wanted !== undefined && type !== wanted)
      throw new TypeError(`register ${number.now} is ${type}, not ${wanted}`);
    const read = () => this.place.file.read(number.at(this.place.word));
    const node = recorder.node(type, [], read, this.resource("held", number), true);
    this.#numbers.set(node, number);
    return node;
  }
  readonly #numbers = new WeakMap<Node, RegisterNumber>();

  /** What a deferred register's place has: whether that is the register, the source says. */
  peek(recorder: Recorder, number: number): Node {
    const { type } = this.#registers[number] as Holdable;
    const read = () => this.place.file.read(number);
    return recorder.node(type, [], read, this.resource("held", registerNumber(number)), true);
  }

  poke(recorder: Recorder, number: number, value: Node): void {
    const write = () => this.place.file.write(number);
    recorder.effect([value], [this.resource("held", registerNumber(number))], write);
  }

  /** The node of a number that is known when it is emitted. */
  late<T extends "i32" | "i64">(recorder: Recorder, type: T, late: Late): Node<T> {
    const code = (f: FunctionBuilder) => {
      const value = late.at(this.place.word);
      if (type === "i32") f.i32Const(Number(value));
      else f.i64Const(BigInt(value));
    };
    const node = recorder.node(type, [], code, undefined, true);
    node.late = late;
    return node;
  }

  /** The register that a node reads. */
  numberOf(node: Node): RegisterNumber | undefined {
    return this.#numbers.get(node);
  }

  write(recorder: Recorder, which: RegisterNumber | number, value: Node): void {
    const number = typeof which === "number" ? registerNumber(which) : which;
    this.writes.push(number);
    if (!number.late && this.dead.includes(number.now)) return;
    const write = () => this.place.file.write(number.at(this.place.word));
    recorder.effect([value], [this.resource("held", number)], write);
  }

  /**
   * A register that is written through has been stored, as a part of something larger. Nobody loads it for that beforehand:
   * a local that is known to have the value is renewed, any other register is found in the state.
   */
  note(recorder: Recorder, number: RegisterNumber, value: Node): void {
    const note = () => this.place.file.note(number.at(this.place.word));
    recorder.effect([value], [this.resource("held", number)], note);
  }
}

interface Pair {
  readonly a: RegisterNumber;
  readonly b: RegisterNumber;
  readonly same: boolean;
}

/** What is recorded of all words that differ only in operands which change no more than numbers. */
export interface Form {
  readonly planned: Planned;
  readonly jumps: readonly (Node | undefined)[];
  readonly fallsThrough: boolean;
  readonly reads: readonly RegisterNumber[];
  readonly writes: readonly RegisterNumber[];
  readonly keeps: readonly RegisterNumber[];
  readonly plain:
    | {
        readonly register: RegisterNumber;
        readonly displacement: Node;
        readonly size: number;
        readonly stores: boolean;
      }
    | undefined;
  readonly branches: boolean;
  readonly leaves: boolean;
  readonly pairs: readonly Pair[];
  /** The same without writing some registers, or where it is known what deferred ones come from. */
  readonly variants: Map<string, Form>;
  /** It is being emitted just now: nodes carry what belongs to one emission. */
  busy: boolean;
}

/** An operand of an instruction: a part of its word, or wider than words and only named by them. */
export interface Operand {
  readonly name: string;
  /** Bits of the word that it consists of; of a wide one, those that say that it is not 0. */
  readonly mask: number;
  readonly wide?: boolean;
  at(word: number): number | bigint;
}

/** Records an instruction into a region; throws `RegisterUnknown` if it is one for the interpreter alone. */
export interface RegionRecorder<V> {
  readonly held: HeldRegisters;
  /** Bits of a word that decide what is recorded, or are operands'; all if it is left out. */
  readonly wordMask?: number;
  /** Operands that may be late; none if each word is recorded by itself. */
  operands?(variant: V): readonly Operand[];
  /** `late` has those of these operands that are to be late, by name: the others, and what is 0, are constants. */
  instruction(variant: V, word: number, late: ReadonlyMap<string, Operand>): Recording;
}

const none: readonly never[] = [];

/** Forms kept: some 2 kB each. Programs have about a thousand; a guest could make any number. */
const formLimit = 4096;
/** Of their variants, which there may be thirty times as many of. */
const variantLimit = 8192;

/** The forms of one instruction. */
class Family<V> {
  readonly #operands: readonly Operand[];
  /** Operands that decide what is recorded. */
  readonly #deciding = new Set<string>();
  readonly #word: number;
  #late: readonly Operand[] = [];
  /** Of those that decide, what does not fit a word. */
  #wide: readonly Operand[] = [];
  #mask = 0;
  /** By what the deciding operands are and which of the others are 0; null: one for the interpreter alone. */
  readonly #forms = new Map<number | string, (Form | null)[]>();

  constructor(recorder: RegionRecorder<V>, variant: V) {
    this.#operands = recorder.operands?.(variant) ?? [];
    this.#word = recorder.wordMask ?? -1;
    this.#sort();
  }

  /** These operands turned out to decide. */
  decide(operands: readonly string[]): void {
    for (const name of operands) this.#deciding.add(name);
    this.#forms.clear();
    this.#sort();
  }

  #sort(): void {
    this.#late = this.#operands.filter(({ name }) => !this.#deciding.has(name));
    this.#wide = this.#operands.filter(({ name, wide }) => wide && this.#deciding.has(name));
    this.#mask = this.#late.reduce((mask, operand) => mask & ~operand.mask, this.#word);
  }

  late(word: number): Map<string, Operand> {
    return new Map(this.#late.filter(({ mask }) => word & mask).map((operand) => [operand.name, operand]));
  }

  #key(word: number): number | string {
    let zeros = 0;
    for (const { mask } of this.#late) zeros = zeros * 2 + (word & mask ? 0 : 1);
    const key = zeros * 2 ** 32 + ((word & this.#mask) >>> 0);
    return this.#wide.length === 0 ? key : `${key}:${this.#wide.map((operand) => operand.at(word)).join(":")}`;
  }

  find(word: number): Form | null | undefined {
    return this.#forms.get(this.#key(word))?.find((form) => {
      if (form === null) return true;
      for (const { a, b, same } of form.pairs) if ((a.at(word) === b.at(word)) !== same) return false;
      return true;
    });
  }

  keep(word: number, form: Form | null): void {
    const key = this.#key(word);
    const forms = this.#forms.get(key);
    if (forms) forms.push(form);
    else this.#forms.set(key, [form]);
  }
}

export class Templates<V> {
  readonly #recorder: RegionRecorder<V>;
  readonly #families = new Map<V, Family<V>>();
  #forms = 0;
  #variants = 0;
  /** Forms once more, for places inside one where it is being emitted. */
  readonly #spare = new WeakMap<Form, Form[]>();

  constructor(recorder: RegionRecorder<V>) {
    this.#recorder = recorder;
  }

  /** Where what is emitted next stands. */
  set place(place: Place) {
    this.#recorder.held.place = place;
  }

  /** The instruction; undefined if it is one for the interpreter alone. */
  template({ variant, word, length }: Found<V>): Template<V> | undefined {
    const form = this.#form(variant, word);
    if (!form) return undefined;
    const { plain, branches, fallsThrough, leaves } = form;
    const reads = form.reads.map((number) => number.at(word));
    const writes = form.writes.map((number) => number.at(word));
    const keeps = form.keeps.length === 0 ? none : form.keeps.map((number) => number.at(word));
    const jumps = form.jumps.length === 0 ? none : form.jumps.map((distance) => numberIn(distance, word));
    const access = plain && {
      register: plain.register.at(word),
      displacement: numberIn(plain.displacement, word) as number,
      size: plain.size,
      stores: plain.stores,
    };
    return { variant, word, length, form, jumps, fallsThrough, reads, writes, keeps, plain: access, branches, leaves };
  }

  /**
   * Lends what is to be emitted for a template, which writes all but `dead`, deferred registers coming from `origin` before it: the
   * same form may be asked for again meanwhile.
   */
  emitting(
    { form: whole, variant, word }: Template<V>,
    dead: Registers,
    origin: number,
    body: (planned: Planned) => void,
  ): void {
    const form = this.#variantOf(whole, variant, word, dead, origin);
    if (!form.busy) {
      form.busy = true;
      body(form.planned);
      form.busy = false;
      return;
    }
    const spare = this.#spare.get(form) ?? [];
    this.#spare.set(form, spare);
    const another = spare.pop() ?? (this.#record(this.#family(variant), variant, word, dead, origin) as Form);
    body(another.planned);
    spare.push(another);
  }

  /** The form that does not write these, or knows what deferred registers come from. */
  #variantOf(form: Form, variant: V, word: number, dead: Registers, origin: number): Form {
    if (dead.length === 0 && origin === 0) return form;
    const key = `${dead.join()}:${origin}`;
    let other = form.variants.get(key);
    if (!other) {
      // Where there are enough, what nobody reads may be written all the same.
      if (this.#variants >= variantLimit && origin === 0) return form;
      other = this.#record(this.#family(variant), variant, word, dead, origin) as Form;
      if (this.#variants >= variantLimit) return other;
      this.#variants++;
      form.variants.set(key, other);
    }
    return other;
  }

  #family(variant: V): Family<V> {
    let family = this.#families.get(variant);
    if (!family) {
      family = new Family(this.#recorder, variant);
      this.#families.set(variant, family);
    }
    return family;
  }

  #form(variant: V, word: number): Form | null {
    let family = this.#family(variant);
    const known = family.find(word);
    if (known !== undefined) return known;
    if (this.#forms++ >= formLimit) {
      this.#families.clear();
      this.#forms = 0;
      this.#variants = 0;
      family = this.#family(variant);
    }
    const form = this.#record(family, variant, word);
    family.keep(word, form);
    return form;
  }

  #record(family: Family<V>, variant: V, word: number, dead: Registers = none, origin = 0): Form | null {
    const { held } = this.#recorder;
    held.dead = dead;
    held.origin = origin;
    for (;;) {
      held.begin();
      try {
        const recording = this.#recorder.instruction(variant, word, family.late(word));
        const plain = onlyAccess(recording, held);
        return {
          planned: plan(recording),
          jumps: recording.jumps.map(({ displacement }) => displacement),
          fallsThrough: recording.fallsThrough,
          reads: distinct(held.reads),
          writes: distinct(held.writes),
          keeps: distinct(held.keeps),
          plain,
          branches: recording.statements.some(({ op }) => op === "if" || op === "repeat"),
          leaves: mayLeave(recording.statements, plain !== undefined),
          pairs: held.pairs(),
          variants: new Map(),
          busy: false,
        };
      } catch (error) {
        if (error instanceof RegisterUnknown) return null;
        if (!(error instanceof OperandDecides)) throw error;
        family.decide(error.operands);
      }
    }
  }
}

/** Without those that are the same register, which they are in all words of the form. */
function distinct(numbers: readonly RegisterNumber[]): RegisterNumber[] {
  return numbers.filter((number, i) => numbers.findIndex(({ now }) => now === number.now) === i);
}

/** Whether it may be left elsewhere than at this access: what takes no exits has no way to leave by. */
const mayLeave = (statements: readonly Statement[], access: boolean): boolean =>
  statements.some((s) => {
    if (s.op === "effect") return s.code.length > 1 && !(access && s.plain);
    if (s.op === "if") return mayLeave(s.then, false) || mayLeave(s.otherwise, false);
    return s.op === "repeat" && mayLeave(s.body, false);
  });

function onlyAccess({ statements }: Recording, held: HeldRegisters): Form["plain"] {
  const [found, ...others] = statements.flatMap((s) => (s.op === "effect" && s.plain ? [s.plain.access] : []));
  const register = found && others.length === 0 && held.numberOf(found.register);
  return register ? { register, displacement: found.displacement, size: found.size, stores: found.stores } : undefined;
}
