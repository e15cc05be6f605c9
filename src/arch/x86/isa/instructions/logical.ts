/** Bitwise operations, tests, bits by number, counts and scans of bits. */
import type { I64 } from "../../../../semantics/values.js";
import { bit, logicFlags, signed } from "../flags.js";
import { insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";

const logical =
  (name: "and" | "or" | "xor") =>
  (m: X86Machine, { dst, src }: { dst: Operand; src: Operand }) => {
    const result = m.i64[name](dst.read(), src.read());
    dst.write(result);
    logicFlags(m, dst.size, result);
  };

/** The bit of a string of bits that begins at `base`: CF is what it was. The other flags are undefined, and stay. */
function bitTest(
  m: X86Machine,
  { base, bit: number }: { base: Operand; bit: Operand },
  change?: (old: I64, mask: I64) => I64,
): void {
  const { i64 } = m;
  const { size } = base;
  const given = number.read();
  const place = i64.and(given, i64.const(size - 1));
  const mask = i64.shl(i64.const(1), place);
  if (!base.memory || number.size !== size) {
    const old = base.read();
    if (change) base.write(change(old, mask));
    m.setFlags({ carry: bit(m, old, place) });
    return;
  }
  // A register's number counts from there in both directions.
  const units = i64.shrS(signed(m, size, given), i64.const(Math.log2(size)));
  const address = base.address({ write: change !== undefined, further: i64.mul(units, i64.const(size / 8)) });
  const bytes = (size / 8) as 2 | 4 | 8;
  if (!change) {
    m.setFlags({ carry: bit(m, m.load(address, bytes), place) });
    return;
  }
  const { old, write } = m.update(address, bytes);
  write(change(old, mask));
  m.setFlags({ carry: bit(m, old, place) });
}

/** ZF says that there is no bit set, and the destination stays. The other flags are undefined, and stay. */
function scan(m: X86Machine, { dst, src }: { dst: Operand; src: Operand }, found: (value: I64) => I64): void {
  const value = src.read();
  m.if(m.i64.ne(value, m.i64.const(0)), () => dst.write(found(value)));
  m.setFlags({ zero: value });
}

function count(m: X86Machine, { dst, src }: { dst: Operand; src: Operand }, result: (value: I64) => I64): void {
  const value = src.read();
  const number = result(value);
  dst.write(number);
  m.setFlags({ zero: number, carry: m.i64.eqz(value) });
}

/** Logical AND. */
export const and = insn(
  "and",
  [
    "20|21 /r  dst:rm, src:r",
    "22|23 /r  dst:r, src:rm",
    "24|25  dst:a, src:i",
    "80|81 /4  dst:rm, src:i",
    "83 /4  dst:rm, src:i8",
    "82 i64 /4  dst:rm8, src:i8",
  ],
  { undefinedFlags: { always: "a" }, lock: true },
  logical("and"),
);

/** Logical Inclusive OR. */
export const or = insn(
  "or",
  [
    "08|09 /r  dst:rm, src:r",
    "0A|0B /r  dst:r, src:rm",
    "0C|0D  dst:a, src:i",
    "80|81 /1  dst:rm, src:i",
    "83 /1  dst:rm, src:i8",
    "82 i64 /1  dst:rm8, src:i8",
  ],
  { undefinedFlags: { always: "a" }, lock: true },
  logical("or"),
);

/** Logical Exclusive OR. */
export const xor = insn(
  "xor",
  [
    "30|31 /r  dst:rm, src:r",
    "32|33 /r  dst:r, src:rm",
    "34|35  dst:a, src:i",
    "80|81 /6  dst:rm, src:i",
    "83 /6  dst:rm, src:i8",
    "82 i64 /6  dst:rm8, src:i8",
  ],
  { undefinedFlags: { always: "a" }, lock: true },
  logical("xor"),
);

/** One's Complement Negation. */
export const not = insn("not", ["F6|F7 /2  dst:rm"], { lock: true }, (m, { dst }) => dst.write(m.i64.not(dst.read())));

/** Logical Compare. */
export const test = insn(
  "test",
  ["84|85 /r  a:rm, b:r", "A8|A9  a:a, b:i", "F6|F7 /0  a:rm, b:i", "F6|F7 /1  a:rm, b:i"],
  { undefinedFlags: { always: "a" } },
  (m, { a, b }) => logicFlags(m, a.size, m.i64.and(a.read(), b.read())),
);

/** Bit Test. */
export const bt = insn(
  "bt",
  ["0F A3 /r  base:rm, bit:r", "0F BA /4  base:rm, bit:u8"],
  { undefinedFlags: { always: "oszap" } },
  (m, operands) => bitTest(m, operands),
);
/** Bit Test and Set. */
export const bts = insn(
  "bts",
  ["0F AB /r  base:rm, bit:r", "0F BA /5  base:rm, bit:u8"],
  { undefinedFlags: { always: "oszap" }, lock: true },
  (m, operands) => bitTest(m, operands, m.i64.or),
);
/** Bit Test and Reset. */
export const btr = insn(
  "btr",
  ["0F B3 /r  base:rm, bit:r", "0F BA /6  base:rm, bit:u8"],
  { undefinedFlags: { always: "oszap" }, lock: true },
  (m, operands) => bitTest(m, operands, (old, mask) => m.i64.and(old, m.i64.not(mask))),
);
/** Bit Test and Complement. */
export const btc = insn(
  "btc",
  ["0F BB /r  base:rm, bit:r", "0F BA /7  base:rm, bit:u8"],
  { undefinedFlags: { always: "oszap" }, lock: true },
  (m, operands) => bitTest(m, operands, m.i64.xor),
);

/** Bit Scan Forward. */
export const bsf = insn("bsf", ["0F BC /r  dst:r, src:rm"], { undefinedFlags: { always: "osapc" } }, (m, operands) =>
  scan(m, operands, m.i64.ctz),
);
/** Bit Scan Reverse. */
export const bsr = insn("bsr", ["0F BD /r  dst:r, src:rm"], { undefinedFlags: { always: "osapc" } }, (m, operands) =>
  scan(m, operands, (value) => m.i64.sub(m.i64.const(63), m.i64.clz(value))),
);
/** Count the Number of Trailing Zero Bits. */
export const tzcnt = insn(
  "tzcnt",
  ["F3 0F BC /r  dst:r, src:rm"],
  { undefinedFlags: { always: "osap" }, feature: "bmi1", elsePlain: true },
  (m, operands, { size }) =>
    count(m, operands, (value) => m.i64.ctz(size === 64 ? value : m.i64.or(value, m.i64.const(1n << BigInt(size))))),
);
/** Count the Number of Leading Zero Bits. */
export const lzcnt = insn(
  "lzcnt",
  ["F3 0F BD /r  dst:r, src:rm"],
  { undefinedFlags: { always: "osap" }, feature: "lzcnt", elsePlain: true },
  (m, operands, { size }) => count(m, operands, (value) => m.i64.sub(m.i64.clz(value), m.i64.const(64 - size))),
);
/** Return the Count of Number of Bits Set to 1. */
export const popcnt = insn("popcnt", ["F3 0F B8 /r  dst:r, src:rm"], { feature: "popcnt" }, (m, { dst, src }) => {
  const value = src.read();
  const number = m.i64.popcnt(value);
  dst.write(number);
  const none = m.i32.const(0);
  const clear = m.i64.const(0);
  // PF is clear too: one bit set is odd.
  m.setFlags({ zero: number, sign: m.i64.const(1), overflow: clear, carry: none, adjust: none });
});

export const logicalInstructions = [and, or, xor, not, test, bt, bts, btr, btc, bsf, bsr, tzcnt, lzcnt, popcnt];
