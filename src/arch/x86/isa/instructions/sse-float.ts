/** SSE to SSE4.1 and AVX: arithmetic, comparisons and roundings of singles and doubles. Conversions: sse-convert.ts. */
import type { I32, V128 } from "../../../../semantics/values.js";
import { type QuickOperation, quickHalves, quickOrder } from "../float-quick.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { SseOperation } from "../sse-operation.js";
import { type Binary, type FloatMake, floatCombine, shapes } from "../vector-forms.js";

const sse2 = { feature: "sse2" } as const;
const sse3 = { feature: "sse3" } as const;
const sse41 = { feature: "sse4.1" } as const;
const avx = { unaligned: true } as const;

type Shape = (typeof shapes)[number];
const flag = (m: X86Machine, value: number): I32 => m.i32.const(value);

/** An operation of both operands in the four forms, or those of them that are wanted; VEX's with a third. */
const inForms = (
  mnemonic: string,
  opcode: string,
  make: (shape: Shape) => FloatMake,
  { only = shapes, unary = false, quick }: { only?: readonly Shape[]; unary?: boolean; quick?: QuickOperation } = {},
): InsnDefinition[] =>
  only.flatMap((shape) => {
    const { prefix, suffix, scalar, src } = shape;
    const body = floatCombine(make(shape), scalar, quick && ((m, halves) => quickHalves(m, quick, shape, halves)));
    const length = scalar ? "LIG" : "L";
    const first = unary && !scalar ? "" : "a:xv, ";
    return [
      insn(mnemonic + suffix, [`${prefix} 0F ${opcode} /r  dst:x, src:${src}`] as [string], sse2, body),
      insn(
        `v${mnemonic}${suffix}`,
        [`VEX.${length}.${prefix}.0F ${opcode} /r  dst:x, ${first}src:${src}  avx`] as [string],
        avx,
        body,
      ),
    ];
  });

const operation =
  (name: keyof typeof SseOperation) =>
  ({ double }: Shape): FloatMake =>
  (m, a, b, part, quick) => {
    const [which, isDouble] = [flag(m, SseOperation[name]), flag(m, double)];
    if (!quick) return m.call("sseArithmetic", which, isDouble, part, a, b);
    return m.callUnless(quick.holds, quick.value, "sseArithmetic", which, isDouble, part, a, b);
  };
const quickOperations: Partial<Record<keyof typeof SseOperation, QuickOperation>> = {
  ...{ add: "add", subtract: "sub", multiply: "mul", divide: "div", root: "sqrt" },
};
const arithmetic = (name: keyof typeof SseOperation, mnemonic: string, opcode: string, unary = false) => {
  const quick = quickOperations[name];
  return inForms(mnemonic, opcode, operation(name), { unary, ...(quick && { quick }) });
};

const compares = shapes.flatMap(({ prefix, suffix, double, scalar, src }) => {
  const body =
    (predicates: number) =>
    (m: X86Machine, o: unknown): void => {
      const by = m.i32.and(m.i32.wrap((o as { how: Operand }).how.read()), m.i32.const(predicates));
      floatCombine((_, a, b, part) => m.call("sseCompare", by, flag(m, double), part, a, b), scalar)(m, o);
    };
  const length = scalar ? "LIG" : "L";
  return [
    insn(`cmp${suffix}`, [`${prefix} 0F C2 /r  dst:x, src:${src}, how:u8`] as [string], sse2, body(7)),
    insn(
      `vcmp${suffix}`,
      [`VEX.${length}.${prefix}.0F C2 /r  dst:x, a:xv, src:${src}, how:u8  avx`] as [string],
      avx,
      body(31),
    ),
  ];
});

