/** Flags one by one, and through AH. */
import { insn } from "../insn.js";

/** Complement Carry Flag. */
export const cmc = insn("cmc", ["F5"]);
/** Clear Carry Flag. */
export const clc = insn("clc", ["F8"]);
/** Set Carry Flag. */
export const stc = insn("stc", ["F9"]);
/** Clear Interrupt Flag. */
export const cli = insn("cli", ["FA"]);
/** Set Interrupt Flag. */
export const sti = insn("sti", ["FB"]);
/** Clear Direction Flag. */
export const cld = insn("cld", ["FC"]);
/** Set Direction Flag. */
export const std = insn("std", ["FD"]);
/** Store AH into Flags. */
export const sahf = insn("sahf", ["9E"]);
/** Load Status Flags into AH Register. */
export const lahf = insn("lahf", ["9F"]);
/** Clear AC Flag in EFLAGS Register. */
export const clac = insn("clac", ["NP 0F 01 CA"], { feature: "smap", cpl0: true });
/** Set AC Flag in EFLAGS Register. */
export const stac = insn("stac", ["NP 0F 01 CB"], { feature: "smap", cpl0: true });

export const flagInstructions = [cmc, clc, stc, cli, sti, cld, std, sahf, lahf, clac, stac];
