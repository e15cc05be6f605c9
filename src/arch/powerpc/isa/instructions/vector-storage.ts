/**
 * Vector loads and stores. Source: Power ISA v3.0B, Book I "Vector Load Instructions", "Vector Store Instructions",
 * "Vector Alignment Support Instructions".
 */
import { insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";
import { bits } from "../vector-forms.js";
import { laneNumbers, splat } from "../vector-lanes.js";

type Size = 1 | 2 | 4;
const vector = { facility: "vector" } as const;

const address = (m: Machine, ra: I32, rb: I32): I64 => m.i64.add(m.gprOrZero(ra), m.gpr(rb));
const align = (m: Machine, ea: I64, bytes: number): I64 => m.i64.and(ea, m.i64.const(-bytes));

/** The lane of the byte at which an aligned element lies in the register: where it lies in its quadword of storage. */
function firstLane(m: Machine, ea: I64, size: Size): I32 {
  const { i32 } = m;
  const offset = i32.and(i32.wrap(ea), i32.const(15));
  return m.littleEndian ? offset : i32.sub(i32.const(16 - size), offset);
}

function loadVector(name: string, xo: number) {
  return insn(name, `011111 vrt:5 ra:5 rb:5 ${bits(xo, 10)} -`, "vrt, ra, rb", vector, (m, o) =>
    m.setVr(o.vrt, m.loadQuad(align(m, address(m, o.ra, o.rb), 16))),
  );
}

function storeVector(name: string, xo: number) {
  return insn(name, `011111 vrs:5 ra:5 rb:5 ${bits(xo, 10)} -`, "vrs, ra, rb", vector, (m, o) =>
    m.storeQuad(align(m, address(m, o.ra, o.rb), 16), m.vr(o.vrs)),
  );
}

/** The other elements are undefined; they are left as they were. */
function loadElement(name: string, xo: number, size: Size) {
  return insn(name, `011111 vrt:5 ra:5 rb:5 ${bits(xo, 10)} -`, "vrt, ra, rb", vector, (m, o) => {
    const { i8x16 } = m;
    const ea = align(m, address(m, o.ra, o.rb), size);
    const value = m.i64x2.splat(m.load(ea, size));
    const within = i8x16.sub(laneNumbers(m), i8x16.splat(firstLane(m, ea, size)));
    const element = i8x16.swizzle(value, within);
    m.setVr(o.vrt, m.v128.bitselect(element, m.vr(o.vrt), i8x16.ltU(within, splat(m, 8, size))));
  });
}

function storeElement(name: string, xo: number, size: Size) {
  return insn(name, `011111 vrs:5 ra:5 rb:5 ${bits(xo, 10)} -`, "vrs, ra, rb", vector, (m, o) => {
    const { i8x16 } = m;
    const ea = align(m, address(m, o.ra, o.rb), size);
    const lanes = i8x16.add(laneNumbers(m), i8x16.splat(firstLane(m, ea, size)));
    m.store(ea, size, m.v128.low(i8x16.swizzle(m.vr(o.vrs), lanes)));
  });
}

/** Permute controls for a misaligned access: 16 byte numbers in a row. */
export const lvsl = insn("lvsl", "011111 vrt:5 ra:5 rb:5 0000000110 -", "vrt, ra, rb", vector, (m, o) => {
  const offset = m.i32.and(m.i32.wrap(address(m, o.ra, o.rb)), m.i32.const(15));
  const numbers = m.v128.const(0x000102030405060708090a0b0c0d0e0fn);
  m.setVr(o.vrt, m.i8x16.add(numbers, m.i8x16.splat(offset)));
});

export const lvsr = insn("lvsr", "011111 vrt:5 ra:5 rb:5 0000100110 -", "vrt, ra, rb", vector, (m, o) => {
  const offset = m.i32.and(m.i32.wrap(address(m, o.ra, o.rb)), m.i32.const(15));
  const numbers = m.v128.const(0x101112131415161718191a1b1c1d1e1fn);
  m.setVr(o.vrt, m.i8x16.sub(numbers, m.i8x16.splat(offset)));
});

export const vectorStorageInstructions = [
  loadVector("lvx", 103),
  loadVector("lvxl", 359),
  loadElement("lvebx", 7, 1),
  loadElement("lvehx", 39, 2),
  loadElement("lvewx", 71, 4),
  storeVector("stvx", 231),
  storeVector("stvxl", 487),
  storeElement("stvebx", 135, 1),
  storeElement("stvehx", 167, 2),
  storeElement("stvewx", 199, 4),
  lvsl,
  lvsr,
];
