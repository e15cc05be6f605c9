/**
 * Translates one region, as one WebAssembly function: the code that a hot address leads to by direct branches inside its page,
 * going on behind calls. It is entered at that address or where a call of its returns to.
 *
 * Loops stay loops. A call of the guest's is a call here: the function of what is called runs and, if it comes back to the
 * return address, this one goes on; otherwise it returns too, so that interrupts, context switches and the like unwind all
 * by themselves. A fault leaves in the middle of a block with the registers as the instruction found them.
 */

import { codePage, state, tlb } from "../../arch/powerpc/engines/layout.js";
import {
  emitCameFrom,
  emitComeFrom,
  held,
  type Place,
  RegionRecorder,
  regionFunction,
  regionLocals,
  type Template,
} from "../../arch/powerpc/engines/region-recorder.js";
import { bcctr, bclr } from "../../arch/powerpc/isa/instructions/branch.js";
import type { Variant } from "../../arch/powerpc/isa/pattern.js";
import type { FunctionBuilder, Label } from "../../wasm/function-builder.js";
import { conversionOpcodes, integerOpcodes, Op } from "../../wasm/opcodes.js";
import { type Exits, emit, type Node } from "../ir.js";
import { type AccessContext, checkFault, emitCheck } from "../memory-access.js";
import type { RuntimeFunctions } from "../recorder.js";
import { callDepth } from "../region-entry.js";
import { type AccessGroup, accessGroups } from "./access-groups.js";
import { analyse, type BasicBlock, type FlowGraph, type FlowNode } from "./control-flow.js";
import { emitCall, emitGoOn, instead } from "./linkage.js";
import { type Knowledge, RegisterFile } from "./register-file.js";

/** Instructions a region may have: more than any hot loop, and a body that V8 still optimises well. */
const instructionLimit = 500;
/** Value of the local `jumps`: a return, which the caller compares with its return address. */
const returns = 2;
/** Ways in that a region may have; beyond that, calls are left to return through a look-up. */
const entryLimit = 48;
/** Entries of a jump table that are looked at, and distance between the places that it leads to, in instructions. */
const tableLimit = 512;
const tableSpread = 2048;

interface Instruction {
  readonly offset: number;
  readonly template: Template;
  /** It sets LR for a return to what is behind it. */
  readonly isCall: boolean;
  /** It jumps to LR. */
  readonly isReturn: boolean;
  /** Offsets that it may jump to, in ascending order, if a table of them stands behind it. */
  readonly table: readonly number[];
}

export interface RegionSource {
  /** Bytes of the page that the region lies in; offsets count from its start. */
  readonly span: number;
  /** An access that the soft TLB does not have calls; otherwise it leaves the region, which keeps the code small. */
  readonly missesCall: boolean;
  /** The platform has tail calls. */
  readonly tailCalls: boolean;
  readonly entry: number;
  /** The instruction at this offset: undefined outside the region's page or where code is not to be translated. */
  fetch(offset: number): { variant: Variant; word: number } | undefined;
  /** What stands at this offset, code or not: undefined outside the region's page. */
  word(offset: number): number | undefined;
  /** Address of the decoded entry of a call's target; undefined if it lies outside the region's page. */
  decodedEntry(offset: number): number | undefined;
}

/** Pays for instructions: budget counts bytes of decoded entries. */
const price = (instructions: number): number => instructions * codePage.entrySize;

function accessContext(runtime: RuntimeFunctions): AccessContext {
  return {
    layout: { state, tlb, codePage },
    state: regionLocals.state,
    table: (f) => f.get(regionLocals.table),
    asid: (f) => f.get(regionLocals.asid),
    slow: (name) => runtime.helper(name),
    checkFault: checkFault({ state, tlb, codePage }, regionLocals.state),
  };
}

/** A recorder for regions of one byte order. `runtime` gives the index of each routine in the modules of regions. */
export function regionRecorder(littleEndian: boolean, fused: boolean, runtime: RuntimeFunctions): RegionRecorder {
  return new RegionRecorder({ mode64: true, littleEndian, fused, runtime, access: accessContext(runtime) });
}

