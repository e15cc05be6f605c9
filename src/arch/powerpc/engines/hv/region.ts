/**
 * Translates one region: the code reachable from a hot address by direct branches inside its page, as one WebAssembly
 * function. Loops stay loops; registers are loaded on entry and stored on exit; a fault leaves in the middle of a block with
 * the registers as the instruction found them.
 */
import type { FunctionBuilder, Label } from "../../../../wasm/function-builder.js";
import { integerOpcodes, Op } from "../../../../wasm/opcodes.js";
import type { Variant } from "../../isa/pattern.js";
import { type Exits, emit, type Node, type Recording } from "../shared/ir.js";
import { codePage, state } from "../shared/layout.js";
import { type AccessContext, checkFault } from "../shared/memory-access.js";
import type { RuntimeFunctions } from "../shared/recorder.js";
import { analyse, type BasicBlock, type FlowGraph, type FlowNode } from "./control-flow.js";
import { emitComeFrom, RegionRecorder, regionFunction, regionLocals } from "./region-recorder.js";

/** Instructions a region may have: more than any hot loop, and a body that V8 still optimises well. */
const instructionLimit = 400;

interface Recorded {
  readonly offset: number;
  readonly recording: Recording;
  /** It sets LR: a call leaves the region, and what it returns to is looked up again. */
  readonly isCall: boolean;
}

export interface RegionSource {
  /** Offset of the entry from the region's base. */
  readonly entry: number;
  /** The instruction at this offset: undefined outside the region's page or where code is not to be translated. */
  fetch(offset: number): { variant: Variant; word: number } | undefined;
}

/** Pays for instructions: budget counts bytes of decoded entries. */
const price = (instructions: number): number => instructions * codePage.entrySize;

/** A recorder for regions of one byte order. `runtime` gives the index of each routine in the module being built. */
export function regionRecorder(littleEndian: boolean, runtime: RuntimeFunctions): RegionRecorder {
  const access: AccessContext = {
    state: regionLocals.state,
    table: (f) => f.get(regionLocals.table),
    asid: (f) => f.get(regionLocals.asid),
    slow: (name) => runtime.helper(name),
    checkFault: checkFault(regionLocals.state),
  };
  return new RegionRecorder({ mode64: true, littleEndian, runtime, access }, regionFunction());
}

export class RegionTranslator {
  readonly #f = regionFunction();
  readonly #source: RegionSource;
  readonly #recorder: RegionRecorder;
  readonly #instructions = new Map<number, Recorded>();
  #exit: Label | undefined;
  #exitHandedOver: Label | undefined;
  #graph: FlowGraph<Recorded> | undefined;
  /** Labels of the open loops and blocks, by position of the flow node they lead to. */
  readonly #loops = new Map<number, Label>();
  readonly #merges = new Map<number, Label>();

