/**
 * What each module of regions has besides them: the same imports at the same indices, and two routines by which regions call
 * each other. A region's body therefore fits any module.
 */

import { codePage, Handler, jumpCache, state, tlb, vcpuLayout } from "../../arch/powerpc/engines/layout.js";
import { routines } from "../../arch/powerpc/engines/power-recorder.js";
import { FunctionBuilder } from "../../wasm/function-builder.js";
import { ModuleBuilder } from "../../wasm/module-builder.js";
import { conversionOpcodes, integerOpcodes, Op } from "../../wasm/opcodes.js";
import { regionSignature, tableBits } from "../region-entry.js";

const indices = new Map<string, number>(Object.keys(routines).map((name, i) => [name, i]));

/** Index of a routine of the run-time library in a module of regions. */
export function importedRoutine(name: string): number {
  return indices.get(name) as number;
}

/** Type of a region's function and the table of all regions, in each module. */
export const regionType = 0;
export const regionTable = 0;
/** (state) -> 1 if the guest goes on at pc, 0 if more may have changed: runs the instruction at pc, in the interpreter. */
export const instead = indices.size;
/** (state) -> the word of the decoded entry of pc, or 0 if no region begins there. */
const lookUp = indices.size + 1;
/** (state, return address, calls that may nest) -> 0, 1 as a region, or `calledBack`. */
const runUntilBack = indices.size + 2;
/** The guest is back where it was called from. */
const calledBack = 2;

/** What all regions' modules begin with; to be forked. */
export function linkage(shared: boolean): ModuleBuilder {
  const m = new ModuleBuilder();
  m.type(...regionSignature);
  for (const [name, [params, results]] of Object.entries(routines)) m.importFunction("r", name, params, results);
  m.importFunction("r", "instead", ["i32"], ["i32"]);
  m.importMemory("env", "memory", 1, 65536, shared);
  m.importTable("env", "regions", 1);
  m.define(m.declare("lookUp", ["i32"], ["i32"]), emitLookUp().finish());
  m.define(m.declare("runUntilBack", ["i32", "i64", "i32"], ["i32"]), emitRunUntilBack().finish());
  return m;
}

const [i32, i64] = [0, 1] as const;
type LinkField = "pc" | "budget" | "jumpContext" | "fetchTlb" | "fetchAsid" | "codeMap";

function loadState(f: FunctionBuilder, s: number, field: LinkField): void {
  f.get(s);
  f.memory(state[field].type === "i32" ? Op["i32.load"] : Op["i64.load"], state[field].offset);
}

/** Returns `value` if the condition on the stack holds. */
function returnIf(f: FunctionBuilder, value: number): void {
  f.if();
  f.i32Const(value);
  f.return();
  f.end();
}

/** The region's word at a decoded entry, whose address is in the local: 0 if there is none. Word 0 is no region's. */
function emitWordAt(f: FunctionBuilder, entry: number): void {
  f.i32Const(0);
  f.get(entry);
  f.memory(Op["i32.load"], 4);
  f.get(entry);
  f.memory(Op["i32.load"], 0);
  f.i32Const(Handler.region);
  f.op(integerOpcodes.ne[i32]);
  f.op(Op.select);
}

/** By the jump cache; what it lacks, by the tags and maps that `fetch` has filled. */
function emitLookUp(): FunctionBuilder {
  const f = new FunctionBuilder(["i32"]);
  const s = 0;
  const at = f.local("i32");
  const cached = f.local("i32");
  const pc = f.local("i64");
  // Functions begin at multiples of 16: the address's middle bits go into the low ones.
  f.get(s);
  loadState(f, s, "pc");
  f.tee(pc);
  f.op(conversionOpcodes.wrap);
  f.i32Const(Math.log2(jumpCache.entrySize) - 2);
  f.op(integerOpcodes.shl[i32]);
  f.get(pc);
  f.op(conversionOpcodes.wrap);
  f.i32Const(6);
  f.op(integerOpcodes.shrU[i32]);
  f.op(integerOpcodes.xor[i32]);
  f.i32Const((jumpCache.entries - 1) * jumpCache.entrySize);
  f.op(integerOpcodes.and[i32]);
  f.op(integerOpcodes.add[i32]);
  f.tee(cached);
  f.memory(Op["i64.load"], vcpuLayout.jumpCache);
  f.get(pc);
  f.op(integerOpcodes.eq[i64]);
  f.get(cached);
  f.memory(Op["i32.load"], vcpuLayout.jumpCache + jumpCache.context);
  loadState(f, s, "jumpContext");
  f.op(integerOpcodes.eq[i32]);
  f.op(integerOpcodes.and[i32]);
  f.if();
  f.get(cached);
  f.memory(Op["i32.load"], vcpuLayout.jumpCache + jumpCache.word);
  f.return();
  f.end();
  loadState(f, s, "fetchTlb");
  f.get(pc);
  f.i64Const(BigInt(tlb.pageShift - Math.log2(tlb.entrySize)));
  f.op(integerOpcodes.shrU[i64]);
  f.op(conversionOpcodes.wrap);
  f.i32Const((tlb.entries - 1) * tlb.entrySize);
  f.op(integerOpcodes.and[i32]);
  f.op(integerOpcodes.add[i32]);
  f.tee(at);
  f.memory(Op["i64.load"], tlb.executeTag);
  f.get(pc);
  f.i64Const(-(1n << BigInt(tlb.pageShift)));
  f.op(integerOpcodes.and[i64]);
  loadState(f, s, "fetchAsid");
  f.op(integerOpcodes.or[i64]);
  f.op(integerOpcodes.ne[i64]);
  returnIf(f, 0);
  // Address of the code page: codeMap[physical page of 4 KiB].
  loadState(f, s, "codeMap");
  f.get(at);
  f.memory(Op["i32.load"], tlb.physicalPage);
  f.i32Const(tlb.pageShift - codePage.shift);
  f.op(integerOpcodes.shl[i32]);
  f.get(pc);
  f.i64Const(BigInt(codePage.shift));
  f.op(integerOpcodes.shrU[i64]);
  f.op(conversionOpcodes.wrap);
  f.i32Const((1 << (tlb.pageShift - codePage.shift)) - 1);
  f.op(integerOpcodes.and[i32]);
  f.op(integerOpcodes.or[i32]);
  f.i32Const(2);
  f.op(integerOpcodes.shl[i32]);
  f.op(integerOpcodes.add[i32]);
  f.memory(Op["i32.load"], 0);
  f.tee(at);
  f.op(integerOpcodes.eqz[i32]);
  returnIf(f, 0);
  f.get(at);
  f.get(pc);
  f.op(conversionOpcodes.wrap);
  f.i32Const(codePage.instructions * 4 - 4);
  f.op(integerOpcodes.and[i32]);
  f.i32Const(Math.log2(codePage.entrySize / 4));
  f.op(integerOpcodes.shl[i32]);
  f.op(integerOpcodes.add[i32]);
  f.set(at);
  emitWordAt(f, at);
  f.tee(at);
  f.if();
  f.get(cached);
  f.get(pc);
  f.memory(Op["i64.store"], vcpuLayout.jumpCache);
  f.get(cached);
  loadState(f, s, "jumpContext");
  f.memory(Op["i32.store"], vcpuLayout.jumpCache + jumpCache.context);
  f.get(cached);
  f.get(at);
  f.memory(Op["i32.store"], vcpuLayout.jumpCache + jumpCache.word);
  f.end();
  f.get(at);
  return f;
}

