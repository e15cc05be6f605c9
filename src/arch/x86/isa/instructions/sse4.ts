/** SSE4.1, SSE4.2 and AVX: integers in lanes, blends, widening. Strings: sse-string.ts. */
import type { I32, I64, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { type Binary, inHalves, packed, packedUnary } from "../vector-forms.js";

const sse41 = { feature: "sse4.1" } as const;
const sse42 = { feature: "sse4.2" } as const;

/** Lanes picked by sign bits. */
const bySigns =
  (shape: "i8x16" | "i32x4" | "i64x2", bits: number) =>
  (m: X86Machine, a: V128, b: V128, mask: V128): V128 =>
    m.v128.bitselect(b, a, m[shape].shrS(mask, m.i32.const(bits - 1)));
type Blend = { readonly dst: Operand; readonly a?: Operand; readonly src: Operand; readonly mask: Operand };
const blendBySigns = (
  name: string,
  opcode: string,
  vexOpcode: string,
  shape: "i8x16" | "i32x4" | "i64x2",
  bits: number,
  avx: string,
) => {
  const make = bySigns(shape, bits);
  const body = (m: X86Machine, o: unknown): void => {
    const { dst, a = dst, src, mask } = o as Blend;
    const b = src.vector();
    const upper = dst.size === 256 ? make(m, a.upper(), src.upper(), mask.upper()) : undefined;
    dst.setVector(make(m, a.vector(), b, mask.vector()), upper);
  };
  return [
    insn(name, [`66 0F 38 ${opcode} /r  dst:x, src:xm, mask:xz`] as [string], sse41, body),
    insn(
      `v${name}`,
      [`VEX.L.66.0F3A ${vexOpcode} /r W0  dst:x, a:xv, src:xm, mask:xi  ${avx}`] as [string],
      { unaligned: true },
      body,
    ),
  ];
};

/** Lanes picked by bits of an immediate, from this one on. */
function byBits(m: X86Machine, shape: "i16x8" | "i32x4" | "i64x2", a: V128, b: V128, by: I64, from: number): V128 {
  const bits = { i16x8: 16, i32x4: 32, i64x2: 64 }[shape];
  const each = Array.from({ length: 128 / bits }, (_, i) => (1n << BigInt(i)) << BigInt(bits * i));
  const lanes = m.v128.const(each.reduce((all, one) => all | one, 0n));
  const moved = m.i64.shrU(by, m.i64.const(from));
  const splat = shape === "i64x2" ? m.i64x2.splat(moved) : m[shape].splat(m.i32.wrap(moved));
  return m.v128.bitselect(b, a, m[shape].eq(m.v128.and(splat, lanes), lanes));
}
const blended =
  (shape: "i16x8" | "i32x4" | "i64x2", next: number) =>
  (m: X86Machine, o: unknown): void => {
    const { dst, a = dst, src, mask } = o as Blend;
    const by = mask.read();
    inHalves(dst, (of, upper) => byBits(m, shape, of(a), of(src), by, upper ? next : 0));
  };
const blendByBits = (name: string, opcode: string, shape: "i16x8" | "i32x4" | "i64x2", next: number, avx: string) => {
  const body = blended(shape, next);
  return [
    insn(name, [`66 0F 3A ${opcode} /r  dst:x, src:xm, mask:u8`] as [string], sse41, body),
    insn(
      `v${name}`,
      [`VEX.L.66.0F3A ${opcode} /r  dst:x, a:xv, src:xm, mask:u8  ${avx}`] as [string],
      { unaligned: true },
      body,
    ),
  ];
};

/** Elements widened: by how much, and how far the elements of the upper 128 bits are from the first. */
const widened = (
  name: string,
  opcode: string,
  from: 8 | 16 | 32,
  to: 16 | 32 | 64,
  isSigned: boolean,
): InsnDefinition[] => {
  const shapes = { 16: "i16x8", 32: "i32x4", 64: "i64x2" } as const;
  const steps = ([16, 32, 64] as const).filter((size) => size > from && size <= to);
  const low = isSigned ? "extendLowS" : "extendLowU";
  const high = isSigned ? "extendHighS" : "extendHighU";
  const make = (m: X86Machine, value: V128, upper: boolean): V128 =>
    steps.reduce((all, size, i) => m[shapes[size]][upper && i === steps.length - 1 ? high : low](all), value);
  const body = (m: X86Machine, o: unknown): void => {
    const { dst, src } = o as { dst: Operand; src: Operand };
    const value = src.vector();
    dst.setVector(make(m, value, false), dst.size === 256 ? make(m, value, true) : undefined);
  };
  const memory = (128 * from) / to;
  return [
    insn(name, [`66 0F 38 ${opcode} /r  dst:x, src:xm${memory}`] as [string], sse41, body),
    insn(
      `v${name}`,
      [
        `VEX.L0.66.0F38 ${opcode} /r  dst:x, src:xm${memory}  avx`,
        `VEX.L1.66.0F38 ${opcode} /r  dst:x, src:xm${2 * memory}  avx2`,
      ] as [string, string],
      { unaligned: true },
      body,
    ),
  ];
};
const widening = ([sign, zero]: readonly [string, string], first: string, from: 8 | 16 | 32, to: 16 | 32 | 64) => {
  const second = (Number.parseInt(first, 16) + 0x10).toString(16);
  return [...widened(sign, first, from, to, true), ...widened(zero, second, from, to, false)];
};

/** The smallest unsigned element of 16 bits, and its number. */
const smallest = (m: X86Machine, value: V128): V128 => {
  const { i32x4, i32, i64, v128 } = m;
  const numbered = (half: V128, numbers: bigint) => v128.or(i32x4.shl(half, i32.const(3)), v128.const(numbers));
  const low = numbered(m.i32x4.extendLowU(value), 0x00000003_00000002_00000001_00000000n);
  const high = numbered(m.i32x4.extendHighU(value), 0x00000007_00000006_00000005_00000004n);
  const turned = (all: V128, by: number) =>
    i32x4.minU(
      all,
      m.i8x16.shuffle(
        all,
        all,
        Array.from({ length: 16 }, (_, i) => (i + by) & 15),
      ),
    );
  const least = i64.extendU(i32x4.extract(turned(turned(i32x4.minU(low, high), 8), 4), 0));
  const number = i64.shl(i64.and(least, i64.const(7)), i64.const(16));
  return v128.make(i64.const(0), i64.or(i64.shrU(least, i64.const(3)), number));
};

/** Sums of four absolute differences: bytes from one place on, against four from another. */
function sumsOfDifferences(m: X86Machine, a: V128, b: V128, how: I32): V128 {
  const { i8x16, i16x8, i32, v128 } = m;
  const iota = v128.const(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100n);
  const splat = (n: I32) => i8x16.splat(n);
  const from = i32.and(how, i32.const(4));
  const block = i32.shl(i32.and(how, i32.const(3)), i32.const(2));
  const term = (k: number): V128 => {
    const window = i8x16.swizzle(a, i8x16.add(iota, splat(i32.add(from, i32.const(k)))));
    const one = i8x16.swizzle(b, splat(i32.add(block, i32.const(k))));
    return i16x8.extendLowU(v128.or(i8x16.subSatU(window, one), i8x16.subSatU(one, window)));
  };
  return [1, 2, 3].reduce((sum, k) => i16x8.add(sum, term(k)), term(0));
}
const sums = (m: X86Machine, o: unknown): void => {
  const { dst, a = dst, src, how } = o as { dst: Operand; a?: Operand; src: Operand; how: Operand };
  const by = m.i32.wrap(how.read());
  const b = src.vector();
  const second = m.i32.shrU(by, m.i32.const(3));
  const upper = dst.size === 256 ? sumsOfDifferences(m, a.upper(), src.upper(), second) : undefined;
  dst.setVector(sumsOfDifferences(m, a.vector(), b, by), upper);
};

/** ZF: nothing is set in both; CF: nothing is set in the second alone. Of the sign bits of lanes, or of all bits. */
export function testBits(m: X86Machine, pairs: readonly (readonly [V128, V128])[], signs?: "i32x4" | "i64x2"): void {
  const { i32, i64, v128 } = m;
  const any = (value: V128): I32 => (signs ? m[signs].bitmask(value) : v128.anyTrue(value));
  const some = (make: (a: V128, b: V128) => V128) =>
    pairs.map(([a, b]) => any(make(a, b))).reduce((all, one) => i32.or(all, one));
  m.setFlags({
    zero: i64.extendU(some((a, b) => v128.and(a, b))),
    sign: i64.const(1),
    overflow: i64.const(0),
    carry: i32.eqz(some((a, b) => v128.andnot(b, a))),
    adjust: i32.const(0),
  });
}
export const testing =
  (signs?: "i32x4" | "i64x2") =>
  (m: X86Machine, o: unknown): void => {
    const { a, b } = o as { a: Operand; b: Operand };
    const second = b.vector();
    const lower = [a.vector(), second] as const;
    testBits(m, a.size === 256 ? [lower, [a.upper(), b.upper()]] : [lower], signs);
  };

const signedProducts: Binary = (m, a, b) => {
  const whole = (value: V128) => m.i64x2.shrS(m.i64x2.shl(value, m.i32.const(32)), m.i32.const(32));
  return m.i64x2.mul(whole(a), whole(b));
};

export const sse4Instructions: readonly InsnDefinition[] = [
  ...packed("pmuldq", "0F 38 28", signedProducts, sse41),
  ...packed("pcmpeqq", "0F 38 29", (m, a, b) => m.i64x2.eq(a, b), sse41),
  ...packed("packusdw", "0F 38 2B", (m, a, b) => m.i16x8.narrowU(a, b), sse41),
  ...packed("pcmpgtq", "0F 38 37", (m, a, b) => m.i64x2.gtS(a, b), sse42),
  ...packed("pminsb", "0F 38 38", (m, a, b) => m.i8x16.minS(a, b), sse41),
  ...packed("pminsd", "0F 38 39", (m, a, b) => m.i32x4.minS(a, b), sse41),
  ...packed("pminuw", "0F 38 3A", (m, a, b) => m.i16x8.minU(a, b), sse41),
  ...packed("pminud", "0F 38 3B", (m, a, b) => m.i32x4.minU(a, b), sse41),
  ...packed("pmaxsb", "0F 38 3C", (m, a, b) => m.i8x16.maxS(a, b), sse41),
  ...packed("pmaxsd", "0F 38 3D", (m, a, b) => m.i32x4.maxS(a, b), sse41),
  ...packed("pmaxuw", "0F 38 3E", (m, a, b) => m.i16x8.maxU(a, b), sse41),
  ...packed("pmaxud", "0F 38 3F", (m, a, b) => m.i32x4.maxU(a, b), sse41),
  ...packed("pmulld", "0F 38 40", (m, a, b) => m.i32x4.mul(a, b), sse41),
  ...packedUnary("phminposuw", "0F 38 41", smallest, { ...sse41, avx: "avx", only128: true }),
  ...widening(["pmovsxbw", "pmovzxbw"], "20", 8, 16),
  ...widening(["pmovsxbd", "pmovzxbd"], "21", 8, 32),
  ...widening(["pmovsxbq", "pmovzxbq"], "22", 8, 64),
  ...widening(["pmovsxwd", "pmovzxwd"], "23", 16, 32),
  ...widening(["pmovsxwq", "pmovzxwq"], "24", 16, 64),
  ...widening(["pmovsxdq", "pmovzxdq"], "25", 32, 64),
  ...blendBySigns("pblendvb", "10", "4C", "i8x16", 8, "avx/avx2"),
  ...blendBySigns("blendvps", "14", "4A", "i32x4", 32, "avx"),
  ...blendBySigns("blendvpd", "15", "4B", "i64x2", 64, "avx"),
  ...blendByBits("blendps", "0C", "i32x4", 4, "avx"),
  ...blendByBits("blendpd", "0D", "i64x2", 2, "avx"),
  ...blendByBits("pblendw", "0E", "i16x8", 0, "avx/avx2"),
  insn(
    "vpblendd",
    ["VEX.L.66.0F3A 02 /r W0  dst:x, a:xv, src:xm, mask:u8  avx2"],
    { unaligned: true },
    blended("i32x4", 4),
  ),
  insn("mpsadbw", ["66 0F 3A 42 /r  dst:x, src:xm, how:u8"], sse41, sums),
  insn("vmpsadbw", ["VEX.L.66.0F3A 42 /r  dst:x, a:xv, src:xm, how:u8  avx/avx2"], { unaligned: true }, sums),
  insn("ptest", ["66 0F 38 17 /r  a:x, b:xm"], sse41, testing()),
  insn("vptest", ["VEX.L.66.0F38 17 /r  a:x, b:xm  avx"], { unaligned: true }, testing()),
  insn("vtestps", ["VEX.L.66.0F38 0E /r W0  a:x, b:xm  avx"], { unaligned: true }, testing("i32x4")),
  insn("vtestpd", ["VEX.L.66.0F38 0F /r W0  a:x, b:xm  avx"], { unaligned: true }, testing("i64x2")),
];
