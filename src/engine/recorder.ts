/**
 * The semantics interface as a recorder: each operation becomes a node or a statement of ir.ts. What differs between
 * engines - where registers are, what an operand field is, how an instruction ends - is left to the subclass.
 */

import type {
  AccessOptions,
  AccessSize,
  ByteLaneOps,
  DoublewordLaneOps,
  F64Ops,
  FloatLaneOps,
  HalfwordLaneOps,
  I32Ops,
  I64Ops,
  IntegerOps,
  LaneOps,
  Operations,
  V128Ops,
  WordLaneOps,
} from "../semantics/operations.js";
import type { HelperSignature } from "../semantics/signature.js";
import type { F64, I32, I64, V128, Value } from "../semantics/values.js";
import type {
  Conversion,
  Expected,
  FloatOperation,
  FunctionBuilder,
  IntegerOperation,
  LaneOperation,
  Saturation,
  VectorOperation,
} from "../wasm/function-builder.js";
import { arithmeticOpcodes, comparisonOpcodes, type floatLaneOpcodes, laneOpcodes } from "../wasm/opcodes.js";
import { foldInteger, identity } from "./fold.js";
import {
  type Late,
  Node,
  OperandDecides,
  type PlainAccess,
  type Recording,
  type Resource,
  type Statement,
  type Type,
} from "./ir.js";
import { type AccessContext, emitDirectLoad, emitDirectStore, emitLoad, emitStore } from "./memory-access.js";

/** Indices, in the module being built, of the routines that emitted code calls. */
export interface RuntimeFunctions {
  helper(name: string): number;
}

/** Every value that a body is given is a recorder's node. */
export const asNode = <T extends Type>(value: Value<T>): Node<T> => value as Node<T>;
export const asI32 = (node: Node<"i32">): I32 => node;
export const asI64 = (node: Node<"i64">): I64 => node;
export const asF64 = (node: Node<"f64">): F64 => node;
export const asV128 = (node: Node<"v128">): V128 => node;

/** An operation on values of any kind, as a node. */
type Make<T extends Type> = (...args: readonly Value[]) => Node<T>;

type LaneSpecial = "extract" | "replace" | "allTrue" | "bitmask";
/** What a shape of lanes has by its table of opcodes. */
type Lanes<S extends keyof typeof laneOpcodes, W extends "i32" | "i64"> = {
  readonly [N in Exclude<keyof (typeof laneOpcodes)[S], LaneSpecial>]: Make<"v128">;
} & Pick<LaneOps<Value<W>>, LaneSpecial>;

/** What a statement with a result of that type gives. */
export type Result<T extends Type | undefined> = T extends Type ? Node<T> : undefined;

/** A record with the same names. */
const mapped = <K extends string, F, V>(
  from: { readonly [N in K]: F },
  make: (name: K, of: F) => V,
): { readonly [N in K]: V } =>
  Object.fromEntries((Object.keys(from) as K[]).map((name) => [name, make(name, from[name])])) as Record<K, V>;

const operandsDecide = (late: readonly Node[]) => new OperandDecides(late.flatMap((n) => n.late?.operands ?? []));

export interface RecorderOptions {
  /** What effective addresses are cut to; undefined: nothing, they have 64 bits. */
  readonly addressMask: bigint | undefined;
  readonly littleEndian: boolean;
  /** f64x2.relaxed_madd is there and rounds once. */
  readonly fused?: boolean;
  readonly runtime: RuntimeFunctions;
  /** Where inline storage accesses find the soft TLB. */
  readonly access: AccessContext;
}

export abstract class Recorder implements Operations {
  protected readonly addressMask: bigint | undefined;
  readonly littleEndian: boolean;
  readonly fused: boolean;
  readonly i32: I32Ops;
  readonly i64: I64Ops;
  readonly f64: F64Ops;
  readonly v128: V128Ops;
  readonly i8x16: ByteLaneOps;
  readonly i16x8: HalfwordLaneOps;
  readonly i32x4: WordLaneOps;
  readonly i64x2: DoublewordLaneOps;
  readonly f32x4: FloatLaneOps;
  readonly f64x2: FloatLaneOps;

  protected readonly runtime: RuntimeFunctions;
  protected readonly access: AccessContext;
  #clock = 0;
  #loop = -1;
  #nodes: Node[] = [];
  #statements: Statement[] = [];
  #writes = new Map<Resource, number[]>();
  #roots: { node: Node; position: number; loop: number }[] = [];
  /** A context-changing helper was called: the instruction must end with a fresh look-up. */
  #changesContext = false;
  /** How many conditions and loops are open. */
  #depth = 0;
  #fallsThrough = true;
  #jumps: Node[] = [];

