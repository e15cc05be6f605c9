/** SSE2 and AVX: elements in an order that an immediate says. What goes from one half of 256 bits to the other: avx-shuffle.ts. */
import type { I64, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { inHalves } from "../vector-forms.js";

const sse2 = { feature: "sse2" } as const;
const unaligned = { unaligned: true } as const;

type Shuffle = { readonly dst: Operand; readonly a?: Operand; readonly src: Operand; readonly order: Operand };

/** Two bits of an immediate as a number. */
const chosen = (m: X86Machine, order: I64, which: number): I64 =>
  m.i64.and(m.i64.shrU(order, m.i64.const(2 * which)), m.i64.const(3));
/** Places of the bytes of an element of 32 bits, and of 16. */
const wordPlaces = (m: X86Machine, element: I64): I64 =>
  m.i64.add(m.i64.mul(element, m.i64.const(0x04040404)), m.i64.const(0x03020100));
const halfPlaces = (m: X86Machine, element: I64): I64 =>
  m.i64.add(m.i64.mul(element, m.i64.const(0x0202)), m.i64.const(0x0100));
const two = (m: X86Machine, order: I64, first: number): I64 =>
  m.i64.or(
    wordPlaces(m, chosen(m, order, first)),
    m.i64.shl(wordPlaces(m, chosen(m, order, first + 1)), m.i64.const(32)),
  );
const four = (m: X86Machine, order: I64): I64 =>
  [0, 1, 2, 3]
    .map((i) => m.i64.shl(halfPlaces(m, chosen(m, order, i)), m.i64.const(16 * i)))
    .reduce((all, one) => m.i64.or(all, one));
const words = (m: X86Machine, value: V128, order: I64): V128 =>
  m.i8x16.swizzle(value, m.v128.make(two(m, order, 2), two(m, order, 0)));

type Make = (m: X86Machine, value: V128, order: I64) => V128;
/** Elements of one operand. */
const ordered =
  (make: Make) =>
  (m: X86Machine, o: unknown): void => {
    const { dst, src, order } = o as Shuffle;
    const by = order.read();
    inHalves(dst, (of) => make(m, of(src), by));
  };
const shuffle = (name: string, prefix: string, make: Make): InsnDefinition[] => {
  const body = ordered(make);
  return [
    insn(name, [`${prefix} 0F 70 /r  dst:x, src:xm, order:u8`] as const, sse2, body),
    insn(`v${name}`, [`VEX.L.${prefix}.0F 70 /r  dst:x, src:xm, order:u8  avx/avx2`] as const, unaligned, body),
  ];
};
/** Of the elements of 16 bits those of one half of 64 bits: the other half stays. */
const halfShuffle =
  (high: boolean): Make =>
  (m, value, order) => {
    const { i64, v128 } = m;
    const places = four(m, order);
    const upper = i64.const(0x0f0e0d0c0b0a0908n);
    const both = high
      ? v128.make(i64.add(places, i64.const(0x0808080808080808n)), i64.const(0x0706050403020100n))
      : v128.make(upper, places);
    return m.i8x16.swizzle(value, both);
  };

const shufps = (m: X86Machine, o: unknown): void => {
  const { dst, a = dst, src, order } = o as Shuffle;
  const by = order.read();
  inHalves(dst, (of) => {
    const second = words(m, of(src), by);
    return m.v128.make(m.v128.high(second), m.v128.low(words(m, of(a), by)));
  });
};
/** A bit of the immediate for each element. */
const shufpd = (m: X86Machine, o: unknown): void => {
  const { dst, a = dst, src, order } = o as Shuffle;
  const { i32, v128 } = m;
  const by = i32.wrap(order.read());
  inHalves(dst, (of, upper) => {
    const [second, first] = [of(src), of(a)];
    const chosen = (value: V128, bit: number) =>
      m.select(i32.and(by, i32.const(1 << (bit + (upper ? 2 : 0)))), v128.high(value), v128.low(value));
    return v128.make(chosen(second, 1), chosen(first, 0));
  });
};

export const sseShuffleInstructions: readonly InsnDefinition[] = [
  ...shuffle("pshufd", "66", words),
  insn("pshufw", ["NP 0F 70 /r  dst:q, src:qm, order:u8"], { feature: "sse" }, (m, { dst, src, order }) => {
    const places = m.v128.make(m.i64.const(0), four(m, order.read()));
    dst.setVector(m.i8x16.swizzle(src.vector(), places));
  }),
  ...shuffle("pshuflw", "F2", halfShuffle(false)),
  ...shuffle("pshufhw", "F3", halfShuffle(true)),
  insn("shufps", ["NP 0F C6 /r  dst:x, src:xm, order:u8"], sse2, shufps),
  insn("vshufps", ["VEX.L.NP.0F C6 /r  dst:x, a:xv, src:xm, order:u8  avx"], unaligned, shufps),
  insn("shufpd", ["66 0F C6 /r  dst:x, src:xm, order:u8"], sse2, shufpd),
  insn("vshufpd", ["VEX.L.66.0F C6 /r  dst:x, a:xv, src:xm, order:u8  avx"], unaligned, shufpd),
  insn("vpermilps", ["VEX.L.66.0F3A 04 /r W0  dst:x, src:xm, order:u8  avx"], unaligned, ordered(words)),
  insn("vpermilpd", ["VEX.L.66.0F3A 05 /r W0  dst:x, src:xm, order:u8  avx"], unaligned, (m, { dst, src, order }) =>
    shufpd(m, { dst, a: src, src, order }),
  ),
];
