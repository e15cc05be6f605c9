/**
 * The semantics as part of a region: operands are constants; general registers, CR fields, the XER bits, LR and CTR live in
 * locals while the region runs. Vector-scalar registers and the rest stay in the vCPU's state.
 */

import {
  type Node,
  type PlainAccess,
  type Planned,
  plan,
  type Recording,
  type Resource,
  type Type,
} from "../../../engine/ir.js";
import type { RuntimeFunctions } from "../../../engine/recorder.js";
import { regionSignature } from "../../../engine/region-entry.js";
import type { Holdable, RegisterFile } from "../../../engine/translate/register-file.js";
import type { HelperSignature } from "../../../semantics/signature.js";
import { FunctionBuilder } from "../../../wasm/function-builder.js";
import { conversionOpcodes, integerOpcodes, Op, Simd } from "../../../wasm/opcodes.js";
import type { HelperName } from "../isa/helpers.js";
import type { F64, I32, I64, V128 } from "../isa/machine.js";
import { fieldValue, type Variant } from "../isa/pattern.js";
import { type RegisterName, registers } from "../isa/registers.js";
import { state } from "./layout.js";
import { PowerRecorder } from "./power-recorder.js";

/** Single registers that a region keeps in locals; no helper touches them but those that leave. */
const single = [
  ...(["lr", "ctr", "so", "ov", "ov32", "ca", "ca32"] as const),
  ...(["floatPending", "floatA", "floatB", "floatC"] as const),
] as const satisfies readonly RegisterName[];
const gprs = 32;
const crFields = 8;

/** What a region holds in locals: the general registers, the CR fields, then `single`. */
export const held: readonly Holdable[] = [
  ...Array.from({ length: gprs }, (_, n): Holdable => ({ type: "i64", offset: state.gpr.offset + 8 * n })),
  ...Array.from({ length: crFields }, (_, n): Holdable => ({ type: "i32", offset: state.cr.offset + 4 * n })),
  ...single.map((name): Holdable => ({ type: registers[name], offset: state[name].offset })),
];
const singleNumber = new Map<RegisterName, number>(single.map((name, i) => [name, gprs + crFields + i]));

/** A register's resource: this and its number. */
const prefix = "held";

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

/**
 * Brings CFAR up to date. The local `from` has the offset of the last taken branch, with bit 0 set; 0: none was taken since
 * the region was entered, or since this was done last.
 */
export function emitComeFrom(f: FunctionBuilder): void {
  f.get(regionLocals.from);
  f.if();
  f.get(regionLocals.state);
  f.get(regionLocals.base);
  f.get(regionLocals.from);
  f.op(conversionOpcodes.extendU);
  f.op(integerOpcodes.add[1]);
  f.i64Const(-2n);
  f.op(integerOpcodes.and[1]);
  f.memory(Op["i64.store"], state.cfar.offset);
  f.get(regionLocals.state);
  f.i32Const(0);
  f.tee(regionLocals.from);
  f.memory(Op["i32.store"], state.branchEntry.offset);
  f.end();
}

/** CFAR = the branch at this offset from the base, which has just been taken. */
export function emitCameFrom(f: FunctionBuilder, offset: number): void {
  f.get(regionLocals.state);
  f.get(regionLocals.base);
  f.i64Const(BigInt(offset));
  f.op(integerOpcodes.add[1]);
  f.memory(Op["i64.store"], state.cfar.offset);
  f.get(regionLocals.state);
  f.i32Const(0);
  f.tee(regionLocals.from);
  f.memory(Op["i32.store"], state.branchEntry.offset);
}

/** A register is chosen when the instruction runs (string loads, multiples): held in a local, it could not be. */
export class RegisterUnknown extends Error {}

/** An instruction as any region can emit it: what depends on its place is looked up in `RegionRecorder.place`. */
export interface Template {
  readonly variant: Variant;
  readonly word: number;
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

/** Templates kept for when the same word comes again: some 2 kB each. */
const templateLimit = 4096;

function onlyAccess({ statements }: Recording): Template["plain"] {
  const [found, ...others] = statements.flatMap((s) => (s.op === "effect" && s.plain ? [s.plain.access] : []));
  return found && others.length === 0 ? { ...found, register: Number(found.address.slice(prefix.length)) } : undefined;
}

export class RegionRecorder extends PowerRecorder {
  /** Set by who emits. */
  place!: Place;
  /** Indices of the routines that emitted code calls. */
  get routines(): RuntimeFunctions {
    return this.runtime;
  }
  readonly #templates = new Map<number, Template | undefined>();
  #reads = new Set<number>();
  #writes = new Set<number>();

