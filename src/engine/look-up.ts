/** Pieces of looking something up by its effective address, as accesses, the interpreter's core and regions emit them. */
import type { FunctionBuilder } from "../wasm/function-builder.js";
import type { EngineLayout } from "./layout.js";

/**
 * [table] -> [entry]: where in a table of the soft TLB the translation of the address in local `ea` can stand, of data or, in the
 * table that the state's `fetchTlb` has, of code.
 */
export function emitTlbEntry(f: FunctionBuilder, { tlb }: EngineLayout, ea: number, kind: "data" | "code"): void {
  f.get(ea);
  // Its bits lie in the low half: to cut that first is free, and an operation less for each access than to shift all of it.
  f.convert("wrap");
  f.i32Const(tlb.pageShift - Math.log2(tlb.entrySize));
  f.i32("shrU");
  f.i32Const(((kind === "data" ? tlb.entries : tlb.fetchEntries) - 1) * tlb.entrySize);
  f.i32("and");
  f.i32("add");
}

/** [address] -> [tag]: what a tag of the soft TLB must be for the page of the address. */
export function emitTlbTag(f: FunctionBuilder, { tlb }: EngineLayout, pushAsid: () => void): void {
  f.i64Const(-(1n << BigInt(tlb.pageShift)));
  f.i64("and");
  pushAsid();
  f.i64("or");
}

/** [code map] -> [code page, or 0]: `entry` is the local with the soft TLB's entry of the address in local `ea`. */
export function emitCodePage(f: FunctionBuilder, { codePage, tlb }: EngineLayout, entry: number, ea: number): void {
  // The map goes by physical pages of 4 KiB.
  f.get(entry);
  f.load("i32", tlb.physicalPage);
  f.i32Const(tlb.pageShift - codePage.shift);
  f.i32("shl");
  f.get(ea);
  f.i64Const(BigInt(codePage.shift));
  f.i64("shrU");
  f.convert("wrap");
  f.i32Const((1 << (tlb.pageShift - codePage.shift)) - 1);
  f.i32("and");
  f.i32("or");
  f.i32Const(2);
  f.i32("shl");
  f.i32("add");
  f.load("i32", 0);
}

/** [code page] -> [decoded entry] of the address in local `ea`. */
export function emitDecodedEntry(f: FunctionBuilder, { codePage }: EngineLayout, ea: number): void {
  f.get(ea);
  f.convert("wrap");
  f.i32Const((1 << codePage.shift) - (codePage.entrySize >> codePage.scale));
  f.i32("and");
  f.i32Const(codePage.scale);
  f.i32("shl");
  f.i32("add");
}
