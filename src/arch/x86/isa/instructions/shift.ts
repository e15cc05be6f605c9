/** Shifts and rotations. */
import type { I32, I64 } from "../../../../semantics/values.js";
import { bit, low, resultFlags, shift, signed, top } from "../flags.js";
import { insn } from "../insn.js";
import type { Operand, Shift, X86Machine } from "../machine.js";

interface Shifted {
  readonly dst: Operand;
  readonly count: Operand;
}

/** The count as the processor takes it, modulo 32 or 64; what follows happens to the flags where it is not 0. */
function counted(m: X86Machine, size: number, count: Operand): I64 {
  return m.i64.and(count.read(), m.i64.const(size === 64 ? 63 : 31));
}

const unless0 = (m: X86Machine, count: I64, then: () => void): void => m.if(m.i64.ne(count, m.i64.const(0)), then);

const shifting =
  (operation: Shift) =>
  (m: X86Machine, { dst, count: given }: Shifted): void => {
    const { size } = dst;
    const count = counted(m, size, given);
    const value = dst.read();
    const result = shift(m, operation, size, value, count);
    dst.write(result);
    unless0(m, count, () => m.deriveFlags({ operation, size, a: value, b: count, result }));
  };

/** Rotations change CF and OF alone. */
const rotating =
  (rotate: (m: X86Machine, value: I64, count: I64, size: number) => { result: I64; carry: I32; overflow: I64 }) =>
  (m: X86Machine, { dst, count: given }: Shifted): void => {
    const { size } = dst;
    const count = counted(m, size, given);
    const { result, carry, overflow } = rotate(m, dst.read(), count, size);
    dst.write(result);
    unless0(m, count, () => m.setFlags({ carry, overflow }));
  };

/** Through carry: size + 1 bits go round. Modulo that a count of 8 or 16 bits may be 0 though it was not. */
const throughCarry =
  (left: boolean) =>
  (m: X86Machine, { dst, count: given }: Shifted): void => {
    const { i64 } = m;
    const { size } = dst;
    const masked = counted(m, size, given);
    const count = size < 32 ? i64.remU(masked, i64.const(size + 1)) : masked;
    const value = dst.read();
    const carry = i64.extendU(m.flag("carry"));
    const back = i64.sub(i64.const(size), count);
    let result: I64;
    let out: I32;
    if (size === 64) {
      // A shift by 64 is one by 1 and one by 63.
      const one = i64.const(1);
      result = left
        ? i64.or(
            i64.or(i64.shl(value, count), i64.shl(carry, i64.sub(count, one))),
            i64.shrU(i64.shrU(value, one), back),
          )
        : i64.or(i64.or(i64.shrU(value, count), i64.shl(carry, back)), i64.shl(i64.shl(value, one), back));
      out = bit(m, value, left ? back : i64.sub(count, one));
    } else {
      const wide = i64.or(value, i64.shl(carry, i64.const(size)));
      const rest = i64.sub(i64.const(size + 1), count);
      result = left
        ? i64.or(i64.shl(wide, count), i64.shrU(wide, rest))
        : i64.or(i64.shrU(wide, count), i64.shl(wide, rest));
      out = bit(m, result, size);
    }
    const kept = m.select(i64.eqz(count), value, result);
    dst.write(kept);
    unless0(m, count, () => {
      const extended = signed(m, size, kept);
      const overflow = left
        ? i64.xor(extended, top(m, out))
        : i64.xor(extended, i64.shl(extended, i64.const(65 - size)));
      m.setFlags({ carry: out, overflow });
    });
  };

/** The destination, with bits of the source moving in. */
const double =
  (left: boolean) =>
  (m: X86Machine, { dst, src, count: given }: Shifted & { readonly src: Operand }): void => {
    const { i64 } = m;
    const { size } = dst;
    const count = counted(m, size, given);
    const value = dst.read();
    const other = src.read();
    const width = i64.const(size);
    const back = i64.sub(width, count);
    let result: I64;
    if (size === 64) {
      const one = i64.const(1);
      const rest = i64.sub(i64.const(63), count);
      const moved = left
        ? i64.or(i64.shl(value, count), i64.shrU(i64.shrU(other, one), rest))
        : i64.or(i64.shrU(value, count), i64.shl(i64.shl(other, one), rest));
      result = moved;
    } else {
      // By more than 16, the result of 16 bits is undefined.
      const wide = left ? i64.or(i64.shl(value, width), other) : i64.or(value, i64.shl(other, width));
      result = low(m, size, left ? i64.shrU(i64.shl(wide, count), width) : i64.shrU(wide, count));
    }
    dst.write(result);
    unless0(m, count, () => {
      const flags = resultFlags(m, size, result);
      m.setFlags({
        ...flags,
        carry: bit(m, value, left ? back : i64.sub(count, i64.const(1))),
        overflow: i64.xor(flags.sign, signed(m, size, value)),
        adjust: m.i32.const(0),
      });
    });
  };

