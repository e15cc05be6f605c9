/**
 * Elements inserted and extracted at places that a register names, shifts of two registers by bits, strings and their ends,
 * all of v3.1.
 * Source: Power ISA v3.1B, Book I "Vector Insert Element Instructions", "Vector Extract Element Instructions", "Vector Shift
 * Instructions", "Vector String Isolate", "Vector Clear Bytes".
 */
import { insn } from "../insn.js";
import { since } from "../levels.js";
import type { I32, I64, Machine, V128 } from "../machine.js";
import { bits } from "../vector-forms.js";
import { laneNumbers, splat } from "../vector-lanes.js";
import { insertElement, window } from "./vector-extract.js";

const vector = { facility: "vector" } as const;
type Size = 1 | 2 | 4 | 8;
type From = "left" | "right";

/** `insertElement`, but an element that would reach beyond the register, which is undefined, changes nothing. */
function insertInside(m: Machine, size: Size, target: V128, source: V128, first: I32): V128 {
  const inside = m.i32.leU(first, m.i32.const(16 - size));
  return m.select(inside, insertElement(m, size, target, source, first), target);
}

/** The byte that begins the element which RA[60:63] names from the left or the right. */
function place(m: Machine, size: Size, from: From, ra: I32): I32 {
  const { i32 } = m;
  const number = i32.and(i32.wrap(m.gpr(ra)), i32.const(15));
  return from === "left" ? number : i32.sub(i32.const(16 - size), number);
}

const fromLeft = (m: Machine, value: I64): V128 => m.v128.make(value, m.i64.const(0));

function insertGpr(name: string, xo: number, size: Size, from: From) {
  return insn(name, `000100 vrt:5 ra:5 rb:5 ${bits(xo, 11)}`, "vrt, ra, rb", vector, (m, o) =>
    m.setVr(o.vrt, insertInside(m, size, m.vr(o.vrt), fromLeft(m, m.gpr(o.rb)), place(m, size, from, o.ra))),
  );
}

function insertVector(name: string, xo: number, size: Size, from: From) {
  return insn(name, `000100 vrt:5 ra:5 vrb:5 ${bits(xo, 11)}`, "vrt, ra, vrb", vector, (m, o) =>
    m.setVr(o.vrt, insertInside(m, size, m.vr(o.vrt), m.vr(o.vrb), place(m, size, from, o.ra))),
  );
}

function insertAt(name: string, xo: number, size: Size) {
  return insn(name, `000100 vrt:5 - uim:4 rb:5 ${bits(xo, 11)}`, "vrt, rb, uim", vector, (m, o) =>
    m.setVr(o.vrt, insertInside(m, size, m.vr(o.vrt), fromLeft(m, m.gpr(o.rb)), o.uim)),
  );
}

/** An element of two registers, at the byte that RC[59:63] names; beyond them, which is undefined, 0. */
function extractOfTwo(name: string, xo: number, size: Size, from: From) {
  return insn(name, `000100 vrt:5 vra:5 vrb:5 rc:5 ${bits(xo, 6)}`, "vrt, vra, vrb, rc", vector, (m, o) => {
    const { i32, i8x16, v128 } = m;
    const last = i32.const(32 - size);
    const number = i32.and(i32.wrap(m.gpr(o.rc)), i32.const(31));
    const lane = from === "right" ? number : i32.sub(last, number);
    const lanes = i8x16.add(window(m, size, 8), i8x16.splat(lane));
    const picked = v128.or(
      i8x16.swizzle(m.vr(o.vrb), lanes),
      i8x16.swizzle(m.vr(o.vra), i8x16.sub(lanes, splat(m, 8, 16))),
    );
    m.setVr(o.vrt, m.select(i32.leU(number, last), picked, v128.const(0n)));
  });
}

/** 128 bits of two registers, from bit SH on, or so that they end SH bits before the end. */
function shiftTwo(name: string, second: string, from: From) {
  const pattern = `000100 vrt:5 vra:5 vrb:5 ${second} sh:3 010110` as "vrt:5 vra:5 vrb:5 sh:3";
  return insn(name, pattern, "vrt, vra, vrb, sh", vector, (m, o) => {
    const { i64, v128 } = m;
    const n = i64.extendU(o.sh);
    const rest = i64.sub(i64.const(63), n);
    /** 64 bits of two doublewords. In two steps, because n may be 0. */
    const left = (high: I64, low: I64) => i64.or(i64.shl(high, n), i64.shrU(i64.shrU(low, i64.const(1)), rest));
    const right = (high: I64, low: I64) => i64.or(i64.shrU(low, n), i64.shl(i64.shl(high, i64.const(1)), rest));
    const [a, b] = [m.vr(o.vra), m.vr(o.vrb)];
    const result =
      from === "left"
        ? v128.make(left(v128.high(a), v128.low(a)), left(v128.low(a), v128.high(b)))
        : v128.make(right(v128.low(a), v128.high(b)), right(v128.high(b), v128.low(b)));
    m.setVr(o.vrt, result);
  });
}