  /** The instruction `word`; undefined if it is one for the interpreter alone. */
  template(variant: Variant, word: number): Template | undefined {
    const known = this.#templates.get(word);
    if (known || this.#templates.has(word)) return known;
    const made = this.#template(variant, word);
    // Branches hardly ever occur twice.
    if (made && made.jumps.length > 0) return made;
    if (this.#templates.size >= templateLimit) this.#templates.clear();
    this.#templates.set(word, made);
    return made;
  }

  /** The same once more, for a place where the first is being emitted. */
  another({ variant, word }: Template): Template {
    return this.#template(variant, word) as Template;
  }

  #template(variant: Variant, word: number): Template | undefined {
    this.#reads = new Set();
    this.#writes = new Set();
    try {
      const recording = this.#record(variant, word);
      return {
        variant,
        word,
        planned: plan(recording),
        jumps: recording.jumps.map(({ displacement }) => displacement?.constant as number | undefined),
        fallsThrough: recording.fallsThrough,
        reads: [...this.#reads],
        writes: [...this.#writes],
        plain: onlyAccess(recording),
        branches: recording.statements.some(({ op }) => op === "if" || op === "repeat"),
        busy: false,
      };
    } catch (error) {
      if (error instanceof RegisterUnknown) return undefined;
      throw error;
    }
  }

  #record(variant: Variant, word: number): Recording {
    return this.record(() => {
      const operands: Record<string, I32> = {};
      for (const [name, field] of Object.entries(variant.fields))
        operands[name] = this.i32.const(fieldValue(field, word));
      this.runs(variant, operands);
    });
  }

  #readHeld(number: number): Node {
    this.#reads.add(number);
    const { type } = held[number] as Holdable;
    return this.node(type, [], () => this.place.file.read(number), `${prefix}${number}`, true);
  }

  #writeHeld(number: number, value: Node): void {
    this.#writes.add(number);
    this.effect([value], [`${prefix}${number}`], () => this.place.file.write(number));
  }

  #constant(number: I32): number {
    const { constant } = number as unknown as Node;
    if (typeof constant !== "number") throw new RegisterUnknown();
    return constant;
  }

  #read(type: Type, offset: number, resource: Resource): Node {
    return this.node(type, [this.stateAddress()], (f) => f.load(type, offset), resource);
  }

  #write(value: Node, offset: number, resource: Resource): void {
    this.effect([this.stateAddress(), value], [resource], (f) => f.store(value.type, offset));
  }

  protected stateAddress(): Node {
    return this.node("i32", [], (f) => f.get(regionLocals.state), undefined, true);
  }

  cia(): I64 {
    const node = this.node("i64", [], (f) => {
      f.get(regionLocals.base);
      const { offset } = this.place;
      if (offset === 0) return;
      f.i64Const(BigInt(offset));
      f.op(integerOpcodes.add[1]);
    });
    node.displacement = this.i32.const(0) as unknown as Node;
    return node as unknown as I64;
  }

  gpr(number: I32): I64 {
    return this.#readHeld(this.#constant(number)) as unknown as I64;
  }

  setGpr(number: I32, value: I64): void {
    this.#writeHeld(this.#constant(number), value as unknown as Node);
  }

  override call<N extends HelperName>(name: N, ...args: unknown[]): never {
    // These look at what the region has kept to itself so far.
    if (name === "comeFrom" || name === "setComeFrom") this.effect([], [], emitComeFrom);
    return super.call(name, ...args);
  }

  fpr(number: I32): I64 {
    const n = this.#constant(number);
    return this.#read("i64", state.vsr.offset + 8 + 16 * n, `vsr${n}`) as unknown as I64;
  }

  setFpr(number: I32, value: I64): void {
    const n = this.#constant(number);
    this.#write(value as unknown as Node, state.vsr.offset + 8 + 16 * n, `vsr${n}`);
    this.#write(this.i64.const(0) as unknown as Node, state.vsr.offset + 16 * n, `vsr${n}`);
  }

  double(number: I32): F64 {
    const n = this.#constant(number);
    return this.#read("f64", state.vsr.offset + 8 + 16 * n, `vsr${n}`) as unknown as F64;
  }

  vsr(number: I32): V128 {
    const n = this.#constant(number);
    return this.#read("v128", state.vsr.offset + 16 * n, `vsr${n}`) as unknown as V128;
  }

  setVsr(number: I32, value: V128): void {
    const n = this.#constant(number);
    this.#write(value as unknown as Node, state.vsr.offset + 16 * n, `vsr${n}`);
  }

  crField(number: I32): I32 {
    return this.#readHeld(gprs + this.#constant(number)) as unknown as I32;
  }

  setCrField(number: I32, value: I32): void {
    this.#writeHeld(gprs + this.#constant(number), value as unknown as Node);
  }

  protected readRegister(name: RegisterName): Node {
    const number = singleNumber.get(name);
    if (number !== undefined) return this.#readHeld(number);
    return this.#read(registers[name], state[name].offset, "named");
  }

  protected writeRegister(name: RegisterName, value: Node): void {
    const number = singleNumber.get(name);
    if (number !== undefined) this.#writeHeld(number, value);
    else this.#write(value, state[name].offset, "named");
  }

  protected readFacilities(): Node {
    return this.#read("i32", state.facilities.offset, "named");
  }

  protected helperWrites(_effect: HelperSignature["effect"]): readonly Resource[] {
    return ["named"];
  }

  protected endInContextChange(): void {
    const next = this.i64.add(this.cia(), this.i64.const(4)) as unknown as Node;
    this.effect([this.stateAddress(), next], [], (f, exits) => {
      f.memory(Op["i64.store"], state.pc.offset);
      exits.leave(f);
    });
  }
}
