/** Sums, differences, comparisons, products and quotients. */
import { insn } from "../insn.js";

/** Add. */
export const add = insn(
  "add",
  [
    "00|01 /r  dst:rm, src:r",
    "02|03 /r  dst:r, src:rm",
    "04|05  dst:a, src:i",
    "80|81 /0  dst:rm, src:i",
    "83 /0  dst:rm, src:i8",
    "82 i64 /0  dst:rm8, src:i8",
  ],
  { lock: true },
);

/** Add with Carry. */
export const adc = insn(
  "adc",
  [
    "10|11 /r  dst:rm, src:r",
    "12|13 /r  dst:r, src:rm",
    "14|15  dst:a, src:i",
    "80|81 /2  dst:rm, src:i",
    "83 /2  dst:rm, src:i8",
    "82 i64 /2  dst:rm8, src:i8",
  ],
  { lock: true },
);

/** Integer Subtraction with Borrow. */
export const sbb = insn(
  "sbb",
  [
    "18|19 /r  dst:rm, src:r",
    "1A|1B /r  dst:r, src:rm",
    "1C|1D  dst:a, src:i",
    "80|81 /3  dst:rm, src:i",
    "83 /3  dst:rm, src:i8",
    "82 i64 /3  dst:rm8, src:i8",
  ],
  { lock: true },
);

/** Subtract. */
export const sub = insn(
  "sub",
  [
    "28|29 /r  dst:rm, src:r",
    "2A|2B /r  dst:r, src:rm",
    "2C|2D  dst:a, src:i",
    "80|81 /5  dst:rm, src:i",
    "83 /5  dst:rm, src:i8",
    "82 i64 /5  dst:rm8, src:i8",
  ],
  { lock: true },
);

/** Compare Two Operands. */
export const cmp = insn("cmp", [
  "38|39 /r  dst:rm, src:r",
  "3A|3B /r  dst:r, src:rm",
  "3C|3D  dst:a, src:i",
  "80|81 /7  dst:rm, src:i",
  "83 /7  dst:rm, src:i8",
  "82 i64 /7  dst:rm8, src:i8",
]);

/** Increment by 1. */
export const inc = insn("inc", ["FE|FF /0  dst:rm", "40+r i64  dst:o"], { lock: true });

/** Decrement by 1. */
export const dec = insn("dec", ["FE|FF /1  dst:rm", "48+r i64  dst:o"], { lock: true });

/** Two's Complement Negation. */
export const neg = insn("neg", ["F6|F7 /3  dst:rm"], { lock: true });

/** Unsigned Multiply. */
export const mul = insn("mul", ["F6|F7 /4  src:rm"]);

/** Signed Multiply, of the accumulator. */
export const imul = insn("imul", ["F6|F7 /5  src:rm"]);

/** Signed Multiply, two operands. */
export const imul2 = insn("imul", ["0F AF /r  dst:r, src:rm"]);

/** Signed Multiply, three operands. */
export const imul3 = insn("imul", ["69 /r  dst:r, a:rm, b:i", "6B /r  dst:r, a:rm, b:i8"]);

/** Unsigned Divide. */
export const div = insn("div", ["F6|F7 /6  src:rm"]);

/** Signed Divide. */
export const idiv = insn("idiv", ["F6|F7 /7  src:rm"]);

/** Unsigned Integer Addition of Two Operands with Carry Flag. */
export const adcx = insn("adcx", ["66 0F 38 F6 /r y  dst:r, src:rm"], { feature: "adx" });

/** Unsigned Integer Addition of Two Operands with Overflow Flag. */
export const adox = insn("adox", ["F3 0F 38 F6 /r y  dst:r, src:rm"], { feature: "adx" });

export const arithmeticInstructions = [
  add,
  adc,
  sbb,
  sub,
  cmp,
  inc,
  dec,
  neg,
  mul,
  imul,
  imul2,
  imul3,
  div,
  idiv,
  adcx,
  adox,
];
