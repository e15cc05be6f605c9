/**
 * Bits gathered and permuted.
 * Source: Power ISA v3.0B, Book I "Vector Bit Permute Instructions", "Vector Gather Instruction".
 */
import type { I32, Machine, V128 } from "../machine.js";
import { vx, vxUnary } from "../vector-forms.js";
import { splat } from "../vector-lanes.js";

/** One bit for each byte of `control`, lane 0 in bit 0: the bit of `a` in the byte that `lanes` names, numbered by control. */
function gatherBits(m: Machine, a: V128, control: V128, lanes: V128): I32 {
  const { i8x16, v128 } = m;
  const bytes = i8x16.swizzle(a, lanes);
  // 0x80 >> n for n = 0 to 7.
  const selected = i8x16.swizzle(v128.const(0x0102040810204080n), v128.and(control, splat(m, 8, 7)));
  return i8x16.bitmask(i8x16.ne(v128.and(bytes, selected), v128.const(0n)));
}

export const vbpermq = vx("vbpermq", 1356, (m, a, b) => {
  // Byte n / 8 from the left is lane 15 - n / 8; for n of 128 and more that leaves the register, and the bit is 0.
  const lanes = m.i8x16.sub(splat(m, 8, 15), m.i8x16.shrU(b, m.i32.const(3)));
  return m.v128.make(m.i64.extendU(gatherBits(m, a, b, lanes)), m.i64.const(0));
});

export const vbpermd = vx("vbpermd", 1484, (m, a, b) => {
  const { i32, i64, i8x16, v128 } = m;
  const byte = i8x16.shrU(b, i32.const(3));
  const inDoubleword = i8x16.sub(v128.const(0x0f0f0f0f0f0f0f0f0707070707070707n), byte);
  const lanes = v128.or(inDoubleword, i8x16.gtU(byte, splat(m, 8, 7)));
  const gathered = gatherBits(m, a, b, lanes);
  const half = (x: I32) => i64.extendU(i32.and(x, i32.const(0xff)));
  return v128.make(half(i32.shrU(gathered, i32.const(8))), half(gathered));
});

/** Each doubleword's 8 by 8 bits transposed, by exchanging ever larger blocks across the diagonal. */
export const vgbbd = vxUnary("vgbbd", 1292, (m, b) => {
  const { i64x2, v128 } = m;
  let x = b;
  for (const [distance, mask] of [
    [7, 0x00aa00aa00aa00aan],
    [14, 0x0000cccc0000ccccn],
    [28, 0x00000000f0f0f0f0n],
  ] as const) {
    const n = m.i32.const(distance);
    const differing = v128.and(v128.xor(x, i64x2.shrU(x, n)), splat(m, 64, mask));
    x = v128.xor(x, v128.xor(differing, i64x2.shl(differing, n)));
  }
  return x;
});

export const vectorBitsInstructions = [vbpermq, vbpermd, vgbbd];
