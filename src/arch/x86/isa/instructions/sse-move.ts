/** SSE to SSE3 and AVX: moves of vectors and of their parts. */
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { each, inHalves, type Unary } from "../vector-forms.js";

type Two = { readonly dst: Operand; readonly src: Operand };
/** `a`: where AVX takes what is not moved from. */
type Three = Two & { readonly a?: Operand };
const sse2 = { feature: "sse2" } as const;
const sse3 = { feature: "sse3" } as const;
const mmx = { feature: "mmx" } as const;
const avx = { feature: "avx" } as const;
/** VEX's forms of 128 bits may lie anywhere, but for those whose names say that they are aligned. */
const anywhere = { ...avx, unaligned: true } as const;

const whole = (_: X86Machine, { dst, src }: Two): void => inHalves(dst, (of) => of(src));
/** A part: memory gives zeros above it, a register leaves what is there. */
const part = (_: X86Machine, { dst, src }: Two): void => {
  if (src.memory) dst.setVector(src.vector());
  else dst.write(src.read());
};
/** The part of 64 bits, with zeros above it in a register. */
const quad = (m: X86Machine, { dst, src }: Two): void => {
  const value = src.read();
  if (dst.memory) dst.write(value);
  else dst.setVector(m.v128.make(m.i64.const(0), value));
};
const lowHalf = (_: X86Machine, { dst, src }: Two): void => dst.write(src.read());
const highHalf = (m: X86Machine, { dst, src }: Two): void => dst.write(m.i64x2.extract(src.vector(), 1));
const lowToLow = (m: X86Machine, { dst, a = dst, src }: Three): void =>
  dst.setVector(m.i64x2.replace(a.vector(), 0, src.read()));
const highToLow = (m: X86Machine, { dst, a = dst, src }: Three): void =>
  dst.setVector(m.i64x2.replace(a.vector(), 0, m.i64x2.extract(src.vector(), 1)));
const lowToHigh = (m: X86Machine, { dst, a = dst, src }: Three): void =>
  dst.setVector(m.i64x2.replace(a.vector(), 1, src.read()));
const singleToLow = (m: X86Machine, { dst, a = dst, src }: Three): void =>
  dst.setVector(m.i32x4.replace(a.vector(), 0, m.i32.wrap(src.read())));
const signs =
  (shape: "i8x16" | "i32x4" | "i64x2", lanes: number) =>
  (m: X86Machine, { dst, src }: Two) => {
    const low = m[shape].bitmask(src.vector());
    const high = src.size === 256 ? m.i32.shl(m[shape].bitmask(src.upper()), m.i32.const(lanes)) : m.i32.const(0);
    dst.write(m.i64.extendU(m.i32.or(low, high)));
  };
const spread =
  (lanes: readonly number[]): Unary =>
  (m, value) =>
    m.i8x16.shuffle(value, value, lanes);
const toElement = (m: X86Machine, { dst, src }: Two): void => dst.setVector(m.v128.make(m.i64.const(0), src.read()));

