/**
 * Moves between GPRs and VSRs. Source: Power ISA v3.0B, Book I "Move To/From VSR Instructions"
 * ("Vector-Scalar Extension Facility", GPR-VSR direct moves).
 */
import { insn } from "../insn.js";
import type { I64, Machine, V128 } from "../machine.js";
import { bits } from "../vector-forms.js";
import { vsxOrVector } from "../vsx-forms.js";

/** From VSRs 0 to 31, the older moves ask for FP, the newer ones for VSX. */
function moveFrom(name: string, xo: number, facility: "float" | "vsx", f: (m: Machine, value: V128) => I64) {
  const options = { facility, vectorIfHigh: "xs" } as const;
  return insn(name, `011111 xs:5 ra:5 -:5 ${bits(xo, 10)} xs:1@5`, "ra, xs", options, (m, o) =>
    m.setGpr(o.ra, f(m, m.vsr(o.xs))),
  );
}

/** Doubleword 1, which the manual leaves undefined, is cleared as POWER9 does. */
function moveTo(name: string, xo: number, f: (m: Machine, value: I64) => I64) {
  const options = { facility: "float", vectorIfHigh: "xt" } as const;
  return insn(name, `011111 xt:5 ra:5 -:5 ${bits(xo, 10)} xt:1@5`, "xt, ra", options, (m, o) =>
    m.setVsr(o.xt, m.v128.make(f(m, m.gpr(o.ra)), m.i64.const(0))),
  );
}

const lowWord = (m: Machine, value: I64): I64 => m.i64.extendU(m.i32.wrap(value));

export const mtvsrdd = insn("mtvsrdd", "011111 xt:5 ra:5 rb:5 0110110011 xt:1@5", "xt, ra, rb", vsxOrVector, (m, o) =>
  m.setVsr(o.xt, m.v128.make(m.gprOrZero(o.ra), m.gpr(o.rb))),
);

export const mtvsrws = insn("mtvsrws", "011111 xt:5 ra:5 -:5 0110010011 xt:1@5", "xt, ra", vsxOrVector, (m, o) =>
  m.setVsr(o.xt, m.i32x4.splat(m.i32.wrap(m.gpr(o.ra)))),
);

export const vsxMoveInstructions = [
  moveFrom("mfvsrd", 51, "float", (m, value) => m.v128.high(value)),
  moveFrom("mfvsrwz", 115, "float", (m, value) => lowWord(m, m.v128.high(value))),
  moveFrom("mfvsrld", 307, "vsx", (m, value) => m.v128.low(value)),
  moveTo("mtvsrd", 179, (_, value) => value),
  moveTo("mtvsrwa", 211, (m, value) => m.i64.extend32S(value)),
  moveTo("mtvsrwz", 243, lowWord),
  mtvsrdd,
  mtvsrws,
];
