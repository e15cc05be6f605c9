/**
 * What a recorded instruction consists of, and how it becomes WebAssembly.
 *
 * Values are nodes; whatever has an order is a statement. A node that is used once is emitted where it is used, as part of
 * one stack expression; one that is used more often, or whose use lies behind a write to what it reads, goes into a
 * local where it was made. Nodes that nobody uses are not emitted.
 */
import type { Value, width } from "../semantics/values.js";
import type { Expected, FunctionBuilder, Label } from "../wasm/function-builder.js";

export type Type = "i32" | "i64" | "f64" | "v128";
/** Something of the machine that is read and written: "gpr", "cr", "reg:so"... An engine picks the grain. */
export type Resource = string;

/**
 * A number that the instruction word alone decides: known where the instruction is emitted, which its recording serves many
 * of. It may be calculated with; a recording whose shape depends on it cannot serve others (`OperandDecides`).
 */
export interface Late<T extends number | bigint = number | bigint> {
  at(word: number): T;
  /** What it is in the word that is being recorded. */
  readonly now: T;
  /** Names of the operands that it comes from. */
  readonly operands: readonly string[];
}

/** Thrown while recording: what these operands are decides what is recorded. */
export class OperandDecides extends Error {
  constructor(readonly operands: readonly string[]) {
    super(`operands that decide what an instruction is recorded as: ${operands.join(", ")}`);
  }
}

/** What a body's values are: `Value` is all that a body sees of it. */
export class Node<T extends Type = Type> implements Value<T> {
  declare readonly [width]: T;
  /** Present in constants: numbers for i32 (signed), bigints for i64 (signed) and v128 (unsigned). */
  readonly constant: number | bigint | undefined;
  /** Set for an address in code relative to this instruction: its displacement in bytes. */
  displacement: Node<"i32"> | undefined;
  /** Set for a number that is known when it is emitted. */
  late: Late | undefined;
  /** Set for an operand field of a run-time instruction word: its place, so that scaled forms need no extra shift. */
  field: { readonly shift: number; readonly width: number } | undefined;

  /** Set for a sum of a leaf and a constant: addresses off one register are recognised by it. */
  sum: { readonly of: Node; readonly plus: Node } | undefined;
  /** Set for an address that has been cut to the bits of addresses: what it was before. */
  uncut: Node | undefined;

  // Written while planning.
  uses = 0;
  local = -1;
  lastUse = -1;
  usedInLoop = -1;

  constructor(
    readonly type: T,
    readonly args: readonly Node[],
    /** Emits the operation; its arguments are on the stack. */
    readonly code: (f: FunctionBuilder) => void,
    /** Position in the recording. */
    readonly position: number,
    readonly loop: number,
    /** What it reads of the machine. */
    readonly reads: Resource | undefined = undefined,
    /** Cheap enough to emit at each use: a constant, a local. */
    readonly leaf = false,
    constant?: number | bigint,
  ) {
    this.constant = constant;
  }
}

/** A storage access whose address is a register's value plus a constant. */
export interface PlainAccess {
  /** Reads the register. */
  readonly register: Node;
  /** The constant, or late. */
  readonly displacement: Node;
  /** Bytes. */
  readonly size: number;
  readonly stores: boolean;
}

/** Where its bytes lie: at the address in a local of type i32, plus an offset. */
export interface Direct {
  readonly local: number;
  readonly offset: number;
}

export interface Exits {
  /** Emits the store of this instruction's address to the state's pc. */
  storePc(f: FunctionBuilder): void;
  /** Leaves: an interrupt was delivered or the engine must return; pc is set. The instruction does not count. */
  fault(f: FunctionBuilder): void;
  /** Leaves: pc is set, the instruction counts. */
  leave(f: FunctionBuilder): void;
  /** Before a routine that may read and write any register, and sets pc: what is held in locals goes to the state. */
  handOver(f: FunctionBuilder): void;
  /** After it: leaves, the state being the truth. */
  leaveHandedOver(f: FunctionBuilder): void;
  /** Goes on at `target`. `emit` pushes a node's value. */
  jump(f: FunctionBuilder, target: Node, emit: (node: Node) => void): void;
  /** Before what may fault on memory: an engine that keeps registers in locals may want them in the state. */
  beforeFault?(f: FunctionBuilder): void;
  /**
   * Where an access goes that the soft TLB does not have, if it does not call: everything is prepared for leaving the
   * instruction undone, under the condition that the caller branches by.
   */
  miss?(f: FunctionBuilder): Label;
  /** Leaves the instruction undone: the interpreter does all of it. An engine that is the interpreter has no need of it. */
  undone?(f: FunctionBuilder): void;
  /** Where the bytes of an access lie that has been checked together with others, or is now. */
  direct?(f: FunctionBuilder): Direct | undefined;
  /** Emits what runs only under a condition, or again: what an engine knows of registers is after it as it was before. */
  arm?(body: () => void): void;
}

