/** SSE and SSE2: arithmetic, comparisons and conversions of singles and doubles. */
import type { I32, I64, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { SseOperation } from "../sse-operation.js";

const sse2 = { feature: "sse2", facility: "sse" } as const;

/** The four forms of an operation: mandatory prefix, suffix, lanes of doubles, the first lane only. */
const shapes = [
  { prefix: "NP", suffix: "ps", double: 0, scalar: 0, src: "xm" },
  { prefix: "66", suffix: "pd", double: 1, scalar: 0, src: "xm" },
  { prefix: "F3", suffix: "ss", double: 0, scalar: 1, src: "xm32" },
  { prefix: "F2", suffix: "sd", double: 1, scalar: 1, src: "xm64" },
] as const;

const flag = (m: X86Machine, value: number): I32 => m.i32.const(value);

const arithmetic = (name: keyof typeof SseOperation, mnemonic: string, opcode: string): InsnDefinition[] =>
  shapes.map(({ prefix, suffix, double, scalar, src }) =>
    insn(mnemonic + suffix, [`${prefix} 0F ${opcode} /r  dst:x, src:${src}`] as const, sse2, (m, o) => {
      const { dst, src: from } = o as { dst: Operand; src: Operand };
      const b = from.vector();
      const args = [flag(m, SseOperation[name]), flag(m, double), flag(m, scalar), dst.vector(), b] as const;
      const result = m.call("sseArithmetic", ...args);
      m.checkFloat();
      dst.setVector(result);
    }),
  );

const compares = shapes.map(({ prefix, suffix, double, scalar, src }) =>
  insn(`cmp${suffix}`, [`${prefix} 0F C2 /r  dst:x, src:${src}, how:u8`] as const, sse2, (m, o) => {
    const { dst, src: from, how } = o as { dst: Operand; src: Operand; how: Operand };
    const b = from.vector();
    const by = m.i32.wrap(how.read());
    const result = m.call("sseCompare", by, flag(m, double), flag(m, scalar), dst.vector(), b);
    m.checkFloat();
    dst.setVector(result);
  }),
);

/** Comparisons that set ZF, PF and CF, and clear the others. */
const ordered = (name: string, opcode: string, double: 0 | 1, quiet: 0 | 1): InsnDefinition =>
  insn(name, [`${opcode} /r  a:x${double ? 64 : 32}, b:xm${double ? 64 : 32}`] as const, sse2, (m, o) => {
    const { a, b } = o as { a: Operand; b: Operand };
    const { i32, i64 } = m;
    const second = b.read();
    const which = m.call("sseOrder", flag(m, quiet), flag(m, double), a.read(), second);
    m.checkFloat();
    const none = i32.eq(which, i32.const(2));
    const equal = i32.or(i32.eqz(which), none);
    m.setFlags({
      zero: i64.extendU(i32.eqz(equal)),
      // PF alone: an odd number of bits where it is clear.
      sign: i64.extendU(i32.eqz(none)),
      overflow: i64.const(0),
      carry: i32.or(none, i32.ltS(which, i32.const(0))),
      adjust: i32.const(0),
    });
  });

const sized = (double: 0 | 1) => (double ? "64" : "32");
const fromInteger = (name: string, prefix: string, double: 0 | 1): InsnDefinition =>
  insn(name, [`${prefix} 0F 2A /r y  dst:x${sized(double)}, src:rm`] as const, sse2, (m, o) => {
    const { dst, src } = o as { dst: Operand; src: Operand };
    const value = src.read();
    const whole = src.size === 64 ? value : m.i64.extend32S(value);
    const result = m.call("sseFromInteger", flag(m, double), whole);
    m.checkFloat();
    dst.write(result);
  });
const toInteger = (name: string, opcode: string, double: 0 | 1, truncate: 0 | 1): InsnDefinition =>
  insn(name, [`${opcode} /r y  dst:r, src:xm${sized(double)}`] as const, sse2, (m, o) => {
    const { dst, src } = o as { dst: Operand; src: Operand };
    const bits = src.read();
    const result = m.call("sseToInteger", flag(m, double), flag(m, dst.size), flag(m, truncate), bits);
    m.checkFloat();
    dst.write(result);
  });
const other = (name: string, prefix: string, double: 0 | 1): InsnDefinition =>
  insn(name, [`${prefix} 0F 5A /r  dst:x${sized(double ? 0 : 1)}, src:xm${sized(double)}`] as const, sse2, (m, o) => {
    const { dst, src } = o as { dst: Operand; src: Operand };
    const result = m.call("sseConvert", flag(m, double), src.read());
    m.checkFloat();
    dst.write(result);
  });
/** Conversions of whole vectors. */
const vectors = (name: string, encoding: string, convert: (m: X86Machine, value: V128) => V128): InsnDefinition =>
  insn(name, [`${encoding}`] as const, sse2, (m, o) => {
    const { dst, src } = o as unknown as { dst: Operand; src: Operand };
    const result = convert(m, src.vector());
    m.checkFloat();
    dst.setVector(result);
  });

/** Two signed integers of 32 bits as doubles, which are exact. */
const doubles = (m: X86Machine, value: V128): V128 => {
  const one = (lane: number): I64 => m.f64.bits(m.f64.fromSigned(m.i64.extendS(m.i32x4.extract(value, lane))));
  return m.v128.make(one(1), one(0));
};

export const sseFloatInstructions: readonly InsnDefinition[] = [
  ...arithmetic("add", "add", "58"),
  ...arithmetic("multiply", "mul", "59"),
  ...arithmetic("subtract", "sub", "5C"),
  ...arithmetic("minimum", "min", "5D"),
  ...arithmetic("divide", "div", "5E"),
  ...arithmetic("maximum", "max", "5F"),
  ...arithmetic("root", "sqrt", "51"),
  ...compares,
  ordered("ucomiss", "NP 0F 2E", 0, 1),
  ordered("ucomisd", "66 0F 2E", 1, 1),
  ordered("comiss", "NP 0F 2F", 0, 0),
  ordered("comisd", "66 0F 2F", 1, 0),
  fromInteger("cvtsi2ss", "F3", 0),
  fromInteger("cvtsi2sd", "F2", 1),
  toInteger("cvttss2si", "F3 0F 2C", 0, 1),
  toInteger("cvttsd2si", "F2 0F 2C", 1, 1),
  toInteger("cvtss2si", "F3 0F 2D", 0, 0),
  toInteger("cvtsd2si", "F2 0F 2D", 1, 0),
  other("cvtss2sd", "F3", 0),
  other("cvtsd2ss", "F2", 1),
  vectors("cvtps2pd", "NP 0F 5A /r  dst:x, src:xm64", (m, a) => m.call("sseConvertPair", flag(m, 0), a)),
  vectors("cvtpd2ps", "66 0F 5A /r  dst:x, src:xm", (m, a) => m.call("sseConvertPair", flag(m, 1), a)),
  vectors("cvtdq2ps", "NP 0F 5B /r  dst:x, src:xm", (m, a) => m.call("sseFromIntegers", a)),
  vectors("cvtps2dq", "66 0F 5B /r  dst:x, src:xm", (m, a) => m.call("sseToIntegers", flag(m, 0), flag(m, 0), a)),
  vectors("cvttps2dq", "F3 0F 5B /r  dst:x, src:xm", (m, a) => m.call("sseToIntegers", flag(m, 0), flag(m, 1), a)),
  vectors("cvtpd2dq", "F2 0F E6 /r  dst:x, src:xm", (m, a) => m.call("sseToIntegers", flag(m, 1), flag(m, 0), a)),
  vectors("cvttpd2dq", "66 0F E6 /r  dst:x, src:xm", (m, a) => m.call("sseToIntegers", flag(m, 1), flag(m, 1), a)),
  insn("cvtdq2pd", ["F3 0F E6 /r  dst:x, src:xm64"], sse2, (m, { dst, src }) =>
    dst.setVector(doubles(m, src.vector())),
  ),
];
