/** GFNI: bytes as elements of a field of 256, and as rows of bits that a matrix transforms. */
import type { I32, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { combine, inHalves } from "../vector-forms.js";

const gfni = { feature: "gfni" } as const;
const unaligned = { ...gfni, unaligned: true } as const;

/** Each bit of a byte is the parity of what a row of the matrix, 8 bytes of which the last is the first row, has of the byte. */
function transformed(m: X86Machine, bytes: V128, matrix: V128, constant: I32): V128 {
  const { i8x16, i32, v128 } = m;
  return Array.from({ length: 8 }, (_, bit) => bit).reduce((all, bit) => {
    const places = Array.from({ length: 16 }, (_, i) => (i & 8) + 7 - bit);
    const row = i8x16.shuffle(matrix, matrix, places);
    const odd = v128.and(i8x16.popcnt(v128.and(row, bytes)), i8x16.splat(i32.const(1)));
    return v128.xor(all, i8x16.shl(odd, i32.const(bit)));
  }, i8x16.splat(constant));
}
const affine =
  (inverse: boolean) =>
  (m: X86Machine, o: unknown): void => {
    const { dst, a = dst, src, how } = o as { dst: Operand; a?: Operand; src: Operand; how: Operand };
    const constant = m.i32.wrap(how.read());
    inHalves(dst, (of) => {
      const matrix = of(src);
      const bytes = of(a);
      return transformed(m, inverse ? m.call("galoisInverse", bytes) : bytes, matrix, constant);
    });
  };
const affineForms = (name: string, opcode: string, inverse: boolean): InsnDefinition[] => [
  insn(name, [`66 0F 3A ${opcode} /r  dst:x, src:xm, how:u8`] as [string], gfni, affine(inverse)),
  insn(
    `v${name}`,
    [`VEX.L.66.0F3A ${opcode} /r W1  dst:x, a:xv, src:xm, how:u8`] as [string],
    unaligned,
    affine(inverse),
  ),
];
const product = combine((m, a, b) => m.call("galoisProduct", a, b));

export const galoisInstructions: readonly InsnDefinition[] = [
  ...affineForms("gf2p8affineqb", "CE", false),
  ...affineForms("gf2p8affineinvqb", "CF", true),
  insn("gf2p8mulb", ["66 0F 38 CF /r  dst:x, src:xm"], gfni, product),
  insn("vgf2p8mulb", ["VEX.L.66.0F38 CF /r W0  dst:x, a:xv, src:xm"], unaligned, product),
];
