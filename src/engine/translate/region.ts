/**
 * Translates one region, as one WebAssembly function: the code that a hot address leads to by direct branches inside its page,
 * going on behind calls. It is entered at that address or where a call of its returns to.
 *
 * Loops stay loops. A call of the guest's is a call here: the function of what is called runs and, if it comes back to the
 * return address, this one goes on; otherwise it returns too, so that interrupts, context switches and the like unwind all
 * by themselves. A fault leaves in the middle of a block with the registers as the instruction found them.
 */
import type { FunctionBuilder, Label } from "../../wasm/function-builder.js";
import { type Exits, emit, type Node, numberIn } from "../ir.js";
import type { EngineField, EngineLayout } from "../layout.js";
import { emitTlbEntry, emitTlbTag } from "../look-up.js";
import { type AccessContext, checkFault, emitCheck } from "../memory-access.js";
import type { RuntimeFunctions } from "../recorder.js";
import { callDepth } from "../region-entry.js";
import type { Mode } from "../target.js";
import { type AccessGroup, accessGroups } from "./access-groups.js";
import { analyse, type BasicBlock, type FlowGraph, type FlowNode } from "./control-flow.js";
import { deadWrites } from "./dead-writes.js";
import { type Linkage, returns } from "./linkage.js";
import { type Knowledge, RegisterFile } from "./register-file.js";
import type { CodeAround, Placed, TranslatorTarget } from "./target.js";
import {
  type Found,
  type Over,
  type Place,
  type Registers,
  regionFunction,
  regionLocals,
  type Template,
  Templates,
} from "./template.js";

/** Instructions a region may have: more than any hot loop, and a body that V8 still optimises well. */
const instructionLimit = 500;
/** Ways in that a region may have; beyond that, calls are left to return through a look-up. */
const entryLimit = 48;

/** Instructions before a jump among which what makes its target is looked for. */
const rowLimit = 12;

/** Part of a page: from one offset up to another; empty if the second is not larger. */
export interface Extent {
  readonly first: number;
  readonly end: number;
}

const noRegisters: Registers = [];

interface Instruction<V> {
  readonly offset: number;
  readonly template: Template<V>;
  /** Something is to come back to what is behind it. */
  readonly isCall: boolean;
  /** It jumps to where a call noted. */
  readonly isReturn: boolean;
  readonly over: Over | undefined;
  /** Offsets that it may jump to, in ascending order, if a table of them stands behind it. */
  readonly table: readonly number[];
}

export interface RegionSource<V> {
  /** Bytes of the page that the region lies in; offsets count from its start. */
  readonly span: number;
  /** An access that the soft TLB does not have calls; otherwise it leaves the region, which keeps the code small. */
  readonly missesCall: boolean;
  /** Each access is checked by itself: the check of several has failed right before the entry. Default: false. */
  readonly ungrouped?: boolean;
  /** The platform has tail calls. */
  readonly tailCalls: boolean;
  readonly entry: number;
  /** Effective address of offset 0, and what the guest has read lately: for guesses alone. */
  readonly base: bigint;
  data(address: bigint, size: 4 | 8): bigint | undefined;
  register(number: number): bigint;
  /** The instruction at this offset: undefined outside the region's page or where code is not to be translated. */
  fetch(offset: number): Found<V> | undefined;
  /** What stands at this offset, code or not: undefined outside the region's page. */
  word(offset: number, littleEndian: boolean): number | undefined;
  /** Address of the decoded entry of a call's target; undefined if it lies outside the region's page. */
  decodedEntry(offset: number): number | undefined;
}

function accessContext(layout: EngineLayout, runtime: RuntimeFunctions, ordered: () => boolean): AccessContext {
  return {
    ordered,
    layout,
    state: regionLocals.state,
    table: (f) => f.get(regionLocals.table),
    asid: (f) => f.get(regionLocals.asid),
    slow: (name) => runtime.helper(name),
    checkFault: checkFault(layout, regionLocals.state),
  };
}

