/**
 * Storage accesses as engines emit them: the soft TLB looked up inline, everything else in the run-time library.
 * The look-up and the entry's format: `tlb` in layout.ts.
 */

import type { AccessSize } from "../semantics/operations.js";
import type { FunctionBuilder, Label } from "../wasm/function-builder.js";
import { sharedHint } from "../wasm/opcodes.js";
import { emitOrderedLoad, emitOrderedStore, plainLoads, plainStores } from "../wasm/ordered.js";
import type { Direct, Exits } from "./ir.js";
import type { EngineLayout } from "./layout.js";
import { emitTlbEntry, emitTlbTag } from "./look-up.js";

/**
 * Functions that make whole accesses, by their indices: for code that is to be small. Each takes the state's address last, and
 * notes what is to be noted; `fault` is looked at after them.
 */
export interface AccessFunctions {
  /** (address, state) -> value */
  load(size: AccessSize | 16, bigEndian: boolean): number;
  /** (address, value, state) */
  store(size: AccessSize | 16, bigEndian: boolean): number;
  /** (address, state) -> host address; `slow` as `emitPlace` has it. */
  place(size: AccessSize, slow: number): number;
  /** (host address, what was there, value, whether it is locked if that is asked, state) -> 1: the instruction starts over. */
  placedStore(store: PlacedStore): number;
}

/** What the accesses of one function share. */
export interface AccessContext {
  readonly layout: EngineLayout;
  /** Local that holds the state's address. */
  readonly state: number;
  /** Pushes the current soft-TLB table's address (i32). */
  table(f: FunctionBuilder): void;
  /** Pushes the current tag bits (i64). */
  asid(f: FunctionBuilder): void;
  /** Function index of a slow path. */
  slow(name: "loadSlow" | "storeSlow" | "loadQuadSlow" | "storeQuadSlow"): number;
  /** Whether the access is to be noted in the state, for the Trace interrupt. */
  readonly noted?: boolean;
  /** Whether accesses are to be ordered (wasm/ordered.ts); asked as each is emitted. Default: they are plain. */
  readonly ordered?: () => boolean;
  /** Leaves through `exits.fault` if the routine just called set `fault`. */
  checkFault(f: FunctionBuilder, exits: Exits): void;
  /** If they are there, they are called for all accesses that they make. */
  readonly functions?: AccessFunctions | undefined;
}

/** [what it takes but the state's address] -> [its result]: calls one of `AccessFunctions`. */
function callAccess(f: FunctionBuilder, exits: Exits, x: AccessContext, index: number): void {
  exits.beforeFault?.(f);
  exits.storePc(f);
  f.get(x.state);
  f.call(index);
}

/** Emits the look at `fault` after a routine. */
export function checkFault({ state }: EngineLayout, stateLocal: number): AccessContext["checkFault"] {
  return (f, exits) => {
    f.get(stateLocal);
    f.load("i32", state.fault.offset);
    f.if(undefined, "unlikely");
    exits.fault(f);
    f.end();
  };
}

/** Notes the instruction's first access. */
function note(f: FunctionBuilder, x: AccessContext, ea: number, kind: 1 | 2): void {
  if (!x.noted) return;
  const { state } = x.layout;
  f.get(x.state);
  f.load("i32", state.steppedAccess.offset);
  f.i32("eqz");
  f.if();
  f.get(x.state);
  f.i32Const(kind);
  f.store("i32", state.steppedAccess.offset);
  f.get(x.state);
  f.get(ea);
  f.store("i64", state.steppedAddress.offset);
  f.end();
}

/** On entry the address is in local `ea`; leaves the entry's address in the returned local; branches out on a miss. */
function lookUp(f: FunctionBuilder, x: AccessContext, ea: number, size: number, tag: number, miss: Label): number {
  const entry = f.local("i32");
  x.table(f);
  emitTlbEntry(f, x.layout, ea, "data");
  f.tee(entry);
  f.load("i64", tag);
  f.get(ea);
  if (size > 1) {
    // The last byte's page: an access that crosses the page finds another page's tag, and so misses.
    f.i64Const(BigInt(size - 1));
    f.i64("add");
  }
  emitTlbTag(f, x.layout, () => x.asid(f));
  f.i64("ne");
  f.brIf(miss, "unlikely");
  return entry;
}

/** Pushes the host address of an access that hit. */
function hostAddress(f: FunctionBuilder, { layout: { tlb } }: AccessContext, ea: number, entry: number): void {
  f.get(ea);
  f.convert("wrap");
  f.get(entry);
  f.load("i32", tlb.addend);
  f.i32("add");
}

