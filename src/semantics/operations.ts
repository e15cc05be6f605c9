/**
 * What an instruction's body can compute and do whatever the architecture. Nothing here says how a value is held or
 * computed: the interpreter and the translator record the operations and emit WebAssembly. What a machine has besides -
 * registers, modes, traps, routines of its own - its instruction set adds.
 */
import type { F64, I32, I64, V128 } from "./values.js";

/** Operations common to both integer widths. Shift counts are taken modulo the width. */
export interface IntegerOps<T> {
  const(value: bigint | number): T;
  add(a: T, b: T): T;
  sub(a: T, b: T): T;
  mul(a: T, b: T): T;
  /** Division by zero and the overflowing signed division trap the engine: guard them with `m.select` on the divisor first. */
  divS(a: T, b: T): T;
  divU(a: T, b: T): T;
  remS(a: T, b: T): T;
  remU(a: T, b: T): T;
  and(a: T, b: T): T;
  or(a: T, b: T): T;
  xor(a: T, b: T): T;
  not(a: T): T;
  neg(a: T): T;
  shl(a: T, count: T): T;
  shrU(a: T, count: T): T;
  shrS(a: T, count: T): T;
  rotl(a: T, count: T): T;
  clz(a: T): T;
  ctz(a: T): T;
  popcnt(a: T): T;
  /** Sign-extends the low 8 bits. */
  extend8S(a: T): T;
  /** Sign-extends the low 16 bits. */
  extend16S(a: T): T;
  eqz(a: T): I32;
  eq(a: T, b: T): I32;
  ne(a: T, b: T): I32;
  ltS(a: T, b: T): I32;
  ltU(a: T, b: T): I32;
  gtS(a: T, b: T): I32;
  gtU(a: T, b: T): I32;
  leS(a: T, b: T): I32;
  leU(a: T, b: T): I32;
  geS(a: T, b: T): I32;
  geU(a: T, b: T): I32;
}

export interface I64Ops extends IntegerOps<I64> {
  extendU(a: I32): I64;
  extendS(a: I32): I64;
  /** Sign-extends the low 32 bits. */
  extend32S(a: I64): I64;
}

export interface I32Ops extends IntegerOps<I32> {
  /** The low 32 bits. */
  wrap(a: I64): I32;
}

/** The host's arithmetic on doubles. NaNs that it makes have any payload: look at the result before it is used. */
export interface F64Ops {
  add(a: F64, b: F64): F64;
  sub(a: F64, b: F64): F64;
  mul(a: F64, b: F64): F64;
  div(a: F64, b: F64): F64;
  sqrt(a: F64): F64;
  abs(a: F64): F64;
  neg(a: F64): F64;
  /** To an integral value: up, down, toward zero, to the nearest with ties to even. */
  ceil(a: F64): F64;
  floor(a: F64): F64;
  trunc(a: F64): F64;
  nearest(a: F64): F64;
  eq(a: F64, b: F64): I32;
  lt(a: F64, b: F64): I32;
  gt(a: F64, b: F64): I32;
  /** a * b + c, rounded once. Only where `Operations.fused`. */
  mulAdd(a: F64, b: F64, c: F64): F64;
  /** Rounded to single, as a double. */
  toSingle(a: F64): F64;
  /** The double that a single, given as a word, is. */
  fromSingle(word: I32): F64;
  /** Rounded to single, as a word. */
  singleBits(a: F64): I32;
  /** Toward zero; what does not fit gives the nearest that does, a NaN 0. */
  toSigned(a: F64): I64;
  toUnsigned(a: F64): I64;
  fromSigned(a: I64): F64;
  fromUnsigned(a: I64): F64;
  bits(a: F64): I64;
  ofBits(a: I64): F64;
}

/** The host's arithmetic on lanes of singles or doubles; see F64Ops. A comparison gives all ones or all zeros in each lane. */
export interface FloatLaneOps {
  eq(a: V128, b: V128): V128;
  abs(a: V128): V128;
  neg(a: V128): V128;
  sqrt(a: V128): V128;
  add(a: V128, b: V128): V128;
  sub(a: V128, b: V128): V128;
  mul(a: V128, b: V128): V128;
  div(a: V128, b: V128): V128;
  /** a * b + c, rounded once. Only where `Operations.fused`. */
  mulAdd(a: V128, b: V128, c: V128): V128;
  /** From words: all four for singles, lanes 0 and 1 for doubles. */
  fromSigned(a: V128): V128;
  fromUnsigned(a: V128): V128;
}

export interface V128Ops {
  const(value: bigint): V128;
  and(a: V128, b: V128): V128;
  or(a: V128, b: V128): V128;
  xor(a: V128, b: V128): V128;
  /** a & ~b */
  andnot(a: V128, b: V128): V128;
  not(a: V128): V128;
  /** (a & mask) | (b & ~mask) */
  bitselect(a: V128, b: V128, mask: V128): V128;
  /** 1 if any bit is set. */
  anyTrue(a: V128): I32;
  /** From two doublewords, the more significant first. */
  make(high: I64, low: I64): V128;
  /** The more significant doubleword (the manual's doubleword element 0). */
  high(a: V128): I64;
  /** The less significant doubleword (the manual's doubleword element 1). */
  low(a: V128): I64;
}

