/** VSX stores. Source: Power ISA v3.0B, Book I "VSX Store Instructions". */
import { insn } from "../insn.js";
import type { I64, Machine, V128 } from "../machine.js";
import { singleFromDouble } from "../single-precision.js";
import { bits } from "../vector-forms.js";
import { byteLength, inAddressOrder, indexed, lengthLane, type MemoryElementBits, vsx } from "../vsx-forms.js";

const vsxOrVector = { facility: "vsx", vectorIfHigh: "xs" } as const;

/** XX1-form: VSR[XS] to storage at (RA|0) + RB. */
function store(name: string, xo: number, f: (m: Machine, ea: I64, value: V128) => void) {
  return insn(name, `011111 xs:5 ra:5 rb:5 ${bits(xo, 10)} xs:1@5`, "xs, ra, rb", vsx, (m, o) =>
    f(m, indexed(m, o.ra, o.rb), m.vsr(o.xs)),
  );
}

const elements = (width: MemoryElementBits) => (m: Machine, ea: I64, value: V128) =>
  m.storeQuad(ea, inAddressOrder(m, width, value));

export const stxv = insn("stxv", "111101 xs:5 ra:5 dq:s12*16 xs:1@5 101", "xs, dq(ra)", vsxOrVector, (m, o) =>
  m.storeQuad(m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.dq)), m.vsr(o.xs)),
);

export const stxvx = insn("stxvx", "011111 xs:5 ra:5 rb:5 0110001100 xs:1@5", "xs, ra, rb", vsxOrVector, (m, o) =>
  m.storeQuad(indexed(m, o.ra, o.rb), m.vsr(o.xs)),
);

export const stxsd = insn("stxsd", "111101 vrs:5 ra:5 ds:s14*4 10", "vrs, ds(ra)", { facility: "vector" }, (m, o) =>
  m.store(m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.ds)), 8, m.v128.high(m.vr(o.vrs))),
);

export const stxssp = insn("stxssp", "111101 vrs:5 ra:5 ds:s14*4 11", "vrs, ds(ra)", { facility: "vector" }, (m, o) =>
  m.store(m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.ds)), 4, singleFromDouble(m, m.v128.high(m.vr(o.vrs)))),
);

/** The first bytes of a quadword, as many as RB[0:7] says. */
function storeLength(name: string, xo: number, left: boolean) {
  return insn(name, `011111 xs:5 ra:5 rb:5 ${bits(xo, 10)} xs:1@5`, "xs, ra, rb", vsxOrVector, (m, o) => {
    const { i8x16, i64 } = m;
    const ea = m.gprOrZero(o.ra);
    const value = m.vsr(o.xs);
    const length = byteLength(m, o.rb);
    m.if(
      m.i32.eq(length, m.i32.const(16)),
      () => m.storeQuad(ea, inAddressOrder(m, left ? 8 : 128, value)),
      () =>
        m.repeat(length, (index) => {
          const byte = i8x16.swizzle(value, lengthLane(m, left, index));
          m.store(i64.add(ea, i64.extendU(index)), 1, m.v128.low(byte));
        }),
    );
  });
}

export const vsxStoreInstructions = [
  stxv,
  stxvx,
  store("stxvd2x", 972, elements(64)),
  store("stxvw4x", 908, elements(32)),
  store("stxvh8x", 940, elements(16)),
  store("stxvb16x", 1004, elements(8)),
  storeLength("stxvl", 397, false),
  storeLength("stxvll", 429, true),
  stxsd,
  stxssp,
  store("stxsdx", 716, (m, ea, value) => m.store(ea, 8, m.v128.high(value))),
  store("stxsspx", 652, (m, ea, value) => m.store(ea, 4, singleFromDouble(m, m.v128.high(value)))),
  store("stxsiwx", 140, (m, ea, value) => m.store(ea, 4, m.v128.high(value))),
  store("stxsibx", 909, (m, ea, value) => m.store(ea, 1, m.v128.high(value))),
  store("stxsihx", 941, (m, ea, value) => m.store(ea, 2, m.v128.high(value))),
];