/** Pushes what the region that the word in the local leads to is called with, and its place in the table. */
function emitOperands(f: FunctionBuilder, s: number, pushDepth: () => void, word: number): void {
  f.get(s);
  f.get(word);
  f.i32Const(tableBits);
  f.op(integerOpcodes.shrU[i32]);
  pushDepth();
  f.get(word);
  f.i32Const((1 << tableBits) - 1);
  f.op(integerOpcodes.and[i32]);
}

/** Pushes the result of the region that the word in the local leads to. */
function emitRun(f: FunctionBuilder, s: number, depth: number, word: number): void {
  const oneLess = () => {
    f.get(depth);
    f.i32Const(1);
    f.op(integerOpcodes.sub[i32]);
  };
  emitOperands(f, s, oneLess, word);
  f.callIndirect(regionType, regionTable);
}

/**
 * Emits the end of a region, pc and budget being in the state: goes on to the region that pc leads to, in place of this one,
 * if there is one and the slice is not over; falls through otherwise.
 */
export function emitGoOn(f: FunctionBuilder, { state: s, depth }: { state: number; depth: number }): void {
  const word = f.local("i32");
  loadState(f, s, "budget");
  f.i32Const(0);
  f.op(integerOpcodes.geS[i32]);
  f.if();
  f.get(s);
  f.call(lookUp);
  f.tee(word);
  f.if();
  emitOperands(f, s, () => f.get(depth), word);
  f.returnCallIndirect(regionType, regionTable);
  f.end();
  f.end();
  f.release(word);
}

/** What was called has jumped elsewhere: runs what pc leads to until the guest is back, or something else is due. */
function emitRunUntilBack(): FunctionBuilder {
  const f = new FunctionBuilder(["i32", "i64", "i32"]);
  const [s, back, depth] = [0, 1, 2] as const;
  const word = f.local("i32");
  const again = f.loop("i32");
  loadState(f, s, "budget");
  f.i32Const(0);
  f.op(integerOpcodes.ltS[i32]);
  returnIf(f, 1);
  f.get(s);
  f.call(lookUp);
  f.tee(word);
  f.op(integerOpcodes.eqz[i32]);
  returnIf(f, 1);
  emitRun(f, s, depth, word);
  f.op(integerOpcodes.eqz[i32]);
  returnIf(f, 0);
  loadState(f, s, "pc");
  f.get(back);
  f.op(integerOpcodes.ne[i64]);
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
export function emitCall(
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
  f.op(integerOpcodes.sub[i32]);
  f.get(budget);
  f.op(integerOpcodes.or[i32]);
  f.i32Const(0);
  f.op(integerOpcodes.ltS[i32]);
  returnIf(f, 1);
  // Each place has a call of its own: so the host's processor can predict it.
  if (entry === undefined) {
    f.get(s);
    f.call(lookUp);
    f.set(word);
  } else {
    f.i32Const(entry);
    f.set(word);
    emitWordAt(f, word);
    f.set(word);
  }
  f.get(word);
  f.op(integerOpcodes.eqz[i32]);
  returnIf(f, 1);
  emitRun(f, s, depth, word);
  f.op(integerOpcodes.eqz[i32]);
  returnIf(f, 0);
  loadState(f, s, "pc");
  pushBack();
  f.op(integerOpcodes.ne[i64]);
  f.if();
  f.get(s);
  pushBack();
  f.get(depth);
  f.call(runUntilBack);
  f.tee(result);
  f.i32Const(calledBack);
  f.op(integerOpcodes.ne[i32]);
  f.if();
  f.get(result);
  f.return();
  f.end();
  f.end();
  f.release(word);
  f.release(result);
}