  constructor(options: RecorderOptions) {
    this.addressMask = options.addressMask;
    this.littleEndian = options.littleEndian;
    this.fused = options.fused ?? false;
    this.runtime = options.runtime;
    this.access = options.access;
    this.i32 = this.#i32Ops();
    this.i64 = this.#i64Ops();
    this.f64 = this.#f64Ops();
    this.v128 = this.#v128Ops();
    this.i8x16 = this.#byteLanes();
    this.i16x8 = this.#lanes("i16x8", "i32");
    this.i32x4 = this.#lanes("i32x4", "i32");
    this.i64x2 = this.#lanes("i64x2", "i64");
    this.f32x4 = this.#floatLanes("f32x4");
    this.f64x2 = this.#floatLanes("f64x2");
  }

  /** Records one instruction: runs `body` against this machine and returns what it did. */
  record(body: () => void): Recording {
    this.#clock = 0;
    this.#loop = -1;
    this.#nodes = [];
    this.#statements = [];
    this.#writes = new Map();
    this.#roots = [];
    this.#changesContext = false;
    this.#depth = 0;
    this.#fallsThrough = true;
    this.#jumps = [];
    this.begin();
    body();
    if (this.#changesContext) {
      this.endInContextChange();
      this.#fallsThrough = false;
    }
    return {
      statements: this.#statements,
      nodes: this.#nodes,
      writes: this.#writes,
      roots: this.#roots,
      jumps: this.#jumps,
      fallsThrough: this.#fallsThrough,
    };
  }

  /** Control goes elsewhere here; unless under a condition, that ends the instruction. */
  #ends(): void {
    if (this.#depth === 0) this.#fallsThrough = false;
  }

  // What an engine decides.
  /** Called before each instruction is recorded. */
  protected begin(): void {}
  /** The effect that ends an instruction after a context change: pc + 4, then a fresh look-up. */
  protected abstract endInContextChange(): void;
  protected abstract stateAddress(): Node<"i32">;
  /** The node that `Exits.jump` will push for this target. */
  protected jumpUses(target: Node): Node {
    return target;
  }
  abstract cia(): I64;
  /** What a helper may read and write behind the recorder's back. */
  protected abstract helperWrites(effect: HelperSignature["effect"]): readonly Resource[];

  /** The node of a number that is known when it is emitted; only of recorders that begin with such operands. */
  protected late<T extends "i32" | "i64">(_type: T, _number: Late): Node<T> {
    throw new Error("this recorder knows its operands, or learns them when the instruction runs");
  }

