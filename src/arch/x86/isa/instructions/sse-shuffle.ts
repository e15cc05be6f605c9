/** SSE2: elements in an order that an immediate says. */
import type { I64, V128 } from "../../../../semantics/values.js";
import { insn } from "../insn.js";
import type { X86Machine } from "../machine.js";

const sse2 = { feature: "sse2" } as const;

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

/** Shuffles of one half's 16-bit elements: the other half stays. */
const halves = (name: string, prefix: string, high: boolean) =>
  insn(name, [`${prefix} 0F 70 /r  dst:x, src:xm, order:u8`] as const, sse2, (m, { dst, src, order }) => {
    const { i64, v128 } = m;
    const places = four(m, order.read());
    const upper = i64.const(0x0f0e0d0c0b0a0908n);
    const both = high
      ? v128.make(i64.add(places, i64.const(0x0808080808080808n)), i64.const(0x0706050403020100n))
      : v128.make(upper, places);
    dst.setVector(m.i8x16.swizzle(src.vector(), both));
  });

export const sseShuffleInstructions = [
  insn("pshufd", ["66 0F 70 /r  dst:x, src:xm, order:u8"], sse2, (m, { dst, src, order }) =>
    dst.setVector(words(m, src.vector(), order.read())),
  ),
  insn("pshufw", ["NP 0F 70 /r  dst:q, src:qm, order:u8"], { feature: "sse" }, (m, { dst, src, order }) => {
    const places = m.v128.make(m.i64.const(0), four(m, order.read()));
    dst.setVector(m.i8x16.swizzle(src.vector(), places));
  }),
  halves("pshuflw", "F2", false),
  halves("pshufhw", "F3", true),
  insn("shufps", ["NP 0F C6 /r  dst:x, src:xm, order:u8"], sse2, (m, { dst, src, order }) => {
    const by = order.read();
    const b = words(m, src.vector(), by);
    const a = words(m, dst.vector(), by);
    dst.setVector(m.v128.make(m.v128.high(b), m.v128.low(a)));
  }),
  insn("shufpd", ["66 0F C6 /r  dst:x, src:xm, order:u8"], sse2, (m, { dst, src, order }) => {
    const { i32, v128 } = m;
    const by = i32.wrap(order.read());
    const b = src.vector();
    const a = dst.vector();
    const low = m.select(i32.and(by, i32.const(1)), v128.high(a), v128.low(a));
    const high = m.select(i32.and(by, i32.const(2)), v128.high(b), v128.low(b));
    dst.setVector(v128.make(high, low));
  }),
];
