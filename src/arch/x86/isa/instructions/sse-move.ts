/** SSE and SSE2: moves of vectors and of their parts. */
import { insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";

type Two = { readonly dst: Operand; readonly src: Operand };
const sse2 = { feature: "sse2" } as const;
const sse3 = { feature: "sse3" } as const;
const mmx = { feature: "mmx" } as const;

const whole = (_: X86Machine, { dst, src }: Two): void => dst.setVector(src.vector());
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
const highToLow = (m: X86Machine, { dst, src }: Two): void => dst.write(m.i64x2.extract(src.vector(), 1));
const lowToHigh = (m: X86Machine, { dst, src }: Two): void =>
  dst.setVector(m.i64x2.replace(dst.vector(), 1, src.read()));
const signs =
  (shape: "i8x16" | "i32x4" | "i64x2") =>
  (m: X86Machine, { dst, src }: Two) =>
    dst.write(m.i64.extendU(m[shape].bitmask(src.vector())));
const spread =
  (lanes: readonly number[]) =>
  (m: X86Machine, { dst, src }: Two): void => {
    const value = src.vector();
    dst.setVector(m.i8x16.shuffle(value, value, lanes));
  };

/** Moves between vectors, and vectors and memory. */
const between = (name: string, prefix: string, [load, store]: readonly [string, string], unaligned: boolean) =>
  insn(
    name,
    [`${prefix} 0F ${load} /r  dst:x, src:xm`, `${prefix} 0F ${store} /r  dst:xm, src:x`] as const,
    { ...sse2, ...(unaligned ? { unaligned } : {}) },
    whole,
  );
/** Moves to memory past the caches. */
const streaming = (name: string, opcode: string) => insn(name, [`${opcode} /r  dst:m128, src:x`], sse2, whole);

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

export const sseMoveInstructions = [
  between("movups", "NP", ["10", "11"], true),
  between("movupd", "66", ["10", "11"], true),
  between("movaps", "NP", ["28", "29"], false),
  between("movapd", "66", ["28", "29"], false),
  between("movdqa", "66", ["6F", "7F"], false),
  between("movdqu", "F3", ["6F", "7F"], true),
  insn("movss", ["F3 0F 10 /r  dst:x32, src:xm32", "F3 0F 11 /r  dst:xm32, src:x32"], sse2, part),
  insn("movsd", ["F2 0F 10 /r  dst:x64, src:xm64", "F2 0F 11 /r  dst:xm64, src:x64"], sse2, part),
  insn("movlps", ["NP 0F 12 /r  dst:x, src:m64", "NP 0F 13 /r  dst:m64, src:x"], sse2, lowHalf),
  insn("movlpd", ["66 0F 12 /r  dst:x, src:m64", "66 0F 13 /r  dst:m64, src:x"], sse2, lowHalf),
  insn("movhps", ["NP 0F 16 /r  dst:x, src:m64"], sse2, lowToHigh),
  insn("movhpd", ["66 0F 16 /r  dst:x, src:m64"], sse2, lowToHigh),
  insn("movhps", ["NP 0F 17 /r  dst:m64, src:x"], sse2, highToLow),
  insn("movhpd", ["66 0F 17 /r  dst:m64, src:x"], sse2, highToLow),
  insn("movhlps", ["NP 0F 12 /r  dst:x, src:xr"], sse2, highToLow),
  insn("movlhps", ["NP 0F 16 /r  dst:x, src:xr"], sse2, lowToHigh),
  insn("movq", ["F3 0F 7E /r  dst:x, src:xm64", "66 0F D6 /r  dst:xm64, src:x"], sse2, quad),
  insn(
    "movd",
    ["66 0F 6E /r y  dst:x, src:rm"],
    { ...sse2, names: { by: "operand", 32: "movd", 64: "movq" } },
    (m, { dst, src }) => dst.setVector(m.v128.make(m.i64.const(0), src.read())),
  ),
  insn(
    "movd",
    ["66 0F 7E /r y  dst:rm, src:x"],
    { ...sse2, names: { by: "operand", 32: "movd", 64: "movq" } },
    (_, { dst, src }) => dst.write(src.read()),
  ),
  insn(
    "movd",
    ["NP 0F 6E /r y  dst:q, src:rm", "NP 0F 7E /r y  dst:rm, src:q"],
    { ...mmx, names: { by: "operand", 32: "movd", 64: "movq" } },
    lowHalf,
  ),
  insn("movq", ["NP 0F 6F /r  dst:q, src:qm", "NP 0F 7F /r  dst:qm, src:q"], mmx, lowHalf),
  insn("movq2dq", ["F3 0F D6 /r  dst:x, src:qr"], sse2, quad),
  insn("movdq2q", ["F2 0F D6 /r  dst:q, src:xr"], sse2, lowHalf),
  insn("movntq", ["NP 0F E7 /r  dst:m64, src:q"], { feature: "sse" }, lowHalf),
  insn("maskmovq", ["NP 0F F7 /r  src:q, mask:qr, to:mdi64"], { feature: "sse" }, masked(8)),
  insn("maskmovdqu", ["66 0F F7 /r  src:x, mask:xr, to:mdi128"], sse2, masked(16)),
  insn("pmovmskb", ["NP 0F D7 /r y  dst:r, src:qr"], { feature: "sse" }, (m, { dst, src }) =>
    dst.write(m.i64.extendU(m.i8x16.bitmask(src.vector()))),
  ),
  streaming("movntps", "NP 0F 2B"),
  streaming("movntpd", "66 0F 2B"),
  streaming("movntdq", "66 0F E7"),
  insn("movmskps", ["NP 0F 50 /r y  dst:r, src:xr"], sse2, signs("i32x4")),
  insn("movmskpd", ["66 0F 50 /r y  dst:r, src:xr"], sse2, signs("i64x2")),
  insn("pmovmskb", ["66 0F D7 /r y  dst:r, src:xr"], sse2, signs("i8x16")),
  insn("lddqu", ["F2 0F F0 /r  dst:x, src:m128"], { ...sse3, unaligned: true }, whole),
  insn("movddup", ["F2 0F 12 /r  dst:x, src:xm64"], sse3, (m, { dst, src }) =>
    dst.setVector(m.i64x2.splat(src.read())),
  ),
  insn(
    "movshdup",
    ["F3 0F 16 /r  dst:x, src:xm"],
    sse3,
    spread([4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15]),
  ),
  insn("movsldup", ["F3 0F 12 /r  dst:x, src:xm"], sse3, spread([0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11])),
];
