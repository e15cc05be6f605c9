/** SSE4.2: comparisons of strings in vectors, their lengths given or up to the first 0. */
import type { I32, I64, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, type InsnOptions, insn } from "../insn.js";
import { type Facts, type Operand, rax, rcx, rdx, type X86Machine } from "../machine.js";

type Strings = { readonly a: Operand; readonly b: Operand; readonly how: Operand };

/** A length in a register: its magnitude, 16 at most. */
function lengthIn(m: X86Machine, number: number, size: Facts["size"]): I32 {
  const { i64 } = m;
  const value = m.register(number, size === 64 ? 64 : 32);
  const wide = size === 64 ? value : i64.extend32S(value);
  const magnitude = m.select(i64.ltS(wide, i64.const(0)), i64.neg(wide), wide);
  return m.i32.wrap(m.select(i64.ltU(magnitude, i64.const(16)), magnitude, i64.const(16)));
}

/** A bit of each element as all of its bits. */
function spread(m: X86Machine, bits: I32, words: I32): V128 {
  const { v128, i8x16, i16x8 } = m;
  const each = v128.const(0x80402010_08040201_80402010_08040201n);
  const halves = i8x16.swizzle(
    i8x16.replace(i8x16.splat(bits), 1, m.i32.shrU(bits, m.i32.const(8))),
    v128.const(0x01010101_01010101_00000000_00000000n),
  );
  const bytes = i8x16.eq(v128.and(halves, each), each);
  const numbers = v128.const(0x0080_0040_0020_0010_0008_0004_0002_0001n);
  const whole = i16x8.eq(v128.and(i16x8.splat(bits), numbers), numbers);
  return m.select(words, whole, bytes);
}

/** An element's number, in ECX, of the first or the last that is found; or all of them as a mask in XMM0. */
const compare =
  (given: boolean, mask: boolean, setMask: (m: X86Machine, o: unknown, value: V128) => void) =>
  (m: X86Machine, o: unknown, { size }: Facts): void => {
    const { a, b, how } = o as Strings;
    const { i32, i64 } = m;
    const by = i32.wrap(how.read());
    const second = b.vector();
    const none = i32.const(-1);
    const [la, lb] = given ? [lengthIn(m, rax, size), lengthIn(m, rdx, size)] : [none, none];
    const all = m.call("compareStrings", a.vector(), second, by, la, lb);
    const found = i32.and(all, i32.const(0xffff));
    const words = i32.and(by, i32.const(1));
    const chosen = i32.and(by, i32.const(0x40));
    if (mask) {
      const plain = m.v128.make(i64.const(0), i64.extendU(found));
      setMask(m, o, m.select(chosen, spread(m, found, words), plain));
    } else {
      const count = m.select(words, i32.const(8), i32.const(16));
      const last = i32.sub(i32.const(31), i32.clz(found));
      const number = m.select(chosen, last, i32.ctz(found));
      m.setRegister(rcx, 32, i64.extendU(m.select(found, number, count)));
    }
    const bit = (place: number): I32 => i32.and(i32.shrU(all, i32.const(place)), i32.const(1));
    const top = (place: number): I64 => i64.shl(i64.extendU(bit(place)), i64.const(63));
    m.setFlags({
      zero: i64.extendU(i32.eqz(bit(17))),
      // PF is clear: an odd number of bits.
      sign: i64.or(top(18), i64.const(1)),
      overflow: top(19),
      carry: bit(16),
      adjust: i32.const(0),
    });
  };
const toXmm0 = (_: X86Machine, o: unknown, value: V128): void => (o as { to: Operand }).to.setVector(value);

const strings = (name: string, opcode: string, given: boolean, mask: boolean): InsnDefinition[] => {
  const body = compare(given, mask, toXmm0);
  const hidden = mask ? ", to:xh" : "";
  const size = given ? " y" : "";
  const named = (called: string): InsnOptions =>
    given ? { names: { by: "operand", 32: called, 64: `${called}q` } } : {};
  return [
    insn(
      name,
      [`66 0F 3A ${opcode} /r${size}  a:x, b:xm, how:u8${hidden}`] as [string],
      { feature: "sse4.2", unaligned: true, ...named(name) },
      body,
    ),
    insn(
      `v${name}`,
      [`VEX.L0.66.0F3A ${opcode} /r${size}  a:x, b:xm, how:u8${hidden}  avx`] as [string],
      { unaligned: true, ...named(`v${name}`) },
      body,
    ),
  ];
};

export const sseStringInstructions: readonly InsnDefinition[] = [
  ...strings("pcmpestrm", "60", true, true),
  ...strings("pcmpestri", "61", true, false),
  ...strings("pcmpistrm", "62", false, true),
  ...strings("pcmpistri", "63", false, false),
];