/** Which byte of a vector comes where, the low so many being reversed; the others come of a second vector. */
const reversal = (size: number): readonly number[] =>
  Array.from({ length: 16 }, (_, i) => (i < size ? size - 1 - i : 16));
const reversals = { 1: reversal(1), 2: reversal(2), 4: reversal(4), 8: reversal(8), 16: reversal(16) } as const;

/** Reverses the low `size` bytes of the i64 on the stack; for less than 8 the rest of the result is zero. */
export function emitByteReverse(f: FunctionBuilder, size: AccessSize): void {
  if (size === 1) return;
  f.lanes("i64x2", "splat");
  f.v128Const(0n);
  f.shuffle(reversals[size]);
  f.lane("i64x2", "extract", 0);
}

function reverseQuad(f: FunctionBuilder): void {
  const v = f.local("v128");
  f.tee(v);
  f.get(v);
  f.shuffle(reversals[16]);
  f.release(v);
}

/**
 * [host address: i32] -> [value], in order or as a plain access, whose alignment says that it is one to what threads share: built modules have a form
 * for hosts on which it must be ordered.
 */
function loadBytes(f: FunctionBuilder, x: AccessContext, size: AccessSize | 16, offset: number): void {
  if (x.ordered?.()) emitOrderedLoad(f, size, offset);
  else if (size === 16) f.vectorAccess("load", offset, sharedHint);
  else f.access(plainLoads[size], offset, size === 1 ? 0 : sharedHint);
}

/** [host address: i32, value] -> [], likewise. */
function storeBytes(f: FunctionBuilder, x: AccessContext, size: AccessSize | 16, offset: number): void {
  if (x.ordered?.()) emitOrderedStore(f, size, offset);
  else if (size === 16) f.vectorAccess("store", offset, sharedHint);
  else f.access(plainStores[size], offset, size === 1 ? 0 : sharedHint);
}

/** [host address: i32] -> [value] */
function loadHere(
  f: FunctionBuilder,
  x: AccessContext,
  size: AccessSize | 16,
  bigEndian: boolean,
  offset: number,
): void {
  loadBytes(f, x, size, offset);
  if (!bigEndian) return;
  if (size === 16) reverseQuad(f);
  else emitByteReverse(f, size);
}

/** [host address: i32, value] -> [] */
function storeHere(
  f: FunctionBuilder,
  x: AccessContext,
  size: AccessSize | 16,
  bigEndian: boolean,
  offset: number,
): void {
  if (bigEndian) {
    if (size === 16) reverseQuad(f);
    else emitByteReverse(f, size);
  }
  storeBytes(f, x, size, offset);
}

/** Pushes the value at a host address that needs no check. */
export function emitDirectLoad(
  f: FunctionBuilder,
  x: AccessContext,
  at: Direct,
  size: AccessSize | 16,
  bigEndian: boolean,
): void {
  f.get(at.local);
  loadHere(f, x, size, bigEndian, at.offset);
}

/** Stores what `value` pushes at a host address that needs no check. */
export function emitDirectStore(
  f: FunctionBuilder,
  x: AccessContext,
  at: Direct,
  size: AccessSize | 16,
  bigEndian: boolean,
  value: () => void,
): void {
  f.get(at.local);
  value();
  storeHere(f, x, size, bigEndian, at.offset);
}

/** What several accesses off one address need: the bytes from the first to the last, and which tags. */
export interface Together {
  /** Bytes from the lowest to the end of the highest. */
  readonly size: number;
  readonly loads: boolean;
  readonly stores: boolean;
}

/**
 * Checks accesses together. The lowest one's effective address is on the stack; leaves the host address of it in the local
 * returned, or goes to `miss`.
 */
export function emitCheck(
  f: FunctionBuilder,
  x: AccessContext,
  { size, loads, stores }: Together,
  miss: Label,
): number {
  const ea = f.local("i64");
  const { tlb } = x.layout;
  f.set(ea);
  const entry = lookUp(f, x, ea, size, loads ? tlb.readTag : tlb.writeTag, miss);
  if (loads && stores) {
    f.get(entry);
    f.load("i64", tlb.readTag);
    f.get(entry);
    f.load("i64", tlb.writeTag);
    f.i64("ne");
    f.brIf(miss, "unlikely");
  }
  hostAddress(f, x, ea, entry);
  f.set(entry);
  f.release(ea);
  return entry;
}

