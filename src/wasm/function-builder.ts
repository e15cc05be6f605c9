import { ByteWriter } from "./bytes.js";
import {
  accessOpcodes,
  atomicLoadOpcodes,
  atomicOpcodes,
  atomicStoreOpcodes,
  conversionOpcodes,
  exchangeOpcodes,
  floatLaneOpcodes,
  floatOpcodes,
  integerOpcodes,
  laneOpcodes,
  Op,
  Prefix,
  saturatingOpcodes,
  simdImmediateOpcodes,
  vectorOpcodes,
} from "./opcodes.js";

export type ValueType = "i32" | "i64" | "f64" | "v128";
export const valueTypeCode: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f64: 0x7c, v128: 0x7b };

/** A block's type that leaves nothing on the stack. */
const noResult = 0x40;

export type IntegerOperation = keyof typeof integerOpcodes;
export type Conversion = keyof typeof conversionOpcodes;
export type Saturation = keyof typeof saturatingOpcodes;
export type FloatOperation = keyof typeof floatOpcodes;
export type VectorOperation = keyof typeof vectorOpcodes;
export type Access = keyof typeof accessOpcodes;

const shapes = { ...laneOpcodes, ...floatLaneOpcodes } as const;
/** How a vector is divided into lanes. */
export type Shape = keyof typeof shapes;
/** What takes the number of a lane with it. */
type NamesLane = "extract" | "replace";
export type LaneOperation<S extends Shape> = Exclude<keyof (typeof shapes)[S], NamesLane>;

/** Which way a branch nearly always goes: what its engine does not expect, it lays out of the way and gives no registers. */
export type Expected = "likely" | "unlikely";

/** What is said of a branch that lies at that offset of a body. */
export interface BranchHint {
  readonly at: number;
  readonly expected: Expected;
}

/** A function's body as the code section has it. */
export interface LinkableBody {
  readonly body: Uint8Array<ArrayBuffer>;
  /** Where in it calls name what they call: two bytes each. */
  readonly calls: readonly number[];
  /** In order. */
  readonly hints: readonly BranchHint[];
}

/** The most functions that calls which are linked later can tell apart. */
const linkLimit = 1 << 14;

/** The number that a call of a linkable body has. */
export const calledAt = ({ body }: LinkableBody, at: number): number =>
  ((body[at] as number) & 0x7f) | ((body[at + 1] as number) << 7);

/** Has the calls of a linkable body call what has these indices in the module that it goes to. */
export function link(linkable: LinkableBody, indexOf: (number: number) => number): Uint8Array<ArrayBuffer> {
  const body = linkable.body.slice();
  for (const at of linkable.calls) {
    const index = indexOf(calledAt(linkable, at));
    body[at] = (index & 0x7f) | 0x80;
    body[at + 1] = index >> 7;
  }
  return body;
}

/** The target of a branch: an open block, loop or if. */
export interface Label {
  readonly depth: number;
}

/** Writes one function's body: instructions with structured labels, locals handed out and taken back by type. */
export class FunctionBuilder {
  readonly #code = new ByteWriter(1024);
  #depth = 0;
  readonly #locals: ValueType[] = [];
  readonly #free: Record<ValueType, number[]> = { i32: [], i64: [], f64: [], v128: [] };
  /** Where the calls of what is linked later name what they call. */
  readonly #calls: number[] | undefined;
  readonly #hints: BranchHint[] = [];

  /**
   * @param params types of the parameters, which are the first locals.
   * @param linkedLater calls name what they call by numbers of the caller's, which `link` makes the module's indices.
   */
  constructor(
    readonly params: readonly ValueType[],
    linkedLater = false,
  ) {
    this.#calls = linkedLater ? [] : undefined;
  }

  /** A local that may hold anything at first: set it before use. */
  local(type: ValueType): number {
    const free = this.#free[type].pop();
    if (free !== undefined) return free;
    this.#locals.push(type);
    return this.params.length + this.#locals.length - 1;
  }

  /** Gives a local back for reuse. */
  release(local: number): void {
    const type = this.#locals[local - this.params.length];
    if (type === undefined) throw new Error(`local ${local} is a parameter`);
    this.#free[type].push(local);
  }

