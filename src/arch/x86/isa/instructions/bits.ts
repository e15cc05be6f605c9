/** Bit manipulation: BMI1 and BMI2. */
import { insn } from "../insn.js";

/** Logical AND NOT. */
export const andn = insn("andn", ["VEX.L0.NP.0F38 F2 /r  dst:r, a:v, b:rm"], { feature: "bmi1" });
/** Bit Field Extract. */
export const bextr = insn("bextr", ["VEX.L0.NP.0F38 F7 /r  dst:r, src:rm, control:v"], { feature: "bmi1" });
/** Extract Lowest Set Isolated Bit. */
export const blsi = insn("blsi", ["VEX.L0.NP.0F38 F3 /3  dst:v, src:rm"], { feature: "bmi1" });
/** Get Mask Up to Lowest Set Bit. */
export const blsmsk = insn("blsmsk", ["VEX.L0.NP.0F38 F3 /2  dst:v, src:rm"], { feature: "bmi1" });
/** Reset Lowest Set Bit. */
export const blsr = insn("blsr", ["VEX.L0.NP.0F38 F3 /1  dst:v, src:rm"], { feature: "bmi1" });
/** Zero High Bits Starting with Specified Bit Position. */
export const bzhi = insn("bzhi", ["VEX.L0.NP.0F38 F5 /r  dst:r, src:rm, index:v"], { feature: "bmi2" });
/** Unsigned Multiply Without Affecting Flags. */
export const mulx = insn("mulx", ["VEX.L0.F2.0F38 F6 /r  high:r, low:v, src:rm"], { feature: "bmi2" });
/** Parallel Bits Deposit. */
export const pdep = insn("pdep", ["VEX.L0.F2.0F38 F5 /r  dst:r, src:v, mask:rm"], { feature: "bmi2" });
/** Parallel Bits Extract. */
export const pext = insn("pext", ["VEX.L0.F3.0F38 F5 /r  dst:r, src:v, mask:rm"], { feature: "bmi2" });
/** Rotate Right Logical Without Affecting Flags. */
export const rorx = insn("rorx", ["VEX.L0.F2.0F3A F0 /r  dst:r, src:rm, count:u8"], { feature: "bmi2" });
/** Shift Arithmetic Right Without Affecting Flags. */
export const sarx = insn("sarx", ["VEX.L0.F3.0F38 F7 /r  dst:r, src:rm, count:v"], { feature: "bmi2" });
/** Shift Logical Left Without Affecting Flags. */
export const shlx = insn("shlx", ["VEX.L0.66.0F38 F7 /r  dst:r, src:rm, count:v"], { feature: "bmi2" });
/** Shift Logical Right Without Affecting Flags. */
export const shrx = insn("shrx", ["VEX.L0.F2.0F38 F7 /r  dst:r, src:rm, count:v"], { feature: "bmi2" });

export const bitInstructions = [andn, bextr, blsi, blsmsk, blsr, bzhi, mulx, pdep, pext, rorx, sarx, shlx, shrx];
