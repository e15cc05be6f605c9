/**
 * The Vector Status and Control Register, and the data stream hints that v3.0B no longer lists: POWER9 takes them as
 * no-operations, and kernels still issue them.
 * Source: Power ISA v3.0B, Book I "Vector Status and Control Register Instructions".
 */
import { insn } from "../insn.js";

/** NJ is bit 111 of the register, SAT bit 127. */
export const mfvscr = insn("mfvscr", "000100 vrt:5 -:5 -:5 11000000100", "vrt", { facility: "vector" }, (m, o) => {
  const vscr = m.i32.or(m.i32.shl(m.get("nj"), m.i32.const(16)), m.get("sat"));
  m.setVr(o.vrt, m.v128.make(m.i64.const(0), m.i64.extendU(vscr)));
});

export const mtvscr = insn("mtvscr", "000100 -:5 -:5 vrb:5 11001000100", "vrb", { facility: "vector" }, (m, o) => {
  const { i32 } = m;
  const vscr = m.i32x4.extract(m.vr(o.vrb), 0);
  m.set("nj", i32.and(i32.shrU(vscr, i32.const(16)), i32.const(1)));
  m.set("sat", i32.and(vscr, i32.const(1)));
});

export const dss = insn("dss", "011111 0 - - strm:2 -:5 -:5 1100110110 -", "strm", () => {});
export const dssall = insn("dssall", "011111 1 - - -:2 -:5 -:5 1100110110 -", "", () => {});
export const dst = insn("dst", "011111 0 - - strm:2 ra:5 rb:5 0101010110 -", "ra, rb, strm", () => {});
export const dstt = insn("dstt", "011111 1 - - strm:2 ra:5 rb:5 0101010110 -", "ra, rb, strm", () => {});
export const dstst = insn("dstst", "011111 0 - - strm:2 ra:5 rb:5 0101110110 -", "ra, rb, strm", () => {});
export const dststt = insn("dststt", "011111 1 - - strm:2 ra:5 rb:5 0101110110 -", "ra, rb, strm", () => {});

export const vectorStatusInstructions = [mfvscr, mtvscr, dss, dssall, dst, dstt, dstst, dststt];
