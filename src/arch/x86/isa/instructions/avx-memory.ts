/** AVX and AVX2: memory of which a mask's sign bits say what is moved, and memory that a vector indexes. */
import type { I32, I64, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { elementOf, withElement } from "./sse-element.js";

type Bits = 32 | 64;
const shapes = { 32: "i32x4", 64: "i64x2" } as const;

/** The sign bits of all elements, the first in bit 0. */
function signsOf(m: X86Machine, mask: Operand, bits: Bits): I32 {
  const of = (half: V128) => m[shapes[bits]].bitmask(half);
  const low = of(mask.vector());
  return mask.size === 256 ? m.i32.or(low, m.i32.shl(of(mask.upper()), m.i32.const(128 / bits))) : low;
}

/** Which half an element is in, and which it is there. */
const placeOf = (number: number, bits: Bits) => ({ upper: number >= 128 / bits, lane: number % (128 / bits) });
const numbersOf = ({ size }: Operand, bits: Bits) => Array.from({ length: size / bits }, (_, i) => i);

/** What the mask leaves out is 0, and not looked at. A fault leaves the register alone. */
const load =
  (bits: Bits) =>
  (m: X86Machine, o: unknown): void => {
    const { dst, mask, src } = o as { dst: Operand; mask: Operand; src: Operand };
    const bytes = (bits / 8) as 4 | 8;
    const wanted = signsOf(m, mask, bits);
    for (const upper of dst.size === 256 ? [false, true] : [false]) m.setPiecemeal(upper, m.v128.const(0n));
    for (const i of numbersOf(dst, bits)) {
      m.if(m.i32.and(wanted, m.i32.const(1 << i)), () => {
        const { upper, lane } = placeOf(i, bits);
        const value = m.load(src.address({ bytes, further: m.i64.const(i * bytes) }), bytes);
        const whole = m.piecemeal(upper);
        const put = bits === 32 ? m.i32x4.replace(whole, lane, m.i32.wrap(value)) : m.i64x2.replace(whole, lane, value);
        m.setPiecemeal(upper, put);
      });
    }
    dst.setVector(m.piecemeal(false), dst.size === 256 ? m.piecemeal(true) : undefined);
  };

/** Nothing is written if something of it cannot be: where it goes over a page's end, both pages are tried first. */
const store =
  (bits: Bits) =>
  (m: X86Machine, o: unknown): void => {
    const { dst, mask, src } = o as { dst: Operand; mask: Operand; src: Operand };
    const { i32, i64 } = m;
    const bytes = (bits / 8) as 4 | 8;
    const wanted = signsOf(m, mask, bits);
    const at = (number: I32) =>
      dst.address({ bytes, write: true, further: i64.extendU(i32.mul(number, i32.const(bytes))) });
    m.if(wanted, () => {
      const first = at(i32.ctz(wanted));
      const last = at(i32.sub(i32.const(31), i32.clz(wanted)));
      const end = i64.add(last, i64.const(bytes - 1));
      m.if(i64.ne(i64.shrU(first, i64.const(12)), i64.shrU(end, i64.const(12))), () => {
        m.update(first, bytes);
        m.update(last, bytes);
      });
    });
    const halves = [src.vector(), ...(src.size === 256 ? [src.upper()] : [])];
    for (const i of numbersOf(src, bits)) {
      const { upper, lane } = placeOf(i, bits);
      const half = halves[upper ? 1 : 0] as V128;
      m.if(i32.and(wanted, i32.const(1 << i)), () => {
        const value = bits === 32 ? i64.extendU(m.i32x4.extract(half, lane)) : m.i64x2.extract(half, lane);
        m.store(at(i32.const(i)), bytes, value);
      });
    }
  };

const maskedLoad = (name: string, opcode: string, w: 0 | 1, bits: Bits, feature: string): InsnDefinition =>
  insn(
    name,
    [
      `VEX.L0.66.0F38 ${opcode} /r W${w}  dst:x, mask:xv, src:m128  ${feature}`,
      `VEX.L1.66.0F38 ${opcode} /r W${w}  dst:x, mask:xv, src:m256  ${feature}`,
    ] as [string, string],
    {},
    load(bits),
  );
const maskedStore = (name: string, opcode: string, w: 0 | 1, bits: Bits, feature: string): InsnDefinition =>
  insn(
    name,
    [
      `VEX.L0.66.0F38 ${opcode} /r W${w}  dst:m128, mask:xv, src:x  ${feature}`,
      `VEX.L1.66.0F38 ${opcode} /r W${w}  dst:m256, mask:xv, src:x  ${feature}`,
    ] as [string, string],
    {},
    store(bits),
  );

/** The masks before an element become 0, or its own, too. */
function clearMasks(m: X86Machine, mask: Operand, bits: Bits, number: I32, own: boolean): void {
  const { i32, i64 } = m;
  const numbers = (from: number): V128 =>
    bits === 32
      ? m.i32x4.add(m.v128.const(0x00000003_00000002_00000001_00000000n), m.i32x4.splat(i32.const(from)))
      : m.v128.make(i64.const(from + 1), i64.const(from));
  const left = (half: V128, from: number): V128 => {
    const kept = own ? "gtS" : "geS";
    const after =
      bits === 32
        ? m.i32x4[kept](numbers(from), m.i32x4.splat(number))
        : m.i64x2[kept](numbers(from), m.i64x2.splat(i64.extendU(number)));
    return m.v128.and(half, after);
  };
  const upper = mask.upper();
  mask.setVector(left(mask.vector(), 0), mask.size === 256 ? left(upper, 128 / bits) : upper);
}

/**
 * Gathers one element, the first that the mask asks for, clears its mask and starts over: so a fault, an interrupt and an access
 * to a device find the elements before it done, and no other, and their masks clear. When none is left, what is above the
 * elements becomes 0, and the mask.
 */
const gather =
  (bits: Bits, indexBits: Bits, count: number) =>
  (m: X86Machine, o: unknown): void => {
    const { dst, src, mask } = o as { dst: Operand; src: Operand; mask: Operand };
    const { i32, i64, v128 } = m;
    const wanted = i32.and(signsOf(m, mask, bits), i32.const((1 << count) - 1));
    const isUpper = (number: I32, of: Bits) => i32.and(number, i32.const(128 / of));
    const put = (value: I64, number: I32): void => {
      const [low, upper] = [dst.vector(), dst.upper()];
      const high = isUpper(number, bits);
      const wide = dst.size === 256;
      const whole = withElement(m, wide ? m.select(high, upper, low) : low, number, bits, value);
      dst.setVector(wide ? m.select(high, low, whole) : whole, wide ? m.select(high, whole, upper) : upper);
    };
    m.if(
      wanted,
      () => {
        const number = i32.ctz(wanted);
        const wide = count * indexBits > 128;
        const indices = wide ? m.select(isUpper(number, indexBits), src.upper(), src.vector()) : src.vector();
        const own = elementOf(m, indices, number, indexBits);
        const index = indexBits === 32 ? i64.extend32S(own) : own;
        clearMasks(m, mask, bits, number, false);
        const value = m.load(src.element(index), (bits / 8) as 4 | 8);
        put(value, number);
        clearMasks(m, mask, bits, number, true);
        m.again();
      },
      () => {
        const low = dst.vector();
        const part = count * bits < 128 ? v128.make(i64.const(0), v128.low(low)) : low;
        dst.setVector(part, dst.size === 256 ? dst.upper() : undefined);
        mask.setVector(v128.const(0n));
      },
    );
  };
/** With indices of 32 or 64 bits, into elements of 32 or 64: 128 bits of the wider ones, and 256. */
function gathers(name: string, opcode: string, w: 0 | 1, indexBits: Bits): InsnDefinition[] {
  const bits = w ? 64 : 32;
  return ([128, 256] as const).map((length) => {
    const count = length / Math.max(bits, indexBits);
    const own = count * bits <= 128 ? "128" : "";
    const index = count * indexBits <= 128 ? "vx" : "vy";
    const operands = `dst:x${own}, src:${index}${bits}, mask:xv${own}`;
    const l = length === 256 ? 1 : 0;
    return insn(
      name,
      [`VEX.L${l}.66.0F38 ${opcode} /r W${w}  ${operands}  avx2`] as [string],
      {},
      gather(bits, indexBits, count),
    );
  });
}

export const avxMemoryInstructions: readonly InsnDefinition[] = [
  maskedLoad("vmaskmovps", "2C", 0, 32, "avx"),
  maskedLoad("vmaskmovpd", "2D", 0, 64, "avx"),
  maskedStore("vmaskmovps", "2E", 0, 32, "avx"),
  maskedStore("vmaskmovpd", "2F", 0, 64, "avx"),
  maskedLoad("vpmaskmovd", "8C", 0, 32, "avx2"),
  maskedLoad("vpmaskmovq", "8C", 1, 64, "avx2"),
  maskedStore("vpmaskmovd", "8E", 0, 32, "avx2"),
  maskedStore("vpmaskmovq", "8E", 1, 64, "avx2"),
  ...gathers("vpgatherdd", "90", 0, 32),
  ...gathers("vpgatherdq", "90", 1, 32),
  ...gathers("vpgatherqd", "91", 0, 64),
  ...gathers("vpgatherqq", "91", 1, 64),
  ...gathers("vgatherdps", "92", 0, 32),
  ...gathers("vgatherdpd", "92", 1, 32),
  ...gathers("vgatherqps", "93", 0, 64),
  ...gathers("vgatherqpd", "93", 1, 64),
];