/** Moves between vectors, and vectors and memory. */
const between = (
  name: string,
  prefix: string,
  [load, store]: readonly [string, string],
  unaligned: boolean,
): InsnDefinition[] => {
  const options = unaligned ? { unaligned } : {};
  return [
    insn(
      name,
      [`${prefix} 0F ${load} /r  dst:x, src:xm`, `${prefix} 0F ${store} /r  dst:xm, src:x`] as const,
      { ...sse2, ...options },
      whole,
    ),
    insn(
      `v${name}`,
      [`VEX.L.${prefix}.0F ${load} /r  dst:x, src:xm`, `VEX.L.${prefix}.0F ${store} /r  dst:xm, src:x`] as const,
      { ...avx, ...options },
      whole,
    ),
  ];
};
/** Moves to memory past the caches. */
const streaming = (name: string, prefix: string, opcode: string): InsnDefinition[] => [
  insn(name, [`${prefix} 0F ${opcode} /r  dst:m128, src:x`] as const, sse2, whole),
  insn(
    `v${name}`,
    [`VEX.L0.${prefix}.0F ${opcode} /r  dst:m128, src:x`, `VEX.L1.${prefix}.0F ${opcode} /r  dst:m256, src:x`] as const,
    avx,
    whole,
  ),
];
/** Parts of 64 bits to and from memory: which half. */
const halves = (name: string, prefix: string, high: boolean): InsnDefinition[] => {
  const [load, store] = high ? ["16", "17"] : ["12", "13"];
  const [take, give] = high ? [lowToHigh, highHalf] : [lowToLow, lowHalf];
  return [
    insn(name, [`${prefix} 0F ${load} /r  dst:x, src:m64`] as const, sse2, take),
    insn(name, [`${prefix} 0F ${store} /r  dst:m64, src:x`] as const, sse2, give),
    insn(`v${name}`, [`VEX.L0.${prefix}.0F ${load} /r  dst:x, a:xv, src:m64`] as [string], avx, (m, o) =>
      take(m, o as unknown as Three),
    ),
    insn(`v${name}`, [`VEX.L0.${prefix}.0F ${store} /r  dst:m64, src:x`] as const, avx, give),
  ];
};
/** One number of floating point; AVX takes the others from another register, where memory gives none. */
const scalar = (name: string, prefix: string, bits: 32 | 64): InsnDefinition[] => [
  insn(
    name,
    [`${prefix} 0F 10 /r  dst:x${bits}, src:xm${bits}`, `${prefix} 0F 11 /r  dst:xm${bits}, src:x${bits}`] as const,
    sse2,
    part,
  ),
  insn(
    `v${name}`,
    [`VEX.LIG.${prefix}.0F 10 /r  dst:x, src:m${bits}`, `VEX.LIG.${prefix}.0F 11 /r  dst:m${bits}, src:x`] as const,
    avx,
    part,
  ),
  insn(
    `v${name}`,
    [
      `VEX.LIG.${prefix}.0F 10 /r  dst:x, a:xv, src:xr${bits}`,
      `VEX.LIG.${prefix}.0F 11 /r  dst:xr, a:xv, src:x${bits}`,
    ] as [string, string],
    avx,
    (m, o) => (bits === 32 ? singleToLow : lowToLow)(m, o as unknown as Three),
  ),
];
/** Sign bits of lanes as a number. */
const signMask = (
  name: string,
  prefix: string,
  opcode: string,
  how: readonly ["i8x16" | "i32x4" | "i64x2", number],
  features: string,
): InsnDefinition[] => [
  insn(name, [`${prefix} 0F ${opcode} /r y  dst:r, src:xr`] as const, sse2, signs(...how)),
  insn(`v${name}`, [`VEX.L.${prefix}.0F ${opcode} /r y  dst:r, src:xr  ${features}`] as [string], {}, (m, o) =>
    signs(...how)(m, o as unknown as Two),
  ),
];
/** Elements that stand twice. */
const twice = (name: string, opcode: string, lanes: readonly number[]): InsnDefinition[] => [
  insn(name, [`F3 0F ${opcode} /r  dst:x, src:xm`] as const, sse3, each(spread(lanes))),
  insn(`v${name}`, [`VEX.L.F3.0F ${opcode} /r  dst:x, src:xm`] as const, anywhere, each(spread(lanes))),
];
/** What has the operand's size in its name. */
const sized = (name: string, wide: string) => ({ names: { by: "operand", 32: name, 64: wide } }) as const;

/** Bytes whose sign bits a mask has go to memory. */
const masked =
  (bytes: 8 | 16) =>
  (m: X86Machine, { src, mask, to }: { readonly src: Operand; readonly mask: Operand; readonly to: Operand }) => {
    const [value, by] = [src.vector(), m.i8x16.bitmask(mask.vector())];
    const start = to.address();
    for (let i = 0; i < bytes; i++) {
      m.if(m.i32.and(by, m.i32.const(1 << i)), () =>
        m.store(m.i64.add(start, m.i64.const(i)), 1, m.i64.extendU(m.i8x16.extract(value, i))),
      );
    }
  };