/** Comparisons that set ZF, PF and CF, and clear the others. */
const ordered = (name: string, prefix: string, opcode: string, double: 0 | 1, quiet: 0 | 1): InsnDefinition[] => {
  const size = double ? 64 : 32;
  const body = (m: X86Machine, o: unknown): void => {
    const { a, b } = o as { a: Operand; b: Operand };
    const { i32, i64 } = m;
    const second = b.read();
    const first = a.read();
    const { holds, value } = quickOrder(m, double, first, second);
    const which = m.callUnless(holds, value, "sseOrder", flag(m, quiet), flag(m, double), first, second);
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
  };
  return [
    insn(name, [`${prefix} 0F ${opcode} /r  a:x${size}, b:xm${size}`] as [string], sse2, body),
    insn(`v${name}`, [`VEX.LIG.${prefix}.0F ${opcode} /r  a:x${size}, b:xm${size}  avx`] as [string], {}, body),
  ];
};

/** Approximations, which raise no exceptions. */
const approximate = (name: string, opcode: string, ofRoot: 0 | 1): InsnDefinition[] =>
  inForms(
    name,
    opcode,
    ({ scalar }) =>
      (m, a, b) =>
        m.call("sseReciprocal", flag(m, ofRoot), flag(m, scalar), a, b),
    { only: shapes.filter(({ double }) => !double), unary: true },
  );

/** SSE3's forms: singles have the prefix F2, doubles 66. */
const pairwise = (name: string, opcode: string, make: (double: 0 | 1) => FloatMake): InsnDefinition[] =>
  ([0, 1] as const).flatMap((double) => {
    const prefix = double ? "66" : "F2";
    const suffix = double ? "pd" : "ps";
    const body = floatCombine(make(double), 0);
    return [
      insn(name + suffix, [`${prefix} 0F ${opcode} /r  dst:x, src:xm`] as [string], sse3, body),
      insn(`v${name}${suffix}`, [`VEX.L.${prefix}.0F ${opcode} /r  dst:x, a:xv, src:xm  avx`] as [string], avx, body),
    ];
  });

/** Every other lane of both, the first of two or the second. */
const everyOther =
  (double: 0 | 1, second: 0 | 1): Binary =>
  (m, a, b) => {
    const size = double ? 8 : 4;
    const list = Array.from({ length: 16 }, (_, i) => {
      const lane = Math.floor(i / size);
      const half = 8 / size;
      return ((lane % half) * 2 + second) * size + (i % size) + (lane < half ? 0 : 16);
    });
    return m.i8x16.shuffle(a, b, list);
  };
const horizontal =
  (name: "add" | "subtract") =>
  (double: 0 | 1): FloatMake =>
  (m, a, b, part) => {
    const [first, second] = [everyOther(double, 0)(m, a, b, 16), everyOther(double, 1)(m, a, b, 16)];
    return m.call("sseArithmetic", flag(m, SseOperation[name]), flag(m, double), part, first, second);
  };
const alternating =
  (double: 0 | 1): FloatMake =>
  (m, a, b, part) =>
    m.call("sseArithmetic", flag(m, SseOperation.addSubtract), flag(m, double), part, a, b);

const rounds = shapes.flatMap(({ suffix, double, scalar, src }) => {
  const opcode = `0${(8 + double + 2 * scalar).toString(16).toUpperCase()}`;
  const body = (m: X86Machine, o: unknown): void => {
    const by = m.i32.wrap((o as { how: Operand }).how.read());
    floatCombine((_, a, b, part) => m.call("sseRound", flag(m, double), part, by, a, b), scalar)(m, o);
  };
  const length = scalar ? "LIG" : "L";
  const first = scalar ? "a:xv, " : "";
  return [
    insn(`round${suffix}`, [`66 0F 3A ${opcode} /r  dst:x, src:${src}, how:u8`] as [string], sse41, body),
    insn(
      `vround${suffix}`,
      [`VEX.${length}.66.0F3A ${opcode} /r  dst:x, ${first}src:${src}, how:u8  avx`] as [string],
      avx,
      body,
    ),
  ];
});

