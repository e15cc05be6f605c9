/** Fixed-point logical instructions. Source: Power ISA v3.0B, Book I "Fixed-Point Logical Instructions". */
import { bitOf, recordCr0 } from "../common.js";
import { insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";

interface Immediate {
  readonly ra: I32;
  readonly rs: I32;
  readonly ui: I32;
}

/** ra = operation(rs, immediate); the immediate shifted by 16 in the "s" forms. */
function immediate(operation: (m: Machine, a: I64, b: I64) => I64, shift: 0 | 16, rc: boolean) {
  return (m: Machine, o: Immediate): void => {
    const { i32, i64 } = m;
    const result = operation(m, m.gpr(o.rs), i64.extendU(i32.shl(o.ui, i32.const(shift))));
    m.setGpr(o.ra, result);
    if (rc) recordCr0(m, result);
  };
}

const andOf = (m: Machine, a: I64, b: I64): I64 => m.i64.and(a, b);
const orOf = (m: Machine, a: I64, b: I64): I64 => m.i64.or(a, b);
const xorOf = (m: Machine, a: I64, b: I64): I64 => m.i64.xor(a, b);

export const ori = insn("ori", "011000 rs:5 ra:5 ui:16", "ra, rs, ui", immediate(orOf, 0, false));
export const oris = insn("oris", "011001 rs:5 ra:5 ui:16", "ra, rs, ui", immediate(orOf, 16, false));
export const xori = insn("xori", "011010 rs:5 ra:5 ui:16", "ra, rs, ui", immediate(xorOf, 0, false));
export const xoris = insn("xoris", "011011 rs:5 ra:5 ui:16", "ra, rs, ui", immediate(xorOf, 16, false));
export const andi = insn("andi.", "011100 rs:5 ra:5 ui:16", "ra, rs, ui", immediate(andOf, 0, true));
export const andis = insn("andis.", "011101 rs:5 ra:5 ui:16", "ra, rs, ui", immediate(andOf, 16, true));

interface Binary {
  readonly ra: I32;
  readonly rs: I32;
  readonly rb: I32;
  readonly rc: boolean;
}

function binary(operation: (m: Machine, s: I64, b: I64) => I64) {
  return (m: Machine, o: Binary): void => {
    const result = operation(m, m.gpr(o.rs), m.gpr(o.rb));
    m.setGpr(o.ra, result);
    if (o.rc) recordCr0(m, result);
  };
}

export const and = insn("and", "011111 rs:5 ra:5 rb:5 0000011100 rc?", "ra, rs, rb", binary(andOf));
export const or = insn("or", "011111 rs:5 ra:5 rb:5 0110111100 rc?", "ra, rs, rb", { fallback: true }, binary(orOf));
export const xor = insn("xor", "011111 rs:5 ra:5 rb:5 0100111100 rc?", "ra, rs, rb", binary(xorOf));

export const nand = insn(
  "nand",
  "011111 rs:5 ra:5 rb:5 0111011100 rc?",
  "ra, rs, rb",
  binary((m, s, b) => m.i64.not(m.i64.and(s, b))),
);

export const nor = insn(
  "nor",
  "011111 rs:5 ra:5 rb:5 0001111100 rc?",
  "ra, rs, rb",
  binary((m, s, b) => m.i64.not(m.i64.or(s, b))),
);

export const eqv = insn(
  "eqv",
  "011111 rs:5 ra:5 rb:5 0100011100 rc?",
  "ra, rs, rb",
  binary((m, s, b) => m.i64.not(m.i64.xor(s, b))),
);

export const andc = insn(
  "andc",
  "011111 rs:5 ra:5 rb:5 0000111100 rc?",
  "ra, rs, rb",
  binary((m, s, b) => m.i64.and(s, m.i64.not(b))),
);

export const orc = insn(
  "orc",
  "011111 rs:5 ra:5 rb:5 0110011100 rc?",
  "ra, rs, rb",
  binary((m, s, b) => m.i64.or(s, m.i64.not(b))),
);

// One operand.

interface Unary {
  readonly ra: I32;
  readonly rs: I32;
}

function unary(operation: (m: Machine, s: I64) => I64) {
  return (m: Machine, o: Unary & { readonly rc?: boolean }): void => {
    const result = operation(m, m.gpr(o.rs));
    m.setGpr(o.ra, result);
    if (o.rc) recordCr0(m, result);
  };
}

export const extsb = insn(
  "extsb",
  "011111 rs:5 ra:5 -:5 1110111010 rc?",
  "ra, rs",
  unary((m, s) => m.i64.extend8S(s)),
);

export const extsh = insn(
  "extsh",
  "011111 rs:5 ra:5 -:5 1110011010 rc?",
  "ra, rs",
  unary((m, s) => m.i64.extend16S(s)),
);

export const extsw = insn(
  "extsw",
  "011111 rs:5 ra:5 -:5 1111011010 rc?",
  "ra, rs",
  unary((m, s) => m.i64.extend32S(s)),
);

export const cntlzw = insn(
  "cntlzw",
  "011111 rs:5 ra:5 -:5 0000011010 rc?",
  "ra, rs",
  unary((m, s) => m.i64.extendU(m.i32.clz(m.i32.wrap(s)))),
);

export const cntlzd = insn(
  "cntlzd",
  "011111 rs:5 ra:5 -:5 0000111010 rc?",
  "ra, rs",
  unary((m, s) => m.i64.clz(s)),
);

export const cnttzw = insn(
  "cnttzw",
  "011111 rs:5 ra:5 -:5 1000011010 rc?",
  "ra, rs",
  unary((m, s) => m.i64.extendU(m.i32.ctz(m.i32.wrap(s)))),
);

export const cnttzd = insn(
  "cnttzd",
  "011111 rs:5 ra:5 -:5 1000111010 rc?",
  "ra, rs",
  unary((m, s) => m.i64.ctz(s)),
);

export const popcntb = insn(
  "popcntb",
  "011111 rs:5 ra:5 -:5 0001111010 -",
  "ra, rs",
  unary((m, s) => m.i64x2.extract(m.i8x16.popcnt(m.i64x2.splat(s)), 0)),
);

export const popcntw = insn(
  "popcntw",
  "011111 rs:5 ra:5 -:5 0101111010 -",
  "ra, rs",
  unary((m, s) => {
    const { i64 } = m;
    const high = i64.popcnt(i64.shrU(s, i64.const(32)));
    return i64.or(i64.shl(high, i64.const(32)), i64.popcnt(i64.extendU(m.i32.wrap(s))));
  }),
);

export const popcntd = insn(
  "popcntd",
  "011111 rs:5 ra:5 -:5 0111111010 -",
  "ra, rs",
  unary((m, s) => m.i64.popcnt(s)),
);

export const prtyw = insn(
  "prtyw",
  "011111 rs:5 ra:5 -:5 0010011010 -",
  "ra, rs",
  unary((m, s) => {
    const { i64 } = m;
    // The least significant bits of each word's bytes, folded into the lowest byte.
    const halves = i64.xor(s, i64.shrU(s, i64.const(16)));
    const bytes = i64.xor(halves, i64.shrU(halves, i64.const(8)));
    return i64.and(bytes, i64.const(0x0000000100000001n));
  }),
);

export const prtyd = insn(
  "prtyd",
  "011111 rs:5 ra:5 -:5 0010111010 -",
  "ra, rs",
  unary((m, s) => {
    const { i64 } = m;
    return i64.and(i64.popcnt(i64.and(s, i64.const(0x0101010101010101n))), i64.const(1));
  }),
);

export const cmpb = insn("cmpb", "011111 rs:5 ra:5 rb:5 0111111100 -", "ra, rs, rb", (m, o) => {
  const equal = m.i8x16.eq(m.i64x2.splat(m.gpr(o.rs)), m.i64x2.splat(m.gpr(o.rb)));
  m.setGpr(o.ra, m.i64x2.extract(equal, 0));
});

export const bpermd = insn("bpermd", "011111 rs:5 ra:5 rb:5 0011111100 -", "ra, rs, rb", (m, o) => {
  m.setGpr(o.ra, m.call("bitPermute", m.gpr(o.rs), m.gpr(o.rb)));
});

// Decimal assists. Source: Power ISA v3.0B, Book I "Binary Coded Decimal Assist Instructions".

export const addg6s = insn("addg6s", "011111 rt:5 ra:5 rb:5 - 001001010 -", "rt, ra, rb", (m, o) => {
  const { i64 } = m;
  const a = m.gpr(o.ra);
  const b = m.gpr(o.rb);
  const sum = i64.add(a, b);
  const carries = i64.or(i64.and(a, b), i64.and(i64.or(a, b), i64.not(sum)));
  // A 6 in each digit that gave no carry.
  const none = i64.and(i64.not(carries), i64.const(0x8888888888888888n));
  m.setGpr(o.rt, i64.or(i64.shrU(none, i64.const(1)), i64.shrU(none, i64.const(2))));
});

export const cdtbcd = insn(
  "cdtbcd",
  "011111 rs:5 ra:5 -:5 0100011010 -",
  "ra, rs",
  unary((m, s) => m.call("declets", s)),
);

export const cbcdtd = insn(
  "cbcdtd",
  "011111 rs:5 ra:5 -:5 0100111010 -",
  "ra, rs",
  unary((m, s) => m.call("decletsFromDecimal", s)),
);

// Program priority: or of a register with itself. Source: Power ISA v3.0B, Book II "Program Priority Registers".

/** Sets PPR's priority if the state allows it; `yields` also lets other virtual processors run. */
function priority(level: number, needs: "problem" | "supervisor", yields: boolean) {
  return (m: Machine): void => {
    const { i32, i64 } = m;
    const set = (): void => {
      const others = i64.and(m.get("ppr"), i64.const(~(7n << 50n)));
      m.set("ppr", i64.or(others, i64.const(BigInt(level) << 50n)));
    };
    if (needs === "problem") set();
    else m.if(i32.eqz(bitOf(m, i32.wrap(m.get("msr")), 14)), set);
    if (yields) m.call("pause");
  };
}

const orSelf = "011111";
export const orHints = [
  insn("or", `${orSelf} 11111 11111 11111 0110111100 0`, "31, 31, 31", priority(1, "supervisor", true)),
  insn("or", `${orSelf} 00001 00001 00001 0110111100 0`, "1, 1, 1", priority(2, "problem", true)),
  insn("or", `${orSelf} 00110 00110 00110 0110111100 0`, "6, 6, 6", priority(3, "problem", false)),
  insn("or", `${orSelf} 00010 00010 00010 0110111100 0`, "2, 2, 2", priority(4, "problem", false)),
  insn("or", `${orSelf} 00101 00101 00101 0110111100 0`, "5, 5, 5", priority(5, "supervisor", false)),
  insn("or", `${orSelf} 00011 00011 00011 0110111100 0`, "3, 3, 3", priority(6, "supervisor", false)),
];

/**
 * Words that do nothing until a later architecture gives them a meaning, and that programs contain for that reason: v3.1's
 * hashst and hashchk are among them. Source: Power ISA v3.0B, Book I "Reserved Instructions", reserved-nop.
 */
const reservedNoOperations = [530, 562, 594, 626, 658, 690, 722, 754].map((xo) =>
  insn(`rnop${xo}`, `011111 -:5 -:5 -:5 ${xo.toString(2)} -`, "", () => {}),
);

export const fixedLogicalInstructions = [
  ori,
  oris,
  xori,
  xoris,
  andi,
  andis,
  and,
  or,
  xor,
  nand,
  nor,
  eqv,
  andc,
  orc,
  extsb,
  extsh,
  extsw,
  cntlzw,
  cntlzd,
  cnttzw,
  cnttzd,
  popcntb,
  popcntw,
  popcntd,
  prtyw,
  prtyd,
  cmpb,
  bpermd,
  addg6s,
  cdtbcd,
  cbcdtd,
  ...orHints,
  ...reservedNoOperations,
];
