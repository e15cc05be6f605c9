/**
 * How regions call: routines of the run-time library, the interpreter, and each other, for which two routines of a module of
 * their own are there. A region's body names what it calls by numbers that are the same for all regions of a target; a module of
 * regions imports of it what its regions call, since each import of each module costs time and memory.
 */

import { calledAt, FunctionBuilder, type LinkableBody, link } from "../../wasm/function-builder.js";
import { ModuleBuilder } from "../../wasm/module-builder.js";
import { type EngineField, type EngineLayout, Handler, jumpCache } from "../layout.js";
import { emitCodePage, emitDecodedEntry, emitTlbEntry, emitTlbTag } from "../look-up.js";
import { regionSignature, tableBits } from "../region-entry.js";
import type { EngineTarget } from "../target.js";

/** Type of a region's function and the table of all regions, in each module. */
const regionType = 0;
const regionTable = 0;
/** What a region gives that has ended by a return, which the caller compares with its return address. */
export const returns = 2;
/** The guest is back where it was called from. */
const calledBack = 2;

/** Parameters and results. */
type Signature = EngineTarget["routines"][string];
type Routine = readonly [name: string, signature: Signature];

/** Besides the run-time library's. */
const ownRoutines = {
  /** (state) -> 1 if the guest goes on at pc, 0 if more may have changed: runs the instruction at pc, in the interpreter. */
  instead: [["i32"], ["i32"]],
  /** (state): works out what registers are that are deferred in the state. */
  settle: [["i32"], []],
  /** (state) -> the word of the decoded entry of pc, which the jump cache lacks, or 0 if no region begins there. */
  lookUp: [["i32"], ["i32"]],
  /** (state, return address, calls that may nest) -> 0, 1 as a region, or `calledBack`. */
  runUntilBack: [["i32", "i64", "i32"], ["i32"]],
} as const satisfies Record<string, Signature>;

/** Returns `value` if the condition on the stack holds. */
function returnIf(f: FunctionBuilder, value: number): void {
  f.if(undefined, "unlikely");
  f.i32Const(value);
  f.return();
  f.end();
}

export class Linkage {
  readonly #target: EngineTarget;
  readonly #routines: readonly Routine[];
  readonly #numbers: ReadonlyMap<string, number>;
  /** The number of what runs the instruction at pc, in the interpreter. */
  readonly instead: number;
  /** The number of what works deferred registers out. */
  readonly settle: number;

  /** @param state address of the vCPU's state: regions are for one vCPU. */
  constructor(
    target: EngineTarget,
    readonly state: number,
  ) {
    this.#target = target;
    this.#routines = [...Object.entries(target.routines), ...Object.entries(ownRoutines)];
    this.#numbers = new Map(this.#routines.map(([name], i) => [name, i]));
    this.instead = this.routine("instead");
    this.settle = this.routine("settle");
  }

