/** Binary-coded decimals, outside 64-bit mode. */
import { insn } from "../insn.js";

/** Decimal Adjust AL after Addition. */
export const daa = insn("daa", ["27 i64"]);
/** Decimal Adjust AL after Subtraction. */
export const das = insn("das", ["2F i64"]);
/** ASCII Adjust After Addition. */
export const aaa = insn("aaa", ["37 i64"]);
/** ASCII Adjust AL After Subtraction. */
export const aas = insn("aas", ["3F i64"]);
/** ASCII Adjust AX After Multiply. */
export const aam = insn("aam", ["D4 i64  base:u8"]);
/** ASCII Adjust AX Before Division. */
export const aad = insn("aad", ["D5 i64  base:u8"]);

export const decimalInstructions = [daa, das, aaa, aas, aam, aad];
