/**
 * Floating-point loads and stores. Source: Power ISA v3.0B, Book I "Floating-Point Load Instructions", "Floating-Point
 * Store Instructions", "Floating-Point Load and Store Double Pair Instructions".
 */
import { modeAddress } from "../common.js";
import { float } from "../float-forms.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";
import { singleFromDouble, widenSingle } from "../single-precision.js";
import { bits } from "../vector-forms.js";

/** Moves one register from or to storage. */
type Access = (m: Machine, register: I32, ea: I64) => void;

const loadSingle: Access = (m, frt, ea) => widenSingle(m, m.load(ea, 4), (value) => m.setDouble(frt, value));
const loadDouble: Access = (m, frt, ea) => m.setFpr(frt, m.load(ea, 8));
const loadWordAlgebraic: Access = (m, frt, ea) => m.setFpr(frt, m.i64.extend32S(m.load(ea, 4)));
const loadWordZero: Access = (m, frt, ea) => m.setFpr(frt, m.load(ea, 4));
const storeSingle: Access = (m, frs, ea) => m.store(ea, 4, singleFromDouble(m, m.fpr(frs)));
const storeDouble: Access = (m, frs, ea) => m.store(ea, 8, m.fpr(frs));
const storeWord: Access = (m, frs, ea) => m.store(ea, 4, m.fpr(frs));

/** The register's number, a target's or a source's. */
const registerOf = (o: { readonly frt: I32 } | { readonly frs: I32 }): I32 => ("frt" in o ? o.frt : o.frs);

/** D-form, with and without update. RA = 0 with update is an invalid form; here RA is then register 0. */
function displaced(name: string, opcode: number, register: "frt" | "frs", access: Access): InsnDefinition[] {
  const pattern = (op: number) => `${bits(op, 6)} ${register}:5 ra:5 d:s16` as `${typeof register}:5 ra:5 d:s16`;
  return [
    insn(name, pattern(opcode), `${register}, d(ra)`, float, (m, o) =>
      access(m, registerOf(o), m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.d))),
    ),
    insn(`${name}u`, pattern(opcode + 1), `${register}, d(ra)`, float, (m, o) => {
      const ea = m.i64.add(m.gpr(o.ra), m.i64.extendS(o.d));
      access(m, registerOf(o), ea);
      m.setGpr(o.ra, modeAddress(m, ea));
    }),
  ];
}

function indexed(name: string, xo: number, register: "frt" | "frs", access: Access, update = false): InsnDefinition {
  const pattern = `011111 ${register}:5 ra:5 rb:5 ${bits(xo, 10)} -` as `${typeof register}:5 ra:5 rb:5`;
  return insn(name, pattern, `${register}, ra, rb`, float, (m, o) => {
    const ea = m.i64.add(update ? m.gpr(o.ra) : m.gprOrZero(o.ra), m.gpr(o.rb));
    access(m, registerOf(o), ea);
    if (update) m.setGpr(o.ra, modeAddress(m, ea));
  });
}

/** Even and odd register of a pair with one quadword: the even one is the more significant in either byte order. */
function loadPair(m: Machine, frtp: I32, ea: I64): void {
  const first = m.load(ea, 8);
  const second = m.load(m.i64.add(ea, m.i64.const(8)), 8);
  m.setFpr(frtp, m.littleEndian ? second : first);
  m.setFpr(m.i32.add(frtp, m.i32.const(1)), m.littleEndian ? first : second);
}
function storePair(m: Machine, frsp: I32, ea: I64): void {
  const even = m.fpr(frsp);
  const odd = m.fpr(m.i32.add(frsp, m.i32.const(1)));
  m.store(ea, 8, m.littleEndian ? odd : even);
  m.store(m.i64.add(ea, m.i64.const(8)), 8, m.littleEndian ? even : odd);
}

export const lfdp = insn("lfdp", "111001 frtp:4*2 0 ra:5 ds:s14*4 00", "frtp, ds(ra)", float, (m, o) =>
  loadPair(m, o.frtp, m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.ds))),
);
export const lfdpx = insn("lfdpx", "011111 frtp:4*2 0 ra:5 rb:5 1100010111 -", "frtp, ra, rb", float, (m, o) =>
  loadPair(m, o.frtp, m.i64.add(m.gprOrZero(o.ra), m.gpr(o.rb))),
);
export const stfdp = insn("stfdp", "111101 frsp:4*2 0 ra:5 ds:s14*4 00", "frsp, ds(ra)", float, (m, o) =>
  storePair(m, o.frsp, m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.ds))),
);
export const stfdpx = insn("stfdpx", "011111 frsp:4*2 0 ra:5 rb:5 1110010111 -", "frsp, ra, rb", float, (m, o) =>
  storePair(m, o.frsp, m.i64.add(m.gprOrZero(o.ra), m.gpr(o.rb))),
);

export const floatStorageInstructions = [
  ...displaced("lfs", 48, "frt", loadSingle),
  ...displaced("lfd", 50, "frt", loadDouble),
  ...displaced("stfs", 52, "frs", storeSingle),
  ...displaced("stfd", 54, "frs", storeDouble),
  indexed("lfsx", 535, "frt", loadSingle),
  indexed("lfsux", 567, "frt", loadSingle, true),
  indexed("lfdx", 599, "frt", loadDouble),
  indexed("lfdux", 631, "frt", loadDouble, true),
  indexed("lfiwax", 855, "frt", loadWordAlgebraic),
  indexed("lfiwzx", 887, "frt", loadWordZero),
  indexed("stfsx", 663, "frs", storeSingle),
  indexed("stfsux", 695, "frs", storeSingle, true),
  indexed("stfdx", 727, "frs", storeDouble),
  indexed("stfdux", 759, "frs", storeDouble, true),
  indexed("stfiwx", 983, "frs", storeWord),
  lfdp,
  lfdpx,
  stfdp,
  stfdpx,
];
