/**
 * The condition register: logic on its bits, moves to and from it, and what selects by it.
 * Source: Power ISA v3.0B, Book I "Condition Register Instructions", "Move To/From System Register Instructions".
 */
import { insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";

interface BitOperands {
  readonly bt: I32;
  readonly ba: I32;
  readonly bb: I32;
}

function logical(operation: (m: Machine, a: I32, b: I32) => I32) {
  return (m: Machine, o: BitOperands): void => m.setCrBit(o.bt, operation(m, m.crBit(o.ba), m.crBit(o.bb)));
}
const flip = (m: Machine, bit: I32): I32 => m.i32.xor(bit, m.i32.const(1));

export const crand = insn(
  "crand",
  "010011 bt:5 ba:5 bb:5 0100000001 -",
  "bt, ba, bb",
  logical((m, a, b) => m.i32.and(a, b)),
);

export const cror = insn(
  "cror",
  "010011 bt:5 ba:5 bb:5 0111000001 -",
  "bt, ba, bb",
  logical((m, a, b) => m.i32.or(a, b)),
);

export const crxor = insn(
  "crxor",
  "010011 bt:5 ba:5 bb:5 0011000001 -",
  "bt, ba, bb",
  logical((m, a, b) => m.i32.xor(a, b)),
);

export const crnand = insn(
  "crnand",
  "010011 bt:5 ba:5 bb:5 0011100001 -",
  "bt, ba, bb",
  logical((m, a, b) => flip(m, m.i32.and(a, b))),
);

export const crnor = insn(
  "crnor",
  "010011 bt:5 ba:5 bb:5 0000100001 -",
  "bt, ba, bb",
  logical((m, a, b) => flip(m, m.i32.or(a, b))),
);

export const creqv = insn(
  "creqv",
  "010011 bt:5 ba:5 bb:5 0100100001 -",
  "bt, ba, bb",
  logical((m, a, b) => flip(m, m.i32.xor(a, b))),
);

export const crandc = insn(
  "crandc",
  "010011 bt:5 ba:5 bb:5 0010000001 -",
  "bt, ba, bb",
  logical((m, a, b) => m.i32.and(a, flip(m, b))),
);

export const crorc = insn(
  "crorc",
  "010011 bt:5 ba:5 bb:5 0110100001 -",
  "bt, ba, bb",
  logical((m, a, b) => m.i32.or(a, flip(m, b))),
);

export const mcrf = insn("mcrf", "010011 bf:3 - - bfa:3 - - -:5 0000000000 -", "bf, bfa", (m, o) => {
  m.setCrField(o.bf, m.crField(o.bfa));
});

/** Field `n` of a CR image in the low word: 0 is the most significant. */
const imageField = (m: Machine, image: I32, n: number): I32 =>
  m.i32.and(m.i32.shrU(image, m.i32.const(28 - 4 * n)), m.i32.const(15));

export const mtcrf = insn("mtcrf", "011111 rs:5 0 fxm:8 - 0010010000 -", "fxm, rs", (m, o) => {
  const { i32 } = m;
  const image = i32.wrap(m.gpr(o.rs));
  for (let n = 0; n < 8; n++) {
    const chosen = i32.and(o.fxm, i32.const(0x80 >> n));
    m.if(chosen, () => m.setCrField(i32.const(n), imageField(m, image, n)));
  }
});

/** The number of the first field that FXM names; 0 if it names none, which is an invalid form. */
function namedField(m: Machine, fxm: I32): I32 {
  const { i32 } = m;
  return i32.and(i32.sub(i32.clz(fxm), i32.const(24)), i32.const(7));
}
/** How far left field `n` stands in the image. */
const placeOf = (m: Machine, n: I32): I32 => m.i32.shl(m.i32.sub(m.i32.const(7), n), m.i32.const(2));

export const mtocrf = insn("mtocrf", "011111 rs:5 1 fxm:8 - 0010010000 -", "fxm, rs", (m, o) => {
  const { i32 } = m;
  const n = namedField(m, o.fxm);
  m.setCrField(n, i32.and(i32.shrU(i32.wrap(m.gpr(o.rs)), placeOf(m, n)), i32.const(15)));
});

export const mfcr = insn("mfcr", "011111 rt:5 0 -:8 - 0000010011 -", "rt", (m, o) => {
  const { i32 } = m;
  let image = m.crField(i32.const(7));
  for (let n = 6; n >= 0; n--) image = i32.or(image, i32.shl(m.crField(i32.const(n)), i32.const(28 - 4 * n)));
  m.setGpr(o.rt, m.i64.extendU(image));
});

export const mfocrf = insn("mfocrf", "011111 rt:5 1 fxm:8 - 0000010011 -", "rt, fxm", (m, o) => {
  const n = namedField(m, o.fxm);
  m.setGpr(o.rt, m.i64.extendU(m.i32.shl(m.crField(n), placeOf(m, n))));
});

export const mcrxrx = insn("mcrxrx", "011111 bf:3 - - -:5 -:5 1001000000 -", "bf", (m, o) => {
  const { i32 } = m;
  const bits = [m.get("ov"), m.get("ov32"), m.get("ca"), m.get("ca32")];
  m.setCrField(
    o.bf,
    bits.reduce((field, bit) => i32.or(i32.shl(field, i32.const(1)), bit)),
  );
});

export const setb = insn("setb", "011111 rt:5 bfa:3 - - -:5 0010000000 -", "rt, bfa", (m, o) => {
  const { i32, i64 } = m;
  const field = m.crField(o.bfa);
  const less = i32.and(field, i32.const(8));
  const greater = i64.extendU(i32.and(i32.shrU(field, i32.const(2)), i32.const(1)));
  m.setGpr(o.rt, m.select<I64>(less, i64.const(-1), greater));
});

export const isel = insn("isel", "011111 rt:5 ra:5 rb:5 bc:5 01111 -", "rt, ra, rb, bc", (m, o) => {
  m.setGpr(o.rt, m.select(m.crBit(o.bc), m.gprOrZero(o.ra), m.gpr(o.rb)));
});

export const conditionRegisterInstructions = [
  crand,
  cror,
  crxor,
  crnand,
  crnor,
  creqv,
  crandc,
  crorc,
  mcrf,
  mtcrf,
  mtocrf,
  mfcr,
  mfocrf,
  mcrxrx,
  setb,
  isel,
];
