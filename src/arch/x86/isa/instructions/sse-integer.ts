/** MMX, SSE2 and AVX2: integers in lanes, logic. */
import type { I32, I64, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { type Binary, combine, packed, type VectorForms } from "../vector-forms.js";

const sse2 = { feature: "sse2" } as const;
/** Those that MMX has too: from its beginning, since SSE, since SSE2. */
const mmx = { feature: "sse2", mmx: "mmx" } as const;
const mmxOfSse = { feature: "sse2", mmx: "sse" } as const;
const mmxOfSse2 = { feature: "sse2", mmx: "sse2" } as const;

/** What a shape of lanes has. */
const lanes = <S extends "i8x16" | "i16x8" | "i32x4" | "i64x2">(
  name: string,
  opcode: string,
  shape: S,
  operation: keyof X86Machine[S],
  forms: VectorForms = mmx,
): InsnDefinition[] =>
  packed(name, `0F ${opcode}`, (m, a, b) => (m[shape][operation] as (a: V128, b: V128) => V128)(a, b), forms);

/** Pairs of lanes narrowed: of MMX's registers both are in one vector first. */
const narrowed = (
  name: string,
  opcode: string,
  shape: "i8x16" | "i16x8",
  operation: "narrowS" | "narrowU",
): InsnDefinition[] =>
  packed(
    name,
    `0F ${opcode}`,
    (m, a, b, bytes) => {
      if (bytes === 16) return m[shape][operation](a, b);
      const both = m.v128.make(m.v128.low(b), m.v128.low(a));
      return m[shape][operation](both, both);
    },
    mmx,
  );

const count = (from: number, step: number): number[] => Array.from({ length: 16 }, (_, i) => from + step * i);
/** Elements of so many bytes of the two low or high halves, in turn. */
const inTurn =
  (element: number, high: boolean): Binary =>
  (m, a, b, bytes) => {
    const list = count(0, 1).map((i) => {
      const number = Math.floor(i / element);
      const place = (high ? bytes / 2 : 0) + (number >> 1) * element + (i % element) + (number & 1 ? 16 : 0);
      return i < bytes ? place : 0;
    });
    return m.i8x16.shuffle(a, b, list);
  };
/** Of MMX's low halves memory has no more than is taken. */
const interleaved = (name: string, opcode: string, bytes: number, high: boolean): InsnDefinition[] => {
  const make = inTurn(bytes, high);
  if (bytes === 8) return packed(name, `0F ${opcode}`, make, sse2);
  const part = insn(name, [`NP 0F ${opcode} /r  dst:q, src:qm${high ? 64 : 32}  mmx`] as const, {}, combine(make));
  return [...packed(name, `0F ${opcode}`, make, sse2), part];
};
const interleavedFloats = (name: string, prefix: "NP" | "66", opcode: string, bytes: number, high: boolean) => [
  insn(name, [`${prefix} 0F ${opcode} /r  dst:x, src:xm`] as const, sse2, combine(inTurn(bytes, high))),
  insn(
    `v${name}`,
    [`VEX.L.${prefix}.0F ${opcode} /r  dst:x, a:xv, b:xm  avx`] as const,
    { unaligned: true },
    combine(inTurn(bytes, high)),
  ),
];

/** The upper halves of products of 16 bits. */
const highProducts =
  (low: "extmulLowS" | "extmulLowU", high: "extmulHighS" | "extmulHighU"): Binary =>
  (m, a, b) =>
    m.i8x16.shuffle(
      m.i32x4[low](a, b),
      m.i32x4[high](a, b),
      count(0, 1).map((i) => 4 * (i >> 1) + 2 + (i & 1)),
    );

const repeated = (m: X86Machine, doubleword: bigint): V128 => m.v128.const((doubleword << 64n) | doubleword);

/** Sums of absolute differences of bytes, in each half. */
const differences: Binary = (m, a, b) => {
  const { i8x16, i16x8, i32x4, v128, i64x2 } = m;
  const apart = v128.or(i8x16.subSatU(a, b), i8x16.subSatU(b, a));
  const pairs = i16x8.add(v128.and(apart, repeated(m, 0x00ff00ff00ff00ffn)), i16x8.shrU(apart, m.i32.const(8)));
  const fours = i32x4.dotS(pairs, repeated(m, 0x0001000100010001n));
  return v128.and(i64x2.add(fours, i64x2.shrU(fours, m.i32.const(32))), repeated(m, 0xffffffffn));
};

type Shift = "shl" | "shrU" | "shrS";
/** A shift of all lanes by one count, which may be more than they are wide. */
function shifted(
  m: X86Machine,
  value: V128,
  by: I64,
  { shape, bits, shift }: { shape: "i16x8" | "i32x4" | "i64x2"; bits: number; shift: Shift },
): V128 {
  const { i64, i32 } = m;
  const fits = i64.ltU(by, i64.const(bits));
  if (shift === "shrS") return m[shape].shrS(value, i32.wrap(m.select(fits, by, i64.const(bits - 1))));
  return m.select(fits, m[shape][shift](value, i32.wrap(by)), m.v128.const(0n));
}
const shape = { 16: "i16x8", 32: "i32x4", 64: "i64x2" } as const;
const shift = (name: string, bits: 16 | 32 | 64, kind: Shift, opcode: string, digit: number): InsnDefinition[] => {
  const how = { shape: shape[bits], bits, shift: kind };
  const immediate = { 16: "71", 32: "72", 64: "73" }[bits];
  const both = (m: X86Machine, dst: Operand, from: Operand, by: I64): void => {
    const upper = dst.size === 256 ? shifted(m, from.upper(), by, how) : undefined;
    dst.setVector(shifted(m, from.vector(), by, how), upper);
  };
  return [
    insn(
      name,
      [`66 0F ${opcode} /r  dst:x, count:xm`, `NP 0F ${opcode} /r  dst:q, count:qm  mmx`] as const,
      sse2,
      (m, { dst, count }) => both(m, dst, dst, m.i64x2.extract(count.vector(), 0)),
    ),
    insn(
      name,
      [
        `66 0F ${immediate} /${digit}  dst:xr, count:u8`,
        `NP 0F ${immediate} /${digit}  dst:qr, count:u8  mmx`,
      ] as const,
      sse2,
      (m, { dst, count }) => both(m, dst, dst, count.read()),
    ),
    insn(
      `v${name}`,
      [`VEX.L.66.0F ${opcode} /r  dst:x, a:xv, count:xm128  avx/avx2`] as const,
      { unaligned: true },
      (m, { dst, a, count }) => both(m, dst, a, m.i64x2.extract(count.vector(), 0)),
    ),
    insn(
      `v${name}`,
      [`VEX.L.66.0F ${immediate} /${digit}  dst:xv, a:xr, count:u8  avx/avx2`] as const,
      {},
      (m, { dst, a, count }) => both(m, dst, a, count.read()),
    ),
  ];
};
/** Shifts of lanes by a count each, which may be more than they are wide. */
const shiftsOfLanes = (name: string, opcode: string, bits: 32 | 64, kind: Shift): InsnDefinition => {
  const moved: Binary = (m, a, b) => {
    const { i32, i64 } = m;
    const cut = <T>(of: { ltU(a: T, b: T): I32; const(value: number): T }, count: T) => of.ltU(count, of.const(bits));
    return Array.from({ length: 128 / bits }, (_, lane) => lane).reduce((all, lane) => {
      if (bits === 32) {
        const [value, by] = [m.i32x4.extract(a, lane), m.i32x4.extract(b, lane)];
        const one =
          kind === "shrS"
            ? i32.shrS(value, m.select(cut(i32, by), by, i32.const(31)))
            : m.select(cut(i32, by), i32[kind](value, by), i32.const(0));
        return m.i32x4.replace(all, lane, one);
      }
      const [value, by] = [m.i64x2.extract(a, lane), m.i64x2.extract(b, lane)];
      return m.i64x2.replace(all, lane, m.select(cut(i64, by), i64[kind](value, by), i64.const(0)));
    }, a);
  };
  const w = bits === 64 ? 1 : 0;
  return insn(
    name,
    [`VEX.L.66.0F38 ${opcode} /r W${w}  dst:x, a:xv, b:xm  avx2`] as const,
    { unaligned: true },
    combine(moved),
  );
};
/** A shift of the whole register by bytes: lanes that are picked from beyond its ends are 0. */
const byteShift = (name: string, digit: number, left: boolean): InsnDefinition[] => {
  const both = (m: X86Machine, dst: Operand, from: Operand, bytes: I64): void => {
    const { i64, i8x16 } = m;
    const most = m.i32.wrap(m.select(i64.ltU(bytes, i64.const(16)), bytes, i64.const(16)));
    const places = m.v128.const(0x0f0e0d0c0b0a09080706050403020100n);
    const moved = left ? i8x16.sub(places, i8x16.splat(most)) : i8x16.add(places, i8x16.splat(most));
    const upper = dst.size === 256 ? i8x16.swizzle(from.upper(), moved) : undefined;
    dst.setVector(i8x16.swizzle(from.vector(), moved), upper);
  };
  return [
    insn(name, [`66 0F 73 /${digit}  dst:xr, count:u8`] as const, sse2, (m, { dst, count }) =>
      both(m, dst, dst, count.read()),
    ),
    insn(`v${name}`, [`VEX.L.66.0F 73 /${digit}  dst:xv, a:xr, count:u8  avx/avx2`] as const, {}, (m, o) =>
      both(m, o.dst, o.a, o.count.read()),
    ),
  ];
};

const logic = (name: string, opcode: string, make: Binary): InsnDefinition[] =>
  (["NP", "66"] as const).flatMap((prefix) => {
    const suffix = prefix === "NP" ? "ps" : "pd";
    return [
      insn(name + suffix, [`${prefix} 0F ${opcode} /r  dst:x, src:xm`] as const, sse2, combine(make)),
      insn(
        `v${name}${suffix}`,
        [`VEX.L.${prefix}.0F ${opcode} /r  dst:x, a:xv, b:xm  avx`] as const,
        { unaligned: true },
        combine(make),
      ),
    ];
  });
const and: Binary = (m, a, b) => m.v128.and(a, b);
const andNot: Binary = (m, a, b) => m.v128.andnot(b, a);
const or: Binary = (m, a, b) => m.v128.or(a, b);
const xor: Binary = (m, a, b) => m.v128.xor(a, b);

export const sseIntegerInstructions: readonly InsnDefinition[] = [
  ...lanes("paddb", "FC", "i8x16", "add"),
  ...lanes("paddw", "FD", "i16x8", "add"),
  ...lanes("paddd", "FE", "i32x4", "add"),
  ...lanes("paddq", "D4", "i64x2", "add", mmxOfSse2),
  ...lanes("psubb", "F8", "i8x16", "sub"),
  ...lanes("psubw", "F9", "i16x8", "sub"),
  ...lanes("psubd", "FA", "i32x4", "sub"),
  ...lanes("psubq", "FB", "i64x2", "sub", mmxOfSse2),
  ...lanes("paddsb", "EC", "i8x16", "addSatS"),
  ...lanes("paddsw", "ED", "i16x8", "addSatS"),
  ...lanes("paddusb", "DC", "i8x16", "addSatU"),
  ...lanes("paddusw", "DD", "i16x8", "addSatU"),
  ...lanes("psubsb", "E8", "i8x16", "subSatS"),
  ...lanes("psubsw", "E9", "i16x8", "subSatS"),
  ...lanes("psubusb", "D8", "i8x16", "subSatU"),
  ...lanes("psubusw", "D9", "i16x8", "subSatU"),
  ...lanes("pcmpeqb", "74", "i8x16", "eq"),
  ...lanes("pcmpeqw", "75", "i16x8", "eq"),
  ...lanes("pcmpeqd", "76", "i32x4", "eq"),
  ...lanes("pcmpgtb", "64", "i8x16", "gtS"),
  ...lanes("pcmpgtw", "65", "i16x8", "gtS"),
  ...lanes("pcmpgtd", "66", "i32x4", "gtS"),
  ...lanes("pminub", "DA", "i8x16", "minU", mmxOfSse),
  ...lanes("pmaxub", "DE", "i8x16", "maxU", mmxOfSse),
  ...lanes("pminsw", "EA", "i16x8", "minS", mmxOfSse),
  ...lanes("pmaxsw", "EE", "i16x8", "maxS", mmxOfSse),
  ...lanes("pavgb", "E0", "i8x16", "avgrU", mmxOfSse),
  ...lanes("pavgw", "E3", "i16x8", "avgrU", mmxOfSse),
  ...lanes("pmullw", "D5", "i16x8", "mul"),
  ...lanes("pmaddwd", "F5", "i32x4", "dotS"),
  ...narrowed("packsswb", "63", "i8x16", "narrowS"),
  ...narrowed("packuswb", "67", "i8x16", "narrowU"),
  ...narrowed("packssdw", "6B", "i16x8", "narrowS"),
  ...packed("pmulhw", "0F E5", highProducts("extmulLowS", "extmulHighS"), mmx),
  ...packed("pmulhuw", "0F E4", highProducts("extmulLowU", "extmulHighU"), mmxOfSse),
  ...packed(
    "pmuludq",
    "0F F4",
    (m, a, b) => {
      const low = repeated(m, 0xffffffffn);
      return m.i64x2.mul(m.v128.and(a, low), m.v128.and(b, low));
    },
    mmxOfSse2,
  ),
  ...packed("psadbw", "0F F6", differences, mmxOfSse),
  ...packed("pand", "0F DB", and, mmx),
  ...packed("pandn", "0F DF", andNot, mmx),
  ...packed("por", "0F EB", or, mmx),
  ...packed("pxor", "0F EF", xor, mmx),
  ...logic("and", "54", and),
  ...logic("andn", "55", andNot),
  ...logic("or", "56", or),
  ...logic("xor", "57", xor),
  ...interleaved("punpcklbw", "60", 1, false),
  ...interleaved("punpcklwd", "61", 2, false),
  ...interleaved("punpckldq", "62", 4, false),
  ...interleaved("punpcklqdq", "6C", 8, false),
  ...interleaved("punpckhbw", "68", 1, true),
  ...interleaved("punpckhwd", "69", 2, true),
  ...interleaved("punpckhdq", "6A", 4, true),
  ...interleaved("punpckhqdq", "6D", 8, true),
  ...interleavedFloats("unpcklps", "NP", "14", 4, false),
  ...interleavedFloats("unpcklpd", "66", "14", 8, false),
  ...interleavedFloats("unpckhps", "NP", "15", 4, true),
  ...interleavedFloats("unpckhpd", "66", "15", 8, true),
  ...shift("psllw", 16, "shl", "F1", 6),
  ...shift("pslld", 32, "shl", "F2", 6),
  ...shift("psllq", 64, "shl", "F3", 6),
  ...shift("psrlw", 16, "shrU", "D1", 2),
  ...shift("psrld", 32, "shrU", "D2", 2),
  ...shift("psrlq", 64, "shrU", "D3", 2),
  ...shift("psraw", 16, "shrS", "E1", 4),
  ...shift("psrad", 32, "shrS", "E2", 4),
  shiftsOfLanes("vpsllvd", "47", 32, "shl"),
  shiftsOfLanes("vpsllvq", "47", 64, "shl"),
  shiftsOfLanes("vpsrlvd", "45", 32, "shrU"),
  shiftsOfLanes("vpsrlvq", "45", 64, "shrU"),
  shiftsOfLanes("vpsravd", "46", 32, "shrS"),
  ...byteShift("pslldq", 7, true),
  ...byteShift("psrldq", 3, false),
];
