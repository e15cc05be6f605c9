/** Strings, and ports. */
import type { I32, I64 } from "../../../../semantics/values.js";
import { bit, difference, low } from "../flags.js";
import { insn } from "../insn.js";
import { type Facts, Flag, type Operand, rcx, rdi, rsi, type X86Machine } from "../machine.js";

/** Moves the registers of these operands on, or back, by one element. */
function advance(m: X86Machine, registers: readonly number[], { size, addressSize }: Operand): void {
  const back = bit(m, m.systemFlags(), Flag.direction);
  const step = m.select(back, m.i64.const(-size / 8), m.i64.const(size / 8));
  for (const one of registers) m.setRegister(one, addressSize, m.i64.add(m.register(one, addressSize), step));
}

/** What ends a repetition, or hastens it. */
interface Repetition {
  /** Looked at after each element. */
  readonly ends?: () => I32;
  /** Called before the first element. What it gives does as many of `left` as it can without a fault, and says how many. */
  readonly many?: () => (left: I64) => I64;
}

/**
 * One element, or as many as rCX says. A repeated instruction does one, those behind it that can be done at once, and jumps to
 * itself: so it can fault and be interrupted between any two with its registers right.
 */
function repeated(
  m: X86Machine,
  { repeat }: Facts,
  { addressSize }: Operand,
  one: () => void,
  { ends, many: begin }: Repetition = {},
): void {
  if (repeat === 0) {
    one();
    return;
  }
  const count = m.register(rcx, addressSize);
  m.if(m.i64.ne(count, m.i64.const(0)), () => {
    const many = begin?.();
    one();
    let left = m.i64.sub(count, m.i64.const(1));
    if (many) left = m.i64.sub(left, many(left));
    m.setRegister(rcx, addressSize, left);
    const more = m.i64.ne(left, m.i64.const(0));
    m.if(ends ? m.i32.and(more, m.i32.eqz(ends())) : more, () => m.again());
  });
}

/**
 * For `Repetition.many`: `work` is told where the second element of each operand is. Where an address is looked at for each
 * element, there is none.
 */
function upwards(
  m: X86Machine,
  { codeSize, unsegmented }: Facts,
  registers: readonly number[],
  operands: readonly [Operand, ...Operand[]],
  work: (at: readonly I64[], left: I64, bytes: I32) => I64,
): Repetition {
  if (!unsegmented) return {};
  const [{ size, addressSize }] = operands;
  return {
    many: () => {
      // Before anything is written: it may be left to the interpreter.
      const first = operands.map((operand) => operand.address());
      return (left) => {
        const second = first.map((at) => low(m, codeSize, m.i64.add(at, m.i64.const(size / 8))));
        const done = work(second, left, m.i32.const(size / 8));
        const bytes = m.i64.mul(done, m.i64.const(size / 8));
        for (const one of registers) m.setRegister(one, addressSize, m.i64.add(m.register(one, addressSize), bytes));
        return done;
      };
    },
  };
}

/** F3 goes on while equal, F2 while not. */
const unequal =
  (m: X86Machine, { repeat }: Facts) =>
  (): I32 => {
    const equal = m.i64.eqz(m.flag("zero"));
    return repeat === 0xf2 ? equal : m.i32.eqz(equal);
  };