/** The two ways that an access goes. */
interface Ways<T> {
  /** What either leaves on the stack. */
  readonly result?: "i32" | "i64" | "v128";
  /** By the soft TLB; branches to `miss` if it has not what is needed. */
  readonly access: (miss: Label) => T;
  /** By the run-time library: pushes what its routine takes besides the state, and calls it. */
  readonly slow: () => void;
}

/** The quick way, and for a miss the function's own exit or else the slow one. */
function emitEither<T>(f: FunctionBuilder, exits: Exits, x: AccessContext, { result, access, slow }: Ways<T>): T {
  if (exits.miss) return access(exits.miss(f));
  const done = f.block(result);
  const accessed = access(f.block());
  f.br(done);
  f.end();
  exits.storePc(f);
  f.get(x.state);
  slow();
  x.checkFault(f, exits);
  f.end();
  return accessed;
}

/** [ea: i64] -> [value], `size` bytes of it; 16 give a v128, fewer an i64. */
export function emitLoad(
  f: FunctionBuilder,
  exits: Exits,
  x: AccessContext,
  size: AccessSize | 16,
  bigEndian: boolean,
): void {
  if (x.functions) {
    callAccess(f, exits, x, x.functions.load(size, bigEndian));
    x.checkFault(f, exits);
    return;
  }
  const ea = f.local("i64");
  f.set(ea);
  note(f, x, ea, 1);
  exits.beforeFault?.(f);
  const access = (miss: Label): number => {
    const entry = lookUp(f, x, ea, size, x.layout.tlb.readTag, miss);
    hostAddress(f, x, ea, entry);
    loadHere(f, x, size, bigEndian, 0);
    return entry;
  };
  const slow = (): void => {
    f.get(ea);
    if (size !== 16) f.i32Const(size);
    f.i32Const(bigEndian ? 1 : 0);
    f.call(x.slow(size === 16 ? "loadQuadSlow" : "loadSlow"));
  };
  f.release(emitEither(f, exits, x, { result: size === 16 ? "v128" : "i64", access, slow }));
  f.release(ea);
}

/** [ea: i64, value] -> []; the value is a v128 for 16 bytes, an i64 for fewer. */
export function emitStore(
  f: FunctionBuilder,
  exits: Exits,
  x: AccessContext,
  size: AccessSize | 16,
  bigEndian: boolean,
): void {
  if (x.functions) {
    callAccess(f, exits, x, x.functions.store(size, bigEndian));
    x.checkFault(f, exits);
    return;
  }
  const ea = f.local("i64");
  const value = f.local(size === 16 ? "v128" : "i64");
  f.set(value);
  f.set(ea);
  note(f, x, ea, 2);
  exits.beforeFault?.(f);
  const access = (miss: Label): number => {
    const entry = lookUp(f, x, ea, size, x.layout.tlb.writeTag, miss);
    hostAddress(f, x, ea, entry);
    f.get(value);
    storeHere(f, x, size, bigEndian, 0);
    return entry;
  };
  const slow = (): void => {
    f.get(ea);
    if (size !== 16) f.i32Const(size);
    f.get(value);
    f.i32Const(bigEndian ? 1 : 0);
    f.call(x.slow(size === 16 ? "storeQuadSlow" : "storeSlow"));
  };
  f.release(emitEither(f, exits, x, { access, slow }));
  f.release(value);
  f.release(ea);
}

/**
 * [ea: i64] -> []: clears the block of `blockSize` bytes, a multiple of 16, that the address lies in: it crosses no page.
 * `slow` is the index of the routine for what the soft TLB does not have.
 */
export function emitZeroBlock(
  f: FunctionBuilder,
  exits: Exits,
  x: AccessContext,
  blockSize: number,
  slow: number,
): void {
  const ea = f.local("i64");
  const block = f.local("i64");
  f.set(ea);
  note(f, x, ea, 2);
  exits.beforeFault?.(f);
  const access = (miss: Label): void => {
    f.get(ea);
    f.i64Const(BigInt(-blockSize));
    f.i64("and");
    f.set(block);
    const entry = lookUp(f, x, block, 1, x.layout.tlb.writeTag, miss);
    hostAddress(f, x, block, entry);
    f.set(entry);
    for (let offset = 0; offset < blockSize; offset += 16) {
      f.get(entry);
      f.v128Const(0n);
      f.store("v128", offset);
    }
    f.release(entry);
  };
  const routine = (): void => {
    f.get(ea);
    f.call(slow);
  };
  emitEither(f, exits, x, { access, slow: routine });
  f.release(block);
  f.release(ea);
}