/** The instructions of one mode, for regions in modules with this linkage. `ordered`: as AccessContext has it. */
export function regionTemplates<V>(
  target: TranslatorTarget<V>,
  linkage: Linkage,
  mode: number,
  ordered: () => boolean,
): Templates<V> {
  const runtime = { helper: (name: string) => linkage.routine(name) };
  return new Templates(target.recorder(mode, runtime, accessContext(target.layout, runtime, ordered)));
}

/** What regions of one mode are made with. */
export interface RegionSetting<V> {
  readonly target: TranslatorTarget<V>;
  readonly linkage: Linkage;
  readonly mode: number;
  readonly templates: Templates<V>;
  /** As AccessContext has it. */
  readonly ordered: () => boolean;
}

export class RegionTranslator<V> {
  readonly #f: FunctionBuilder;
  readonly #target: TranslatorTarget<V>;
  readonly #file: RegisterFile;
  readonly #place: Place;
  readonly #source: RegionSource<V>;
  readonly #linkage: Linkage;
  readonly #templates: Templates<V>;
  readonly #mode: number;
  readonly #targetMask: bigint | undefined;
  readonly #addressMask: bigint | undefined;
  readonly #access: AccessContext;
  readonly #instructions = new Map<number, Instruction<V>>();
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
  #graph: FlowGraph<Instruction<V>> | undefined;
  /** Labels of the open loops and blocks, by position of the flow node they lead to. */
  readonly #loops = new Map<number, Label>();
  readonly #merges = new Map<number, Label>();
  /** What is known of the registers at a merge, whichever way it is reached. */
  readonly #met = new Map<number, Knowledge>();

  /** Of each block, by its position: which accesses of its instructions are checked together. */
  #groups: readonly (readonly (AccessGroup | undefined)[])[] = [];
  /** Offsets behind accesses at which a group is checked: the interpreter goes on there when the region is left for it. */
  readonly behindChecks: number[] = [];
  /** What instructions need not write. */
  #dead: ReadonlyMap<Instruction<V>, Registers> = new Map();

  constructor(source: RegionSource<V>, { target, linkage, mode, templates, ordered }: RegionSetting<V>) {
    this.#source = source;
    this.#target = target;
    this.#linkage = linkage;
    this.#f = regionFunction(linkage.state);
    this.#templates = templates;
    this.#mode = mode;
    const { addressMask, targetMask } = target.modes[mode] as Mode;
    this.#targetMask = targetMask;
    this.#addressMask = addressMask;
    this.#file = new RegisterFile(this.#f, regionLocals.state, target.held, target.deferred, () => this.#settle());
    this.#place = { file: this.#file, offset: 0, word: 0 };
    templates.place = this.#place;
    this.#access = accessContext(target.layout, { helper: (name) => linkage.routine(name) }, ordered);
  }