export class RegionTranslator {
  readonly #f = regionFunction();
  readonly #file = new RegisterFile(this.#f, regionLocals.state, held);
  readonly #place: Place = { file: this.#file, offset: 0 };
  readonly #source: RegionSource;
  readonly #recorder: RegionRecorder;
  readonly #access: AccessContext;
  readonly #instructions = new Map<number, Instruction>();
  /** Return addresses that lead back in. */
  readonly #returns = new Set<number>();
  /** Where the state is complete but for CFAR and the budget; and where it is complete. */
  #exit: Label | undefined;
  #exitHandedOver: Label | undefined;
  /** Where an instruction is left undone; the local `at` says which. */
  #undone: Label | undefined;
  /** The same two for the loop that code is being emitted for: its registers are stored there. */
  #loopExit: Label | undefined;
  #loopUndone: Label | undefined;
  #wayIn: Label | undefined;
  #graph: FlowGraph<Instruction> | undefined;
  /** Labels of the open loops and blocks, by position of the flow node they lead to. */
  readonly #loops = new Map<number, Label>();
  readonly #merges = new Map<number, Label>();
  /** What is known of the registers at a merge, whichever way it is reached. */
  readonly #met = new Map<number, Knowledge>();

  constructor(source: RegionSource, recorder: RegionRecorder) {
    this.#source = source;
    this.#recorder = recorder;
    recorder.place = this.#place;
    this.#access = accessContext(recorder.routines);
  }

  /** Number of guest instructions in the region. */
  get length(): number {
    return this.#instructions.size;
  }

  /** Whether it ends where it does because it would have become too long. */
  get cut(): boolean {
    return this.length >= instructionLimit;
  }

  /** Offsets of the 4 KiB pages that the region has instructions in, or calls. */
  get pages(): Set<number> {
    return this.#pages;
  }
  readonly #pages = new Set<number>();

  /** Offsets that the function can be entered at, in the order of its parameter. */
  get entries(): readonly number[] {
    return this.#graph?.entries ?? [];
  }