/** Move Data from String to String. */
export const movs = insn("movs", ["A4|A5  dst:di, src:si"], { repeat: "counts" }, (m, { dst, src }, facts) => {
  const one = () => {
    dst.write(src.read());
    advance(m, [rsi, rdi], dst);
  };
  const copy = ([to, from]: readonly I64[], left: I64, bytes: I32) =>
    m.call("copyElements", from as I64, to as I64, left, bytes);
  repeated(m, facts, dst, one, upwards(m, facts, [rsi, rdi], [dst, src], copy));
});
/** Compare String Operands. */
export const cmps = insn("cmps", ["A6|A7  a:si, b:di"], { repeat: "compares" }, (m, { a, b }, facts) => {
  const one = () => {
    const { flags } = difference(m, a.size, a.read(), b.read());
    advance(m, [rsi, rdi], a);
    flags();
  };
  repeated(m, facts, a, one, { ends: unequal(m, facts) });
});
/** Store String. */
export const stos = insn("stos", ["AA|AB  dst:di, src:a"], { repeat: "counts" }, (m, { dst, src }, facts) => {
  const one = () => {
    dst.write(src.read());
    advance(m, [rdi], dst);
  };
  const fill = ([to]: readonly I64[], left: I64, bytes: I32) =>
    m.call("fillElements", to as I64, src.read(), left, bytes);
  repeated(m, facts, dst, one, upwards(m, facts, [rdi], [dst], fill));
});
/** Load String. */
export const lods = insn("lods", ["AC|AD  dst:a, src:si"], { repeat: "counts" }, (m, { dst, src }, facts) =>
  repeated(m, facts, src, () => {
    dst.write(src.read());
    advance(m, [rsi], src);
  }),
);
/** Scan String. */
export const scas = insn("scas", ["AE|AF  a:a, b:di"], { repeat: "compares" }, (m, { a, b }, facts) => {
  const one = () => {
    const { flags } = difference(m, a.size, a.read(), b.read());
    advance(m, [rdi], b);
    flags();
  };
  repeated(m, facts, b, one, { ends: unequal(m, facts) });
});
/**
 * A string from a port or to it: one element, or as many as rCX says, of which `work` does some of those that are left, and says how
 * many. Behind any of them it can fault, be interrupted or leave with its registers right.
 */
function portString(
  m: X86Machine,
  { repeat }: Facts,
  memory: Operand,
  register: number,
  work: (left: I64) => I64,
): void {
  const { size, addressSize } = memory;
  const some = (left: I64): I64 => {
    const done = work(left);
    const bytes = m.i64.mul(done, m.i64.const(size / 8));
    const back = bit(m, m.systemFlags(), Flag.direction);
    const distance = m.select(back, m.i64.neg(bytes), bytes);
    m.setRegister(register, addressSize, m.i64.add(m.register(register, addressSize), distance));
    return done;
  };
  if (repeat === 0) {
    some(m.i64.const(1));
    return;
  }
  const count = m.register(rcx, addressSize);
  m.if(m.i64.ne(count, m.i64.const(0)), () => {
    const left = m.i64.sub(count, some(count));
    m.setRegister(rcx, addressSize, left);
    m.if(m.i64.ne(left, m.i64.const(0)), () => m.again());
  });
}

/** Input from Port to String. A port has 32 bits at most. */
export const ins = insn("ins", ["6C|6D port  dst:di, port:d16"], { repeat: "counts" }, (m, { dst, port }, facts) =>
  portString(m, facts, dst, rdi, (left) => {
    // What is read from a port is gone: so the place for it is looked at first.
    dst.write(dst.read());
    const [at, offset, bits] = [dst.address({ write: true }), dst.offset(), m.i32.const(dst.addressSize)];
    return m.call("portInMany", m.i32.wrap(port.read()), m.i32.const(dst.size), at, offset, bits, left);
  }),
);
/** Output String to Port. */
export const outs = insn("outs", ["6E|6F port  port:d16, src:si"], { repeat: "counts" }, (m, { port, src }, facts) =>
  portString(m, facts, src, rsi, (left) => {
    const [at, offset, bits] = [src.address(), src.offset(), m.i32.const(src.addressSize)];
    return m.call("portOutMany", m.i32.wrap(port.read()), m.i32.const(src.size), at, offset, bits, left);
  }),
);

/** Input from Port. */
export const in_ = insn("in", ["E4|E5 port  dst:a, port:u8", "EC|ED port  dst:a, port:d16"], {}, (m, { dst, port }) =>
  dst.write(m.call("portIn", m.i32.wrap(port.read()), m.i32.const(dst.size))),
);
/** Output to Port. */
export const out = insn("out", ["E6|E7 port  port:u8, src:a", "EE|EF port  port:d16, src:a"], {}, (m, { port, src }) =>
  m.call("portOut", m.i32.wrap(port.read()), m.i32.const(src.size), src.read()),
);

export const stringInstructions = [movs, cmps, stos, lods, scas, ins, outs, in_, out];