/** Lane-wise operations that every integer shape has. A comparison gives all ones or all zeros in each lane. */
export interface LaneOps<S> {
  splat(a: S): V128;
  /** `lane` is a plain number: lane 0 is the least significant. Zero-extended for the 8- and 16-bit shapes. */
  extract(a: V128, lane: number): S;
  replace(a: V128, lane: number, value: S): V128;
  add(a: V128, b: V128): V128;
  sub(a: V128, b: V128): V128;
  neg(a: V128): V128;
  abs(a: V128): V128;
  /** Shifts every lane by one count, taken modulo the lane's width. */
  shl(a: V128, count: I32): V128;
  shrU(a: V128, count: I32): V128;
  shrS(a: V128, count: I32): V128;
  eq(a: V128, b: V128): V128;
  ne(a: V128, b: V128): V128;
  ltS(a: V128, b: V128): V128;
  gtS(a: V128, b: V128): V128;
  leS(a: V128, b: V128): V128;
  geS(a: V128, b: V128): V128;
  allTrue(a: V128): I32;
  /** The lanes' sign bits, lane 0 in bit 0. */
  bitmask(a: V128): I32;
}

/** Unsigned order and minimum and maximum: all shapes but 64 bits. */
export interface OrderedLaneOps {
  ltU(a: V128, b: V128): V128;
  gtU(a: V128, b: V128): V128;
  leU(a: V128, b: V128): V128;
  geU(a: V128, b: V128): V128;
  minS(a: V128, b: V128): V128;
  minU(a: V128, b: V128): V128;
  maxS(a: V128, b: V128): V128;
  maxU(a: V128, b: V128): V128;
}

/** Saturating arithmetic and the rounding average: the 8- and 16-bit shapes. */
export interface SaturatingLaneOps {
  addSatS(a: V128, b: V128): V128;
  addSatU(a: V128, b: V128): V128;
  subSatS(a: V128, b: V128): V128;
  subSatU(a: V128, b: V128): V128;
  /** (a + b + 1) >> 1, unsigned. */
  avgrU(a: V128, b: V128): V128;
}

export interface MultiplyLaneOps {
  mul(a: V128, b: V128): V128;
}

/** Products and widening from the next narrower shape's low (least significant) or high lanes. */
export interface WideningLaneOps {
  extendLowS(a: V128): V128;
  extendLowU(a: V128): V128;
  extendHighS(a: V128): V128;
  extendHighU(a: V128): V128;
  extmulLowS(a: V128, b: V128): V128;
  extmulLowU(a: V128, b: V128): V128;
  extmulHighS(a: V128, b: V128): V128;
  extmulHighU(a: V128, b: V128): V128;
}

/** Pairs of the next wider shape narrowed with saturation: `a` gives the low lanes, `b` the high ones. Sources are signed. */
export interface NarrowingLaneOps {
  narrowS(a: V128, b: V128): V128;
  narrowU(a: V128, b: V128): V128;
}

export interface ByteLaneOps extends LaneOps<I32>, OrderedLaneOps, SaturatingLaneOps, NarrowingLaneOps {
  popcnt(a: V128): V128;
  /** 16 plain lane numbers; 0 to 15 pick from `a`, 16 to 31 from `b`. Result lane i is lanes[i]. */
  shuffle(a: V128, b: V128, lanes: readonly number[]): V128;
  /** Result lane i is a's lane indices[i], or 0 where the index is 16 or more. */
  swizzle(a: V128, indices: V128): V128;
}
export interface HalfwordLaneOps
  extends LaneOps<I32>,
    OrderedLaneOps,
    SaturatingLaneOps,
    MultiplyLaneOps,
    WideningLaneOps,
    NarrowingLaneOps {}
export interface WordLaneOps extends LaneOps<I32>, OrderedLaneOps, MultiplyLaneOps, WideningLaneOps {
  /** Sums of adjacent products of signed halfwords. */
  dotS(a: V128, b: V128): V128;
}
export interface DoublewordLaneOps extends LaneOps<I64>, MultiplyLaneOps, WideningLaneOps {}

/** Number of bytes a scalar storage access moves. */
export type AccessSize = 1 | 2 | 4 | 8;

/** How an access departs from the machine's byte order. */
export interface AccessOptions {
  /** The opposite of the current byte order, as the byte-reversed instructions want. */
  byteReversed?: boolean;
}

/** A body's operations that do not depend on the architecture. Its instruction set's machine extends them. */
export interface Operations {
  readonly i32: I32Ops;
  readonly i64: I64Ops;
  readonly f64: F64Ops;
  readonly v128: V128Ops;
  readonly i8x16: ByteLaneOps;
  readonly i16x8: HalfwordLaneOps;
  readonly i32x4: WordLaneOps;
  readonly i64x2: DoublewordLaneOps;
  readonly f32x4: FloatLaneOps;
  readonly f64x2: FloatLaneOps;

  /** Byte order of storage: a plain boolean, because each mode gets code of its own. */
  readonly littleEndian: boolean;
  /** The host has a fused multiply-add: a plain boolean, because code is made for the host. */
  readonly fused: boolean;

  // Storage. Addresses are effective; the engine cuts them to the mode's width.
  /** Zero-extended. May fault. */
  load(ea: I64, size: AccessSize, options?: AccessOptions): I64;
  store(ea: I64, size: AccessSize, value: I64, options?: AccessOptions): void;
  /** 16 bytes in the current byte order: in little-endian mode the byte at `ea` is the least significant. */
  loadQuad(ea: I64, options?: AccessOptions): V128;
  storeQuad(ea: I64, value: V128, options?: AccessOptions): void;
  /** Orders every access of this thread before it against every one after it, as other threads see them. */
  fence(): void;

  // Control.
  /** Address of this instruction. */
  cia(): I64;
  /** The next instruction is at `target`. Under `m.if`, falling through goes on sequentially. */
  jump(target: I64): void;
  if(condition: I32, then: () => void, otherwise?: () => void): void;
  select<T extends I32 | I64 | F64 | V128>(condition: I32, ifTrue: T, ifFalse: T): T;
  /** Runs `body` for index 0 to count - 1. Values do not leave the body but through registers and storage. */
  repeat(count: I32, body: (index: I32) => void): void;
}