  /** A late number made from others. */
  #lateFrom<T extends "i32" | "i64">(
    type: T,
    args: readonly Node[],
    make: (values: readonly bigint[]) => bigint,
  ): Node<T> {
    const convert = (value: bigint) => (type === "i32" ? Number(BigInt.asIntN(32, value)) : BigInt.asIntN(64, value));
    const valueIn = (word: number) => convert(make(args.map((n) => BigInt(n.constant ?? (n.late as Late).at(word)))));
    return this.late(type, {
      at: valueIn,
      now: convert(make(args.map((n) => BigInt(n.constant ?? (n.late as Late).now)))),
      operands: [...new Set(args.flatMap((n) => n.late?.operands ?? []))],
    });
  }

  // Making nodes and statements.
  node<T extends Type>(
    type: T,
    args: readonly Node[],
    code: (f: FunctionBuilder) => void,
    reads?: Resource,
    leaf = false,
  ): Node<T> {
    const node = new Node(type, args, code, this.#clock++, this.#loop, reads, leaf);
    this.#nodes.push(node);
    if (!leaf || reads !== undefined) this.#statements.push({ op: "define", node });
    return node;
  }

  constant<T extends "i32" | "i64">(type: T, value: bigint | number): Node<T> {
    if (type === "i32") {
      const n = typeof value === "number" ? value | 0 : Number(BigInt.asIntN(32, value));
      return new Node(type, [], (f) => f.i32Const(n), -1, this.#loop, undefined, true, n);
    }
    const n = BigInt.asIntN(64, BigInt(value));
    return new Node(type, [], (f) => f.i64Const(n), -1, this.#loop, undefined, true, n);
  }

  /** A statement. Returns the node of its result if it has one. */
  effect<T extends Type | undefined = undefined>(
    args: readonly Node[],
    writes: readonly Resource[],
    code: Extract<Statement, { op: "effect" }>["code"],
    result?: T,
    plain?: Extract<Statement, { op: "effect" }>["plain"],
  ): Result<T> {
    const position = this.#clock++;
    for (const node of args) this.#roots.push({ node, position, loop: this.#loop });
    for (const w of writes) {
      const known = this.#writes.get(w);
      if (known) known.push(position);
      else this.#writes.set(w, [position]);
    }
    const resultNode = result && new Node<Type>(result, [], () => {}, this.#clock++, this.#loop);
    this.#statements.push({ op: "effect", position, args, writes, code, result: resultNode, ...(plain && { plain }) });
    if (resultNode) {
      // Always in a local: what made it cannot be repeated or moved.
      resultNode.local = Number.MAX_SAFE_INTEGER;
    }
    return resultNode as Result<T>;
  }

  #integer<W extends "i32" | "i64">(type: W): IntegerOps<Value<W>> {
    const bits = type === "i32" ? 32 : 64;
    const known = (n: Node | undefined) => (n?.constant === undefined ? undefined : BigInt(n.constant));
    const apply = <R extends "i32" | "i64">(name: IntegerOperation, result: R, args: Node[]): Node<R> => {
      const [a, b] = args;
      const ka = known(a);
      const kb = known(b);
      if (ka !== undefined && (args.length === 1 || kb !== undefined)) {
        const folded = foldInteger(name, bits, ka, kb ?? 0n);
        if (folded !== undefined) return this.constant(result, folded);
      }
      if (args.length === 2) {
        const same = identity(name, ka, kb);
        // Only operations that give what they take have one.
        if (same === "a") return a as Node<R>;
        if (same === "b") return b as Node<R>;
        if (same === "zero") return this.constant(result, 0);
      }
      const late = args.filter((n) => n.late);
      if (late.length > 0 && args.every((n) => n.late || n.constant !== undefined)) {
        // Truth decides, and a division may trap.
        if (name in comparisonOpcodes || name.startsWith("div") || name.startsWith("rem")) throw operandsDecide(late);
        return this.#lateFrom(result, args, ([x, y]) => foldInteger(name, bits, x as bigint, y ?? 0n) as bigint);
      }
      return this.node(result, args, (f) => (type === "i32" ? f.i32(name) : f.i64(name)));
    };
    const constant = (value: bigint | number) => this.constant(type, value);
    return {
      const: constant,
      not: (x) => apply("xor", type, [asNode(x), constant(-1)]),
      neg: (x) => apply("sub", type, [constant(0), asNode(x)]),
      ...mapped(
        arithmeticOpcodes,
        (name): Make<W> =>
          (...args) =>
            apply(name, type, args.map(asNode)),
      ),
      ...mapped(
        comparisonOpcodes,
        (name): Make<"i32"> =>
          (...args) =>
            apply(name, "i32", args.map(asNode)),
      ),
    };
  }

  #i32Ops(): I32Ops {
    return {
      ...this.#integer("i32"),
      wrap: (a) => {
        const n = asNode(a);
        if (n.constant !== undefined) return asI32(this.constant("i32", n.constant));
        if (n.late) return asI32(this.#lateFrom("i32", [n], ([x]) => x as bigint));
        return asI32(this.node("i32", [n], (f) => f.convert("wrap")));
      },
    };
  }

  #noteSum(sum: Node, a: Node, b: Node): void {
    if (sum === a || sum === b) return;
    const isNumber = (n: Node) => n.constant !== undefined || n.late !== undefined;
    if (a.leaf && isNumber(b)) sum.sum = { of: a, plus: b };
    else if (b.leaf && isNumber(a)) sum.sum = { of: b, plus: a };
  }

  #i64Ops(): I64Ops {
    const convert = (name: "extendS" | "extendU" | "extend32S", fold: (x: bigint) => bigint) => (a: I32 | I64) => {
      const n = asNode(a);
      if (n.constant !== undefined) return asI64(this.constant("i64", fold(BigInt(n.constant))));
      if (n.late) return asI64(this.#lateFrom("i64", [n], ([x]) => fold(x as bigint)));
      return asI64(this.node("i64", [n], (f) => f.convert(name)));
    };
    const plain = this.#integer("i64");
    return {
      ...plain,
      add: (a, b) => {
        const sum = plain.add(a, b);
        this.#noteSum(asNode(sum), asNode(a), asNode(b));
        // An address in code stays recognisable as relative.
        const base = asNode(a).displacement ? a : asNode(b).displacement ? b : undefined;
        if (base && sum !== base) {
          const offset = base === a ? b : a;
          const wrapped = this.i32.wrap(offset);
          const displacement = this.i32.add(asNode(base).displacement as Node<"i32">, wrapped);
          asNode(sum).displacement = asNode(displacement);
        }
        return sum;
      },
      extendS: convert("extendS", (x) => x),
      extendU: convert("extendU", (x) => BigInt.asUintN(32, x)),
      extend32S: convert("extend32S", (x) => BigInt.asIntN(32, x)),
    };
  }

  #f64Ops(): F64Ops {
    const make =
      <T extends Type>(type: T, name: FloatOperation): Make<T> =>
      (...args) =>
        this.node(type, args.map(asNode), (f) => f.f64(name));
    const convert =
      <T extends Type>(type: T, ...names: readonly Conversion[]) =>
      (a: Value): Node<T> =>
        this.node(type, [asNode(a)], (f) => {
          for (const name of names) f.convert(name);
        });
    const saturating = (name: Saturation) => (a: F64) => asI64(this.node("i64", [asNode(a)], (f) => f.saturate(name)));
    const splat = (a: F64) => this.node("v128", [asNode(a)], (f) => f.lanes("f64x2", "splat"));
    return {
      add: make("f64", "add"),
      sub: make("f64", "sub"),
      mul: make("f64", "mul"),
      div: make("f64", "div"),
      sqrt: make("f64", "sqrt"),
      abs: make("f64", "abs"),
      neg: make("f64", "neg"),
      ceil: make("f64", "ceil"),
      floor: make("f64", "floor"),
      trunc: make("f64", "trunc"),
      nearest: make("f64", "nearest"),
      eq: make("i32", "eq"),
      lt: make("i32", "lt"),
      gt: make("i32", "gt"),
      mulAdd: (a, b, c) => {
        const lanes = this.node("v128", [splat(a), splat(b), splat(c)], (f) => f.lanes("f64x2", "mulAdd"));
        return asF64(this.node("f64", [lanes], (f) => f.lane("f64x2", "extract", 0)));
      },
      toSingle: convert("f64", "demote", "promote"),
      fromSingle: convert("f64", "ofSingleBits", "promote"),
      singleBits: convert("i32", "demote", "singleBits"),
      toSigned: saturating("toSigned"),
      toUnsigned: saturating("toUnsigned"),
      fromSigned: convert("f64", "convertS"),
      fromUnsigned: convert("f64", "convertU"),
      bits: convert("i64", "doubleBits"),
      ofBits: convert("f64", "ofDoubleBits"),
    };
  }

  #floatLanes(shape: keyof typeof floatLaneOpcodes): FloatLaneOps {
    const make =
      (name: LaneOperation<"f32x4"> & LaneOperation<"f64x2">) =>
      (...args: V128[]): V128 =>
        asV128(this.node("v128", args.map(asNode), (f) => f.lanes(shape, name)));
    return {
      eq: make("eq"),
      abs: make("abs"),
      neg: make("neg"),
      sqrt: make("sqrt"),
      add: make("add"),
      sub: make("sub"),
      mul: make("mul"),
      div: make("div"),
      mulAdd: make("mulAdd"),
      fromSigned: make("fromSigned"),
      fromUnsigned: make("fromUnsigned"),
    };
  }

  #v128Ops(): V128Ops {
    const make =
      <T extends Type>(type: T, name: VectorOperation): Make<T> =>
      (...args) =>
        this.node(type, args.map(asNode), (f) => f.v128(name));
    const lane = (index: number) => (a: V128) =>
      asI64(this.node("i64", [asNode(a)], (f) => f.lane("i64x2", "extract", index)));
    return {
      const: (value) => asV128(new Node("v128", [], (f) => f.v128Const(value), -1, this.#loop, undefined, true, value)),
      and: make("v128", "and"),
      or: make("v128", "or"),
      xor: make("v128", "xor"),
      andnot: make("v128", "andnot"),
      not: make("v128", "not"),
      bitselect: make("v128", "bitselect"),
      anyTrue: make("i32", "anyTrue"),
      make: (high, low) => this.i64x2.replace(this.i64x2.splat(low), 1, high),
      high: lane(1),
      low: lane(0),
    };
  }

  #lanes<S extends keyof typeof laneOpcodes, W extends "i32" | "i64">(shape: S, scalar: W): Lanes<S, W> {
    const { extract, replace, allTrue, bitmask, ...plain } = laneOpcodes[shape];
    const make =
      <T extends Type>(type: T, name: LaneOperation<S>): Make<T> =>
      (...args) =>
        this.node(type, args.map(asNode), (f) => f.lanes(shape, name));
    const all = {
      ...mapped(plain as Readonly<Record<string, number>>, (name) => make("v128", name as LaneOperation<S>)),
      extract: (a: V128, lane: number) => this.node(scalar, [asNode(a)], (f) => f.lane(shape, "extract", lane)),
      replace: (a: V128, lane: number, value: Value<W>) =>
        this.node("v128", [asNode(a), asNode(value)], (f) => f.lane(shape, "replace", lane)),
      allTrue: make("i32", "allTrue" as LaneOperation<S>),
      bitmask: make("i32", "bitmask" as LaneOperation<S>),
    };
    // Of which shape the compiler does not know here; who calls, does.
    return all as Lanes<S, W>;
  }

  #byteLanes(): ByteLaneOps {
    return {
      ...this.#lanes("i8x16", "i32"),
      shuffle: (a, b, lanes) => this.node("v128", [asNode(a), asNode(b)], (f) => f.shuffle(lanes)),
      swizzle: (a, indices) => this.node("v128", [asNode(a), asNode(indices)], (f) => f.v128("swizzle")),
    };
  }

  // Storage.
  /** An address cut to what addresses have; one that has been is the same. */
  protected ea(ea: I64): Node<"i64"> {
    const whole = asNode(ea);
    if (this.addressMask === undefined || whole.uncut) return whole;
    const cut = asNode(this.i64.and(ea, this.i64.const(this.addressMask)));
    if (cut !== whole) cut.uncut = whole;
    return cut;
  }

  #bigEndian(options: AccessOptions | undefined): boolean {
    return this.littleEndian === (options?.byteReversed ?? false);
  }

  /** Describes an access off a register, where engines hold registers in leaves. */
  protected plainAccess(ea: Node, size: number, stores: boolean): PlainAccess | undefined {
    const whole = ea.uncut ?? ea;
    const { of, plus } = whole.sum ?? { of: whole, plus: this.constant("i64", 0) };
    if (!of.leaf || of.reads === undefined) return undefined;
    return { register: of, displacement: plus, size, stores };
  }

  #load<T extends Type>(ea: I64, size: AccessSize | 16, options: AccessOptions | undefined, type: T): Result<T> {
    const bigEndian = this.#bigEndian(options);
    const node = this.ea(ea);
    const access = this.plainAccess(node, size, false);
    return this.effect(
      [node],
      [],
      (f, x) => emitLoad(f, x, this.access, size, bigEndian),
      type,
      access && { access, code: (f, at) => emitDirectLoad(f, this.access, at, size, bigEndian) },
    );
  }

  #store(ea: I64, size: AccessSize | 16, value: Node, options: AccessOptions | undefined): void {
    const bigEndian = this.#bigEndian(options);
    const node = this.ea(ea);
    const access = this.plainAccess(node, size, true);
    this.effect(
      [node, value],
      [],
      (f, x) => emitStore(f, x, this.access, size, bigEndian),
      undefined,
      access && { access, code: (f, at, push) => emitDirectStore(f, this.access, at, size, bigEndian, push) },
    );
  }

  load(ea: I64, size: AccessSize, options?: AccessOptions): I64 {
    return asI64(this.#load(ea, size, options, "i64"));
  }

  store(ea: I64, size: AccessSize, value: I64, options?: AccessOptions): void {
    this.#store(ea, size, asNode(value), options);
  }

  loadQuad(ea: I64, options?: AccessOptions): V128 {
    return asV128(this.#load(ea, 16, options, "v128"));
  }

  storeQuad(ea: I64, value: V128, options?: AccessOptions): void {
    this.#store(ea, 16, asNode(value), options);
  }

  /** Calls a routine that may leave the instruction; `fault` is looked at after it. */
  routine<T extends Type | undefined = undefined>(
    name: string,
    args: readonly Node[],
    result?: T,
    writes: readonly Resource[] = [],
  ): Result<T> {
    const index = this.runtime.helper(name);
    const { checkFault } = this.access;
    return this.effect(
      [this.stateAddress(), ...args],
      writes,
      (f, x) => {
        x.beforeFault?.(f);
        x.storePc(f);
        // The arguments are on the stack already; storing the pc does not disturb them.
        f.call(index);
        checkFault(f, x);
      },
      result,
    );
  }

  fence(): void {
    this.effect([], [], (f) => f.fence());
  }

  // Control.
  jump(target: I64): void {
    const node = asNode(target);
    const position = this.#clock++;
    this.#roots.push({ node: this.jumpUses(node), position, loop: this.#loop });
    this.#statements.push({ op: "jump", target: node });
    this.#jumps.push(node);
    this.#ends();
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    this.#if(condition, then, otherwise);
  }

  /** Of a condition that nearly always holds. */
  protected ifLikely(condition: I32, then: () => void, otherwise: () => void): void {
    this.#if(condition, then, otherwise, "likely");
  }

  #if(condition: I32, then: () => void, otherwise?: () => void, expected?: Expected): void {
    const node = asNode(condition);
    if (node.late) throw operandsDecide([node]);
    if (node.constant !== undefined) {
      if (node.constant !== 0) then();
      else otherwise?.();
      return;
    }
    this.#roots.push({ node, position: this.#clock++, loop: this.#loop });
    const outer = this.#statements;
    const branch = (body: (() => void) | undefined): Statement[] => {
      this.#statements = [];
      this.#depth++;
      body?.();
      this.#depth--;
      return this.#statements;
    };
    const thenStatements = branch(then);
    const otherwiseStatements = branch(otherwise);
    this.#statements = outer;
    outer.push({ op: "if", condition: node, then: thenStatements, otherwise: otherwiseStatements, expected });
  }

  select<T extends I32 | I64 | F64 | V128>(condition: I32, ifTrue: T, ifFalse: T): T {
    const c = asNode(condition);
    if (c.late) throw operandsDecide([c]);
    if (c.constant !== undefined) return c.constant !== 0 ? ifTrue : ifFalse;
    const a = asNode(ifTrue);
    if (a === asNode(ifFalse)) return ifTrue;
    const code = a.type === "v128" ? (f: FunctionBuilder) => f.select("v128") : (f: FunctionBuilder) => f.select();
    return this.node(a.type, [a, asNode(ifFalse), c], code) as Value as T;
  }

  repeat(count: I32, body: (index: I32) => void): void {
    const node = asNode(count);
    if (node.late) throw operandsDecide([node]);
    if (node.constant !== undefined) {
      for (let i = 0; i < Number(node.constant); i++) body(this.i32.const(i));
      return;
    }
    this.#roots.push({ node, position: this.#clock++, loop: this.#loop });
    const outer = this.#statements;
    const outerLoop = this.#loop;
    this.#loop = this.#clock;
    this.#statements = [];
    const index = new Node("i32", [], () => {}, this.#clock++, this.#loop);
    index.local = Number.MAX_SAFE_INTEGER;
    this.#depth++;
    body(asI32(index));
    this.#depth--;
    outer.push({ op: "repeat", count: node, index, body: this.#statements });
    this.#statements = outer;
    this.#loop = outerLoop;
  }

  /** Calls a helper of the instruction set. */
  protected callHelper(name: string, signature: HelperSignature, nodes: readonly Node[]): Node | undefined {
    const index = this.runtime.helper(name);
    const result = signature.result === "void" ? undefined : signature.result;
    if (signature.effect === "pure" && result) return this.node(result, nodes, (f) => f.call(index));
    const all = [this.stateAddress(), ...nodes];
    const writes = this.helperWrites(signature.effect);
    const { checkFault } = this.access;
    const code: Extract<Statement, { op: "effect" }>["code"] = (f, x) => {
      if (signature.effect === "faults" || signature.effect === "context") x.beforeFault?.(f);
      if (signature.effect !== "state") x.storePc(f);
      if (signature.effect === "leaves") x.handOver(f);
      f.call(index);
      if (signature.effect === "faults" || signature.effect === "context") checkFault(f, x);
      if (signature.effect === "leaves") x.leaveHandedOver(f);
    };
    if (signature.effect === "context") this.#changesContext = true;
    if (signature.effect === "leaves") this.#ends();
    return this.effect(all, writes, code, result);
  }
}