  get #layout(): EngineLayout {
    return this.#target.layout;
  }

  /** Places where an instruction may begin between two offsets: what decoded entries, and so budgets, are counted in. */
  #units(from: number, to: number): number {
    const { entrySize, scale } = this.#layout.codePage;
    return (to - from) / (entrySize >> scale);
  }

  /** Number of guest instructions in the region. */
  get length(): number {
    return this.#instructions.size;
  }

  /** Whether it ends where it does because it would have become too long. */
  get cut(): boolean {
    return this.length >= instructionLimit;
  }

  /** The 4 KiB pages, by number from the span's beginning, that the region has instructions in, or calls. */
  get pages(): ReadonlyMap<number, Extent> {
    return this.#pages;
  }
  readonly #pages = new Map<number, Extent>();

  /** The region depends on what may begin from one offset of a page up to another. */
  #covers(page: number, first: number, end: number): void {
    const known = this.#pages.get(page);
    this.#pages.set(
      page,
      known ? { first: Math.min(known.first, first), end: Math.max(known.end, end) } : { first, end },
    );
  }

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
    this.#groups = graph.nodes.map(({ block }) =>
      this.#source.missesCall || this.#source.ungrouped
        ? []
        : accessGroups(
            block.instructions.map(({ template }) => template),
            1 << this.#layout.tlb.pageShift,
          ),
    );
    const wholes = this.#target.held.flatMap(({ whole }, n) => (whole ? [n] : []));
    this.#dead = deadWrites(graph, wholes, this.#groups);
    const f = this.#f;
    this.#prologue();
    const reads = new Uint8Array(this.#target.held.length);
    const writes = new Uint8Array(this.#target.held.length);
    for (const { template } of this.#instructions.values()) {
      for (const n of template.reads) reads[n] = 1;
      for (const n of template.writes) writes[n] = 1;
    }
    this.#file.begin(reads, writes);
    this.#exitHandedOver = f.block();
    this.#exit = f.block();
    this.#undone = f.block();
    const [wayIn] = graph.nodes as [FlowNode<Instruction<V>>];
    if (graph.entries.length === 1 && !graph.goesAround) this.#tree(graph.nodes[1] as FlowNode<Instruction<V>>);
    else {
      this.#wayIn = f.loop();
      this.#within(wayIn, wayIn.dominated);
      f.end();
    }
    f.unreachable();
    f.end();
    this.#leaveUndone();
    f.end();
    this.#completeState("anywhere");
    if (this.#source.tailCalls) {
      // A return is for who called; if nobody did here, it is a jump like others.
      f.get(regionLocals.jumps);
      f.i32Const(1);
      f.i32("eq");
      f.get(regionLocals.jumps);
      f.i32Const(returns);
      f.i32("eq");
      f.get(regionLocals.depth);
      f.i32Const(callDepth);
      f.i32("eq");
      f.i32("and");
      f.i32("or");
      f.if();
      this.#linkage.emitGoOn(f, regionLocals);
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
    f.i32("shrU");
    f.i32Const(0x7fff);
    f.i32("and");
    f.i32Const(this.#layout.codePage.entrySize);
    f.i32("mul");
    f.i32("sub");
    f.set(regionLocals.budget);
    f.get(regionLocals.at);
    f.i32Const(0);
    f.i32("ltS");
    f.if();
    f.get(regionLocals.state);
    f.get(regionLocals.base);
    f.get(regionLocals.at);
    f.i32Const(0xffff);
    f.i32("and");
    f.convert("extendU");
    f.i64("add");
    f.store("i64", this.#layout.state.pc.offset);
    this.#completeState("anywhere");
    this.#settle();
    f.get(regionLocals.state);
    f.call(this.#linkage.instead);
    f.return();
    f.end();
    // What faults counts, and what leaves is run again: as where it is interpreted.
    f.get(regionLocals.budget);
    f.i32Const(0);
    f.i32Const(this.#layout.codePage.entrySize);
    f.get(regionLocals.state);
    f.load("i32", this.#layout.state.exitCode.offset);
    f.select();
    f.i32("sub");
    f.set(regionLocals.budget);
    f.get(regionLocals.state);
    f.i32Const(0);
    f.store("i32", this.#layout.state.fault.offset);
  }

  /** Has registers worked out that are deferred in the state. */
  #settle(): void {
    if (!this.#target.deferred) return;
    this.#f.get(regionLocals.state);
    this.#f.call(this.#linkage.settle);
  }

  /** Tells the state what only locals know when registers have been stored: the function is being left. */
  #completeState(from: "here" | "anywhere"): void {
    this.#file.storeWhole(from);
    this.#target.branches.settle(this.#f);
    this.#storeBudget();
  }

  #storeBudget(): void {
    this.#f.get(regionLocals.state);
    this.#f.get(regionLocals.budget);
    this.#f.store("i32", this.#layout.state.budget.offset);
  }

  /** Sets `at` for leaving the instruction undone. */
  #setAt(offset: number, before: number, missed: boolean): Label {
    const f = this.#f;
    f.i32Const(offset | (before << 16) | (missed ? 1 << 31 : 0));
    f.set(regionLocals.at);
    return (this.#loopUndone ?? this.#undone) as Label;
  }

  /** Finds what can be reached and divides it into blocks. */
  #discover(): Map<number, BasicBlock<Instruction<V>>> {
    const leaders = new Set<number>([this.#source.entry]);
    const work = [this.#source.entry];
    const targets = new Map<number, number[]>();
    // Nearest first, so that the limit cuts what is far.
    const { shift } = this.#layout.codePage;
    const around: CodeAround = {
      base: this.#source.base,
      word: (offset, littleEndian) => this.#source.word(offset, littleEndian),
      isCode: (offset) => this.#source.fetch(offset) !== undefined,
      data: (address, size) => this.#source.data(address, size),
      register: (number) => this.#source.register(number),
    };
    for (let first = 0; first < work.length; first++) {
      let next: number;
      const row: Placed<V>[] = [];
      for (let at = work[first] as number; !this.#instructions.has(at); at = next) {
        const fetched = this.#instructions.size < instructionLimit ? this.#source.fetch(at) : undefined;
        if (!fetched) break;
        const template = this.#templates.template(fetched);
        if (!template) break;
        const { jumps: displacements, fallsThrough } = template;
        next = at + template.length;
        const flow = this.#target.flow(template);
        const isCall = flow === "call";
        row.push({ offset: at, template });
        if (row.length > rowLimit) row.shift();
        const table = this.#target.jumpTable(this.#mode, row, around);
        const { over } = fetched;
        this.#instructions.set(at, { offset: at, template, isCall, isReturn: flow === "return", over, table });
        const inPage = at & ((1 << shift) - 1);
        this.#covers(at >> shift, inPage, inPage + template.length);
        if ((next - 1) >> shift !== at >> shift) {
          this.#covers(over ? over.part : (next - 1) >> shift, 0, next & ((1 << shift) - 1));
        }
        const followed: number[] = [...table];
        for (const displacement of displacements) {
          if (isCall) followed.push(next);
          else if (displacement !== undefined) followed.push(at + displacement);
        }
        targets.set(at, followed);
        for (const to of followed) {
          leaders.add(to);
          work.push(to);
        }
        if (isCall && this.#returns.size < entryLimit - 1) this.#returns.add(next);
        if (followed.length > 0) leaders.add(next);
        if (!fallsThrough) break;
      }
    }
    for (const at of this.#returns) if (!this.#instructions.has(at)) this.#returns.delete(at);
    const blocks = new Map<number, BasicBlock<Instruction<V>>>();
    for (const start of leaders) {
      const instructions: Instruction<V>[] = [];
      const successors: number[] = [];
      let calls = false;
      let next: number;
      for (let at = start; ; at = next) {
        const instruction = this.#instructions.get(at);
        if (!instruction) break;
        next = at + instruction.template.length;
        instructions.push(instruction);
        for (const to of targets.get(at) ?? []) {
          // Behind a call that is left to return through a look-up, nothing follows here.
          if (instruction.isCall && !this.#returns.has(to)) continue;
          if (instruction.isCall) calls = true;
          if (this.#instructions.has(to)) successors.push(to);
        }
        if (!instruction.template.fallsThrough) break;
        if (leaders.has(next)) {
          if (this.#instructions.has(next)) successors.push(next);
          break;
        }
      }
      if (instructions.length > 0) blocks.set(start, { start, instructions, successors, calls });
    }
    return blocks;
  }

  #pushField(field: EngineField): void {
    const { type, offset } = this.#layout.state[field];
    this.#f.get(regionLocals.state);
    this.#f.load(type, offset);
  }

  #prologue(): void {
    const f = this.#f;
    // The page may be known by several addresses.
    this.#pushField("pc");
    f.i64Const(-BigInt(this.#source.span));
    f.i64("and");
    f.set(regionLocals.base);
    for (const field of ["budget", "asid"] as const) {
      this.#pushField(field);
      f.set(regionLocals[field]);
    }
    this.#pushField("tlb");
    f.set(regionLocals.table);
  }

  /** Pays for so many places where instructions may begin: the budget counts bytes of decoded entries. */
  #pay(units: number): void {
    const f = this.#f;
    if (units === 0) return;
    f.get(regionLocals.budget);
    f.i32Const(units * this.#layout.codePage.entrySize);
    f.i32("sub");
    f.set(regionLocals.budget);
  }

  #pushAddress(offset: number): void {
    const f = this.#f;
    f.get(regionLocals.base);
    f.i64Const(BigInt(offset));
    f.i64("add");
    // What lies in the pages that the base begins has no more bits than the base.
    if (offset < 0 || offset >= this.#source.span) this.#cut(this.#addressMask);
  }

  #storePc(offset: number): void {
    this.#f.get(regionLocals.state);
    this.#pushAddress(offset);
    this.#f.store("i64", this.#layout.state.pc.offset);
  }

  /** Emits a block and all that it dominates (Ramsey, "Beyond Relooper": one nesting for each dominator tree). */
  #tree(node: FlowNode<Instruction<V>>): void {
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
      f.unreachable();
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

  #enterLoop(header: FlowNode<Instruction<V>>): void {
    const reads = new Uint8Array(this.#target.held.length);
    const writes = new Uint8Array(this.#target.held.length);
    for (const position of this.#graph?.loop(header.order) ?? []) {
      for (const { template } of this.#graph?.nodes[position]?.block.instructions ?? []) {
        for (const n of template.reads) reads[n] = 1;
        for (const n of template.writes) writes[n] = 1;
      }
    }
    this.#file.enterLoop(reads, writes);
  }

  /** The block inside one wasm block for each place where several paths of its meet, the latest outermost. */
  #within(node: FlowNode<Instruction<V>>, merges: readonly number[]): void {
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
    const target = this.#graph?.nodes[last] as FlowNode<Instruction<V>>;
    const emitMerged = () => {
      // Nobody comes this way if a call was left to return through a look-up.
      this.#file.restore(this.#met.get(last) ?? RegisterFile.nothingKnown(this.#target.held));
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
    const graph = this.#graph as FlowGraph<Instruction<V>>;
    const labels = graph.entries.map((start) => this.#merges.get(graph.position(start) as number) as Label);
    for (const start of graph.entries)
      this.#met.set(graph.position(start) as number, RegisterFile.nothingKnown(this.#target.held));
    f.get(regionLocals.entry);
    f.brTable(labels, labels[0] as Label);
  }

  #block(node: FlowNode<Instruction<V>>): void {
    const { instructions } = node.block;
    const groups = this.#groups[node.order] ?? [];
    instructions.forEach((instruction, i) => {
      this.#place.offset = instruction.offset;
      this.#place.word = instruction.template.word;
      const group = groups[i];
      const exits = this.#exits(node, instruction);
      const before = this.#units(node.block.start, instruction.offset);
      if (instruction.over) {
        this.#file.flush();
        this.#checkOver(instruction.over, this.#setAt(instruction.offset, before, true));
      }
      this.#instruction(
        instruction,
        group
          ? {
              ...exits,
              direct: this.#direct(group, instruction, before),
            }
          : exits,
        this.#dead.get(instruction) ?? noRegisters,
      );
      if (group?.last === i) this.#f.release(group.local as number);
    });
    const { offset, template } = instructions.at(-1) as Instruction<V>;
    const end = offset + template.length;
    if (template.fallsThrough) this.#go(node, end, this.#units(node.block.start, end));
  }

  /** An access that is checked together with others: the first one makes the check. */
  #direct(group: AccessGroup, { offset, template }: Instruction<V>, before: number): Required<Exits>["direct"] {
    return (f) => {
      const { register, low, high, loads, stores } = group;
      if (group.local === undefined) {
        this.behindChecks.push(offset + template.length);
        this.#file.flush();
        this.#file.read(register);
        f.i64Const(BigInt(low));
        f.i64("add");
        // Accesses on both sides of where addresses begin anew: the last one's page has no tag that has such an address.
        this.#cut(this.#addressMask);
        group.local = emitCheck(
          f,
          this.#access,
          { size: high - low, loads, stores },
          this.#setAt(offset, before, true),
        );
      }
      return { local: group.local, offset: (template.plain?.displacement as number) - low };
    };
  }

  /** Leaves an instruction to the interpreter that does not go on in the page where it did when the region was made. */
  #checkOver({ page }: Over, undone: Label): void {
    const f = this.#f;
    const { tlb } = this.#layout;
    const next = f.local("i64");
    this.#pushAddress(this.#source.span);
    f.set(next);
    this.#pushField("fetchTlb");
    emitTlbEntry(f, this.#layout, next, "code");
    const entry = f.local("i32");
    f.tee(entry);
    f.load("i64", tlb.executeTag);
    f.get(next);
    emitTlbTag(f, this.#layout, () => this.#pushField("fetchAsid"));
    f.i64("ne");
    f.get(entry);
    f.load("i32", tlb.physicalPage);
    f.i32Const(page);
    f.i32("ne");
    f.i32("or");
    f.brIf(undone, "unlikely");
    f.release(entry);
    f.release(next);
  }

  #instruction({ template }: Instruction<V>, exits: Exits, dead: Registers): void {
    if (template.branches) {
      // So that all its paths agree on what the locals hold.
      for (const n of template.reads) this.#file.load(n);
      for (const n of template.writes) this.#file.load(n);
      for (const n of template.writes) this.#file.mayWrite(n);
    }
    const source = this.#target.deferred?.source;
    const looks =
      source !== undefined &&
      (template.reads.includes(source) || (template.keeps.includes(source) && !dead.includes(source)));
    const origin = looks ? this.#file.knowSource() : 0;
    this.#templates.emitting(template, dead, origin, (planned) => emit(this.#f, planned, exits));
  }

  /** Goes on at `offset`; `count` places of instructions have to be paid for. */
  #go(from: FlowNode<Instruction<V>>, offset: number, count: number): void {
    const f = this.#f;
    const graph = this.#graph as FlowGraph<Instruction<V>>;
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
      f.i32("geS");
      f.brIf(this.#loops.get(position) as Label, "likely");
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
      } else this.#tree(graph.nodes[position] as FlowNode<Instruction<V>>);
    };
    if (this.#file.inLoop && !this.#outermost?.has(position)) {
      this.#file.storeKept();
      this.#outside(forward);
    } else forward();
  }

  /** By the way in, unless the slice is over. */
  #goAround(offset: number): void {
    const f = this.#f;
    f.i32Const((this.#graph as FlowGraph<Instruction<V>>).entries.indexOf(offset));
    f.set(regionLocals.entry);
    f.get(regionLocals.budget);
    f.i32Const(0);
    f.i32("geS");
    f.brIf(this.#wayIn as Label, "likely");
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

  /** Leaves by a return: straight to who called, if somebody did here. */
  #return(): void {
    const f = this.#f;
    if (!this.#file.inLoop) {
      this.#file.flush();
      f.get(regionLocals.depth);
      f.i32Const(callDepth);
      f.i32("ne");
      f.if();
      this.#completeState("here");
      f.i32Const(returns);
      f.return();
      f.end();
    }
    this.#leaveByJump(returns);
  }

  #exits(node: FlowNode<Instruction<V>>, instruction: Instruction<V>): Exits {
    const { offset } = instruction;
    const { word } = instruction.template;
    const before = this.#units(node.block.start, offset);
    const file = this.#file;
    return {
      storePc: () => this.#storePc(offset),
      beforeFault: () => file.flush(),
      arm: (body) => {
        const known = file.save();
        this.#jumped = false;
        body();
        // What goes elsewhere has written nothing of what follows here.
        if (this.#jumped) file.restore(known);
        else file.endArm(known);
        this.#jumped = false;
        this.#place.offset = offset;
        this.#place.word = word;
      },
      fault: (f) => f.br(this.#setAt(offset, before, false)),
      ...(this.#source.missesCall ? {} : { miss: () => this.#setAt(offset, before, true) }),
      undone: (f) => {
        file.flush();
        f.br(this.#setAt(offset, before, true));
      },
      leave: () => {
        this.#pay(before + 1);
        this.#leave();
      },
      handOver: (f) => {
        if (file.inLoop) file.storeKept();
        else file.flush();
        file.storeWhole("here");
        this.#settle();
        this.#target.branches.settle(f);
      },
      leaveHandedOver: (f) => {
        this.#pay(before + 1);
        f.br(this.#exitHandedOver as Label);
      },
      jump: (f, target: Node, value) => {
        this.#jump(f, node, instruction, before, target, value);
        this.#jumped = true;
      },
    };
  }

  /** The arm that is being emitted has ended in a jump. */
  #jumped = false;

  #jump(
    f: FunctionBuilder,
    node: FlowNode<Instruction<V>>,
    instruction: Instruction<V>,
    before: number,
    target: Node,
    value: (node: Node) => void,
  ): void {
    const { offset, isCall } = instruction;
    const { word } = instruction.template;
    const back = offset + instruction.template.length;
    this.#target.branches.note(f, offset);
    const places = instruction.table.filter((to) => this.#graph?.position(to) !== undefined);
    if (places.length > 0) {
      this.#choose(node, places, before + 1, () => value(target));
      return;
    }
    const displacement = numberIn(target.displacement, word);
    const relative = displacement === undefined ? undefined : offset + displacement;
    if (relative !== undefined && !isCall) {
      this.#go(node, relative, before + 1);
      return;
    }
    f.get(regionLocals.state);
    if (relative !== undefined) this.#pushAddress(relative);
    else {
      value(target);
      this.#maskTarget();
    }
    f.store("i64", this.#layout.state.pc.offset);
    this.#pay(before + 1);
    if (isCall && this.#returns.has(back)) this.#call(node, offset, back, relative);
    else if (instruction.isReturn) this.#return();
    else this.#leaveByJump();
  }

  /** Goes on where the address that is pushed says: at one of these places, or outside. */
  #choose(from: FlowNode<Instruction<V>>, places: readonly number[], count: number, push: () => void): void {
    const f = this.#f;
    const target = f.local("i64");
    const [first] = places as [number];
    push();
    this.#maskTarget();
    f.set(target);
    const elsewhere = f.block();
    // The latest outermost.
    const labels = new Map(places.toReversed().map((to) => [to, f.block()]));
    const distance = () => {
      f.get(target);
      this.#pushAddress(first);
      f.i64("sub");
    };
    distance();
    f.i64Const(BigInt((places.at(-1) as number) - first));
    f.i64("gtU");
    f.brIf(elsewhere, "unlikely");
    distance();
    f.convert("wrap");
    const { entrySize, scale } = this.#layout.codePage;
    const unit = entrySize >> scale;
    if (unit > 1) {
      f.i32Const(Math.log2(unit));
      f.i32("shrU");
    }
    const steps = Array.from({ length: this.#units(first, places.at(-1) as number) + 1 }, (_, i) => first + unit * i);
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
    f.store("i64", this.#layout.state.pc.offset);
    f.release(target);
    this.#pay(count);
    this.#leaveByJump();
  }

  #maskTarget(): void {
    this.#cut(this.#targetMask);
  }

  /** [value: i64] -> [its bits that the mask has] */
  #cut(mask: bigint | undefined): void {
    if (mask === undefined) return;
    this.#f.i64Const(mask);
    this.#f.i64("and");
  }

  /** Calls what pc names and goes on at `back` if it returns to there. */
  #call(node: FlowNode<Instruction<V>>, from: number, back: number, target: number | undefined): void {
    const f = this.#f;
    this.#file.flush();
    this.#file.storeWhole("here");
    this.#target.branches.settleAt(f, from);
    this.#storeBudget();
    const entry = target === undefined ? undefined : this.#source.decodedEntry(target);
    // The entry is looked at when it calls: no byte of that page matters, as long as the page has its entries.
    if (entry !== undefined)
      this.#covers((target as number) >> this.#layout.codePage.shift, Number.POSITIVE_INFINITY, 0);
    this.#linkage.emitCall(f, regionLocals, entry, () => this.#pushAddress(back));
    f.get(regionLocals.state);
    f.load("i32", this.#layout.state.budget.offset);
    f.set(regionLocals.budget);
    this.#file.forget();
    this.#file.loadWhole();
    this.#go(node, back, 0);
  }
}