  /** An operation on i32, by the name that instruction sets' bodies know it by. */
  i32(name: IntegerOperation): void {
    this.#code.byte(integerOpcodes[name][0]);
  }

  /** An operation on i64. */
  i64(name: IntegerOperation): void {
    this.#code.byte(integerOpcodes[name][1]);
  }

  /** An operation on doubles. */
  f64(name: FloatOperation): void {
    this.#code.byte(floatOpcodes[name]);
  }

  convert(name: Conversion): void {
    this.#code.byte(conversionOpcodes[name]);
  }

  /** [double] -> [i64], what does not fit becoming the nearest that does. */
  saturate(name: Saturation): void {
    this.#code.byte(Prefix.saturating);
    this.#code.u32(saturatingOpcodes[name]);
  }

  /** [address] -> [value] */
  load(type: ValueType, offset: number): void {
    if (type === "v128") this.vectorAccess("load", offset);
    else this.access(`${type}.load`, offset);
  }

  /** [address, value] -> [] */
  store(type: ValueType, offset: number): void {
    if (type === "v128") this.vectorAccess("store", offset);
    else this.access(`${type}.store`, offset);
  }

  /** A load or store of any width; alignment (log2) is only a hint. */
  access(name: Access, offset: number, alignment = 0): void {
    this.#code.byte(accessOpcodes[name]);
    this.#code.byte(alignment);
    this.#code.u32(offset);
  }

  /** The same of 16 bytes. */
  vectorAccess(name: "load" | "store", offset: number, alignment = 0): void {
    this.#simd(simdImmediateOpcodes[name]);
    this.#code.byte(alignment);
    this.#code.u32(offset);
  }

  /** [address] -> [i64] or [address, i64] -> []: so many bytes at once, in one order for all threads; traps if they are not aligned. */
  atomicAccess(name: "load" | "store", size: keyof typeof atomicLoadOpcodes, offset: number): void {
    const opcodes = name === "load" ? atomicLoadOpcodes : atomicStoreOpcodes;
    this.#code.append([Prefix.atomic, opcodes[size], Math.log2(size)]);
    this.#code.u32(offset);
  }

  /** [address, what is expected: i64, what is to be there: i64] -> [what was there: i64], of so many bytes, aligned. */
  compareExchange(size: keyof typeof exchangeOpcodes): void {
    this.#code.append([Prefix.atomic, exchangeOpcodes[size], Math.log2(size), 0]);
  }

  /** [value if true, value if false, condition] -> [value]. Vectors need their type. */
  select(type?: "v128"): void {
    if (type) this.#code.append([Op["select t"], 1, valueTypeCode[type]]);
    else this.#code.byte(Op.select);
  }

  drop(): void {
    this.#code.byte(Op.drop);
  }

  unreachable(): void {
    this.#code.byte(Op.unreachable);
  }

  /** Orders all accesses of this thread: atomic.fence. */
  fence(): void {
    this.#code.append([Prefix.atomic, atomicOpcodes.fence, 0]);
  }

