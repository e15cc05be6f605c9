/** SSE2: integers in lanes, logic. */
import type { I32, I64, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { X86Machine } from "../machine.js";

const sse2 = { feature: "sse2", facility: "sse" } as const;

type Binary = (m: X86Machine, a: V128, b: V128) => V128;

/** `dst` becomes what is made of it and the source. */
const binary = (name: string, opcode: string, make: Binary): InsnDefinition =>
  insn(name, [`${opcode} /r  dst:x, src:xm`], sse2, (m, { dst, src }) => {
    const b = src.vector();
    dst.setVector(make(m, dst.vector(), b));
  });

/** The same of what a shape of lanes has. */
const lanes = <S extends "i8x16" | "i16x8" | "i32x4" | "i64x2">(
  name: string,
  opcode: string,
  shape: S,
  operation: keyof X86Machine[S],
): InsnDefinition =>
  binary(name, `66 0F ${opcode}`, (m, a, b) => (m[shape][operation] as (a: V128, b: V128) => V128)(a, b));

const count = (from: number, step: number): number[] => Array.from({ length: 16 }, (_, i) => from + step * i);
/** Elements of so many bytes of the two low or high halves, in turn. */
const interleaved = (name: string, opcode: string, bytes: number, high: boolean): InsnDefinition => {
  const list = count(0, 1).map((i) => {
    const element = Math.floor(i / bytes);
    return (high ? 8 : 0) + (element >> 1) * bytes + (i % bytes) + (element & 1 ? 16 : 0);
  });
  return binary(name, opcode, (m, a, b) => m.i8x16.shuffle(a, b, list));
};

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
  return [
    insn(name, [`66 0F ${opcode} /r  dst:x, count:xm`], sse2, (m, { dst, count }) => {
      const by = m.i64x2.extract(count.vector(), 0);
      dst.setVector(shifted(m, dst.vector(), by, how));
    }),
    insn(name, [`66 0F ${immediate} /${digit}  dst:xr, count:u8`], sse2, (m, { dst, count }) =>
      dst.setVector(shifted(m, dst.vector(), count.read(), how)),
    ),
  ];
};
/** A shift of the whole register by bytes: lanes that are picked from beyond its ends are 0. */
const byteShift = (name: string, digit: number, left: boolean): InsnDefinition =>
  insn(name, [`66 0F 73 /${digit}  dst:xr, count:u8`], sse2, (m, { dst, count }) => {
    const { i64, i8x16 } = m;
    const bytes = count.read();
    const most = m.i32.wrap(m.select(i64.ltU(bytes, i64.const(16)), bytes, i64.const(16)));
    const places = m.v128.const(0x0f0e0d0c0b0a09080706050403020100n);
    const moved = left ? i8x16.sub(places, i8x16.splat(most)) : i8x16.add(places, i8x16.splat(most));
    dst.setVector(i8x16.swizzle(dst.vector(), moved));
  });

const wordOf = (m: X86Machine, value: V128, lane: I32): I64 => {
  const { i64, i32 } = m;
  const half = m.select(i32.and(lane, i32.const(4)), m.v128.high(value), m.v128.low(value));
  const place = i64.extendU(i32.shl(i32.and(lane, i32.const(3)), i32.const(4)));
  return i64.and(i64.shrU(half, place), i64.const(0xffff));
};

const logic = (name: string, opcode: string, make: Binary): InsnDefinition[] => [
  binary(`${name}ps`, `NP 0F ${opcode}`, make),
  binary(`${name}pd`, `66 0F ${opcode}`, make),
];
const and: Binary = (m, a, b) => m.v128.and(a, b);
const andNot: Binary = (m, a, b) => m.v128.andnot(b, a);
const or: Binary = (m, a, b) => m.v128.or(a, b);
const xor: Binary = (m, a, b) => m.v128.xor(a, b);

