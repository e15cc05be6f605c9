/**
 * Prefixed vector instructions: immediates, blends, permutations with an operand more, any function of three bits; and the
 * prefixed no-operation. All of v3.1.
 * Source: Power ISA v3.1B, Book I "VSX Vector Splat Immediate", "VSX Vector Blend Variable", "VSX Vector Permute Extended",
 * "VSX Vector Evaluate", "Prefixed No-Operation".
 */
import { type InsnDefinition, insn } from "../insn.js";
import { since } from "../levels.js";
import type { I32, LaneOps, Machine, V128 } from "../machine.js";
import { eightRrPrefix } from "../prefixed-forms.js";
import { doubleFromSingle } from "../single-precision.js";
import { permute } from "./vector-permute.js";

const vsx = { facility: "vsx" } as const;

const immediatePrefix = `${eightRrPrefix} - - - - imm:16@16`;

const xxspltiw = insn(
  "xxspltiw",
  `${immediatePrefix} | 100000 xt:5 0011 xt:1@5 imm:16` as "imm:16@16 xt:5",
  "xt, imm",
  vsx,
  (m, o) => m.setVsr(o.xt, m.i32x4.splat(o.imm)),
);

/** A single that is no normal number gives something undefined; here, the double that it is. */
const xxspltidp = insn(
  "xxspltidp",
  `${immediatePrefix} | 100000 xt:5 0010 xt:1@5 imm:16` as "imm:16@16 xt:5",
  "xt, imm",
  vsx,
  (m, o) => m.setVsr(o.xt, m.i64x2.splat(doubleFromSingle(m, m.i64.extendU(o.imm)))),
);

const xxsplti32dx = insn(
  "xxsplti32dx",
  `${immediatePrefix} | 100000 xt:5 000 ix:1 xt:1@5 imm:16` as "imm:16@16 xt:5 ix:1",
  "xt, ix, imm",
  vsx,
  (m, o) => {
    // Words 0 and 2, or 1 and 3, counted from the left.
    const place = m.select(o.ix, m.v128.const(oddWords), m.v128.const(oddWords << 32n));
    m.setVsr(o.xt, m.v128.bitselect(m.i32x4.splat(o.imm), m.vsr(o.xt), place));
  },
);
const oddWords = 0x00000000_ffffffff_00000000_ffffffffn;

/** The registers of 8RR's suffix, around an opcode of two bits. */
const four = (opcode: string, xo: string) => `${opcode} xt:5 xa:5 xb:5 xc:5 ${xo} xc:1@5 xa:1@5 xb:1@5 xt:1@5`;

/** The sign of each element of XC chooses between those of XA and XB. */
function blend(name: string, xo: string, lanes: (m: Machine) => Pick<LaneOps<unknown>, "ltS">): InsnDefinition {
  const pattern = `${eightRrPrefix} -:20 | ${four("100001", xo)}` as "xt:5 xa:5 xb:5 xc:5";
  return insn(name, pattern, "xt, xa, xb, xc", vsx, (m, o) => {
    const negative = lanes(m).ltS(m.vsr(o.xc), m.v128.const(0n));
    m.setVsr(o.xt, m.v128.bitselect(m.vsr(o.xb), m.vsr(o.xa), negative));
  });
}

/** As vperm, but a byte is 0 unless the three bits above its number are UIM. */
const xxpermx = insn(
  "xxpermx",
  `${eightRrPrefix} -:17 uim:3 | ${four("100010", "00")}` as "uim:3 xt:5 xa:5 xb:5 xc:5",
  "xt, xa, xb, xc, uim",
  vsx,
  (m, o) => {
    const control = m.vsr(o.xc);
    const section = m.i8x16.shrU(control, m.i32.const(5));
    const chosen = m.i8x16.eq(section, m.i8x16.splat(o.uim));
    m.setVsr(o.xt, m.v128.and(permute(m, m.vsr(o.xa), m.vsr(o.xb), control), chosen));
  },
);

/** Bit 128 + i of IMM, from the left, is the result where the bits of XA, XB and XC are the number i. */
const xxeval = insn(
  "xxeval",
  `${eightRrPrefix} -:12 imm:8 | ${four("100010", "01")}` as "imm:8 xt:5 xa:5 xb:5 xc:5",
  "xt, xa, xb, xc, imm",
  vsx,
  (m, o) => {
    const operands = [m.vsr(o.xa), m.vsr(o.xb), m.vsr(o.xc)] as const;
    m.setVsr(o.xt, evaluate(m, operands, o.imm));
  },
);

/** Shannon's expansion: the first operand chooses between two functions of the others. */
function evaluate(m: Machine, [first, ...others]: readonly V128[], table: I32, from = 0, count = 8): V128 {
  if (!first) {
    const bit = m.i32.and(m.i32.shrU(table, m.i32.const(7 - from)), m.i32.const(1));
    return m.i64x2.splat(m.i64.neg(m.i64.extendU(bit)));
  }
  const zero = evaluate(m, others, table, from, count / 2);
  const one = evaluate(m, others, table, from + count / 2, count / 2);
  return m.v128.bitselect(one, zero, first);
}

/** Branches, and what synchronizes the context but for isync, make the form invalid: opcode bits and their mask. */
const notBehindPnop: readonly (readonly [mask: number, value: number])[] = [
  [0xfc000000, 0x40000000], // bc
  [0xfc000000, 0x48000000], // b
  [0xfc000002, 0x44000002], // sc
  [0xfc000003, 0x44000001], // scv
  ...[16, 528, 560, 146, 82, 18, 274, 306, 370].map((xo) => [0xfc0007fe, 0x4c000000 | (xo << 1)] as const),
  [0xfc0107fe, 0x7c000124], // mtmsr
  [0xfc0107fe, 0x7c000164], // mtmsrd
  [0xfc0003fe, 0x00000200], // attn
];

const pnop = insn("pnop", "000001 11 0000 - - 000000000000000000 | suffix:32", "", (m, o) => {
  const { i32 } = m;
  const invalid = notBehindPnop
    .map(([mask, value]) => i32.eq(i32.and(o.suffix, i32.const(mask | 0)), i32.const(value | 0)))
    .reduce((a, b) => i32.or(a, b));
  m.if(invalid, () => m.raise("illegal"));
});

export const prefixedVectorInstructions = since("3.1", [
  xxspltiw,
  xxspltidp,
  xxsplti32dx,
  blend("xxblendvb", "00", (m) => m.i8x16),
  blend("xxblendvh", "01", (m) => m.i16x8),
  blend("xxblendvw", "10", (m) => m.i32x4),
  blend("xxblendvd", "11", (m) => m.i64x2),
  xxpermx,
  xxeval,
  pnop,
]);
