/** VSX loads. Source: Power ISA v3.0B, Book I "VSX Load Instructions". */
import { insn } from "../insn.js";
import type { I64, Machine, V128 } from "../machine.js";
import { doubleFromSingle } from "../single-precision.js";
import { bits } from "../vector-forms.js";
import { laneNumbers } from "../vector-lanes.js";
import {
  byteLength,
  inAddressOrder,
  indexed,
  lengthLane,
  type MemoryElementBits,
  vsx,
  vsxOrVector,
} from "../vsx-forms.js";

/** Doubleword 0; doubleword 1, which the manual leaves undefined, is cleared as POWER9 does. */
const scalar = (m: Machine, value: I64): V128 => m.v128.make(value, m.i64.const(0));

/** XX1-form: VSR[XT] from storage at (RA|0) + RB. */
function load(name: string, xo: number, options: typeof vsx | typeof vsxOrVector, f: (m: Machine, ea: I64) => V128) {
  return insn(name, `011111 xt:5 ra:5 rb:5 ${bits(xo, 10)} xt:1@5`, "xt, ra, rb", options, (m, o) =>
    m.setVsr(o.xt, f(m, indexed(m, o.ra, o.rb))),
  );
}

const elements = (width: MemoryElementBits) => (m: Machine, ea: I64) => inAddressOrder(m, width, m.loadQuad(ea));

export const lxv = insn("lxv", "111101 xt:5 ra:5 dq:s12*16 xt:1@5 001", "xt, dq(ra)", vsxOrVector, (m, o) =>
  m.setVsr(o.xt, m.loadQuad(m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.dq)))),
);

export const lxvx = insn("lxvx", "011111 xt:5 ra:5 rb:5 0100 - 01100 xt:1@5", "xt, ra, rb", vsxOrVector, (m, o) =>
  m.setVsr(o.xt, m.loadQuad(indexed(m, o.ra, o.rb))),
);

export const lxsd = insn("lxsd", "111001 vrt:5 ra:5 ds:s14*4 10", "vrt, ds(ra)", { facility: "vector" }, (m, o) =>
  m.setVr(o.vrt, scalar(m, m.load(m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.ds)), 8))),
);

export const lxssp = insn("lxssp", "111001 vrt:5 ra:5 ds:s14*4 11", "vrt, ds(ra)", { facility: "vector" }, (m, o) => {
  const word = m.load(m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.ds)), 4);
  m.setVr(o.vrt, scalar(m, doubleFromSingle(m, word)));
});

/** The first bytes of a quadword, as many as RB[0:7] says; the others are zero. */
function loadLength(name: string, xo: number, left: boolean) {
  return insn(name, `011111 xt:5 ra:5 rb:5 ${bits(xo, 10)} xt:1@5`, "xt, ra, rb", vsxOrVector, (m, o) => {
    const { i8x16, i64 } = m;
    const ea = m.gprOrZero(o.ra);
    const length = byteLength(m, o.rb);
    m.if(
      m.i32.eq(length, m.i32.const(16)),
      () => m.setVsr(o.xt, inAddressOrder(m, left ? 8 : 128, m.loadQuad(ea))),
      () => {
        // No operand lies in XT, so the instruction can begin anew after a fault half way.
        m.setVsr(o.xt, m.v128.const(0n));
        m.repeat(length, (index) => {
          const byte = i8x16.splat(m.i32.wrap(m.load(i64.add(ea, i64.extendU(index)), 1)));
          const here = i8x16.eq(laneNumbers(m), lengthLane(m, left, index));
          m.setVsr(o.xt, m.v128.bitselect(byte, m.vsr(o.xt), here));
        });
      },
    );
  });
}

export const vsxLoadInstructions = [
  lxv,
  lxvx,
  load("lxvd2x", 844, vsx, elements(64)),
  load("lxvw4x", 780, vsx, elements(32)),
  load("lxvh8x", 812, vsx, elements(16)),
  load("lxvb16x", 876, vsx, elements(8)),
  load("lxvdsx", 332, vsx, (m, ea) => m.i64x2.splat(m.load(ea, 8))),
  load("lxvwsx", 364, vsxOrVector, (m, ea) => m.i32x4.splat(m.i32.wrap(m.load(ea, 4)))),
  loadLength("lxvl", 269, false),
  loadLength("lxvll", 301, true),
  lxsd,
  lxssp,
  load("lxsdx", 588, vsx, (m, ea) => scalar(m, m.load(ea, 8))),
  load("lxsspx", 524, vsx, (m, ea) => scalar(m, doubleFromSingle(m, m.load(ea, 4)))),
  load("lxsiwax", 76, vsx, (m, ea) => scalar(m, m.i64.extend32S(m.load(ea, 4)))),
  load("lxsiwzx", 12, vsx, (m, ea) => scalar(m, m.load(ea, 4))),
  load("lxsibzx", 781, vsx, (m, ea) => scalar(m, m.load(ea, 1))),
  load("lxsihzx", 813, vsx, (m, ea) => scalar(m, m.load(ea, 2))),
];
