/**
 * What an instruction's semantics are written against. Nothing here says how a value is held or computed:
 * the interpreter builder (`src/engine/interpret`) and the translator (`src/engine/translate`) each implement it by recording
 * the operations and emitting WebAssembly. A body therefore runs when an engine is built or a region is
 * translated, never when the guest executes; it may branch with TypeScript's `if` only on plain booleans
 * (flag operands, `m.mode64`, `m.littleEndian`), and on guest values with `m.if` and `m.select`.
 *
 * Order matters as in a program: a `get` sees the `set`s before it. A storage access that faults leaves the
 * instruction at once, so nothing that must not happen on a fault may stand before it.
 */
import type { AccessSize, Operations } from "../../../semantics/operations.js";
import type { F64, I32, I64, V128 } from "../../../semantics/values.js";
import type { HelperArguments, HelperName, HelperResult } from "./helpers.js";
import type { RegisterName, registers } from "./registers.js";

export type { AccessOptions, AccessSize, IntegerOps, LaneOps } from "../../../semantics/operations.js";
export type { F64, I32, I64, V128 };

/** Interrupts that an instruction asks for by itself. Source: Power ISA v3.0B, Book III "Interrupts". */
export type Trap =
  /** Illegal instruction: Hypervisor Emulation Assistance, reflected to the guest as a Program interrupt. */
  | "illegal"
  /** Privileged instruction type Program interrupt. */
  | "privileged"
  /** Trap type Program interrupt. */
  | "trap"
  /** Floating-point enabled exception type Program interrupt. */
  | "floatEnabled";

/** What a named register holds. */
export type RegisterValue<N extends RegisterName> = { i32: I32; i64: I64; f64: F64 }[(typeof registers)[N]];

/** `jump` ignores the low two bits of its target. */
export interface Machine extends Operations {
  /** MSR[SF]: a plain boolean, because each mode gets code of its own. */
  readonly mode64: boolean;
  /** MSR[LE]: a plain boolean, because each mode gets code of its own. */
  readonly littleEndian: boolean;

  // Registers. Numbers are I32 so that they can be operand fields; `m.i32.const(3)` for a fixed one.
  gpr(number: I32): I64;
  /** The manual's (RA|0). */
  gprOrZero(number: I32): I64;
  setGpr(number: I32, value: I64): void;
  /** Doubleword 0 of VSR 0 to 63; FPRs are 0 to 31. */
  fpr(number: I32): I64;
  /** Sets doubleword 0 and clears doubleword 1, as the processors do. */
  setFpr(number: I32, value: I64): void;
  /** The same as a double. */
  double(number: I32): F64;
  setDouble(number: I32, value: F64): void;
  /** VSR 0 to 63. */
  vsr(number: I32): V128;
  setVsr(number: I32, value: V128): void;
  /** VR 0 to 31, which are VSR 32 to 63. */
  vr(number: I32): V128;
  setVr(number: I32, value: V128): void;
  /** CR field 0 to 7 as a 4-bit number: 8 less than, 4 greater than, 2 equal, 1 summary overflow. */
  crField(number: I32): I32;
  setCrField(number: I32, value: I32): void;
  /** CR bit 0 to 31: 0 or 1. */
  crBit(number: I32): I32;
  setCrBit(number: I32, value: I32): void;
  get<N extends RegisterName>(name: N): RegisterValue<N>;
  set<N extends RegisterName>(name: N, value: RegisterValue<N>): void;

  // Storage.
  /** Clears the 128-byte block that `ea` lies in. Storage that cannot be cached raises Alignment. */
  zeroBlock(ea: I64): void;
  /** lbarx to ldarx: sets the reservation. Misaligned addresses raise Alignment. */
  loadReserve(ea: I64, size: AccessSize): I64;
  /** stbcx. to stdcx.: 1 if the store was performed. Clears the reservation. */
  storeConditional(ea: I64, size: AccessSize, value: I64): I32;
  loadReserveQuad(ea: I64): V128;
  storeConditionalQuad(ea: I64, value: V128): I32;
  /** Raises Alignment unless `ea` is a multiple of `bytes`. */
  requireAlignment(ea: I64, bytes: number): void;
  /** Leaves the instruction with an Alignment interrupt; DAR is `ea`. */
  raiseAlignment(ea: I64): void;

  // Control.
  /** Leaves the instruction with an interrupt. */
  raise(trap: Trap): void;

  /**
   * Calls a routine of the run-time library: what is too large to stand in an instruction, or touches the
   * machine beyond its registers (translation, interrupts, time, exact floating point). See `helpers.ts`.
   */
  call<N extends HelperName>(name: N, ...args: HelperArguments<N>): HelperResult<N>;
}