export const sseIntegerInstructions: readonly InsnDefinition[] = [
  lanes("paddb", "FC", "i8x16", "add"),
  lanes("paddw", "FD", "i16x8", "add"),
  lanes("paddd", "FE", "i32x4", "add"),
  lanes("paddq", "D4", "i64x2", "add"),
  lanes("psubb", "F8", "i8x16", "sub"),
  lanes("psubw", "F9", "i16x8", "sub"),
  lanes("psubd", "FA", "i32x4", "sub"),
  lanes("psubq", "FB", "i64x2", "sub"),
  lanes("paddsb", "EC", "i8x16", "addSatS"),
  lanes("paddsw", "ED", "i16x8", "addSatS"),
  lanes("paddusb", "DC", "i8x16", "addSatU"),
  lanes("paddusw", "DD", "i16x8", "addSatU"),
  lanes("psubsb", "E8", "i8x16", "subSatS"),
  lanes("psubsw", "E9", "i16x8", "subSatS"),
  lanes("psubusb", "D8", "i8x16", "subSatU"),
  lanes("psubusw", "D9", "i16x8", "subSatU"),
  lanes("pcmpeqb", "74", "i8x16", "eq"),
  lanes("pcmpeqw", "75", "i16x8", "eq"),
  lanes("pcmpeqd", "76", "i32x4", "eq"),
  lanes("pcmpgtb", "64", "i8x16", "gtS"),
  lanes("pcmpgtw", "65", "i16x8", "gtS"),
  lanes("pcmpgtd", "66", "i32x4", "gtS"),
  lanes("pminub", "DA", "i8x16", "minU"),
  lanes("pmaxub", "DE", "i8x16", "maxU"),
  lanes("pminsw", "EA", "i16x8", "minS"),
  lanes("pmaxsw", "EE", "i16x8", "maxS"),
  lanes("pavgb", "E0", "i8x16", "avgrU"),
  lanes("pavgw", "E3", "i16x8", "avgrU"),
  lanes("pmullw", "D5", "i16x8", "mul"),
  lanes("pmaddwd", "F5", "i32x4", "dotS"),
  lanes("packsswb", "63", "i8x16", "narrowS"),
  lanes("packuswb", "67", "i8x16", "narrowU"),
  lanes("packssdw", "6B", "i16x8", "narrowS"),
  binary("pmulhw", "66 0F E5", highProducts("extmulLowS", "extmulHighS")),
  binary("pmulhuw", "66 0F E4", highProducts("extmulLowU", "extmulHighU")),
  binary("pmuludq", "66 0F F4", (m, a, b) => {
    const low = repeated(m, 0xffffffffn);
    return m.i64x2.mul(m.v128.and(a, low), m.v128.and(b, low));
  }),
  binary("psadbw", "66 0F F6", differences),
  binary("pand", "66 0F DB", and),
  binary("pandn", "66 0F DF", andNot),
  binary("por", "66 0F EB", or),
  binary("pxor", "66 0F EF", xor),
  ...logic("and", "54", and),
  ...logic("andn", "55", andNot),
  ...logic("or", "56", or),
  ...logic("xor", "57", xor),
  interleaved("punpcklbw", "66 0F 60", 1, false),
  interleaved("punpcklwd", "66 0F 61", 2, false),
  interleaved("punpckldq", "66 0F 62", 4, false),
  interleaved("punpcklqdq", "66 0F 6C", 8, false),
  interleaved("punpckhbw", "66 0F 68", 1, true),
  interleaved("punpckhwd", "66 0F 69", 2, true),
  interleaved("punpckhdq", "66 0F 6A", 4, true),
  interleaved("punpckhqdq", "66 0F 6D", 8, true),
  interleaved("unpcklps", "NP 0F 14", 4, false),
  interleaved("unpcklpd", "66 0F 14", 8, false),
  interleaved("unpckhps", "NP 0F 15", 4, true),
  interleaved("unpckhpd", "66 0F 15", 8, true),
  ...shift("psllw", 16, "shl", "F1", 6),
  ...shift("pslld", 32, "shl", "F2", 6),
  ...shift("psllq", 64, "shl", "F3", 6),
  ...shift("psrlw", 16, "shrU", "D1", 2),
  ...shift("psrld", 32, "shrU", "D2", 2),
  ...shift("psrlq", 64, "shrU", "D3", 2),
  ...shift("psraw", 16, "shrS", "E1", 4),
  ...shift("psrad", 32, "shrS", "E2", 4),
  byteShift("pslldq", 7, true),
  byteShift("psrldq", 3, false),
  insn("pextrw", ["66 0F C5 /r y  dst:r, src:xr, lane:u8"], sse2, (m, { dst, src, lane }) =>
    dst.write(wordOf(m, src.vector(), m.i32.wrap(lane.read()))),
  ),
  insn("pinsrw", ["66 0F C4 /r  dst:x, src:rr32, lane:u8", "66 0F C4 /r  dst:x, src:m16, lane:u8"], sse2, (m, o) => {
    const { i64, i32, v128 } = m;
    const word = i64.and(o.src.read(), i64.const(0xffff));
    const lane = i32.wrap(o.lane.read());
    const place = i64.extendU(i32.shl(i32.and(lane, i32.const(3)), i32.const(4)));
    const value = o.dst.vector();
    const upper = i32.and(lane, i32.const(4));
    const put = (half: I64) => i64.or(i64.and(half, i64.not(i64.shl(i64.const(0xffff), place))), i64.shl(word, place));
    const [low, high] = [v128.low(value), v128.high(value)];
    o.dst.setVector(v128.make(m.select(upper, put(high), high), m.select(upper, low, put(low))));
  }),
];
