/**
 * Decimal integers in vector registers: 31 digits and a sign code ("signed packed"), or 32 digits ("unsigned packed").
 * Every one of these records how its number compares with zero, and overflow or invalidity, in CR field 6.
 * Source: Power ISA v3.0B, Book I "Decimal Integer Instructions".
 */
import { type InsnDefinition, insn } from "../insn.js";
import type { I32, Machine, V128 } from "../machine.js";
import { bits } from "../vector-forms.js";

const vector = { facility: "vector" } as const;

function record(m: Machine, vrt: I32, result: V128): void {
  m.setVr(vrt, result);
  m.setCrField(m.i32.const(6), m.get("packedCondition"));
}

/** VRT from VRB, with PS; `second` stands in the place of VRA. */
function convert(name: string, second: number, f: (m: Machine, b: V128, ps: I32) => V128): InsnDefinition {
  return insn(name, `000100 vrt:5 ${bits(second, 5)} vrb:5 1 ps:1 110000001`, "vrt, vrb, ps", vector, (m, o) =>
    record(m, o.vrt, f(m, m.vr(o.vrb), o.ps)),
  );
}
/** The same without PS. */
function convertPlain(name: string, second: number, f: (m: Machine, b: V128) => V128): InsnDefinition {
  return insn(name, `000100 vrt:5 ${bits(second, 5)} vrb:5 1 - 110000001`, "vrt, vrb", vector, (m, o) =>
    record(m, o.vrt, f(m, m.vr(o.vrb))),
  );
}

/** VRT from VRA and VRB, with PS. */
function binary(name: string, xo: number, f: (m: Machine, a: V128, b: V128, ps: I32) => V128): InsnDefinition {
  return insn(name, `000100 vrt:5 vra:5 vrb:5 1 ps:1 ${bits(xo, 9)}`, "vrt, vra, vrb, ps", vector, (m, o) =>
    record(m, o.vrt, f(m, m.vr(o.vra), m.vr(o.vrb), o.ps)),
  );
}
function binaryPlain(name: string, xo: string, f: (m: Machine, a: V128, b: V128) => V128): InsnDefinition {
  return insn(name, `000100 vrt:5 vra:5 vrb:5 ${xo}`, "vrt, vra, vrb", vector, (m, o) =>
    record(m, o.vrt, f(m, m.vr(o.vra), m.vr(o.vrb))),
  );
}

export const vectorDecimalInstructions = [
  binary("bcdadd.", 1, (m, a, b, ps) => m.call("packedAdd", a, b, ps, m.i32.const(0))),
  binary("bcdsub.", 65, (m, a, b, ps) => m.call("packedAdd", a, b, ps, m.i32.const(1))),
  convert("bcdcfn.", 7, (m, b, ps) => m.call("packedFromNational", b, ps)),
  convertPlain("bcdctn.", 5, (m, b) => m.call("packedToNational", b)),
  convert("bcdcfz.", 6, (m, b, ps) => m.call("packedFromZoned", b, ps)),
  convert("bcdctz.", 4, (m, b, ps) => m.call("packedToZoned", b, ps)),
  convert("bcdcfsq.", 2, (m, b, ps) => m.call("packedFromInteger", b, ps)),
  convertPlain("bcdctsq.", 0, (m, b) => m.call("packedToInteger", b)),
  convert("bcdsetsgn.", 31, (m, b, ps) => m.call("packedSetSign", b, ps)),
  binaryPlain("bcdcpsgn.", "01101000001", (m, a, b) => m.call("packedCopySign", a, b)),
  binary("bcds.", 193, (m, a, b, ps) => m.call("packedShift", a, b, ps)),
  binaryPlain("bcdus.", "1 - 010000001", (m, a, b) => m.call("packedShiftUnsigned", a, b)),
  binary("bcdsr.", 449, (m, a, b, ps) => m.call("packedShiftRound", a, b, ps)),
  binary("bcdtrunc.", 257, (m, a, b, ps) => m.call("packedTruncate", a, b, ps)),
  binaryPlain("bcdutrunc.", "1 - 101000001", (m, a, b) => m.call("packedTruncateUnsigned", a, b)),
];
