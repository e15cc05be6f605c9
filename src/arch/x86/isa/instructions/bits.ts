/** Bit manipulation: BMI1 and BMI2. */

import { highProduct } from "../../../../semantics/products.js";
import type { I64 } from "../../../../semantics/values.js";
import { low, resultFlags, signed } from "../flags.js";
import { insn } from "../insn.js";
import { type Operand, rdx, type X86Machine } from "../machine.js";

/** ZF and SF of a result, OF clear; AF and PF are undefined. */
function bitFlags(m: X86Machine, size: number, result: I64, carry: Parameters<X86Machine["setFlags"]>[0]): void {
  m.setFlags({ ...resultFlags(m, size, result), overflow: m.i64.const(0), ...carry });
}

/** What BLSI, BLSMSK and BLSR make of a value and the value less 1. */
const lowest =
  (make: (m: X86Machine, value: I64, less: I64) => I64, carryOf: "zero" | "value") =>
  (m: X86Machine, { dst, src }: { dst: Operand; src: Operand }): void => {
    const { size } = src;
    const value = src.read();
    const result = low(m, size, make(m, value, m.i64.sub(value, m.i64.const(1))));
    dst.write(result);
    const zero = m.i64.eqz(value);
    bitFlags(m, size, result, { carry: carryOf === "zero" ? zero : m.i32.eqz(zero) });
  };

/** Shifts that change no flag. */
const shifted =
  (shift: (m: X86Machine, value: I64, count: I64, size: number) => I64) =>
  (m: X86Machine, { dst, src, count }: { dst: Operand; src: Operand; count: Operand }): void => {
    const { size } = src;
    dst.write(shift(m, src.read(), m.i64.and(count.read(), m.i64.const(size - 1)), size));
  };

