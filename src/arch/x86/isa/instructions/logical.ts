/** Bitwise operations, tests, bits by number, counts and scans of bits. */
import { insn } from "../insn.js";

/** Logical AND. */
export const and = insn(
  "and",
  [
    "20|21 /r  dst:rm, src:r",
    "22|23 /r  dst:r, src:rm",
    "24|25  dst:a, src:i",
    "80|81 /4  dst:rm, src:i",
    "83 /4  dst:rm, src:i8",
    "82 i64 /4  dst:rm8, src:i8",
  ],
  { lock: true },
);

/** Logical Inclusive OR. */
export const or = insn(
  "or",
  [
    "08|09 /r  dst:rm, src:r",
    "0A|0B /r  dst:r, src:rm",
    "0C|0D  dst:a, src:i",
    "80|81 /1  dst:rm, src:i",
    "83 /1  dst:rm, src:i8",
    "82 i64 /1  dst:rm8, src:i8",
  ],
  { lock: true },
);

/** Logical Exclusive OR. */
export const xor = insn(
  "xor",
  [
    "30|31 /r  dst:rm, src:r",
    "32|33 /r  dst:r, src:rm",
    "34|35  dst:a, src:i",
    "80|81 /6  dst:rm, src:i",
    "83 /6  dst:rm, src:i8",
    "82 i64 /6  dst:rm8, src:i8",
  ],
  { lock: true },
);

/** One's Complement Negation. */
export const not = insn("not", ["F6|F7 /2  dst:rm"], { lock: true });

/** Logical Compare. */
export const test = insn("test", [
  "84|85 /r  a:rm, b:r",
  "A8|A9  a:a, b:i",
  "F6|F7 /0  a:rm, b:i",
  "F6|F7 /1  a:rm, b:i",
]);

/** Bit Test. */
export const bt = insn("bt", ["0F A3 /r  base:rm, bit:r", "0F BA /4  base:rm, bit:u8"]);
/** Bit Test and Set. */
export const bts = insn("bts", ["0F AB /r  base:rm, bit:r", "0F BA /5  base:rm, bit:u8"], { lock: true });
/** Bit Test and Reset. */
export const btr = insn("btr", ["0F B3 /r  base:rm, bit:r", "0F BA /6  base:rm, bit:u8"], { lock: true });
/** Bit Test and Complement. */
export const btc = insn("btc", ["0F BB /r  base:rm, bit:r", "0F BA /7  base:rm, bit:u8"], { lock: true });

/** Bit Scan Forward. */
export const bsf = insn("bsf", ["0F BC /r  dst:r, src:rm"]);
/** Bit Scan Reverse. */
export const bsr = insn("bsr", ["0F BD /r  dst:r, src:rm"]);
/** Count the Number of Trailing Zero Bits. */
export const tzcnt = insn("tzcnt", ["F3 0F BC /r  dst:r, src:rm"], { feature: "bmi1" });
/** Count the Number of Leading Zero Bits. */
export const lzcnt = insn("lzcnt", ["F3 0F BD /r  dst:r, src:rm"], { feature: "lzcnt" });
/** Return the Count of Number of Bits Set to 1. */
export const popcnt = insn("popcnt", ["F3 0F B8 /r  dst:r, src:rm"], { feature: "popcnt" });

export const logicalInstructions = [and, or, xor, not, test, bt, bts, btr, btc, bsf, bsr, tzcnt, lzcnt, popcnt];
