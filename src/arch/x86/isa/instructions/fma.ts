/** FMA and F16C. The three numbers in a name say which operands are multiplied, and which is added (Intel SDM, volume 2). */
import type { I32, V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { SseFused, SsePart } from "../sse-operation.js";

type Three = readonly [string, string, string];
/** Factor, factor, addend: `dst` is the first operand, `a` the second, `b` the third. A NaN is taken from them in this order. */
const orders: readonly { readonly name: string; readonly opcode: number; readonly roles: Three }[] = [
  { name: "132", opcode: 0x90, roles: ["dst", "b", "a"] },
  { name: "213", opcode: 0xa0, roles: ["a", "dst", "b"] },
  { name: "231", opcode: 0xb0, roles: ["a", "b", "dst"] },
];
const subtract = SseFused.subtractEven | SseFused.subtractOdd;
const kinds = [
  { name: "fmaddsub", opcode: 0x6, how: SseFused.subtractEven, scalar: false },
  { name: "fmsubadd", opcode: 0x7, how: SseFused.subtractOdd, scalar: false },
  { name: "fmadd", opcode: 0x8, how: 0, scalar: true },
  { name: "fmsub", opcode: 0xa, how: subtract, scalar: true },
  { name: "fnmadd", opcode: 0xc, how: SseFused.negate, scalar: true },
  { name: "fnmsub", opcode: 0xe, how: SseFused.negate | subtract, scalar: true },
] as const;

const hex = (byte: number): string => byte.toString(16).toUpperCase();
const number = (m: X86Machine, value: number): I32 => m.i32.const(value);

/** One operation in one order: singles or doubles, in all lanes or in the first, the others of which stay. */
function fused(how: number, roles: Three, double: 0 | 1, scalar: boolean) {
  return (m: X86Machine, operands: unknown): void => {
    const o = operands as Readonly<Record<string, Operand>>;
    const of = (name: string) => o[name] as Operand;
    const dst = of("dst");
    const wide = dst.size === 256;
    const half = (part: number, read: (one: Operand) => V128, memory: V128): V128 => {
      const [x, y, z] = roles.map((name) => (name === "b" ? memory : read(of(name)))) as [V128, V128, V128];
      return m.call("sseFused", number(m, how), number(m, double), number(m, part), x, y, z);
    };
    // Memory first: it may fault.
    const b = of("b").vector();
    const upperB = wide ? of("b").upper() : undefined;
    const low = half(scalar ? SsePart.scalar : wide ? SsePart.first : SsePart.all, (one) => one.vector(), b);
    const upper = upperB && half(SsePart.second, (one) => one.upper(), upperB);
    m.checkFloat();
    if (!scalar) dst.setVector(low, upper);
    else if (double) dst.setVector(m.i64x2.replace(dst.vector(), 0, m.i64x2.extract(low, 0)));
    else dst.setVector(m.i32x4.replace(dst.vector(), 0, m.i32x4.extract(low, 0)));
  };
}

const fma: readonly InsnDefinition[] = orders.flatMap((order) =>
  kinds.flatMap(({ name, opcode, how, scalar }) =>
    ([0, 1] as const).flatMap((double) => {
      const at = order.opcode + opcode;
      const declare = (suffix: string, encoding: string, one: boolean) =>
        insn(
          `v${name}${order.name}${suffix}`,
          [encoding] as [string],
          { feature: "fma", unaligned: true },
          fused(how, order.roles, double, one),
        );
      const packed = declare(double ? "pd" : "ps", `VEX.L.66.0F38 ${hex(at)} /r W${double}  dst:x, a:xv, b:xm`, false);
      if (!scalar) return [packed];
      const memory = double ? "xm64" : "xm32";
      const encoding = `VEX.LIG.66.0F38 ${hex(at + 1)} /r W${double}  dst:x, a:xv, b:${memory}`;
      return [packed, declare(double ? "sd" : "ss", encoding, true)];
    }),
  ),
);

/** Convert 16-bit FP Values to Single-Precision FP Values. */
const vcvtph2ps = insn(
  "vcvtph2ps",
  ["VEX.L0.66.0F38 13 /r W0  dst:x, src:xm64", "VEX.L1.66.0F38 13 /r W0  dst:x, src:xm128"],
  { feature: "f16c", unaligned: true },
  (m, { dst, src }) => {
    const halves = src.vector();
    const wide = dst.size === 256;
    const low = m.call("sseFromHalves", number(m, wide ? SsePart.first : SsePart.all), halves);
    const second = () => m.i64x2.splat(m.i64x2.extract(halves, 1));
    const upper = wide ? m.call("sseFromHalves", number(m, SsePart.second), second()) : undefined;
    m.checkFloat();
    dst.setVector(low, upper);
  },
);
/** Convert Single-Precision FP Values to 16-bit FP Values. */
const vcvtps2ph = insn(
  "vcvtps2ph",
  ["VEX.L0.66.0F3A 1D /r W0  dst:xm64, src:x, how:u8", "VEX.L1.66.0F3A 1D /r W0  dst:xm128, src:x, how:u8"],
  { feature: "f16c", unaligned: true },
  (m, { dst, src, how }) => {
    const by = m.i32.wrap(how.read());
    const wide = src.size === 256;
    // MXCSR tells of nothing if it cannot be stored.
    if (dst.memory) {
      const start = dst.address({ write: true });
      for (const at of wide ? [0, 8] : [0]) m.update(m.i64.add(start, m.i64.const(at)), 8);
    }
    const low = m.call("sseToHalves", number(m, wide ? SsePart.first : SsePart.all), by, src.vector());
    const upper = wide ? m.call("sseToHalves", number(m, SsePart.second), by, src.upper()) : m.i64.const(0);
    m.checkFloat();
    dst.setVector(m.i64x2.replace(m.i64x2.splat(low), 1, upper));
  },
);

export const fmaInstructions: readonly InsnDefinition[] = [...fma, vcvtph2ps, vcvtps2ph];