  /** The function; undefined if there is nothing worth translating at the entry. */
  translate(): FunctionBuilder | undefined {
    const blocks = this.#discover();
    if (blocks.size === 0) return undefined;
    const graph = analyse([...new Set([this.#source.entry, ...this.#returns])], blocks);
    this.#graph = graph;
    const f = this.#f;
    this.#prologue();
    this.#exitHandedOver = f.block();
    this.#exit = f.block();
    this.#undone = f.block();
    const [wayIn] = graph.nodes as [FlowNode<Instruction>];
    if (graph.entries.length === 1 && !graph.goesAround) this.#tree(graph.nodes[1] as FlowNode<Instruction>);
    else {
      this.#wayIn = f.loop();
      this.#within(wayIn, wayIn.dominated);
      f.end();
    }
    f.op(Op.unreachable);
    f.end();
    this.#leaveUndone();
    f.end();
    emitComeFrom(f);
    this.#storeBudget();
    if (this.#source.tailCalls) {
      // A return is for who called; if nobody did here, it is a jump like others.
      f.get(regionLocals.jumps);
      f.i32Const(1);
      f.op(integerOpcodes.eq[0]);
      f.get(regionLocals.jumps);
      f.i32Const(returns);
      f.op(integerOpcodes.eq[0]);
      f.get(regionLocals.depth);
      f.i32Const(callDepth);
      f.op(integerOpcodes.eq[0]);
      f.op(integerOpcodes.and[0]);
      f.op(integerOpcodes.or[0]);
      f.if();
      emitGoOn(f, regionLocals);
      f.end();
    }
    f.get(regionLocals.jumps);
    f.return();
    f.end();
    this.#storeBudget();
    f.i32Const(0);
    return f;
  }

  /** An instruction that faulted, or that the interpreter is to do: `at` tells which, and which of the two. */
  #leaveUndone(): void {
    const f = this.#f;
    f.get(regionLocals.budget);
    f.get(regionLocals.at);
    f.i32Const(16);
    f.op(integerOpcodes.shrU[0]);
    f.i32Const(0x7fff);
    f.op(integerOpcodes.and[0]);
    f.i32Const(codePage.entrySize);
    f.op(integerOpcodes.mul[0]);
    f.op(integerOpcodes.sub[0]);
    f.set(regionLocals.budget);
    f.get(regionLocals.at);
    f.i32Const(0);
    f.op(integerOpcodes.ltS[0]);
    f.if();
    f.get(regionLocals.state);
    f.get(regionLocals.base);
    f.get(regionLocals.at);
    f.i32Const(0xffff);
    f.op(integerOpcodes.and[0]);
    f.op(conversionOpcodes.extendU);
    f.op(integerOpcodes.add[1]);
    f.memory(Op["i64.store"], state.pc.offset);
    emitComeFrom(f);
    this.#storeBudget();
    f.get(regionLocals.state);
    f.call(instead);
    f.return();
    f.end();
    f.get(regionLocals.state);
    f.i32Const(0);
    f.memory(Op["i32.store"], state.fault.offset);
  }

  #storeBudget(): void {
    this.#f.get(regionLocals.state);
    this.#f.get(regionLocals.budget);
    this.#f.memory(Op["i32.store"], state.budget.offset);
  }

  /** Sets `at` for leaving the instruction undone. */
  #setAt(offset: number, before: number, missed: boolean): Label {
    const f = this.#f;
    f.i32Const(offset | (before << 16) | (missed ? 1 << 31 : 0));
    f.set(regionLocals.at);
    return (this.#loopUndone ?? this.#undone) as Label;
  }

  /** Finds what can be reached and divides it into blocks. */
  #discover(): Map<number, BasicBlock<Instruction>> {
    const leaders = new Set<number>([this.#source.entry]);
    const work = [this.#source.entry];
    const targets = new Map<number, number[]>();
    // Nearest first, so that the limit cuts what is far.
    for (let next = 0; next < work.length; next++) {
      for (let at = work[next] as number; !this.#instructions.has(at); at += 4) {
        const fetched = this.#instructions.size < instructionLimit ? this.#source.fetch(at) : undefined;
        if (!fetched) break;
        const template = this.#recorder.template(fetched.variant, fetched.word);
        if (!template) break;
        const { jumps: displacements, fallsThrough } = template;
        // bl .+4 asks for its own address: nothing returns from there.
        const isCall = fetched.variant.flags.lk === true && displacements[0] !== 4;
        const { definition } = fetched.variant;
        const table = definition === bcctr && !isCall ? this.#jumpTable(at + 4) : [];
        this.#instructions.set(at, { offset: at, template, isCall, isReturn: definition === bclr, table });
        this.#pages.add(at >> codePage.shift);
        const followed: number[] = [...table];
        for (const displacement of displacements) {
          if (isCall) followed.push(at + 4);
          else if (displacement !== undefined) followed.push(at + displacement);
        }
        targets.set(at, followed);
        for (const to of followed) {
          leaders.add(to);
          work.push(to);
        }
        if (isCall && this.#returns.size < entryLimit - 1) this.#returns.add(at + 4);
        if (followed.length > 0) leaders.add(at + 4);
        if (!fallsThrough) break;
      }
    }
    for (const at of this.#returns) if (!this.#instructions.has(at)) this.#returns.delete(at);
    const blocks = new Map<number, BasicBlock<Instruction>>();
    for (const start of leaders) {
      const instructions: Instruction[] = [];
      const successors: number[] = [];
      let calls = false;
      for (let at = start; ; at += 4) {
        const instruction = this.#instructions.get(at);
        if (!instruction) break;
        instructions.push(instruction);
        for (const to of targets.get(at) ?? []) {
          // Behind a call that is left to return through a look-up, nothing follows here.
          if (instruction.isCall && !this.#returns.has(to)) continue;
          if (instruction.isCall) calls = true;
          if (this.#instructions.has(to)) successors.push(to);
        }
        if (!instruction.template.fallsThrough) break;
        if (leaders.has(at + 4)) {
          if (this.#instructions.has(at + 4)) successors.push(at + 4);
          break;
        }
      }
      if (instructions.length > 0) blocks.set(start, { start, instructions, successors, calls });
    }
    return blocks;
  }

  /**
   * Where the jump table at this offset leads to, as compilers make them for this processor: words in the text behind the
   * jump, each the distance of a place from the table. Nothing depends on its being one, or on its staying as it is: what
   * goes elsewhere leaves the region.
   */
  #jumpTable(start: number): number[] {
    const found = new Set<number>();
    // The first place stands behind the table.
    let end = start + 4 * tableLimit;
    for (let at = start; at < end; at += 4) {
      const word = this.#source.word(at);
      if (word === undefined || word % 4 !== 0) break;
      const to = start + (word | 0);
      if (to > at && to < end) end = to;
      if (this.#source.fetch(to)) found.add(to);
    }
    const places = [...found].sort((a, b) => a - b);
    return places.filter((to) => to - (places[0] as number) < 4 * tableSpread);
  }

  #prologue(): void {
    const f = this.#f;
    const load = (field: "pc" | "budget" | "tlb" | "asid") => {
      f.get(regionLocals.state);
      f.memory(state[field].type === "i32" ? Op["i32.load"] : Op["i64.load"], state[field].offset);
    };
    // The page may be known by several addresses.
    load("pc");
    f.i64Const(-BigInt(this.#source.span));
    f.op(integerOpcodes.and[1]);
    f.set(regionLocals.base);
    for (const field of ["budget", "asid"] as const) {
      load(field);
      f.set(regionLocals[field]);
    }
    load("tlb");
    f.set(regionLocals.table);
  }

  #pay(instructions: number): void {
    const f = this.#f;
    if (instructions === 0) return;
    f.get(regionLocals.budget);
    f.i32Const(price(instructions));
    f.op(integerOpcodes.sub[0]);
    f.set(regionLocals.budget);
  }

  #pushAddress(offset: number): void {
    const f = this.#f;
    f.get(regionLocals.base);
    f.i64Const(BigInt(offset));
    f.op(integerOpcodes.add[1]);
  }

  #storePc(offset: number): void {
    this.#f.get(regionLocals.state);
    this.#pushAddress(offset);
    this.#f.memory(Op["i64.store"], state.pc.offset);
  }

  /** Emits a block and all that it dominates (Ramsey, "Beyond Relooper": one nesting for each dominator tree). */
  #tree(node: FlowNode<Instruction>): void {
    const f = this.#f;
    const merges = node.dominated.filter((n) => (this.#graph?.nodes[n]?.forwardEdges ?? 0) > 1);
    if (!node.isLoop) {
      this.#within(node, merges);
      return;
    }
    const outermost = !this.#file.inLoop;
    let leave: Label | undefined;
    if (outermost) {
      this.#enterLoop(node);
      leave = f.block();
      this.#loopExit = leave;
      this.#loopUndone = f.block();
      this.#outermost = this.#graph?.loop(node.order);
    }
    this.#loops.set(node.order, f.loop());
    this.#within(node, merges);
    this.#loops.delete(node.order);
    f.end();
    if (outermost) {
      f.op(Op.unreachable);
      f.end();
      this.#file.storeKept();
      f.br(this.#undone as Label);
      f.end();
      this.#file.storeKept();
      this.#loopExit = undefined;
      this.#loopUndone = undefined;
      this.#outermost = undefined;
      this.#file.endLoop();
      f.br(this.#exit as Label);
    }
  }
  #outermost: ReadonlySet<number> | undefined;

  #enterLoop(header: FlowNode<Instruction>): void {
    const reads = new Uint8Array(held.length);
    const writes = new Uint8Array(held.length);
    for (const position of this.#graph?.loop(header.order) ?? []) {
      for (const { template } of this.#graph?.nodes[position]?.block.instructions ?? []) {
        for (const n of template.reads) reads[n] = 1;
        for (const n of template.writes) writes[n] = 1;
      }
    }
    this.#file.enterLoop(reads, writes);
  }

  /** The block inside one wasm block for each place where several paths of its meet, the latest outermost. */
  #within(node: FlowNode<Instruction>, merges: readonly number[]): void {
    const f = this.#f;
    const last = merges.at(-1);
    if (last === undefined) {
      if (node.order === 0) this.#dispatch();
      else this.#block(node);
      return;
    }
    this.#merges.set(last, f.block());
    this.#within(node, merges.slice(0, -1));
    this.#merges.delete(last);
    f.end();
    const target = this.#graph?.nodes[last] as FlowNode<Instruction>;
    const emitMerged = () => {
      // Nobody comes this way if a call was left to return through a look-up.
      this.#file.restore(this.#met.get(last) ?? new Uint8Array(held.length));
      this.#tree(target);
    };
    // What a loop's blocks dominate need not be part of the loop.
    if (this.#file.inLoop && !this.#outermost?.has(last)) this.#outside(emitMerged);
    else emitMerged();
  }

  #outside(body: () => void): void {
    const exit = this.#loopExit;
    const undone = this.#loopUndone;
    const outermost = this.#outermost;
    this.#loopExit = undefined;
    this.#loopUndone = undefined;
    this.#outermost = undefined;
    this.#file.outside(body);
    this.#loopExit = exit;
    this.#loopUndone = undone;
    this.#outermost = outermost;
  }

  /** The way in: a jump by the parameter. */
  #dispatch(): void {
    const f = this.#f;
    const graph = this.#graph as FlowGraph<Instruction>;
    const labels = graph.entries.map((start) => this.#merges.get(graph.position(start) as number) as Label);
    for (const start of graph.entries) this.#met.set(graph.position(start) as number, new Uint8Array(held.length));
    f.get(regionLocals.entry);
    f.brTable(labels, labels[0] as Label);
  }

  #block(node: FlowNode<Instruction>): void {
    const { instructions } = node.block;
    const groups = this.#source.missesCall ? [] : accessGroups(instructions.map(({ template }) => template));
    instructions.forEach((instruction, i) => {
      this.#place.offset = instruction.offset;
      const group = groups[i];
      const exits = this.#exits(node, instruction, i);
      this.#instruction(instruction, group ? { ...exits, direct: this.#direct(group, instruction.offset, i) } : exits);
      if (group?.last === i) this.#f.release(group.local as number);
    });
    const last = instructions.at(-1) as Instruction;
    if (last.template.fallsThrough) this.#go(node, last.offset + 4, instructions.length);
  }

  /** An access that is checked together with others: the first one makes the check. */
  #direct(group: AccessGroup, offset: number, before: number): Required<Exits>["direct"] {
    return (f, { displacement }) => {
      const { register, low, high, loads, stores } = group;
      if (group.local === undefined) {
        this.#file.flush();
        this.#file.read(register);
        f.i64Const(BigInt(low));
        f.op(integerOpcodes.add[1]);
        group.local = emitCheck(
          f,
          this.#access,
          { size: high - low, loads, stores },
          this.#setAt(offset, before, true),
        );
      }
      return { local: group.local, offset: displacement - low };
    };
  }

  #instruction({ template }: Instruction, exits: Exits): void {
    if (template.branches) {
      // So that all its paths agree on what the locals hold.
      for (const n of template.reads) this.#file.load(n);
      for (const n of template.writes) this.#file.load(n);
      for (const n of template.writes) this.#file.mayWrite(n);
    }
    const one = template.busy ? this.#recorder.another(template) : template;
    one.busy = true;
    emit(this.#f, one.planned, exits);
    one.busy = false;
  }

  /** Goes on at `offset` having completed `count` instructions of the block since it last paid. */
  #go(from: FlowNode<Instruction>, offset: number, count: number): void {
    const f = this.#f;
    const graph = this.#graph as FlowGraph<Instruction>;
    const position = graph.position(offset);
    this.#pay(count);
    if (position === undefined) {
      this.#leaveTo(offset);
      return;
    }
    const kind = graph.edge(from.order, position);
    if (kind === "back") {
      // The slice may be over: requests and interrupts are looked at outside.
      f.get(regionLocals.budget);
      f.i32Const(0);
      f.op(integerOpcodes.geS[0]);
      f.brIf(this.#loops.get(position) as Label);
      this.#leaveTo(offset);
      return;
    }
    const forward = () => {
      const merge = this.#merges.get(position);
      if (kind === "around" || merge) this.#file.flush();
      if (kind === "around") this.#goAround(offset);
      else if (merge) {
        this.#met.set(position, RegisterFile.meet(this.#met.get(position), this.#file.save()));
        f.br(merge);
      } else this.#tree(graph.nodes[position] as FlowNode<Instruction>);
    };
    if (this.#file.inLoop && !this.#outermost?.has(position)) {
      this.#file.storeKept();
      this.#outside(forward);
    } else forward();
  }

  /** By the way in, unless the slice is over. */
  #goAround(offset: number): void {
    const f = this.#f;
    f.i32Const((this.#graph as FlowGraph<Instruction>).entries.indexOf(offset));
    f.set(regionLocals.entry);
    f.get(regionLocals.budget);
    f.i32Const(0);
    f.op(integerOpcodes.geS[0]);
    f.brIf(this.#wayIn as Label);
    this.#leaveTo(offset);
  }

  /** To the end of the function, registers going to the state. */
  #leave(): void {
    if (this.#file.inLoop) this.#f.br(this.#loopExit as Label);
    else {
      this.#file.flush();
      this.#f.br(this.#exit as Label);
    }
  }

  #leaveTo(offset: number): void {
    this.#storePc(offset);
    this.#leaveByJump();
  }

  /** Leaves, pc being set to where the guest goes on. */
  #leaveByJump(how = 1): void {
    this.#f.i32Const(how);
    this.#f.set(regionLocals.jumps);
    this.#leave();
  }

  #exits(node: FlowNode<Instruction>, instruction: Instruction, index: number): Exits {
    const { offset, isCall } = instruction;
    const file = this.#file;
    return {
      storePc: () => this.#storePc(offset),
      beforeFault: () => file.flush(),
      arm: (body) => {
        const before = file.save();
        body();
        file.restore(before);
        this.#place.offset = offset;
      },
      fault: (f) => f.br(this.#setAt(offset, index, false)),
      ...(this.#source.missesCall ? {} : { miss: () => this.#setAt(offset, index, true) }),
      leave: () => {
        this.#pay(index + 1);
        this.#leave();
      },
      handOver: (f) => {
        if (file.inLoop) file.storeKept();
        else file.flush();
        emitComeFrom(f);
      },
      leaveHandedOver: (f) => {
        this.#pay(index + 1);
        f.br(this.#exitHandedOver as Label);
      },
      jump: (f, target: Node, value) => {
        f.i32Const(offset | 1);
        f.set(regionLocals.from);
        const places = instruction.table.filter((to) => this.#graph?.position(to) !== undefined);
        if (places.length > 0) {
          this.#choose(node, places, index + 1, () => value(target));
          return;
        }
        const displacement = target.displacement?.constant;
        const relative = typeof displacement === "number" ? offset + displacement : undefined;
        if (relative !== undefined && !isCall) {
          this.#go(node, relative, index + 1);
          return;
        }
        f.get(regionLocals.state);
        if (relative !== undefined) this.#pushAddress(relative);
        else {
          value(target);
          f.i64Const(-4n);
          f.op(integerOpcodes.and[1]);
        }
        f.memory(Op["i64.store"], state.pc.offset);
        this.#pay(index + 1);
        if (isCall && this.#returns.has(offset + 4)) this.#call(node, offset + 4, relative);
        else this.#leaveByJump(instruction.isReturn ? returns : 1);
      },
    };
  }

  /** Goes on where the address that is pushed says: at one of these places, or outside. */
  #choose(from: FlowNode<Instruction>, places: readonly number[], count: number, push: () => void): void {
    const f = this.#f;
    const target = f.local("i64");
    const [first] = places as [number];
    push();
    f.i64Const(-4n);
    f.op(integerOpcodes.and[1]);
    f.set(target);
    const elsewhere = f.block();
    // The latest outermost.
    const labels = new Map(places.toReversed().map((to) => [to, f.block()]));
    const distance = () => {
      f.get(target);
      this.#pushAddress(first);
      f.op(integerOpcodes.sub[1]);
    };
    distance();
    f.i64Const(BigInt((places.at(-1) as number) - first));
    f.op(integerOpcodes.gtU[1]);
    f.brIf(elsewhere);
    distance();
    f.op(conversionOpcodes.wrap);
    f.i32Const(2);
    f.op(integerOpcodes.shrU[0]);
    const steps = Array.from({ length: ((places.at(-1) as number) - first) / 4 + 1 }, (_, i) => first + 4 * i);
    f.brTable(
      steps.map((to) => labels.get(to) ?? elsewhere),
      elsewhere,
    );
    const before = this.#file.save();
    for (const to of places) {
      f.end();
      this.#go(from, to, count);
      this.#file.restore(before);
    }
    f.end();
    f.get(regionLocals.state);
    f.get(target);
    f.memory(Op["i64.store"], state.pc.offset);
    f.release(target);
    this.#pay(count);
    this.#leaveByJump();
  }

  /** Calls what pc names and goes on at `back` if it returns to there. */
  #call(node: FlowNode<Instruction>, back: number, target: number | undefined): void {
    const f = this.#f;
    this.#file.flush();
    emitCameFrom(f, back - 4);
    this.#storeBudget();
    const entry = target === undefined ? undefined : this.#source.decodedEntry(target);
    if (entry !== undefined) this.#pages.add((target as number) >> codePage.shift);
    emitCall(f, regionLocals, entry, () => this.#pushAddress(back));
    f.get(regionLocals.state);
    f.memory(Op["i32.load"], state.budget.offset);
    f.set(regionLocals.budget);
    this.#file.forget();
    this.#go(node, back, 0);
  }
}
