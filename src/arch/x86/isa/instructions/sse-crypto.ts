/** AES, carry-less products, SHA: all of them routines of the run-time library. */
import type { V128 } from "../../../../semantics/values.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { combine, inHalves } from "../vector-forms.js";

const aes = { feature: "aes" } as const;
/** AMD's processors do not ask for memory that is aligned here, as Intel's manual does. */
const sha = { feature: "sha", unaligned: true } as const;

type Two = { readonly dst: Operand; readonly src: Operand; readonly how: Operand };

const round = (
  name: string,
  opcode: string,
  routine: "aesEncode" | "aesEncodeLast" | "aesDecode" | "aesDecodeLast",
): InsnDefinition[] => {
  const body = combine((m, a, b) => m.call(routine, a, b));
  return [
    insn(name, [`66 0F 38 ${opcode} /r  dst:x, src:xm`] as [string], aes, body),
    insn(
      `v${name}`,
      [`VEX.L.66.0F38 ${opcode} /r  dst:x, a:xv, b:xm  aes/vaes`] as [string],
      { unaligned: true },
      body,
    ),
  ];
};
const inverse = (m: X86Machine, o: unknown): void => {
  const { dst, src } = o as Two;
  dst.setVector(m.call("aesInverseMix", src.vector()));
};
const assist = (m: X86Machine, o: unknown): void => {
  const { dst, src, how } = o as Two;
  const by = m.i32.wrap(how.read());
  dst.setVector(m.call("aesKeyAssist", src.vector(), by));
};
const product = (m: X86Machine, o: unknown): void => {
  const { dst, a = dst, src, how } = o as Two & { readonly a?: Operand };
  const by = m.i32.wrap(how.read());
  inHalves(dst, (of) => m.call("carrylessProduct", of(a), of(src), by));
};
const step = (name: string, opcode: string, make: (m: X86Machine, a: V128, b: V128) => V128): InsnDefinition =>
  insn(name, [`NP 0F 38 ${opcode} /r  dst:x, src:xm`] as [string], sha, combine(make));

export const sseCryptoInstructions: readonly InsnDefinition[] = [
  ...round("aesenc", "DC", "aesEncode"),
  ...round("aesenclast", "DD", "aesEncodeLast"),
  ...round("aesdec", "DE", "aesDecode"),
  ...round("aesdeclast", "DF", "aesDecodeLast"),
  insn("aesimc", ["66 0F 38 DB /r  dst:x, src:xm"], aes, inverse),
  insn("vaesimc", ["VEX.L0.66.0F38 DB /r  dst:x, src:xm  aes"], { unaligned: true }, inverse),
  insn("aeskeygenassist", ["66 0F 3A DF /r  dst:x, src:xm, how:u8"], aes, assist),
  insn("vaeskeygenassist", ["VEX.L0.66.0F3A DF /r  dst:x, src:xm, how:u8  aes"], { unaligned: true }, assist),
  insn("pclmulqdq", ["66 0F 3A 44 /r  dst:x, src:xm, how:u8"], { feature: "pclmulqdq" }, product),
  insn(
    "vpclmulqdq",
    ["VEX.L.66.0F3A 44 /r  dst:x, a:xv, src:xm, how:u8  pclmulqdq/vpclmulqdq"],
    { unaligned: true },
    product,
  ),
  step("sha1nexte", "C8", (m, a, b) => m.call("sha1Next", a, b)),
  step("sha1msg1", "C9", (m, a, b) => m.call("sha1First", a, b)),
  step("sha1msg2", "CA", (m, a, b) => m.call("sha1Second", a, b)),
  insn("sha256rnds2", ["NP 0F 38 CB /r  dst:x, src:xm, message:xz"], sha, (m, { dst, src, message }) => {
    const b = src.vector();
    dst.setVector(m.call("sha256Rounds", dst.vector(), b, message.vector()));
  }),
  step("sha256msg1", "CC", (m, a, b) => m.call("sha256First", a, b)),
  step("sha256msg2", "CD", (m, a, b) => m.call("sha256Second", a, b)),
  insn("sha1rnds4", ["NP 0F 3A CC /r  dst:x, src:xm, how:u8"], sha, (m, { dst, src, how }) => {
    const b = src.vector();
    const which = m.i32.and(m.i32.wrap(how.read()), m.i32.const(3));
    dst.setVector(m.call("sha1Rounds", dst.vector(), b, which));
  }),
];
