/**
 * The forms of prefixed instructions: the prefixes' patterns, and what theirs adds to an address.
 * Source: Power ISA v3.1B, Book I "Instruction Prefix Formats", "Effective Address Calculation".
 */
import type { I32, I64, Machine } from "./machine.js";

/** MLS and 8LS: R, and the upper part of a displacement of 34 bits; the suffix ends with the rest, `d:16`. */
export const mlsPrefix = "000001 10 0 - - r:1 - - d:w18@16";
export const eightLsPrefix = "000001 00 0 - - r:1 - - d:w18@16";
/** 8RR, the 20 bits behind its type left open. */
export const eightRrPrefix = "000001 01 0000";
/** MMIRR, the 20 bits behind its type left open. */
export const mmirrPrefix = "000001 11 1001";

/** (RA|0), or with R the address of the instruction, and the displacement. Both R and RA are an invalid form. */
export function prefixedSum(m: Machine, { r, ra, d }: { readonly r: I32; readonly ra: I32; readonly d: I64 }): I64 {
  const { i32, i64 } = m;
  m.if(r, () => m.if(i32.ne(ra, i32.const(0)), () => m.raise("illegal")));
  return i64.add(m.select(r, m.cia(), m.gprOrZero(ra)), d);
}
