/** SSE, SSE2, MMX and AVX: conversions between integers, singles and doubles. */
import type { I32, I64, V128 } from "../../../../semantics/values.js";
import { quickConvert, quickFromInteger, quickTruncate } from "../float-quick.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { SsePart } from "../sse-operation.js";

const sse2 = { feature: "sse2" } as const;
const avx = { unaligned: true } as const;

const flag = (m: X86Machine, value: number): I32 => m.i32.const(value);
const sized = (double: 0 | 1) => (double ? "64" : "32");

type Scalar = { readonly dst: Operand; readonly a?: Operand; readonly src: Operand };
/** Writes the first lane; under VEX the others are another operand's. */
function first(m: X86Machine, { dst, a }: Scalar, double: 0 | 1, value: I64): void {
  if (!a) dst.write(value);
  else if (double) dst.setVector(m.i64x2.replace(a.vector(), 0, value));
  else dst.setVector(m.i32x4.replace(a.vector(), 0, m.i32.wrap(value)));
}
const fromInteger = (name: string, prefix: string, double: 0 | 1): InsnDefinition[] => {
  const body = (m: X86Machine, o: unknown): void => {
    const { src } = o as Scalar;
    const value = src.read();
    const whole = src.size === 64 ? value : m.i64.extend32S(value);
    const { holds, value: quick } = quickFromInteger(m, double, whole);
    const result = m.callUnless(holds, quick, "sseFromInteger", flag(m, double), whole);
    m.checkFloat();
    first(m, o as Scalar, double, result);
  };
  return [
    insn(name, [`${prefix} 0F 2A /r y  dst:x${sized(double)}, src:rm`] as [string], sse2, body),
    insn(`v${name}`, [`VEX.LIG.${prefix}.0F 2A /r  dst:x, a:xv, src:rm  avx`] as [string], {}, body),
  ];
};
const toInteger = (name: string, prefix: string, opcode: string, double: 0 | 1, truncate: 0 | 1): InsnDefinition[] => {
  const body = (m: X86Machine, o: unknown): void => {
    const { dst, src } = o as Scalar;
    const bits = src.read();
    const asked = [flag(m, double), flag(m, dst.size), flag(m, truncate), bits] as const;
    const { holds, value } = quickTruncate(m, double, dst.size, bits);
    const result = truncate ? m.callUnless(holds, value, "sseToInteger", ...asked) : m.call("sseToInteger", ...asked);
    m.checkFloat();
    dst.write(result);
  };
  return [
    insn(name, [`${prefix} 0F ${opcode} /r y  dst:r, src:xm${sized(double)}`] as [string], sse2, body),
    insn(`v${name}`, [`VEX.LIG.${prefix}.0F ${opcode} /r  dst:r, src:xm${sized(double)}  avx`] as [string], {}, body),
  ];
};
const other = (name: string, prefix: string, double: 0 | 1): InsnDefinition[] => {
  const [to, from] = [sized(double ? 0 : 1), sized(double)];
  const body = (m: X86Machine, o: unknown): void => {
    const from = (o as Scalar).src.read();
    const { holds, value } = quickConvert(m, double, from);
    const result = m.callUnless(holds, value, "sseConvert", flag(m, double), from);
    m.checkFloat();
    first(m, o as Scalar, double ? 0 : 1, result);
  };
  return [
    insn(name, [`${prefix} 0F 5A /r  dst:x${to}, src:xm${from}`] as [string], sse2, body),
    insn(`v${name}`, [`VEX.LIG.${prefix}.0F 5A /r  dst:x, a:xv, src:xm${from}  avx`] as [string], {}, body),
  ];
};

type Convert = (m: X86Machine, value: V128, part: I32) => V128;
const part = (m: X86Machine, number: number) => m.i32.const(number);
const highHalf = (m: X86Machine, value: V128): V128 => m.v128.make(m.i64.const(0), m.v128.high(value));

