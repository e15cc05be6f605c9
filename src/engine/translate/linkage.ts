/**
 * What each module of regions has besides them: the same imports at the same indices, and two routines by which regions call
 * each other. A region's body therefore fits any module.
 */

import { FunctionBuilder } from "../../wasm/function-builder.js";
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

/** Returns `value` if the condition on the stack holds. */
function returnIf(f: FunctionBuilder, value: number): void {
  f.if();
  f.i32Const(value);
  f.return();
  f.end();
}

export class Linkage {
  readonly #target: EngineTarget;
  readonly #routines: ReadonlyMap<string, number>;
  /** (state) -> 1 if the guest goes on at pc, 0 if more may have changed: runs the instruction at pc, in the interpreter. */
  readonly instead: number;
  /** (state) -> the word of the decoded entry of pc, which the jump cache lacks, or 0 if no region begins there. */
  readonly #lookUp: number;
  /** (state, return address, calls that may nest) -> 0, 1 as a region, or `calledBack`. */
  readonly #runUntilBack: number;

  /** @param state address of the vCPU's state: regions are for one vCPU. */
  constructor(
    target: EngineTarget,
    readonly state: number,
  ) {
    this.#target = target;
    this.#routines = new Map(Object.keys(target.routines).map((name, i) => [name, i]));
    this.instead = this.#routines.size;
    this.#lookUp = this.instead + 1;
    this.#runUntilBack = this.instead + 2;
  }

  get #layout(): EngineLayout {
    return this.#target.layout;
  }

  /** Index of a routine of the run-time library in a module of regions. */
  routine(name: string): number {
    const index = this.#routines.get(name);
    if (index === undefined) throw new Error(`the run-time library has no ${name}`);
    return index;
  }

  /**
   * What all regions' modules begin with; to be forked. Of a memory that is known to be so large, V8 knows that the state's
   * fields are inside: it needs no way to a trap for each access.
   */
  module(memory: WebAssembly.Memory): ModuleBuilder {
    const { buffer } = memory;
    const shared = typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer;
    const m = new ModuleBuilder();
    m.type(...regionSignature);
    for (const [name, [params, results]] of Object.entries(this.#target.routines)) {
      m.importFunction("r", name, params, results);
    }
    m.importFunction("r", "instead", ["i32"], ["i32"]);
    m.importMemory("env", "memory", buffer.byteLength >>> 16, 65536, shared);
    m.importTable("env", "regions", 1);
    m.define(m.declare("lookUp", ["i32"], ["i32"]), this.#emitLookUp().finish());
    m.define(m.declare("runUntilBack", ["i32", "i64", "i32"], ["i32"]), this.#emitRunUntilBack().finish());
    return m;
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
  #emitFound(f: FunctionBuilder, s: number): void {
    const { vcpu } = this.#layout;
    const pc = f.local("i64");
    const cached = f.local("i32");
    this.#emitPlace(f, s, pc, cached);
    f.get(cached);
    f.load("i64", vcpu.jumpCache);
    f.get(pc);
    f.i64("eq");
    f.get(cached);
    f.load("i32", vcpu.jumpCache + jumpCache.context);
    this.#loadState(f, s, "jumpContext");
    f.i32("eq");
    f.i32("and");
    f.if("i32");
    f.get(cached);
    f.load("i32", vcpu.jumpCache + jumpCache.word);
    f.else();
    f.get(s);
    f.call(this.#lookUp);
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
    emitTlbEntry(f, this.#layout, pc);
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
    f.if();
    f.get(cached);
    f.get(pc);
    f.store("i64", vcpu.jumpCache);
    f.get(cached);
    this.#loadState(f, s, "jumpContext");
    f.store("i32", vcpu.jumpCache + jumpCache.context);
    f.get(cached);
    f.get(at);
    f.store("i32", vcpu.jumpCache + jumpCache.word);
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
    f.if();
    this.#emitFound(f, s);
    f.tee(word);
    f.if();
    this.#emitOperands(f, s, () => f.get(depth), word);
    f.returnCallIndirect(regionType, regionTable);
    f.end();
    f.end();
    f.release(word);
  }

  /** What was called has jumped elsewhere: runs what pc leads to until the guest is back, or something else is due. */
  #emitRunUntilBack(): FunctionBuilder {
    const f = new FunctionBuilder(["i32", "i64", "i32"]);
    const [s, back, depth] = [0, 1, 2] as const;
    f.isAlways(s, this.state);
    const word = f.local("i32");
    const again = f.loop("i32");
    this.#loadState(f, s, "budget");
    f.i32Const(0);
    f.i32("ltS");
    returnIf(f, 1);
    this.#emitFound(f, s);
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
    f.if();
    // A return to somewhere else (longjmp, a switch of stacks): all that called here is stale, or some caller's caller is meant.
    f.get(result);
    f.i32Const(returns);
    f.i32("eq");
    returnIf(f, returns);
    f.get(s);
    pushBack();
    f.get(depth);
    f.call(this.#runUntilBack);
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
