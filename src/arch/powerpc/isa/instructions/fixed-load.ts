/** Fixed-point loads. Source: Power ISA v3.0B, Book I "Fixed-Point Load Instructions". */
import { insn } from "../insn.js";

export const lwzu = insn("lwzu", "100001 rt:5 ra:5 d:s16", "rt, d(ra)", (m, o) => {
  const ea = m.i64.add(m.gpr(o.ra), m.i64.extendS(o.d));
  m.setGpr(o.rt, m.load(ea, 4));
  m.setGpr(o.ra, ea);
});

export const fixedLoadInstructions = [lwzu];
