/** Sums, differences, comparisons, products and quotients. */

import { highProduct, highProductSigned } from "../../../../semantics/products.js";
import type { I32, I64 } from "../../../../semantics/values.js";
import { difference, flagBit, low, signed, sum } from "../flags.js";
import { insn } from "../insn.js";
import { type Operand, rax, rdx, Vector, type X86Machine } from "../machine.js";
import { divideWide } from "../wide.js";

/** CF and OF say that a product does not fit; the other flags are undefined, and stay. */
function productFlags(m: X86Machine, wide: I32): void {
  m.setFlags({ carry: wide, overflow: m.i64.shl(m.i64.extendU(wide), m.i64.const(63)) });
}

/** rDX:rAX, AX for bytes, is rAX times the operand. */
function multiplyAccumulator(m: X86Machine, src: Operand, isSigned: boolean): void {
  const { i64 } = m;
  const { size } = src;
  const extend = (value: I64) => (isSigned ? signed(m, size, value) : value);
  const a = extend(m.register(rax, size));
  const b = extend(src.read());
  const product = i64.mul(a, b);
  const fits = (high: I64, lowPart: I64) =>
    isSigned ? i64.ne(high, i64.shrS(signed(m, size, lowPart), i64.const(63))) : i64.ne(high, i64.const(0));
  if (size === 8) {
    m.setRegister(rax, 16, product);
    productFlags(
      m,
      isSigned ? i64.ne(product, signed(m, 8, product)) : i64.ne(i64.shrU(product, i64.const(8)), i64.const(0)),
    );
    return;
  }
  const high =
    size === 64
      ? (isSigned ? highProductSigned : highProduct)(m, a, b)
      : isSigned
        ? i64.shrS(product, i64.const(size))
        : i64.shrU(product, i64.const(size));
  m.setRegister(rax, size, product);
  m.setRegister(rdx, size, high);
  productFlags(m, fits(high, product));
}

/** The low half of a product, signed. */
function multiplySigned(m: X86Machine, dst: Operand, x: I64, y: I64): void {
  const { i64 } = m;
  const { size } = dst;
  const a = signed(m, size, x);
  const b = signed(m, size, y);
  const product = i64.mul(a, b);
  const extended = signed(m, size, product);
  dst.write(product);
  const wide =
    size === 64 ? i64.ne(highProductSigned(m, a, b), i64.shrS(product, i64.const(63))) : i64.ne(product, extended);
  productFlags(m, wide);
}

/** rDX:rAX, AX for bytes, divided by the operand: #DE if that is 0 or the quotient does not fit. Flags are undefined, and stay. */
function divideAccumulator(m: X86Machine, src: Operand, isSigned: boolean): void {
  const { i64, i32 } = m;
  const { size } = src;
  const given = src.read();
  if (size === 64) {
    divideWide(m, given, isSigned);
    return;
  }
  const divisor = isSigned ? signed(m, size, given) : given;
  const wide =
    size === 8 ? m.register(rax, 16) : i64.or(m.register(rax, size), i64.shl(m.register(rdx, size), i64.const(size)));
  const dividend = isSigned ? signed(m, 2 * size, wide) : wide;
  // Of the one quotient that traps the host too, the sign is taken away: it does not fit either way.
  const zero = i64.eqz(divisor);
  const minusOne = isSigned ? i64.eq(divisor, i64.const(-1)) : i32.const(0);
  const safe = m.select(i32.or(zero, minusOne), i64.const(1), divisor);
  const plain = isSigned ? i64.divS(dividend, safe) : i64.divU(dividend, safe);
  const quotient = isSigned ? m.select(minusOne, i64.neg(plain), plain) : plain;
  const remainder = i64.sub(dividend, i64.mul(quotient, divisor));
  const fits = isSigned ? i64.eq(signed(m, size, quotient), quotient) : i64.eq(low(m, size, quotient), quotient);
  m.if(
    i32.and(fits, i32.eqz(zero)),
    () => {
      if (size === 8) {
        m.setRegister(rax, 16, i64.or(low(m, 8, quotient), i64.shl(low(m, 8, remainder), i64.const(8))));
        return;
      }
      m.setRegister(rax, size, quotient);
      m.setRegister(rdx, size, remainder);
    },
    () => m.raise(Vector.divideError),
  );
}

/** Add. */
export const add = insn(
  "add",
  [
    "00|01 /r  dst:rm, src:r",
    "02|03 /r  dst:r, src:rm",
    "04|05  dst:a, src:i",
    "80|81 /0  dst:rm, src:i",
    "83 /0  dst:rm, src:i8",
    "82 i64 /0  dst:rm8, src:i8",
  ],
  { lock: true },
  (m, { dst, src }) => {
    const { result, flags } = sum(m, dst.size, dst.read(), src.read());
    dst.write(result);
    flags();
  },
);

/** Add with Carry. */
export const adc = insn(
  "adc",
  [
    "10|11 /r  dst:rm, src:r",
    "12|13 /r  dst:r, src:rm",
    "14|15  dst:a, src:i",
    "80|81 /2  dst:rm, src:i",
    "83 /2  dst:rm, src:i8",
    "82 i64 /2  dst:rm8, src:i8",
  ],
  { lock: true },
  (m, { dst, src }) => {
    const { result, flags } = sum(m, dst.size, dst.read(), src.read(), m.flag("carry"));
    dst.write(result);
    flags();
  },
);

