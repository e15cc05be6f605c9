/** The values that instructions compute with, of any instruction set. What one is, only the engine that records it knows. */
declare const width: unique symbol;
/** A 32-bit value; also a truth value (0 or 1) and an operand field of the instruction word. */
export interface I32 {
  readonly [width]: "i32";
}
/** A 64-bit value. */
export interface I64 {
  readonly [width]: "i64";
}
/** A double of the host: IEEE binary64, operations rounding to nearest. */
export interface F64 {
  readonly [width]: "f64";
}
/**
 * A 128-bit value, held as one 128-bit integer whose most significant bit is the register's bit 0.
 * Lanes are numbered from the least significant end: lane i of n is the manual's element n-1-i.
 */
export interface V128 {
  readonly [width]: "v128";
}