/**
 * [ea: i64] -> [host address: i32] of an operand of `size` bytes that is to be read and then written: looked up once, as what is
 * written, which everywhere can be read as well. `slow` is the index of the routine for what the soft TLB does not have; it
 * gives such an address, too.
 */
export function emitPlace(f: FunctionBuilder, exits: Exits, x: AccessContext, size: AccessSize, slow: number): void {
  if (x.functions) {
    callAccess(f, exits, x, x.functions.place(size, slow));
    x.checkFault(f, exits);
    return;
  }
  const ea = f.local("i64");
  f.set(ea);
  note(f, x, ea, 2);
  exits.beforeFault?.(f);
  const access = (miss: Label): number => {
    const entry = lookUp(f, x, ea, size, x.layout.tlb.writeTag, miss);
    hostAddress(f, x, ea, entry);
    return entry;
  };
  const routine = (): void => {
    f.get(ea);
    f.i32Const(size);
    f.call(slow);
  };
  f.release(emitEither(f, exits, x, { result: "i32", access, slow: routine }));
  f.release(ea);
}

/** [host address: i32] -> [value] at a place that `emitPlace` gave. */
export function emitPlacedLoad(f: FunctionBuilder, x: AccessContext, size: AccessSize): void {
  loadBytes(f, x, size, 0);
}

/** What else `emitPlacedStore` is told. */
export interface PlacedStore {
  readonly size: AccessSize;
  /** Whether nobody else may have written there meanwhile: known, or what a local says that is on the stack, last. */
  readonly locked: boolean | "asked";
  /** Pushes whether a place is one of the slow way, which `done` then brings to where it belongs. */
  readonly isBuffer: (f: FunctionBuilder, place: number, state: number) => void;
  readonly done: number;
  /** (host address, what was there, value, size) -> whether it was exchanged: for what is not aligned, of which the host has no operation. */
  readonly unaligned: number;
}

/** [] -> [whether it was exchanged: i32], of what locals hold: as one operation of the host's if it is aligned. */
function emitExchange(
  f: FunctionBuilder,
  { place, old, value }: Readonly<Record<"place" | "old" | "value", number>>,
  { size, unaligned }: PlacedStore,
): void {
  const push = (): void => {
    for (const local of [place, old, value]) f.get(local);
  };
  if (size > 1) {
    f.get(place);
    f.i32Const(size - 1);
    f.i32("and");
    f.if("i32", "unlikely");
    push();
    f.i32Const(size);
    f.call(unaligned);
    f.else();
  }
  push();
  f.compareExchange(size);
  f.get(old);
  f.i64("eq");
  if (size > 1) f.end();
}

/**
 * [host address: i32, what was there, value] -> []: writes where `emitPlace` said. Locked, it is one compare-exchange; if something
 * else is there by now, the instruction starts over.
 */
export function emitPlacedStore(f: FunctionBuilder, exits: Exits, x: AccessContext, store: PlacedStore): void {
  const { size, locked, isBuffer, done } = store;
  if (x.functions) {
    callAccess(f, exits, x, x.functions.placedStore(store));
    f.if();
    exits.leave(f);
    f.end();
    x.checkFault(f, exits);
    return;
  }
  const asked = f.local("i32");
  const value = f.local("i64");
  const old = f.local("i64");
  const place = f.local("i32");
  if (locked === "asked") f.set(asked);
  f.set(value);
  f.set(old);
  f.set(place);
  if (locked === "asked") {
    f.get(asked);
    f.if();
  }
  if (locked !== false) {
    emitExchange(f, { place, old, value }, store);
    // Plain accesses may overtake its store.
    if (x.ordered?.()) f.fence();
    f.i32("eqz");
    f.if(undefined, "unlikely");
    exits.storePc(f);
    exits.leave(f);
    f.end();
  }
  if (locked === "asked") f.else();
  if (locked !== true) {
    f.get(place);
    f.get(value);
    storeBytes(f, x, size, 0);
  }
  if (locked === "asked") f.end();
  isBuffer(f, place, x.state);
  f.if(undefined, "unlikely");
  exits.storePc(f);
  f.get(x.state);
  f.i32Const(size);
  f.call(done);
  x.checkFault(f, exits);
  f.end();
  for (const local of [place, old, value, asked]) f.release(local);
}