  #simd(opcode: number): void {
    this.#code.byte(Prefix.simd);
    this.#code.u32(opcode);
  }

  /** An operation on whole vectors. */
  v128(name: VectorOperation): void {
    this.#simd(vectorOpcodes[name]);
  }

  /** An operation on all lanes. */
  lanes<S extends Shape>(shape: S, name: LaneOperation<S>): void {
    this.#simd(shapes[shape][name] as number);
  }

  /** extract: [vector] -> [value of that lane]; replace: [vector, value] -> [vector]. */
  lane<S extends Shape>(shape: S, name: NamesLane & keyof (typeof shapes)[S], lane: number): void {
    this.#simd(shapes[shape][name] as number);
    this.#code.byte(lane);
  }

  /** [a, b] -> [bytes of both, lane i being the byte of that number]. */
  shuffle(lanes: readonly number[]): void {
    if (lanes.length !== 16) throw new Error(`a shuffle of ${lanes.length} bytes`);
    this.#simd(simdImmediateOpcodes.shuffle);
    this.#code.append(lanes);
  }

  v128Const(value: bigint): void {
    this.#simd(simdImmediateOpcodes.const);
    for (let i = 0n; i < 16n; i++) this.#code.byte(Number((value >> (8n * i)) & 0xffn));
  }

  i32Const(value: number): void {
    this.#code.byte(Op["i32.const"]);
    this.#code.s32(value);
  }

  i64Const(value: bigint): void {
    this.#code.byte(Op["i64.const"]);
    this.#code.s64(value);
  }

  /**
   * An i32 parameter always has this value, said before all else: to V8, which tracks what locals hold, it is an address without
   * a register then. The constant in place of each use would be thrice the bytes, and an operation each for the optimiser.
   */
  isAlways(parameter: number, value: number): void {
    this.i32Const(value | 0);
    this.set(parameter);
  }

  get(local: number): void {
    this.#code.byte(Op["local.get"]);
    this.#code.u32(local);
  }

  set(local: number): void {
    this.#code.byte(Op["local.set"]);
    this.#code.u32(local);
  }

  tee(local: number): void {
    this.#code.byte(Op["local.tee"]);
    this.#code.u32(local);
  }

  call(index: number): void {
    this.#code.byte(Op.call);
    if (!this.#calls) {
      this.#code.u32(index);
      return;
    }
    if (index >= linkLimit) throw new Error(`function ${index} of ${linkLimit}`);
    this.#calls.push(this.#code.length);
    this.#code.append([(index & 0x7f) | 0x80, index >> 7]);
  }

  callIndirect(type: number, table: number): void {
    this.#code.byte(Op.call_indirect);
    this.#code.u32(type);
    this.#code.u32(table);
  }

  returnCallIndirect(type: number, table: number): void {
    this.#code.byte(Op.return_call_indirect);
    this.#code.u32(type);
    this.#code.u32(table);
  }

  #open(opcode: number, result: ValueType | undefined): Label {
    this.#code.byte(opcode);
    this.#code.byte(result ? valueTypeCode[result] : noResult);
    return { depth: this.#depth++ };
  }

  block(result?: ValueType): Label {
    return this.#open(Op.block, result);
  }

  loop(result?: ValueType): Label {
    return this.#open(Op.loop, result);
  }

  /** `expected`: whether the condition is nearly always true ("likely"), or false. */
  if(result?: ValueType, expected?: Expected): Label {
    this.#hint(expected);
    return this.#open(Op.if, result);
  }

  #hint(expected: Expected | undefined): void {
    if (expected) this.#hints.push({ at: this.#code.length, expected });
  }

  else(): void {
    this.#code.byte(Op.else);
  }

  end(): void {
    this.#depth--;
    this.#code.byte(Op.end);
  }

  #index(label: Label): number {
    const index = this.#depth - 1 - label.depth;
    if (index < 0) throw new Error("branch to a label that is closed");
    return index;
  }

  br(label: Label): void {
    this.#code.byte(Op.br);
    this.#code.u32(this.#index(label));
  }

  /** `expected`: whether it nearly always branches ("likely"), or never. */
  brIf(label: Label, expected?: Expected): void {
    this.#hint(expected);
    this.#code.byte(Op.br_if);
    this.#code.u32(this.#index(label));
  }

  brTable(labels: readonly Label[], otherwise: Label): void {
    this.#code.byte(Op.br_table);
    this.#code.u32(labels.length);
    for (const label of labels) this.#code.u32(this.#index(label));
    this.#code.u32(this.#index(otherwise));
  }

  return(): void {
    this.#code.byte(Op.return);
  }

  /** The body as the code section wants it: local declarations, instructions, end. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.finishLinkable().body;
  }

  /** The same, of a function that is linked later. */
  finishLinkable(): LinkableBody {
    if (this.#depth !== 0) throw new Error(`${this.#depth} blocks are still open`);
    const out = new ByteWriter(this.#code.length + 64);
    const runs: [ValueType, number][] = [];
    for (const type of this.#locals) {
      const last = runs.at(-1);
      if (last && last[0] === type) last[1]++;
      else runs.push([type, 1]);
    }
    out.u32(runs.length);
    for (const [type, count] of runs) {
      out.u32(count);
      out.byte(valueTypeCode[type]);
    }
    const head = out.length;
    out.append(this.#code.view());
    out.byte(Op.end);
    return {
      body: out.take(),
      calls: (this.#calls ?? []).map((at) => head + at),
      hints: this.#hints.map(({ at, expected }) => ({ at: head + at, expected })),
    };
  }
}