const rotateLeft = (m: X86Machine, value: I64, count: I64, size: number): I64 => {
  const { i64 } = m;
  if (size === 64) return i64.rotl(value, count);
  const some = i64.and(count, i64.const(size - 1));
  return low(m, size, i64.or(i64.shl(value, some), i64.shrU(value, i64.sub(i64.const(size), some))));
};

/** Rotate left. */
export const rol = insn(
  "rol",
  ["D0|D1 /0  dst:rm, count:one", "D2|D3 /0  dst:rm, count:c8", "C0|C1 /0  dst:rm, count:u8"],
  { undefinedFlags: { beyondOne: "o" } },
  rotating((m, value, count, size) => {
    const result = rotateLeft(m, value, count, size);
    const carry = bit(m, result, 0);
    return { result, carry, overflow: m.i64.xor(signed(m, size, result), top(m, carry)) };
  }),
);
/** Rotate right. */
export const ror = insn(
  "ror",
  ["D0|D1 /1  dst:rm, count:one", "D2|D3 /1  dst:rm, count:c8", "C0|C1 /1  dst:rm, count:u8"],
  { undefinedFlags: { beyondOne: "o" } },
  rotating((m, value, count, size) => {
    const result = rotateLeft(m, value, m.i64.sub(m.i64.const(size), count), size);
    const extended = signed(m, size, result);
    const overflow = m.i64.xor(extended, m.i64.shl(extended, m.i64.const(65 - size)));
    return { result, carry: bit(m, result, size - 1), overflow };
  }),
);
/** Rotate left through carry. */
export const rcl = insn(
  "rcl",
  ["D0|D1 /2  dst:rm, count:one", "D2|D3 /2  dst:rm, count:c8", "C0|C1 /2  dst:rm, count:u8"],
  { undefinedFlags: { beyondOne: "o" } },
  throughCarry(true),
);
/** Rotate right through carry. */
export const rcr = insn(
  "rcr",
  ["D0|D1 /3  dst:rm, count:one", "D2|D3 /3  dst:rm, count:c8", "C0|C1 /3  dst:rm, count:u8"],
  { undefinedFlags: { beyondOne: "o" } },
  throughCarry(false),
);
/** Shift left; SAL is the same. */
export const shl = insn(
  "shl",
  [
    "D0|D1 /4  dst:rm, count:one",
    "D2|D3 /4  dst:rm, count:c8",
    "C0|C1 /4  dst:rm, count:u8",
    "D0|D1 /6  dst:rm, count:one",
    "D2|D3 /6  dst:rm, count:c8",
    "C0|C1 /6  dst:rm, count:u8",
  ],
  { undefinedFlags: { always: "a", beyondOne: "o", beyondSize: "c" } },
  shifting("shl"),
);
/** Shift logical right. */
export const shr = insn(
  "shr",
  ["D0|D1 /5  dst:rm, count:one", "D2|D3 /5  dst:rm, count:c8", "C0|C1 /5  dst:rm, count:u8"],
  { undefinedFlags: { always: "a", beyondOne: "o", beyondSize: "c" } },
  shifting("shr"),
);
/** Shift arithmetic right. */
export const sar = insn(
  "sar",
  ["D0|D1 /7  dst:rm, count:one", "D2|D3 /7  dst:rm, count:c8", "C0|C1 /7  dst:rm, count:u8"],
  { undefinedFlags: { always: "a", beyondOne: "o" } },
  shifting("sar"),
);

/** Double Precision Shift Left. */
export const shld = insn(
  "shld",
  ["0F A4 /r  dst:rm, src:r, count:u8", "0F A5 /r  dst:rm, src:r, count:c8"],
  { undefinedFlags: { always: "a", beyondOne: "o", beyondSize: "oszapc" } },
  double(true),
);
/** Double Precision Shift Right. */
export const shrd = insn(
  "shrd",
  ["0F AC /r  dst:rm, src:r, count:u8", "0F AD /r  dst:rm, src:r, count:c8"],
  { undefinedFlags: { always: "a", beyondOne: "o", beyondSize: "oszapc" } },
  double(false),
);

export const shiftInstructions = [rol, ror, rcl, rcr, shl, shr, sar, shld, shrd];