/** The elements before the first 0, from the left or the right; CR6 says whether there is one. */
function isolate(name: string, second: number, width: 8 | 16, from: From) {
  const pattern = `000100 vrt:5 ${bits(second, 5)} vrb:5 rc? 0000001101` as "vrt:5 vrb:5 rc?";
  return insn(name, pattern, "vrt, vrb", vector, (m, o) => {
    const { i32, i8x16, v128 } = m;
    const b = m.vr(o.vrb);
    const zeros = i8x16.bitmask((width === 8 ? i8x16 : m.i16x8).eq(b, v128.const(0n)));
    // Lanes as signed bytes: -1 or 32 where there is none.
    const kept =
      from === "left"
        ? i8x16.gtS(laneNumbers(m), i8x16.splat(i32.sub(i32.const(31), i32.clz(zeros))))
        : i8x16.ltS(laneNumbers(m), i8x16.splat(i32.ctz(zeros)));
    m.setVr(o.vrt, v128.and(b, kept));
    if (o.rc) m.setCrField(i32.const(6), i32.shl(i32.ne(zeros, i32.const(0)), i32.const(1)));
  });
}

/** As many bytes as RB says are kept, at the right or the left. */
function clear(name: string, xo: number, keeps: From) {
  return insn(name, `000100 vrt:5 vra:5 rb:5 ${bits(xo, 11)}`, "vrt, vra, rb", vector, (m, o) => {
    const { i32, i64, i8x16 } = m;
    const rb = m.gpr(o.rb);
    const count = m.select(i64.gtU(rb, i64.const(16)), i32.const(16), i32.wrap(rb));
    const kept =
      keeps === "right"
        ? i8x16.ltS(laneNumbers(m), i8x16.splat(count))
        : i8x16.geS(laneNumbers(m), i8x16.splat(i32.sub(i32.const(16), count)));
    m.setVr(o.vrt, m.v128.and(m.vr(o.vra), kept));
  });
}

export const vectorInsertInstructions = since("3.1", [
  insertGpr("vinsblx", 527, 1, "left"),
  insertGpr("vinsbrx", 783, 1, "right"),
  insertGpr("vinshlx", 591, 2, "left"),
  insertGpr("vinshrx", 847, 2, "right"),
  insertGpr("vinswlx", 655, 4, "left"),
  insertGpr("vinswrx", 911, 4, "right"),
  insertGpr("vinsdlx", 719, 8, "left"),
  insertGpr("vinsdrx", 975, 8, "right"),
  insertVector("vinsbvlx", 15, 1, "left"),
  insertVector("vinsbvrx", 271, 1, "right"),
  insertVector("vinshvlx", 79, 2, "left"),
  insertVector("vinshvrx", 335, 2, "right"),
  insertVector("vinswvlx", 143, 4, "left"),
  insertVector("vinswvrx", 399, 4, "right"),
  insertAt("vinsw", 207, 4),
  insertAt("vinsd", 463, 8),
  extractOfTwo("vextdubvlx", 24, 1, "left"),
  extractOfTwo("vextdubvrx", 25, 1, "right"),
  extractOfTwo("vextduhvlx", 26, 2, "left"),
  extractOfTwo("vextduhvrx", 27, 2, "right"),
  extractOfTwo("vextduwvlx", 28, 4, "left"),
  extractOfTwo("vextduwvrx", 29, 4, "right"),
  extractOfTwo("vextddvlx", 30, 8, "left"),
  extractOfTwo("vextddvrx", 31, 8, "right"),
  shiftTwo("vsldbi", "00", "left"),
  shiftTwo("vsrdbi", "01", "right"),
  isolate("vstribl", 0, 8, "left"),
  isolate("vstribr", 1, 8, "right"),
  isolate("vstrihl", 2, 16, "left"),
  isolate("vstrihr", 3, 16, "right"),
  clear("vclrlb", 397, "right"),
  clear("vclrrb", 461, "left"),
]);
