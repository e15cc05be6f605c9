/**
 * Loads and stores that all threads see in the order of x86's processors, on whatever host: no load overtakes another, no
 * store anything before it. What is aligned is one atomic access, which is stronger: it is sequentially consistent. What
 * is not, and what has 16 bytes, for which there are none, has a fence behind a load and before a store (and behind one that
 * is not aligned).
 */
import type { Access, FunctionBuilder } from "./function-builder.js";

/** Bytes of an access to an i64, all of it or its lower part. */
export type Width = 1 | 2 | 4 | 8;

export const plainLoads = {
  1: "i64.load8_u",
  2: "i64.load16_u",
  4: "i64.load32_u",
  8: "i64.load",
} as const satisfies Record<Width, Access>;

export const plainStores = {
  1: "i64.store8",
  2: "i64.store16",
  4: "i64.store32",
  8: "i64.store",
} as const satisfies Record<Width, Access>;

/** Pushes whether an access is not aligned. */
function unaligned(f: FunctionBuilder, address: number, size: Width, offset: number): void {
  f.get(address);
  if (offset % size !== 0) {
    f.i32Const(offset);
    f.i32("add");
  }
  f.i32Const(size - 1);
  f.i32("and");
}

/** [address: i32] -> [value]: a v128 for 16 bytes, an i64 for fewer. */
export function emitOrderedLoad(f: FunctionBuilder, size: Width | 16, offset: number): void {
  if (size === 16) {
    f.vectorAccess("load", offset);
    f.fence();
    return;
  }
  if (size === 1) {
    f.atomicAccess("load", 1, offset);
    return;
  }
  const address = f.local("i32");
  f.set(address);
  unaligned(f, address, size, offset);
  f.if("i64");
  f.get(address);
  f.access(plainLoads[size], offset);
  f.fence();
  f.else();
  f.get(address);
  f.atomicAccess("load", size, offset);
  f.end();
  f.release(address);
}

/** [address: i32, value] -> [] */
export function emitOrderedStore(f: FunctionBuilder, size: Width | 16, offset: number): void {
  if (size === 16) {
    // What stands on the stack is not stored yet.
    f.fence();
    f.vectorAccess("store", offset);
    return;
  }
  if (size === 1) {
    f.atomicAccess("store", 1, offset);
    return;
  }
  const [address, value] = [f.local("i32"), f.local("i64")];
  f.set(value);
  f.set(address);
  unaligned(f, address, size, offset);
  f.if();
  f.fence();
  f.get(address);
  f.get(value);
  f.access(plainStores[size], offset);
  // Of an instruction with LOCK, too.
  f.fence();
  f.else();
  f.get(address);
  f.get(value);
  f.atomicAccess("store", size, offset);
  f.end();
  f.release(value);
  f.release(address);
}