  get #layout(): EngineLayout {
    return this.#target.layout;
  }

  /** Number of a routine, by which a region's body names it. */
  routine(name: string): number {
    const number = this.#numbers.get(name);
    if (number === undefined) throw new Error(`the run-time library has no ${name}`);
    return number;
  }

  /**
   * The beginning of a module that uses these routines. Of a memory that is known to be so large, V8 knows that the state's
   * fields are inside: it needs no way to a trap for each access.
   */
  #begin(memory: WebAssembly.Memory, numbers: Iterable<number>): ModuleBuilder {
    const { buffer } = memory;
    const shared = typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer;
    const m = new ModuleBuilder();
    m.type(...regionSignature);
    for (const number of numbers) {
      const [name, [params, results]] = this.#routines[number] as Routine;
      m.importFunction("r", name, params, results);
    }
    m.importMemory("env", "memory", buffer.byteLength >>> 16, 65536, shared);
    m.importTable("env", "regions", 1);
    return m;
  }

  /** The bytes of a module of regions, which exports each by its place among them. */
  module(memory: WebAssembly.Memory, regions: readonly LinkableBody[]): Uint8Array<ArrayBuffer> {
    const indices = new Map<number, number>();
    for (const region of regions) {
      for (const at of region.calls) {
        const number = calledAt(region, at);
        if (!indices.has(number)) indices.set(number, indices.size);
      }
    }
    const m = this.#begin(memory, indices.keys());
    regions.forEach((region, i) => {
      const index = m.declare(`region${i}`, ...regionSignature);
      m.define(
        index,
        link(region, (number) => indices.get(number) as number),
        region.hints,
      );
      m.exportFunction(`${i}`, index);
    });
    return m.build();
  }

  /** The bytes of the module that exports the two routines by which regions call each other. */
  ownModule(memory: WebAssembly.Memory): Uint8Array<ArrayBuffer> {
    const m = this.#begin(memory, []);
    const lookUp = m.declare("lookUp", ...ownRoutines.lookUp);
    m.define(lookUp, this.#emitLookUp());
    const runUntilBack = m.declare("runUntilBack", ...ownRoutines.runUntilBack);
    m.define(runUntilBack, this.#emitRunUntilBack(lookUp));
    m.exportFunction("lookUp", lookUp);
    m.exportFunction("runUntilBack", runUntilBack);
    return m.build();
  }

  #loadState(f: FunctionBuilder, s: number, field: EngineField): void {
    const { type, offset } = this.#layout.state[field];
    f.get(s);
    f.load(type, offset);
  }

  /** The region's word at a decoded entry, whose address is in the local: 0 if there is none. Word 0 is no region's. */
  #emitWordAt(f: FunctionBuilder, entry: number): void {
    f.i32Const(0);
    f.get(entry);
    f.load("i32", 4);
    f.get(entry);
    f.load("i32", 0);
    f.i32Const(Handler.region);
    f.i32("ne");
    f.select();
  }

  /** Sets the locals to pc and to the address of its place in the jump cache. */
  #emitPlace(f: FunctionBuilder, s: number, pc: number, cached: number): void {
    // Functions begin at multiples of 16: the address's middle bits go into the low ones.
    f.get(s);
    this.#loadState(f, s, "pc");
    f.tee(pc);
    f.convert("wrap");
    f.i32Const(Math.log2(jumpCache.entrySize) - 2);
    f.i32("shl");
    f.get(pc);
    f.convert("wrap");
    f.i32Const(6);
    f.i32("shrU");
    f.i32("xor");
    f.i32Const((jumpCache.entries - 1) * jumpCache.entrySize);
    f.i32("and");
    f.i32("add");
    f.set(cached);
  }

  /** Pushes the region's word at pc, 0 if no region begins there: what the jump cache has without a call. */
  #emitFound(f: FunctionBuilder, s: number, lookUp = this.routine("lookUp")): void {
    const { vcpu } = this.#layout;
    const pc = f.local("i64");
    const cached = f.local("i32");
    this.#emitPlace(f, s, pc, cached);
    // One test of whether both are the same: of two, each becomes a number first.
    f.get(cached);
    f.load("i64", vcpu.jumpCache);
    f.get(pc);
    f.i64("xor");
    f.get(cached);
    f.load("i32", vcpu.jumpCache + jumpCache.context);
    this.#loadState(f, s, "jumpContext");
    f.i32("xor");
    f.convert("extendU");
    f.i64("or");
    f.i64("eqz");
    f.if("i32", "likely");
    f.get(cached);
    f.load("i32", vcpu.jumpCache + jumpCache.word);
    f.else();
    f.get(s);
    f.call(lookUp);
    f.end();
    f.release(cached);
    f.release(pc);
  }

  /** What the jump cache lacks, by the tags and maps that `fetch` has filled; it has it afterwards. */
  #emitLookUp(): FunctionBuilder {
    const { tlb, vcpu } = this.#layout;
    const f = new FunctionBuilder(["i32"]);
    const s = 0;
    f.isAlways(s, this.state);
    const at = f.local("i32");
    const cached = f.local("i32");
    const pc = f.local("i64");
    this.#emitPlace(f, s, pc, cached);
    this.#loadState(f, s, "fetchTlb");
    emitTlbEntry(f, this.#layout, pc, "code");
    f.tee(at);
    f.load("i64", tlb.executeTag);
    f.get(pc);
    emitTlbTag(f, this.#layout, () => this.#loadState(f, s, "fetchAsid"));
    f.i64("ne");
    returnIf(f, 0);
    this.#loadState(f, s, "codeMap");
    emitCodePage(f, this.#layout, at, pc);
    f.tee(at);
    f.i32("eqz");
    returnIf(f, 0);
    f.get(at);
    emitDecodedEntry(f, this.#layout, pc);
    f.set(at);
    this.#emitWordAt(f, at);
    f.tee(at);
    f.if(undefined, "likely");
    f.get(cached);
    f.get(pc);
    f.store("i64", vcpu.jumpCache);
    f.get(cached);
    this.#loadState(f, s, "jumpContext");
    f.store("i32", vcpu.jumpCache + jumpCache.context);
    f.get(cached);
    f.get(at);
    f.store("i32", vcpu.jumpCache + jumpCache.word);
    const { offset, count } = this.#layout.state.jumpPages;
    f.get(s);
    f.get(pc);
    f.i64Const(BigInt(tlb.pageShift));
    f.i64("shrU");
    f.convert("wrap");
    f.i32Const(8 * count - 1);
    f.i32("and");
    f.i32("add");
    f.i64Const(1n);
    f.access("i64.store8", offset);
    f.end();
    f.get(at);
    return f;
  }

  /** Pushes what the region that the word in the local leads to is called with, and its place in the table. */
  #emitOperands(f: FunctionBuilder, s: number, pushDepth: () => void, word: number): void {
    f.get(s);
    f.get(word);
    f.i32Const(tableBits);
    f.i32("shrU");
    pushDepth();
    f.get(word);
    f.i32Const((1 << tableBits) - 1);
    f.i32("and");
  }

  /** Pushes the result of the region that the word in the local leads to. */
  #emitRun(f: FunctionBuilder, s: number, depth: number, word: number): void {
    const oneLess = () => {
      f.get(depth);
      f.i32Const(1);
      f.i32("sub");
    };
    this.#emitOperands(f, s, oneLess, word);
    f.callIndirect(regionType, regionTable);
  }

  /**
   * Emits the end of a region, pc and budget being in the state: goes on to the region that pc leads to, in place of this one,
   * if there is one and the slice is not over; falls through otherwise.
   */
  emitGoOn(f: FunctionBuilder, { state: s, depth }: { state: number; depth: number }): void {
    const word = f.local("i32");
    this.#loadState(f, s, "budget");
    f.i32Const(0);
    f.i32("geS");
    f.if(undefined, "likely");
    this.#emitFound(f, s);
    f.tee(word);
    f.if(undefined, "likely");
    this.#emitOperands(f, s, () => f.get(depth), word);
    f.returnCallIndirect(regionType, regionTable);
    f.end();
    f.end();
    f.release(word);
  }

  /** What was called has jumped elsewhere: runs what pc leads to until the guest is back, or something else is due. */
  #emitRunUntilBack(lookUp: number): FunctionBuilder {
    const f = new FunctionBuilder(["i32", "i64", "i32"]);
    const [s, back, depth] = [0, 1, 2] as const;
    f.isAlways(s, this.state);
    const word = f.local("i32");
    const again = f.loop("i32");
    this.#loadState(f, s, "budget");
    f.i32Const(0);
    f.i32("ltS");
    returnIf(f, 1);
    this.#emitFound(f, s, lookUp);
    f.tee(word);
    f.i32("eqz");
    returnIf(f, 1);
    this.#emitRun(f, s, depth, word);
    f.i32("eqz");
    returnIf(f, 0);
    this.#loadState(f, s, "pc");
    f.get(back);
    f.i64("ne");
    f.brIf(again);
    f.i32Const(calledBack);
    f.end();
    return f;
  }

  /**
   * Emits a call of what pc leads to. Returns from the function, the state being complete, unless the guest comes back to the
   * return address that `pushBack` pushes. `entry` is the address of pc's decoded entry if that is known here; the region
   * must be dropped if that entry's page is.
   */
  emitCall(
    f: FunctionBuilder,
    { state: s, depth, budget }: { state: number; depth: number; budget: number },
    entry: number | undefined,
    pushBack: () => void,
  ): void {
    const word = f.local("i32");
    const result = f.local("i32");
    // No deeper, or the slice is over: calls without a loop among them (recursion) must not go on for ever.
    f.get(depth);
    f.i32Const(1);
    f.i32("sub");
    f.get(budget);
    f.i32("or");
    f.i32Const(0);
    f.i32("ltS");
    returnIf(f, 1);
    // Each place has a call of its own: so the host's processor can predict it.
    if (entry === undefined) {
      this.#emitFound(f, s);
      f.set(word);
    } else {
      f.i32Const(entry);
      f.set(word);
      this.#emitWordAt(f, word);
      f.set(word);
    }
    f.get(word);
    f.i32("eqz");
    returnIf(f, 1);
    this.#emitRun(f, s, depth, word);
    f.tee(result);
    f.i32("eqz");
    returnIf(f, 0);
    this.#loadState(f, s, "pc");
    pushBack();
    f.i64("ne");
    f.if(undefined, "unlikely");
    // A return to somewhere else (longjmp, a switch of stacks): all that called here is stale, or some caller's caller is meant.
    f.get(result);
    f.i32Const(returns);
    f.i32("eq");
    returnIf(f, returns);
    f.get(s);
    pushBack();
    f.get(depth);
    f.call(this.routine("runUntilBack"));
    f.tee(result);
    f.i32Const(calledBack);
    f.i32("ne");
    f.if();
    f.get(result);
    f.return();
    f.end();
    f.end();
    f.release(word);
    f.release(result);
  }
}