/** Integer Subtraction with Borrow. */
export const sbb = insn(
  "sbb",
  [
    "18|19 /r  dst:rm, src:r",
    "1A|1B /r  dst:r, src:rm",
    "1C|1D  dst:a, src:i",
    "80|81 /3  dst:rm, src:i",
    "83 /3  dst:rm, src:i8",
    "82 i64 /3  dst:rm8, src:i8",
  ],
  { lock: true },
  (m, { dst, src }) => {
    const { result, flags } = difference(m, dst.size, dst.read(), src.read(), m.flag("carry"));
    dst.write(result);
    flags();
  },
);

/** Subtract. */
export const sub = insn(
  "sub",
  [
    "28|29 /r  dst:rm, src:r",
    "2A|2B /r  dst:r, src:rm",
    "2C|2D  dst:a, src:i",
    "80|81 /5  dst:rm, src:i",
    "83 /5  dst:rm, src:i8",
    "82 i64 /5  dst:rm8, src:i8",
  ],
  { lock: true },
  (m, { dst, src }) => {
    const { result, flags } = difference(m, dst.size, dst.read(), src.read());
    dst.write(result);
    flags();
  },
);

/** Compare Two Operands. */
export const cmp = insn(
  "cmp",
  [
    "38|39 /r  dst:rm, src:r",
    "3A|3B /r  dst:r, src:rm",
    "3C|3D  dst:a, src:i",
    "80|81 /7  dst:rm, src:i",
    "83 /7  dst:rm, src:i8",
    "82 i64 /7  dst:rm8, src:i8",
  ],
  {},
  (m, { dst, src }) => difference(m, dst.size, dst.read(), src.read()).flags(),
);

/** Increment by 1. */
export const inc = insn("inc", ["FE|FF /0  dst:rm", "40+r i64  dst:o"], { lock: true }, (m, { dst }) => {
  const carry = m.flag("carry");
  const { result, flags } = sum(m, dst.size, dst.read(), m.i64.const(1));
  dst.write(result);
  flags({ carry });
});

/** Decrement by 1. */
export const dec = insn("dec", ["FE|FF /1  dst:rm", "48+r i64  dst:o"], { lock: true }, (m, { dst }) => {
  const carry = m.flag("carry");
  const { result, flags } = difference(m, dst.size, dst.read(), m.i64.const(1));
  dst.write(result);
  flags({ carry });
});

/** Two's Complement Negation. */
export const neg = insn("neg", ["F6|F7 /3  dst:rm"], { lock: true }, (m, { dst }) => {
  const { result, flags } = difference(m, dst.size, m.i64.const(0), dst.read());
  dst.write(result);
  flags();
});

/** Unsigned Multiply. */
export const mul = insn("mul", ["F6|F7 /4  src:rm"], { undefinedFlags: { always: "szap" } }, (m, { src }) =>
  multiplyAccumulator(m, src, false),
);

/** Signed Multiply, of the accumulator. */
export const imul = insn("imul", ["F6|F7 /5  src:rm"], { undefinedFlags: { always: "szap" } }, (m, { src }) =>
  multiplyAccumulator(m, src, true),
);

/** Signed Multiply, two operands. */
export const imul2 = insn(
  "imul",
  ["0F AF /r  dst:r, src:rm"],
  { undefinedFlags: { always: "szap" } },
  (m, { dst, src }) => multiplySigned(m, dst, dst.read(), src.read()),
);

/** Signed Multiply, three operands. */
export const imul3 = insn(
  "imul",
  ["69 /r  dst:r, a:rm, b:i", "6B /r  dst:r, a:rm, b:i8"],
  { undefinedFlags: { always: "szap" } },
  (m, { dst, a, b }) => multiplySigned(m, dst, a.read(), b.read()),
);

/** Unsigned Divide. */
export const div = insn("div", ["F6|F7 /6  src:rm"], { undefinedFlags: { always: "oszapc" } }, (m, { src }) =>
  divideAccumulator(m, src, false),
);

/** Signed Divide. */
export const idiv = insn("idiv", ["F6|F7 /7  src:rm"], { undefinedFlags: { always: "oszapc" } }, (m, { src }) =>
  divideAccumulator(m, src, true),
);

/** Unsigned Integer Addition of Two Operands with Carry Flag. */
export const adcx = insn("adcx", ["66 0F 38 F6 /r y  dst:r, src:rm"], { feature: "adx" }, (m, { dst, src }) => {
  const kept = { zero: m.flag("zero"), sign: m.flag("sign"), overflow: m.flag("overflow"), adjust: m.flag("adjust") };
  const { result, flags } = sum(m, dst.size, dst.read(), src.read(), m.flag("carry"));
  dst.write(result);
  flags(kept);
});

/** Unsigned Integer Addition of Two Operands with Overflow Flag. */
export const adox = insn("adox", ["F3 0F 38 F6 /r y  dst:r, src:rm"], { feature: "adx" }, (m, { dst, src }) => {
  const kept = { zero: m.flag("zero"), sign: m.flag("sign"), adjust: m.flag("adjust"), carry: m.flag("carry") };
  const { result, flags } = sum(m, dst.size, dst.read(), src.read(), flagBit(m, "overflow"));
  dst.write(result);
  flags();
  m.setFlags({ overflow: m.i64.shl(m.i64.extendU(m.flag("carry")), m.i64.const(63)) });
  m.setFlags(kept);
});

export const arithmeticInstructions = [
  add,
  adc,
  sbb,
  sub,
  cmp,
  inc,
  dec,
  neg,
  mul,
  imul,
  imul2,
  imul3,
  div,
  idiv,
  adcx,
  adox,
];
