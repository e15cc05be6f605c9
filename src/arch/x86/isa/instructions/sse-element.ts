/** MMX, SSE2, SSE4.1: one element of a vector, by a number that an immediate gives. */
import type { I32, I64, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";

const sse2 = { feature: "sse2" } as const;
const sse41 = { feature: "sse4.1" } as const;

export type Bits = 8 | 16 | 32 | 64;

/** Where the element is in its half, in bits; and whether it is the upper half. */
function placed(m: X86Machine, lane: I32, bits: Bits): { readonly place: I64; readonly upper: I32 } {
  const { i64, i32 } = m;
  const inHalf = 64 / bits - 1;
  const place = i64.extendU(i32.mul(i32.and(lane, i32.const(inHalf)), i32.const(bits)));
  return { place, upper: i32.and(lane, i32.const(inHalf + 1)) };
}
const cut = (m: X86Machine, value: I64, bits: Bits): I64 =>
  bits === 64 ? value : m.i64.and(value, m.i64.const((1n << BigInt(bits)) - 1n));

export function elementOf(m: X86Machine, value: V128, lane: I32, bits: Bits): I64 {
  const { place, upper } = placed(m, lane, bits);
  return cut(m, m.i64.shrU(m.select(upper, m.v128.high(value), m.v128.low(value)), place), bits);
}

export function withElement(m: X86Machine, value: V128, lane: I32, bits: Bits, element: I64): V128 {
  const { i64, v128 } = m;
  const { place, upper } = placed(m, lane, bits);
  const mask = i64.shl(i64.const(bits === 64 ? -1n : (1n << BigInt(bits)) - 1n), place);
  const moved = i64.shl(cut(m, element, bits), place);
  const put = (half: I64) => i64.or(i64.and(half, i64.not(mask)), moved);
  const [low, high] = [v128.low(value), v128.high(value)];
  return v128.make(m.select(upper, put(high), high), m.select(upper, low, put(low)));
}

type Extraction = { readonly dst: Operand; readonly src: Operand; readonly lane: Operand };
const extract =
  (bits: Bits, lanes?: number) =>
  (m: X86Machine, o: unknown): void => {
    const { dst, src, lane } = o as Extraction;
    const number = m.i32.wrap(lane.read());
    const which = lanes === undefined ? number : m.i32.and(number, m.i32.const(lanes - 1));
    dst.write(elementOf(m, src.vector(), which, bits));
  };
type Insertion = Extraction & { readonly a?: Operand };
const insert =
  (bits: Bits, lanes?: number) =>
  (m: X86Machine, o: unknown): void => {
    const { dst, a = dst, src, lane } = o as Insertion;
    const element = src.read();
    const number = m.i32.wrap(lane.read());
    const which = lanes === undefined ? number : m.i32.and(number, m.i32.const(lanes - 1));
    dst.setVector(withElement(m, a.vector(), which, bits, element));
  };

/** An element of singles goes to a place, and lanes become 0. */
const insertSingle = (m: X86Machine, o: unknown): void => {
  const { dst, a = dst, src, lane: how } = o as Insertion;
  const { i32, v128, i32x4 } = m;
  const by = i32.wrap(how.read());
  const lane = (shift: number) => i32.and(i32.shrU(by, i32.const(shift)), i32.const(3));
  const element = src.memory ? src.read() : elementOf(m, src.vector(), lane(6), 32);
  const put = withElement(m, a.vector(), lane(4), 32, element);
  const bits = v128.const(0x00000008_00000004_00000002_00000001n);
  const zero = i32x4.eq(v128.and(i32x4.splat(by), bits), bits);
  dst.setVector(v128.andnot(put, zero));
};

const both = (
  name: string,
  [encoding, vex]: readonly [string, string],
  names: readonly [string, string],
  body: (m: X86Machine, o: unknown) => void,
): InsnDefinition[] => [
  insn(name, [`${encoding}  ${names[0]}`] as [string], sse41, body),
  insn(`v${name}`, [`${vex}  ${names[1]}  avx`] as [string], {}, body),
];

export const sseElementInstructions: readonly InsnDefinition[] = [
  insn("pextrw", ["66 0F C5 /r  dst:r32, src:xr, lane:u8"], sse2, extract(16)),
  insn("pextrw", ["NP 0F C5 /r  dst:r32, src:qr, lane:u8  sse"], {}, extract(16, 4)),
  insn("vpextrw", ["VEX.L0.66.0F C5 /r  dst:r32, src:xr, lane:u8  avx"], {}, extract(16)),
  ...both(
    "pextrw",
    ["66 0F 3A 15 /r", "VEX.L0.66.0F3A 15 /r"],
    ["dst:rr32, src:x, lane:u8", "dst:rr32, src:x, lane:u8"],
    extract(16),
  ),
  ...both(
    "pextrw",
    ["66 0F 3A 15 /r", "VEX.L0.66.0F3A 15 /r"],
    ["dst:m16, src:x, lane:u8", "dst:m16, src:x, lane:u8"],
    extract(16),
  ),
  ...both(
    "pextrb",
    ["66 0F 3A 14 /r", "VEX.L0.66.0F3A 14 /r"],
    ["dst:rr32, src:x, lane:u8", "dst:rr32, src:x, lane:u8"],
    extract(8),
  ),
  ...both(
    "pextrb",
    ["66 0F 3A 14 /r", "VEX.L0.66.0F3A 14 /r"],
    ["dst:m8, src:x, lane:u8", "dst:m8, src:x, lane:u8"],
    extract(8),
  ),
  ...both(
    "pextrd",
    ["66 0F 3A 16 /r W0", "VEX.L0.66.0F3A 16 /r W0"],
    ["dst:rm32, src:x, lane:u8", "dst:rm32, src:x, lane:u8"],
    extract(32),
  ),
  ...both(
    "pextrq",
    ["66 0F 3A 16 /r W1 o64", "VEX.L0.66.0F3A 16 /r W1 o64"],
    ["dst:rm64, src:x, lane:u8", "dst:rm64, src:x, lane:u8"],
    extract(64),
  ),
  ...both(
    "extractps",
    ["66 0F 3A 17 /r", "VEX.L0.66.0F3A 17 /r"],
    ["dst:rr32, src:x, lane:u8", "dst:rr32, src:x, lane:u8"],
    extract(32),
  ),
  ...both(
    "extractps",
    ["66 0F 3A 17 /r", "VEX.L0.66.0F3A 17 /r"],
    ["dst:m32, src:x, lane:u8", "dst:m32, src:x, lane:u8"],
    extract(32),
  ),
  insn("pinsrw", ["66 0F C4 /r  dst:x, src:rr32, lane:u8", "66 0F C4 /r  dst:x, src:m16, lane:u8"], sse2, insert(16)),
  insn(
    "pinsrw",
    ["NP 0F C4 /r  dst:q, src:rr32, lane:u8  sse", "NP 0F C4 /r  dst:q, src:m16, lane:u8  sse"],
    {},
    insert(16, 4),
  ),
  insn(
    "vpinsrw",
    [
      "VEX.L0.66.0F C4 /r  dst:x, a:xv, src:rr32, lane:u8  avx",
      "VEX.L0.66.0F C4 /r  dst:x, a:xv, src:m16, lane:u8  avx",
    ],
    {},
    insert(16),
  ),
  ...both(
    "pinsrb",
    ["66 0F 3A 20 /r", "VEX.L0.66.0F3A 20 /r"],
    ["dst:x, src:rr32, lane:u8", "dst:x, a:xv, src:rr32, lane:u8"],
    insert(8),
  ),
  ...both(
    "pinsrb",
    ["66 0F 3A 20 /r", "VEX.L0.66.0F3A 20 /r"],
    ["dst:x, src:m8, lane:u8", "dst:x, a:xv, src:m8, lane:u8"],
    insert(8),
  ),
  ...both(
    "pinsrd",
    ["66 0F 3A 22 /r W0", "VEX.L0.66.0F3A 22 /r W0"],
    ["dst:x, src:rm32, lane:u8", "dst:x, a:xv, src:rm32, lane:u8"],
    insert(32),
  ),
  ...both(
    "pinsrq",
    ["66 0F 3A 22 /r W1 o64", "VEX.L0.66.0F3A 22 /r W1 o64"],
    ["dst:x, src:rm64, lane:u8", "dst:x, a:xv, src:rm64, lane:u8"],
    insert(64),
  ),
  ...both(
    "insertps",
    ["66 0F 3A 21 /r", "VEX.L0.66.0F3A 21 /r"],
    ["dst:x, src:xm32, lane:u8", "dst:x, a:xv, src:xm32, lane:u8"],
    insertSingle,
  ),
];
