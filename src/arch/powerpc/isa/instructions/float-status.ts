/**
 * FPSCR. Source: Power ISA v3.0B, Book I "Floating-Point Status and Control Register Instructions".
 */
import { float, recordCr1, settle } from "../float-forms.js";
import { Fpscr } from "../fpscr.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";
import { bits } from "../vector-forms.js";

const { DRN, CONTROL, ENABLES, RN, NON_STICKY } = Fpscr;

export const mffs = insn("mffs", "111111 frt:5 00000 -:5 1001000111 rc?", "frt", float, (m, o) => {
  m.setFpr(o.frt, m.call("fpscrRead"));
  if (o.rc) recordCr1(m);
});

/** FPSCR's bits in `mask` become those of `value`, by the rules for VX and FEX. */
function write(m: Machine, value: I64, mask: I64 | bigint): void {
  m.call("fpscrWrite", value, typeof mask === "bigint" ? m.i64.const(mask) : mask);
}
const nothing = (): void => {};

export const mffsce = insn("mffsce", "111111 frt:5 00001 -:5 1001000111 -", "frt", float, (m, o) => {
  const before = m.call("fpscrRead");
  write(m, m.i64.const(0), ENABLES);
  settle(m, nothing);
  m.setFpr(o.frt, before);
});

/** The control bits before; then DRN or RN from somewhere. */
function exchange(m: Machine, frt: I32, value: I64, mask: bigint): void {
  const before = m.i64.and(m.get("fpscr"), m.i64.const(DRN | CONTROL));
  write(m, value, mask);
  settle(m, () => m.setFpr(frt, before));
}
export const mffscdrn = insn("mffscdrn", "111111 frt:5 10100 frb:5 1001000111 -", "frt, frb", float, (m, o) =>
  exchange(m, o.frt, m.fpr(o.frb), DRN),
);
export const mffscdrni = insn("mffscdrni", "111111 frt:5 10101 -:2 drm:3 1001000111 -", "frt, drm", float, (m, o) =>
  exchange(m, o.frt, m.i64.shl(m.i64.extendU(o.drm), m.i64.const(32)), DRN),
);
export const mffscrn = insn("mffscrn", "111111 frt:5 10110 frb:5 1001000111 -", "frt, frb", float, (m, o) =>
  exchange(m, o.frt, m.fpr(o.frb), RN),
);
export const mffscrni = insn("mffscrni", "111111 frt:5 10111 -:3 rm:2 1001000111 -", "frt, rm", float, (m, o) =>
  exchange(m, o.frt, m.i64.extendU(o.rm), RN),
);
export const mffsl = insn("mffsl", "111111 frt:5 11000 -:5 1001000111 -", "frt", float, (m, o) =>
  m.setFpr(o.frt, m.i64.and(m.call("fpscrRead"), m.i64.const(DRN | CONTROL | NON_STICKY))),
);

export const mcrfs = insn("mcrfs", "111111 bf:3 -:2 bfa:3 -:2 -:5 0001000000 -", "bf, bfa", float, (m, o) => {
  const { i32 } = m;
  const shift = i32.shl(i32.sub(i32.const(7), o.bfa), i32.const(2));
  const field = i32.and(i32.shrU(i32.wrap(m.call("fpscrRead")), shift), i32.const(15));
  m.call("fpscrClearField", o.bfa);
  m.setCrField(o.bf, field);
});

export const mtfsfi = insn("mtfsfi", "111111 bf:3 -:6 w:1 u:4 - 0010000110 rc?", "bf, u, w", float, (m, o) => {
  const { i32, i64 } = m;
  // Field BF of the low word (W = 0) or of the high one.
  const field = i32.add(o.bf, i32.shl(i32.xor(o.w, i32.const(1)), i32.const(3)));
  const shift = i64.extendU(i32.shl(i32.sub(i32.const(15), field), i32.const(2)));
  write(m, i64.shl(i64.extendU(o.u), shift), i64.shl(i64.const(15), shift));
  settle(m, nothing, o.rc);
});

/** FLM's bit i stands for field i of the word that W chooses; L: all 64 bits. */
export const mtfsf = insn("mtfsf", "111111 l:1 flm:8 w:1 frb:5 1011000111 rc?", "flm, frb, l, w", float, (m, o) => {
  const { i32, i64 } = m;
  const flm = i64.extendU(o.flm);
  // Each of the 8 bits spread to a nibble of its own, then filled.
  let spread = flm;
  spread = i64.and(i64.or(spread, i64.shl(spread, i64.const(12))), i64.const(0x000f000f));
  spread = i64.and(i64.or(spread, i64.shl(spread, i64.const(6))), i64.const(0x03030303));
  spread = i64.and(i64.or(spread, i64.shl(spread, i64.const(3))), i64.const(0x11111111));
  const fields = i64.mul(spread, i64.const(15));
  const placed = m.select(o.w, i64.shl(fields, i64.const(32)), fields);
  write(m, m.fpr(o.frb), m.select(i32.ne(o.l, i32.const(0)), i64.const(-1), placed));
  settle(m, nothing, o.rc);
});

/** mtfsb0, mtfsb1: bit BT of the low word. */
function bit(name: string, xo: number, f: (m: Machine, bt: I32) => void): InsnDefinition {
  return insn(name, `111111 bt:5 -:5 -:5 ${bits(xo, 10)} rc?`, "bt", float, (m, o) => {
    f(m, o.bt);
    settle(m, nothing, o.rc);
  });
}

export const floatStatusInstructions = [
  mffs,
  mffsce,
  mffscdrn,
  mffscdrni,
  mffscrn,
  mffscrni,
  mffsl,
  mcrfs,
  mtfsfi,
  mtfsf,
  bit("mtfsb0", 70, (m, bt) => {
    const mask = m.i64.shrU(m.i64.const(0x80000000), m.i64.extendU(bt));
    write(m, m.i64.const(0), mask);
  }),
  bit("mtfsb1", 38, (m, bt) => m.call("fpscrSetBit", bt)),
];
