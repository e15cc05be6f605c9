/** Binary-coded decimals, outside 64-bit mode. Source: Intel SDM, volume 2, "Instruction Set Reference". */
import type { I32, I64 } from "../../../../semantics/values.js";
import { flagBit, low, signed } from "../flags.js";
import { insn } from "../insn.js";
import { rax, Vector, type X86Machine } from "../machine.js";

/** Flags of a result of 8 bits. */
function setResult(m: X86Machine, result: I64): void {
  const value = signed(m, 8, result);
  m.setFlags({ zero: value, sign: value });
}

const ifSo = (m: X86Machine, condition: I32, value: bigint): I64 =>
  m.select(condition, m.i64.const(value), m.i64.const(0));

/** DAA and DAS: 6 and 60h are added, or subtracted, where a digit says so. */
function adjustPacked(m: X86Machine, by: "add" | "sub"): void {
  const { i32, i64 } = m;
  const al = m.register(rax, 8);
  const carry = flagBit(m, "carry");
  const lower = i32.or(i64.gtU(i64.and(al, i64.const(15)), i64.const(9)), flagBit(m, "adjust"));
  const upper = i32.or(i64.gtU(al, i64.const(0x99)), carry);
  const halfway = i64[by](al, ifSo(m, lower, 6n));
  const result = low(m, 8, i64[by](halfway, ifSo(m, upper, 0x60n)));
  // Of DAS, what the lower digit borrows counts too.
  const borrows = by === "sub" ? i32.and(lower, i64.ltU(al, i64.const(6))) : i32.const(0);
  m.setRegister(rax, 8, result);
  setResult(m, result);
  m.setFlags({ carry: i32.or(upper, borrows), adjust: i32.shl(lower, i32.const(4)) });
}

/** AAA and AAS: a digit, and what is carried to AH. */
function adjustUnpacked(m: X86Machine, by: "add" | "sub"): void {
  const { i32, i64 } = m;
  const ax = m.register(rax, 16);
  const over = i32.or(i64.gtU(i64.and(ax, i64.const(15)), i64.const(9)), flagBit(m, "adjust"));
  m.setRegister(rax, 16, i64.and(i64[by](ax, ifSo(m, over, 0x106n)), i64.const(0xff0fn)));
  m.setFlags({ carry: over, adjust: i32.shl(over, i32.const(4)) });
}

/** Decimal Adjust AL after Addition. */
export const daa = insn("daa", ["27 i64"], { undefinedFlags: { always: "o" } }, (m) => adjustPacked(m, "add"));
/** Decimal Adjust AL after Subtraction. */
export const das = insn("das", ["2F i64"], { undefinedFlags: { always: "o" } }, (m) => adjustPacked(m, "sub"));
/** ASCII Adjust After Addition. */
export const aaa = insn("aaa", ["37 i64"], { undefinedFlags: { always: "oszp" } }, (m) => adjustUnpacked(m, "add"));
/** ASCII Adjust AL After Subtraction. */
export const aas = insn("aas", ["3F i64"], { undefinedFlags: { always: "oszp" } }, (m) => adjustUnpacked(m, "sub"));
/** ASCII Adjust AX After Multiply. */
export const aam = insn("aam", ["D4 i64  base:u8"], { undefinedFlags: { always: "oac" } }, (m, { base }) => {
  const { i64 } = m;
  const by = base.read();
  m.if(i64.eqz(by), () => m.raise(Vector.divideError));
  const al = m.register(rax, 8);
  const digit = i64.remU(al, by);
  m.setRegister(rax, 16, i64.or(i64.shl(i64.divU(al, by), i64.const(8)), digit));
  setResult(m, digit);
});
/** ASCII Adjust AX Before Division. */
export const aad = insn("aad", ["D5 i64  base:u8"], { undefinedFlags: { always: "oac" } }, (m, { base }) => {
  const { i64 } = m;
  const ax = m.register(rax, 16);
  const sum = i64.add(i64.and(ax, i64.const(0xff)), i64.mul(i64.shrU(ax, i64.const(8)), base.read()));
  const result = low(m, 8, sum);
  m.setRegister(rax, 16, result);
  setResult(m, result);
});

/** Set AL from CF, which no manual of Intel's lists and every processor has. Source: AMD APM, volume 3, "Opcode and Operand Encodings". */
export const salc = insn("salc", ["D6 i64"], {}, (m) => {
  m.setRegister(rax, 8, m.select(flagBit(m, "carry"), m.i64.const(0xff), m.i64.const(0)));
});

export const decimalInstructions = [daa, das, aaa, aas, aam, aad, salc];