/** Logical AND NOT. */
export const andn = insn(
  "andn",
  ["VEX.L0.NP.0F38 F2 /r  dst:r, a:v, b:rm"],
  { undefinedFlags: { always: "ap" }, feature: "bmi1" },
  (m, { dst, a, b }) => {
    const result = m.i64.and(m.i64.not(a.read()), b.read());
    dst.write(result);
    bitFlags(m, dst.size, result, { carry: m.i32.const(0) });
  },
);
/** Bit Field Extract. */
export const bextr = insn(
  "bextr",
  ["VEX.L0.NP.0F38 F7 /r  dst:r, src:rm, control:v"],
  { undefinedFlags: { always: "sap" }, feature: "bmi1" },
  (m, { dst, src, control }) => {
    const { i64 } = m;
    const { size } = src;
    const value = src.read();
    const both = control.read();
    const start = i64.and(both, i64.const(0xff));
    const length = i64.and(i64.shrU(both, i64.const(8)), i64.const(0xff));
    const zero = i64.const(0);
    const moved = m.select(i64.ltU(start, i64.const(size)), i64.shrU(value, start), zero);
    const mask = i64.sub(i64.shl(i64.const(1), length), i64.const(1));
    const result = m.select(i64.ltU(length, i64.const(size)), i64.and(moved, mask), moved);
    dst.write(result);
    bitFlags(m, size, result, { carry: m.i32.const(0) });
  },
);
/** Extract Lowest Set Isolated Bit. */
export const blsi = insn(
  "blsi",
  ["VEX.L0.NP.0F38 F3 /3  dst:v, src:rm"],
  { undefinedFlags: { always: "ap" }, feature: "bmi1" },
  lowest((m, value) => m.i64.and(value, m.i64.neg(value)), "value"),
);
/** Get Mask Up to Lowest Set Bit. */
export const blsmsk = insn(
  "blsmsk",
  ["VEX.L0.NP.0F38 F3 /2  dst:v, src:rm"],
  { undefinedFlags: { always: "ap" }, feature: "bmi1" },
  lowest((m, value, less) => m.i64.xor(value, less), "zero"),
);
/** Reset Lowest Set Bit. */
export const blsr = insn(
  "blsr",
  ["VEX.L0.NP.0F38 F3 /1  dst:v, src:rm"],
  { undefinedFlags: { always: "ap" }, feature: "bmi1" },
  lowest((m, value, less) => m.i64.and(value, less), "zero"),
);
/** Zero High Bits Starting with Specified Bit Position. */
export const bzhi = insn(
  "bzhi",
  ["VEX.L0.NP.0F38 F5 /r  dst:r, src:rm, index:v"],
  { undefinedFlags: { always: "ap" }, feature: "bmi2" },
  (m, { dst, src, index }) => {
    const { i64 } = m;
    const { size } = src;
    const value = src.read();
    const from = i64.and(index.read(), i64.const(0xff));
    const fits = i64.ltU(from, i64.const(size));
    const mask = i64.sub(i64.shl(i64.const(1), from), i64.const(1));
    const result = m.select(fits, i64.and(value, mask), value);
    dst.write(result);
    bitFlags(m, size, result, { carry: m.i32.eqz(fits) });
  },
);
/** Unsigned Multiply Without Affecting Flags. */
export const mulx = insn(
  "mulx",
  ["VEX.L0.F2.0F38 F6 /r  high:r, low:v, src:rm"],
  { feature: "bmi2" },
  (m, { high, low: lower, src }) => {
    const { size } = src;
    const a = m.register(rdx, size);
    const b = src.read();
    const product = m.i64.mul(a, b);
    const upper = size === 64 ? highProduct(m, a, b) : m.i64.shrU(product, m.i64.const(32));
    // Where both are one register, the high half is what stays.
    lower.write(product);
    high.write(upper);
  },
);
/** Parallel Bits Deposit. */
export const pdep = insn(
  "pdep",
  ["VEX.L0.F2.0F38 F5 /r  dst:r, src:v, mask:rm"],
  { feature: "bmi2" },
  (m, { dst, src, mask }) => dst.write(m.call("depositBits", src.read(), mask.read())),
);
/** Parallel Bits Extract. */
export const pext = insn(
  "pext",
  ["VEX.L0.F3.0F38 F5 /r  dst:r, src:v, mask:rm"],
  { feature: "bmi2" },
  (m, { dst, src, mask }) => dst.write(m.call("extractBits", src.read(), mask.read())),
);
/** Rotate Right Logical Without Affecting Flags. */
export const rorx = insn(
  "rorx",
  ["VEX.L0.F2.0F3A F0 /r  dst:r, src:rm, count:u8"],
  { feature: "bmi2" },
  shifted((m, value, count, size) =>
    size === 64
      ? m.i64.rotl(value, m.i64.sub(m.i64.const(64), count))
      : m.i64.or(m.i64.shrU(value, count), m.i64.shl(value, m.i64.sub(m.i64.const(32), count))),
  ),
);
/** Shift Arithmetic Right Without Affecting Flags. */
export const sarx = insn(
  "sarx",
  ["VEX.L0.F3.0F38 F7 /r  dst:r, src:rm, count:v"],
  { feature: "bmi2" },
  shifted((m, value, count, size) => m.i64.shrS(signed(m, size, value), count)),
);
/** Shift Logical Left Without Affecting Flags. */
export const shlx = insn(
  "shlx",
  ["VEX.L0.66.0F38 F7 /r  dst:r, src:rm, count:v"],
  { feature: "bmi2" },
  shifted((m, value, count) => m.i64.shl(value, count)),
);
/** Shift Logical Right Without Affecting Flags. */
export const shrx = insn(
  "shrx",
  ["VEX.L0.F2.0F38 F7 /r  dst:r, src:rm, count:v"],
  { feature: "bmi2" },
  shifted((m, value, count) => m.i64.shrU(value, count)),
);

export const bitInstructions = [andn, bextr, blsi, blsmsk, blsr, bzhi, mulx, pdep, pext, rorx, sarx, shlx, shrx];