export type Statement =
  | { readonly op: "define"; readonly node: Node }
  | {
      readonly op: "effect";
      readonly position: number;
      readonly args: readonly Node[];
      readonly writes: readonly Resource[];
      /** Receives the arguments on the stack; leaves the result, if any. */
      readonly code: (f: FunctionBuilder, exits: Exits) => void;
      readonly result: Node | undefined;
      /** It is this access, the address its first argument; and how it is done where it needs no check. */
      readonly plain?: {
        readonly access: PlainAccess;
        readonly code: (f: FunctionBuilder, at: Direct, value: () => void) => void;
      };
    }
  | {
      readonly op: "if";
      readonly condition: Node;
      readonly then: Statement[];
      readonly otherwise: Statement[];
      /** What the condition nearly always is. */
      readonly expected?: Expected | undefined;
    }
  | { readonly op: "repeat"; readonly count: Node; readonly index: Node; readonly body: Statement[] }
  | { readonly op: "jump"; readonly target: Node };

/** One instruction, recorded. */
export interface Recording {
  readonly statements: readonly Statement[];
  readonly nodes: readonly Node[];
  /** Positions of the writes to each resource, ascending. */
  readonly writes: ReadonlyMap<Resource, readonly number[]>;
  /** Uses by statements: node, position of the statement, loop it is in. */
  readonly roots: readonly { readonly node: Node; readonly position: number; readonly loop: number }[];
  /** Targets of its jumps. */
  readonly jumps: readonly Node[];
  /** Whether the next instruction in storage may follow. */
  readonly fallsThrough: boolean;
}

/** A recording ready to be emitted, without what only planning needed. */
export interface Planned {
  readonly statements: readonly Statement[];
  /** Nodes that get a local. */
  readonly needsLocal: ReadonlySet<Node>;
}

function markUse(node: Node, position: number, loop: number): void {
  node.uses++;
  if (position > node.lastUse) node.lastUse = position;
  if (loop !== node.loop) node.usedInLoop = loop;
}

/** The value of a constant or a late number, in this instruction word; undefined for what is neither. */
export function numberIn(node: Node | undefined, word: number): number | undefined {
  const value = node?.constant ?? node?.late?.at(word);
  return value === undefined ? undefined : Number(value);
}

/** Decides which nodes get a local, from the last to the first so that a node's users are known. */
export function plan(recording: Recording): Planned {
  const needsLocal = new Set<Node>();
  for (const { node, position, loop } of recording.roots) markUse(node, position, loop);
  for (let i = recording.nodes.length - 1; i >= 0; i--) {
    const node = recording.nodes[i] as Node;
    if (node.uses === 0) continue;
    let local = node.local >= 0;
    if (!local && node.constant === undefined) {
      const shared = node.uses > 1 && !node.leaf;
      const looped = node.usedInLoop >= 0 && !(node.leaf && node.reads === undefined);
      local = shared || looped || (node.reads !== undefined && isWritten(recording, node));
      if (local) needsLocal.add(node);
    }
    const position = local ? node.position : node.lastUse;
    const loop = local || node.usedInLoop < 0 ? node.loop : node.usedInLoop;
    for (const arg of node.args) markUse(arg, position, loop);
  }
  return { statements: recording.statements, needsLocal };
}

function isWritten(recording: Recording, node: Node): boolean {
  const positions = recording.writes.get(node.reads as Resource);
  if (!positions) return false;
  for (const p of positions) if (p >= node.position && p < node.lastUse) return true;
  return false;
}

/**
 * Emits a recording into `f`. Locals it takes are given back at the end. It can be emitted again, into another function
 * too, but not while it is being emitted.
 */
export function emit(f: FunctionBuilder, { statements, needsLocal }: Planned, exits: Exits): void {
  const arm = (body: () => void) => (exits.arm ? exits.arm(body) : body());
  const taken: number[] = [];
  const localFor = (node: Node): number => {
    const local = f.local(node.type);
    taken.push(local);
    node.local = local;
    return local;
  };
  const value = (node: Node): void => {
    if (node.local >= 0) {
      f.get(node.local);
      return;
    }
    for (const arg of node.args) value(arg);
    node.code(f);
  };
  const all = (statements: readonly Statement[]): void => {
    for (const s of statements) {
      switch (s.op) {
        case "define":
          if (!needsLocal.has(s.node)) break;
          for (const arg of s.node.args) value(arg);
          s.node.code(f);
          f.set(localFor(s.node));
          break;
        case "effect": {
          const direct = s.plain && exits.direct?.(f);
          if (s.plain && direct) s.plain.code(f, direct, () => value(s.args[1] as Node));
          else {
            for (const arg of s.args) value(arg);
            s.code(f, exits);
          }
          if (s.result) {
            if (s.result.uses > 0) f.set(localFor(s.result));
            else f.drop();
          }
          break;
        }
        case "if":
          value(s.condition);
          f.if(undefined, s.expected);
          arm(() => all(s.then));
          if (s.otherwise.length > 0) {
            f.else();
            arm(() => all(s.otherwise));
          }
          f.end();
          break;
        case "repeat": {
          const index = localFor(s.index);
          const count = f.local("i32");
          taken.push(count);
          value(s.count);
          f.set(count);
          f.i32Const(0);
          f.set(index);
          const done = f.block();
          const again = f.loop();
          f.get(index);
          f.get(count);
          f.i32("geS");
          f.brIf(done);
          arm(() => all(s.body));
          f.get(index);
          f.i32Const(1);
          f.i32("add");
          f.set(index);
          f.br(again);
          f.end();
          f.end();
          break;
        }
        case "jump":
          exits.jump(f, s.target, value);
          break;
        default:
          s satisfies never;
      }
    }
  };
  all(statements);
  for (const local of taken) f.release(local);
}