/** Sums of the products of the lanes that an immediate names, in those that it names. */
const dotProduct = (double: 0 | 1, lengths: string): InsnDefinition[] => {
  const shape = double ? "i64x2" : "i32x4";
  const lanes = double ? 2 : 4;
  const bits = 128 / lanes;
  const numbers = Array.from({ length: lanes }, (_, i) => (1n << BigInt(i)) << BigInt(bits * i));
  const each = numbers.reduce((all, one) => all | one, 0n);
  const body = (m: X86Machine, o: unknown): void => {
    const { dst, a = dst, src, how } = o as { dst: Operand; a?: Operand; src: Operand; how: Operand };
    const by = how.read();
    const chosen = (shift: number): V128 => {
      const moved = m.i64.shrU(by, m.i64.const(shift));
      const splat = double ? m.i64x2.splat(moved) : m.i32x4.splat(m.i32.wrap(moved));
      return m[shape].eq(m.v128.and(splat, m.v128.const(each)), m.v128.const(each));
    };
    const [taken, given] = [chosen(4), chosen(0)];
    const call = (name: "multiply" | "add", x: readonly V128[], y: readonly V128[]): V128[] => {
      const results = x.map((one, i) => {
        const part = x.length === 1 ? 0 : 2 + i;
        const operation = flag(m, SseOperation[name]);
        return m.call("sseArithmetic", operation, flag(m, double), flag(m, part), one, y[i] as V128);
      });
      m.checkFloat();
      return results;
    };
    const turned = (x: V128, by: number) =>
      m.i8x16.shuffle(
        x,
        x,
        Array.from({ length: 16 }, (_, i) => i ^ by),
      );
    const second = src.vector();
    const wide = dst.size === 256;
    const x = [a.vector(), ...(wide ? [a.upper()] : [])].map((one) => m.v128.and(one, taken));
    const y = [second, ...(wide ? [src.upper()] : [])].map((one) => m.v128.and(one, taken));
    const products = call("multiply", x, y).map((one) => m.v128.and(one, taken));
    let sums = call(
      "add",
      products,
      products.map((one) => turned(one, bits / 8)),
    );
    if (!double) {
      sums = call(
        "add",
        sums,
        sums.map((one) => turned(one, 8)),
      );
    }
    const low = sums.map((one) => {
      const all = double ? m.i64x2.splat(m.i64x2.extract(one, 0)) : m.i32x4.splat(m.i32x4.extract(one, 0));
      return m.v128.and(all, given);
    });
    dst.setVector(low[0] as V128, low[1]);
  };
  const name = double ? "dppd" : "dpps";
  const opcode = double ? "41" : "40";
  return [
    insn(name, [`66 0F 3A ${opcode} /r  dst:x, src:xm, how:u8`] as [string], sse41, body),
    insn(`v${name}`, [`VEX.${lengths}.66.0F3A ${opcode} /r  dst:x, a:xv, src:xm, how:u8  avx`] as [string], avx, body),
  ];
};

export const sseFloatInstructions: readonly InsnDefinition[] = [
  ...arithmetic("add", "add", "58"),
  ...arithmetic("multiply", "mul", "59"),
  ...arithmetic("subtract", "sub", "5C"),
  ...arithmetic("minimum", "min", "5D"),
  ...arithmetic("divide", "div", "5E"),
  ...arithmetic("maximum", "max", "5F"),
  ...arithmetic("root", "sqrt", "51", true),
  ...approximate("rsqrt", "52", 1),
  ...approximate("rcp", "53", 0),
  ...compares,
  ...ordered("ucomiss", "NP", "2E", 0, 1),
  ...ordered("ucomisd", "66", "2E", 1, 1),
  ...ordered("comiss", "NP", "2F", 0, 0),
  ...ordered("comisd", "66", "2F", 1, 0),
  ...pairwise("addsub", "D0", alternating),
  ...pairwise("hadd", "7C", horizontal("add")),
  ...pairwise("hsub", "7D", horizontal("subtract")),
  ...rounds,
  ...dotProduct(0, "L"),
  ...dotProduct(1, "L0"),
];
