/** The values that instructions compute with, of any instruction set. What one is, only the engine that records it knows. */
/** What tells them apart; no value has it when it runs. */
export declare const width: unique symbol;
export interface Value<W extends "i32" | "i64" | "f64" | "v128" = "i32" | "i64" | "f64" | "v128"> {
  readonly [width]: W;
}
/** A 32-bit value; also a truth value (0 or 1) and an operand field of the instruction word. */
export type I32 = Value<"i32">;
/** A 64-bit value. */
export type I64 = Value<"i64">;
/** A double of the host: IEEE binary64, operations rounding to nearest. */
export type F64 = Value<"f64">;
/**
 * A 128-bit value, held as one 128-bit integer whose most significant bit is the register's bit 0.
 * Lanes are numbered from the least significant end: lane i of n is the manual's element n-1-i.
 */
export type V128 = Value<"v128">;
