/**
 * Constants of quad precision, tests of bytes, control vectors of permutations, all of v3.1.
 * Source: Power ISA v3.1B, Book I "VSX Load Special Value Quadword", "VSX Vector Test Least-Significant Bit by Byte", "VSX
 * Vector Generate PCV", "VSX Vector Convert bfloat16".
 */
import { insn } from "../insn.js";
import { since } from "../levels.js";
import { bits, xx2 } from "../vector-forms.js";

/** The high 16 bits and the next 4 of 1 to 7, infinity and a quiet NaN; from 16 on zero and the first eight, negative. */
const values: readonly (readonly [uim: number, top: bigint])[] = [
  ...[0x3fff0n, 0x40000n, 0x40008n, 0x40010n, 0x40014n, 0x40018n, 0x4001cn, 0x7fff0n, 0x7fff8n].map(
    (top, i) => [i + 1, top] as const,
  ),
  ...[0x80000n, 0xbfff0n, 0xc0000n, 0xc0008n, 0xc0010n, 0xc0014n, 0xc0018n, 0xc001cn, 0xffff0n].map(
    (top, i) => [i + 16, top] as const,
  ),
];

/** The other values of UIM are reserved. */
const constants = values.map(([uim, top]) => {
  const pattern = `111100 xt:5 11111 ${bits(uim, 5)} 0101101000 xt:1@5` as "xt:5";
  return insn("lxvkq", pattern, `xt, ${uim}`, { facility: "vsx" }, (m, o) => m.setVsr(o.xt, m.v128.const(top << 108n)));
});

const xvtlsbb = insn(
  "xvtlsbb",
  "111100 bf:3 -:2 00010 xb:5 111011011 xb:1@5 -",
  "bf, xb",
  { facility: "vsx" },
  (m, o) => {
    const { i32, i8x16 } = m;
    const last = i8x16.bitmask(i8x16.shl(m.vsr(o.xb), i32.const(7)));
    const all = i32.shl(i32.eq(last, i32.const(0xffff)), i32.const(3));
    m.setCrField(o.bf, i32.or(all, i32.shl(i32.eqz(last), i32.const(1))));
  },
);

/** IMM: 0 big-endian expansion, 1 compression, 2 and 3 little-endian; the others are reserved. */
function generate(name: string, xo: number, size: number) {
  return [0, 1, 2, 3].map((kind) => {
    const pattern = `111100 xt:5 ${bits(kind, 5)} vrb:5 ${bits(xo, 10)} xt:1@5` as "xt:5 vrb:5";
    return insn(name, pattern, `xt, vrb, ${kind}`, { facility: "vsx" }, (m, o) =>
      m.setVsr(o.xt, m.call("generatePermutation", m.vr(o.vrb), m.i32.const(size), m.i32.const(kind))),
    );
  });
}

export const vsxSpecialInstructions = since("3.1", [
  ...constants,
  xvtlsbb,
  ...generate("xxgenpcvbm", 916, 1),
  ...generate("xxgenpcvhm", 917, 2),
  ...generate("xxgenpcvwm", 948, 4),
  ...generate("xxgenpcvdm", 949, 8),
  // The halves of words that bfloat16 is, as singles.
  xx2("xvcvbf16spn", 16, 475, (m, b) => m.i32x4.shl(b, m.i32.const(16))),
]);
