/** Strings, and ports. */
import { insn } from "../insn.js";

/** Move Data from String to String. */
export const movs = insn("movs", ["A4|A5  dst:di, src:si"], { repeat: "counts" });
/** Compare String Operands. */
export const cmps = insn("cmps", ["A6|A7  a:si, b:di"], { repeat: "compares" });
/** Store String. */
export const stos = insn("stos", ["AA|AB  dst:di, src:a"], { repeat: "counts" });
/** Load String. */
export const lods = insn("lods", ["AC|AD  dst:a, src:si"], { repeat: "counts" });
/** Scan String. */
export const scas = insn("scas", ["AE|AF  a:a, b:di"], { repeat: "compares" });
/** Input from Port to String. A port has 32 bits at most. */
export const ins = insn("ins", ["6C|6D port  dst:di, port:d16"], { repeat: "counts" });
/** Output String to Port. */
export const outs = insn("outs", ["6E|6F port  port:d16, src:si"], { repeat: "counts" });

/** Input from Port. */
export const in_ = insn("in", ["E4|E5 port  dst:a, port:u8", "EC|ED port  dst:a, port:d16"]);
/** Output to Port. */
export const out = insn("out", ["E6|E7 port  port:u8, src:a", "EE|EF port  port:d16, src:a"]);

export const stringInstructions = [movs, cmps, stos, lods, scas, ins, outs, in_, out];