export const sseMoveInstructions: readonly InsnDefinition[] = [
  ...between("movups", "NP", ["10", "11"], true),
  ...between("movupd", "66", ["10", "11"], true),
  ...between("movaps", "NP", ["28", "29"], false),
  ...between("movapd", "66", ["28", "29"], false),
  ...between("movdqa", "66", ["6F", "7F"], false),
  ...between("movdqu", "F3", ["6F", "7F"], true),
  ...scalar("movss", "F3", 32),
  ...scalar("movsd", "F2", 64),
  ...halves("movlps", "NP", false),
  ...halves("movlpd", "66", false),
  ...halves("movhps", "NP", true),
  ...halves("movhpd", "66", true),
  insn("movhlps", ["NP 0F 12 /r  dst:x, src:xr"], sse2, highToLow),
  insn("vmovhlps", ["VEX.L0.NP.0F 12 /r  dst:x, a:xv, src:xr"], avx, highToLow),
  insn("movlhps", ["NP 0F 16 /r  dst:x, src:xr"], sse2, lowToHigh),
  insn("vmovlhps", ["VEX.L0.NP.0F 16 /r  dst:x, a:xv, src:xr"], avx, lowToHigh),
  insn("movq", ["F3 0F 7E /r  dst:x, src:xm64", "66 0F D6 /r  dst:xm64, src:x"], sse2, quad),
  insn("vmovq", ["VEX.L0.F3.0F 7E /r  dst:x, src:xm64", "VEX.L0.66.0F D6 /r  dst:xm64, src:x"], avx, quad),
  insn("movd", ["66 0F 6E /r y  dst:x, src:rm"], { ...sse2, ...sized("movd", "movq") }, toElement),
  insn("vmovd", ["VEX.L0.66.0F 6E /r y  dst:x, src:rm"], { ...avx, ...sized("vmovd", "vmovq") }, toElement),
  insn("movd", ["66 0F 7E /r y  dst:rm, src:x"], { ...sse2, ...sized("movd", "movq") }, lowHalf),
  insn("vmovd", ["VEX.L0.66.0F 7E /r y  dst:rm, src:x"], { ...avx, ...sized("vmovd", "vmovq") }, lowHalf),
  insn(
    "movd",
    ["NP 0F 6E /r y  dst:q, src:rm", "NP 0F 7E /r y  dst:rm, src:q"],
    { ...mmx, ...sized("movd", "movq") },
    lowHalf,
  ),
  insn("movq", ["NP 0F 6F /r  dst:q, src:qm", "NP 0F 7F /r  dst:qm, src:q"], mmx, lowHalf),
  insn("movq2dq", ["F3 0F D6 /r  dst:x, src:qr"], sse2, quad),
  insn("movdq2q", ["F2 0F D6 /r  dst:q, src:xr"], sse2, lowHalf),
  insn("movntq", ["NP 0F E7 /r  dst:m64, src:q"], { feature: "sse" }, lowHalf),
  insn("maskmovq", ["NP 0F F7 /r  src:q, mask:qr, to:mdi64"], { feature: "sse" }, masked(8)),
  insn("maskmovdqu", ["66 0F F7 /r  src:x, mask:xr, to:mdi128"], sse2, masked(16)),
  insn("vmaskmovdqu", ["VEX.L0.66.0F F7 /r  src:x, mask:xr, to:mdi128"], avx, masked(16)),
  insn("pmovmskb", ["NP 0F D7 /r y  dst:r, src:qr"], { feature: "sse" }, signs("i8x16", 16)),
  ...streaming("movntps", "NP", "2B"),
  ...streaming("movntpd", "66", "2B"),
  ...streaming("movntdq", "66", "E7"),
  ...signMask("movmskps", "NP", "50", ["i32x4", 4], "avx"),
  ...signMask("movmskpd", "66", "50", ["i64x2", 2], "avx"),
  ...signMask("pmovmskb", "66", "D7", ["i8x16", 16], "avx/avx2"),
  insn("lddqu", ["F2 0F F0 /r  dst:x, src:m128"], { ...sse3, unaligned: true }, whole),
  insn("vlddqu", ["VEX.L0.F2.0F F0 /r  dst:x, src:m128", "VEX.L1.F2.0F F0 /r  dst:x, src:m256"], anywhere, whole),
  insn("movntdqa", ["66 0F 38 2A /r  dst:x, src:m128"], { feature: "sse4.1" }, whole),
  insn(
    "vmovntdqa",
    ["VEX.L0.66.0F38 2A /r  dst:x, src:m128  avx", "VEX.L1.66.0F38 2A /r  dst:x, src:m256  avx2"],
    {},
    whole,
  ),
  insn("movddup", ["F2 0F 12 /r  dst:x, src:xm64"], sse3, (m, { dst, src }) =>
    dst.setVector(m.i64x2.splat(src.read())),
  ),
  insn("vmovddup", ["VEX.L0.F2.0F 12 /r  dst:x, src:xm64"], avx, (m, { dst, src }) =>
    dst.setVector(m.i64x2.splat(src.read())),
  ),
  insn(
    "vmovddup",
    ["VEX.L1.F2.0F 12 /r  dst:x, src:xm"],
    anywhere,
    each((m, value) => m.i64x2.splat(m.v128.low(value))),
  ),
  ...twice("movshdup", "16", [4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15]),
  ...twice("movsldup", "12", [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]),
];
