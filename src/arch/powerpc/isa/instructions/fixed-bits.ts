/**
 * Byte reversal in registers, CR bits as numbers, and bits gathered and scattered by a mask, all of v3.1.
 * Source: Power ISA v3.1B, Book I "Fixed-Point Byte-Reverse Instructions", "Set Boolean Condition", "Fixed-Point Logical
 * Instructions".
 */
import { insn } from "../insn.js";
import { since } from "../levels.js";
import type { I32, I64, Machine } from "../machine.js";
import { bits } from "../vector-forms.js";

const eachByte = 0x00ff00ff00ff00ffn;
const eachHalfword = 0x0000ffff0000ffffn;

/** The parts of `mask`'s size exchanged with their neighbours, `by` bits away. */
function exchange(m: Machine, value: I64, mask: bigint, by: number): I64 {
  const { i64 } = m;
  const low = i64.and(value, i64.const(mask));
  const high = i64.and(i64.shrU(value, i64.const(by)), i64.const(mask));
  return i64.or(i64.shl(low, i64.const(by)), high);
}
const reverseHalfwords = (m: Machine, value: I64): I64 => exchange(m, value, eachByte, 8);
const reverseWords = (m: Machine, value: I64): I64 => exchange(m, reverseHalfwords(m, value), eachHalfword, 16);
const reverseDoubleword = (m: Machine, value: I64): I64 => m.i64.rotl(reverseWords(m, value), m.i64.const(32));

function unary(name: string, xo: number, f: (m: Machine, s: I64) => I64) {
  return insn(name, `011111 rs:5 ra:5 -:5 ${bits(xo, 10)} -`, "ra, rs", (m, o) => m.setGpr(o.ra, f(m, m.gpr(o.rs))));
}

function masked(name: string, xo: number, f: (m: Machine, s: I64, mask: I64) => I64) {
  return insn(name, `011111 rs:5 ra:5 rb:5 ${bits(xo, 10)} -`, "ra, rs, rb", (m, o) =>
    m.setGpr(o.ra, f(m, m.gpr(o.rs), m.gpr(o.rb))),
  );
}

/** What a CR bit is made into: its value if it is 1, and if it is 0. */
function setBoolean(name: string, xo: number, one: number, zero: number) {
  return insn(name, `011111 rt:5 bi:5 -:5 ${bits(xo, 10)} -`, "rt, bi", (m, o) =>
    m.setGpr(o.rt, m.select(m.crBit(o.bi), m.i64.const(one), m.i64.const(zero))),
  );
}

/** Bits of the mask left of the first one of `s` under it. */
export function leadingUnderMask(m: Machine, s: I64, mask: I64): I64 {
  const { i64 } = m;
  const under = i64.and(s, mask);
  const from = i64.shrU(i64.const(-1), i64.clz(under));
  return m.select(i64.eqz(under), i64.popcnt(mask), i64.popcnt(i64.and(mask, i64.not(from))));
}

/** Bits of the mask right of the last one of `s` under it. */
export function trailingUnderMask(m: Machine, s: I64, mask: I64): I64 {
  const { i64 } = m;
  const under = i64.and(s, mask);
  return i64.popcnt(i64.and(mask, i64.and(i64.sub(under, i64.const(1)), i64.not(under))));
}

export const deposit = (m: Machine, s: I64, mask: I64): I64 => m.call("depositBits", s, mask);
export const extract = (m: Machine, s: I64, mask: I64): I64 => m.call("extractBits", s, mask);

/** Bits under the mask to the right, the others to the left, each in their order. */
export function centrifuge(m: Machine, s: I64, mask: I64): I64 {
  const { i64 } = m;
  // With a mask of 64 ones nothing goes left, and a count of 64 does no harm.
  const left = i64.shl(extract(m, s, i64.not(mask)), i64.popcnt(mask));
  return i64.or(left, extract(m, s, mask));
}

/** The block as dcbst has it; there is no cache, but an address that may not be read still faults. */
const dcbstps = insn("dcbstps", "011111 - - 110 ra:5 rb:5 0001010110 -", "ra, rb", (m, o: { ra: I32; rb: I32 }) => {
  m.load(m.i64.add(m.gprOrZero(o.ra), m.gpr(o.rb)), 1);
});

export const fixedBitsInstructions = since("3.1", [
  unary("brh", 219, reverseHalfwords),
  unary("brw", 155, reverseWords),
  unary("brd", 187, reverseDoubleword),
  setBoolean("setbc", 384, 1, 0),
  setBoolean("setbcr", 416, 0, 1),
  setBoolean("setnbc", 448, -1, 0),
  setBoolean("setnbcr", 480, 0, -1),
  masked("cntlzdm", 59, leadingUnderMask),
  masked("cnttzdm", 571, trailingUnderMask),
  masked("pdepd", 156, deposit),
  masked("pextd", 188, extract),
  masked("cfuged", 220, centrifuge),
  dcbstps,
]);