  constructor(source: RegionSource, recorder: RegionRecorder) {
    this.#source = source;
    this.#recorder = recorder;
    recorder.restart(this.#f);
  }

  /** Number of guest instructions in the region. */
  get length(): number {
    return this.#instructions.size;
  }

  /** Whether it ends where it does because it would have become too long. */
  get cut(): boolean {
    return this.length >= instructionLimit;
  }

  /** Offsets of the 4 KiB pages that the region has instructions in. */
  get pages(): Set<number> {
    return new Set([...this.#instructions.keys()].map((offset) => offset >> codePage.shift));
  }

  /**
   * The function, (state) -> 1 if it ends with a jump to pc, 0 if more may have changed (an interrupt, the context, an
   * exit); undefined if there is nothing worth translating at the entry. */
  translate(): FunctionBuilder | undefined {
    const blocks = this.#discover();
    if (blocks.size === 0) return undefined;
    this.#graph = analyse(this.#source.entry, blocks);
    const f = this.#f;
    this.#prologue();
    this.#exitHandedOver = f.block();
    this.#exit = f.block();
    this.#tree(this.#graph.nodes[0] as FlowNode<Recorded>);
    f.op(Op.unreachable);
    f.end();
    for (const register of this.#recorder.held.values()) if (register.written) this.#storeHeld(register);
    emitComeFrom(f);
    f.end();
    f.get(0);
    f.get(regionLocals.budget);
    f.memory(Op["i32.store"], state.budget.offset);
    f.get(regionLocals.jumps);
    return f;
  }

  /** Records what can be reached and divides it into blocks. */
  #discover(): Map<number, BasicBlock<Recorded>> {
    const leaders = new Set<number>([this.#source.entry]);
    const work = [this.#source.entry];
    const targets = new Map<number, number[]>();
    for (let offset = work.pop(); offset !== undefined; offset = work.pop()) {
      for (let at = offset; !this.#instructions.has(at); at += 4) {
        const fetched = this.#instructions.size < instructionLimit ? this.#source.fetch(at) : undefined;
        if (!fetched) break;
        const recording = this.#recorder.instruction(fetched.variant, fetched.word, at);
        if (!recording) break;
        const isCall = fetched.variant.flags.lk === true;
        this.#instructions.set(at, { offset: at, recording, isCall });
        const jumps: number[] = [];
        for (const target of recording.jumps) {
          const displacement = target.displacement?.constant;
          if (typeof displacement === "number" && !isCall) jumps.push(at + displacement);
        }
        targets.set(at, jumps);
        for (const to of jumps) {
          leaders.add(to);
          work.push(to);
        }
        if (jumps.length > 0) leaders.add(at + 4);
        if (!recording.fallsThrough) break;
      }
    }
    const blocks = new Map<number, BasicBlock<Recorded>>();
    for (const start of leaders) {
      const instructions: Recorded[] = [];
      const successors: number[] = [];
      for (let at = start; ; at += 4) {
        const instruction = this.#instructions.get(at);
        if (!instruction) break;
        instructions.push(instruction);
        for (const to of targets.get(at) ?? []) if (this.#instructions.has(to)) successors.push(to);
        if (!instruction.recording.fallsThrough) break;
        if (leaders.has(at + 4)) {
          if (this.#instructions.has(at + 4)) successors.push(at + 4);
          break;
        }
      }
      if (instructions.length > 0) blocks.set(start, { start, instructions, successors });
    }
    return blocks;
  }

  #prologue(): void {
    const f = this.#f;
    f.get(0);
    f.memory(Op["i64.load"], state.pc.offset);
    f.i64Const(BigInt(this.#source.entry));
    f.op(integerOpcodes.sub[1]);
    f.set(regionLocals.base);
    for (const [local, field] of [
      [regionLocals.budget, "budget"],
      [regionLocals.table, "tlb"],
      [regionLocals.asid, "asid"],
    ] as const) {
      f.get(0);
      f.memory(state[field].type === "i32" ? Op["i32.load"] : Op["i64.load"], state[field].offset);
      f.set(local);
    }
    for (const { type, offset, local } of this.#recorder.held.values()) {
      f.get(0);
      f.memory(type === "i32" ? Op["i32.load"] : Op["i64.load"], offset);
      f.set(local);
    }
  }

  #storeHeld(register: { type: "i32" | "i64"; offset: number; local: number }): void {
    this.#f.get(0);
    this.#f.get(register.local);
    this.#f.memory(register.type === "i32" ? Op["i32.store"] : Op["i64.store"], register.offset);
  }

  #pay(instructions: number): void {
    const f = this.#f;
    if (instructions === 0) return;
    f.get(regionLocals.budget);
    f.i32Const(price(instructions));
    f.op(integerOpcodes.sub[0]);
    f.set(regionLocals.budget);
  }

  #storePc(offset: number): void {
    const f = this.#f;
    f.get(0);
    f.get(regionLocals.base);
    f.i64Const(BigInt(offset));
    f.op(integerOpcodes.add[1]);
    f.memory(Op["i64.store"], state.pc.offset);
  }

  /** Emits a block and all that it dominates (Ramsey, "Beyond Relooper": one nesting for each dominator tree). */
  #tree(node: FlowNode<Recorded>): void {
    const f = this.#f;
    const merges = node.dominated.filter((n) => (this.#graph?.nodes[n]?.forwardEdges ?? 0) > 1);
    if (node.isLoop) {
      this.#loops.set(node.order, f.loop());
      this.#within(node, merges);
      this.#loops.delete(node.order);
      f.end();
      return;
    }
    this.#within(node, merges);
  }

  /** The block inside one wasm block for each place where several paths of its meet, the latest outermost. */
  #within(node: FlowNode<Recorded>, merges: readonly number[]): void {
    const f = this.#f;
    const last = merges.at(-1);
    if (last === undefined) {
      this.#block(node);
      return;
    }
    this.#merges.set(last, f.block());
    this.#within(node, merges.slice(0, -1));
    this.#merges.delete(last);
    f.end();
    this.#tree(this.#graph?.nodes[last] as FlowNode<Recorded>);
  }

  #block(node: FlowNode<Recorded>): void {
    const { instructions } = node.block;
    instructions.forEach((instruction, i) => {
      emit(this.#f, instruction.recording, this.#exits(node, instruction, i));
    });
    const last = instructions.at(-1) as Recorded;
    if (last.recording.fallsThrough) this.#go(node, last.offset + 4, instructions.length);
  }

  /** Goes on at `offset` having completed `count` instructions of the block. */
  #go(from: FlowNode<Recorded>, offset: number, count: number): void {
    const f = this.#f;
    const graph = this.#graph as FlowGraph<Recorded>;
    const position = graph.position(offset);
    const kind = position === undefined ? "leave" : graph.edge(from.order, position);
    this.#pay(count);
    if (position === undefined || kind === "leave") {
      this.#leaveTo(offset);
      return;
    }
    if (kind === "back") {
      // The slice may be over: requests and interrupts are looked at outside.
      f.get(regionLocals.budget);
      f.i32Const(0);
      f.op(integerOpcodes.geS[0]);
      f.brIf(this.#loops.get(position) as Label);
      this.#leaveTo(offset);
      return;
    }
    const merge = this.#merges.get(position);
    if (merge) f.br(merge);
    else this.#tree(graph.nodes[position] as FlowNode<Recorded>);
  }

  #leaveTo(offset: number): void {
    this.#storePc(offset);
    this.#leaveByJump();
  }

  /** Leaves, pc being set to where the guest goes on. */
  #leaveByJump(): void {
    this.#f.i32Const(1);
    this.#f.set(regionLocals.jumps);
    this.#f.br(this.#exit as Label);
  }

  #exits(node: FlowNode<Recorded>, { offset, isCall }: Recorded, index: number): Exits {
    const exit = this.#exit as Label;
    const handedOver = this.#exitHandedOver as Label;
    return {
      storePc: () => this.#storePc(offset),
      fault: (f) => {
        this.#pay(index);
        f.get(0);
        f.i32Const(0);
        f.memory(Op["i32.store"], state.fault.offset);
        f.br(exit);
      },
      leave: (f) => {
        this.#pay(index + 1);
        f.br(exit);
      },
      handOver: (f) => {
        for (const register of this.#recorder.held.values()) if (register.written) this.#storeHeld(register);
        emitComeFrom(f);
      },
      leaveHandedOver: (f) => {
        this.#pay(index + 1);
        f.br(handedOver);
      },
      jump: (f, target: Node, value) => {
        f.i32Const(offset | 1);
        f.set(regionLocals.from);
        const displacement = target.displacement?.constant;
        if (typeof displacement === "number" && !isCall) {
          this.#go(node, offset + displacement, index + 1);
          return;
        }
        const address = f.local("i64");
        value(target);
        f.i64Const(-4n);
        f.op(integerOpcodes.and[1]);
        f.set(address);
        f.get(0);
        f.get(address);
        f.memory(Op["i64.store"], state.pc.offset);
        f.release(address);
        this.#pay(index + 1);
        this.#leaveByJump();
      },
    };
  }
}