/** Conversions of whole vectors. Where singles or integers become doubles, `from` 64 bits are what 128 are made of. */
const same = (name: string, prefix: string, opcode: string, convert: Convert): InsnDefinition[] => {
  const body = (m: X86Machine, o: unknown): void => {
    const { dst, src } = o as Scalar;
    const wide = dst.size === 256;
    const value = src.vector();
    const above = wide ? src.upper() : undefined;
    const result = convert(m, value, part(m, wide ? SsePart.first : SsePart.all));
    const upper = above && convert(m, above, part(m, SsePart.second));
    m.checkFloat();
    dst.setVector(result, upper);
  };
  return [
    insn(name, [`${prefix} 0F ${opcode} /r  dst:x, src:xm`] as [string], sse2, body),
    insn(`v${name}`, [`VEX.L.${prefix}.0F ${opcode} /r  dst:x, src:xm  avx`] as [string], avx, body),
  ];
};
/** To twice the size. */
const growing = (name: string, prefix: string, opcode: string, convert: Convert): InsnDefinition[] => {
  const body = (m: X86Machine, o: unknown): void => {
    const { dst, src } = o as Scalar;
    const wide = dst.size === 256;
    const value = src.vector();
    const result = convert(m, value, part(m, wide ? SsePart.first : SsePart.all));
    const upper = wide ? convert(m, highHalf(m, value), part(m, SsePart.second)) : undefined;
    m.checkFloat();
    dst.setVector(result, upper);
  };
  return [
    insn(name, [`${prefix} 0F ${opcode} /r  dst:x, src:xm64`] as [string], sse2, body),
    insn(
      `v${name}`,
      [
        `VEX.L0.${prefix}.0F ${opcode} /r  dst:x, src:xm64  avx`,
        `VEX.L1.${prefix}.0F ${opcode} /r  dst:x, src:xm128  avx`,
      ] as [string, string],
      avx,
      body,
    ),
  ];
};
/** To half the size: zeros above. */
const shrinking = (name: string, prefix: string, opcode: string, convert: Convert): InsnDefinition[] => {
  const body = (m: X86Machine, o: unknown): void => {
    const { dst, src } = o as Scalar;
    const wide = src.size === 256;
    const value = src.vector();
    const above = wide ? src.upper() : undefined;
    const result = convert(m, value, part(m, wide ? SsePart.first : SsePart.all));
    const upper = above && convert(m, above, part(m, SsePart.second));
    m.checkFloat();
    dst.setVector(upper ? m.v128.make(m.v128.low(upper), m.v128.low(result)) : result);
  };
  return [
    insn(name, [`${prefix} 0F ${opcode} /r  dst:x, src:xm`] as [string], sse2, body),
    insn(`v${name}`, [`VEX.L.${prefix}.0F ${opcode} /r  dst:x128, src:xm  avx`] as [string], avx, body),
  ];
};

/** Two signed integers of 32 bits as doubles, which are exact. */
const doubles: Convert = (m, value) => {
  const one = (lane: number): I64 => m.f64.bits(m.f64.fromSigned(m.i64.extendS(m.i32x4.extract(value, lane))));
  return m.v128.make(one(1), one(0));
};
const pair =
  (double: 0 | 1): Convert =>
  (m, value, of) =>
    m.call("sseConvertPair", of, flag(m, double), value);
const integers =
  (double: 0 | 1, truncate: 0 | 1): Convert =>
  (m, value, of) =>
    m.call("sseToIntegers", of, flag(m, double), flag(m, truncate), value);

/** Between MMX's registers and SSE's. */
const lowOnly = (m: X86Machine, value: V128): V128 => m.v128.make(m.i64.const(0), m.v128.low(value));
const withMmx = (name: string, encoding: string, convert: (m: X86Machine, value: V128, o: Scalar) => V128) =>
  insn(name, [encoding], sse2, (m, o) => {
    const operands = o as unknown as Scalar;
    const result = convert(m, operands.src.vector(), operands);
    m.checkFloat();
    operands.dst.setVector(result);
  });
const toMmx = (name: string, encoding: string, double: 0 | 1, truncate: 0 | 1) =>
  withMmx(name, encoding, (m, value) => integers(double, truncate)(m, double ? value : lowOnly(m, value), flag(m, 0)));

export const sseConvertInstructions: readonly InsnDefinition[] = [
  ...fromInteger("cvtsi2ss", "F3", 0),
  ...fromInteger("cvtsi2sd", "F2", 1),
  ...toInteger("cvttss2si", "F3", "2C", 0, 1),
  ...toInteger("cvttsd2si", "F2", "2C", 1, 1),
  ...toInteger("cvtss2si", "F3", "2D", 0, 0),
  ...toInteger("cvtsd2si", "F2", "2D", 1, 0),
  ...other("cvtss2sd", "F3", 0),
  ...other("cvtsd2ss", "F2", 1),
  ...growing("cvtps2pd", "NP", "5A", pair(0)),
  ...shrinking("cvtpd2ps", "66", "5A", pair(1)),
  ...same("cvtdq2ps", "NP", "5B", (m, a, of) => m.call("sseFromIntegers", of, a)),
  ...same("cvtps2dq", "66", "5B", integers(0, 0)),
  ...same("cvttps2dq", "F3", "5B", integers(0, 1)),
  ...shrinking("cvtpd2dq", "F2", "E6", integers(1, 0)),
  ...shrinking("cvttpd2dq", "66", "E6", integers(1, 1)),
  ...growing("cvtdq2pd", "F3", "E6", doubles),
  withMmx("cvtpi2ps", "NP 0F 2A /r  dst:x, src:qm", (m, value, { dst }) =>
    m.v128.make(m.v128.high(dst.vector()), m.v128.low(m.call("sseFromIntegers", flag(m, 0), lowOnly(m, value)))),
  ),
  withMmx("cvtpi2pd", "66 0F 2A /r  dst:x, src:qm", (m, value) => doubles(m, value, flag(m, 0))),
  toMmx("cvtps2pi", "NP 0F 2D /r  dst:q, src:xm64", 0, 0),
  toMmx("cvttps2pi", "NP 0F 2C /r  dst:q, src:xm64", 0, 1),
  toMmx("cvtpd2pi", "66 0F 2D /r  dst:q, src:xm", 1, 0),
  toMmx("cvttpd2pi", "66 0F 2C /r  dst:q, src:xm", 1, 1),
];
