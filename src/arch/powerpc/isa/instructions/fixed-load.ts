/** Fixed-point loads. Source: Power ISA v3.0B, Book I "Fixed-Point Load Instructions" and those that follow it. */
import { modeAddress } from "../common.js";
import { insn } from "../insn.js";
import type { AccessOptions, AccessSize, I32, I64, Machine } from "../machine.js";

interface Displaced {
  readonly rt: I32;
  readonly ra: I32;
  readonly d: I32;
}
interface Indexed {
  readonly rt: I32;
  readonly ra: I32;
  readonly rb: I32;
}

/** Reads a value and widens it as the instruction wants. */
type Read = (m: Machine, ea: I64) => I64;
const zero =
  (size: AccessSize, options?: AccessOptions): Read =>
  (m, ea) =>
    m.load(ea, size, options);
const algebraic16: Read = (m, ea) => m.i64.extend16S(m.load(ea, 2));
const algebraic32: Read = (m, ea) => m.i64.extend32S(m.load(ea, 4));

const displaced =
  (read: Read) =>
  (m: Machine, o: Displaced): void => {
    m.setGpr(o.rt, read(m, m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.d))));
  };
const indexed =
  (read: Read) =>
  (m: Machine, o: Indexed): void => {
    m.setGpr(o.rt, read(m, m.i64.add(m.gprOrZero(o.ra), m.gpr(o.rb))));
  };

/** Load with update. RA = 0 and RA = RT are invalid forms; here RA is then register 0, and ends as the address. */
function update(m: Machine, rt: I32, ra: I32, read: Read, ea: I64): void {
  m.setGpr(rt, read(m, ea));
  m.setGpr(ra, modeAddress(m, ea));
}
const displacedUpdate =
  (read: Read) =>
  (m: Machine, o: Displaced): void => {
    update(m, o.rt, o.ra, read, m.i64.add(m.gpr(o.ra), m.i64.extendS(o.d)));
  };
const indexedUpdate =
  (read: Read) =>
  (m: Machine, o: Indexed): void => {
    update(m, o.rt, o.ra, read, m.i64.add(m.gpr(o.ra), m.gpr(o.rb)));
  };

const byteReversed = { byteReversed: true };

const plain = [
  insn("lbz", "100010 rt:5 ra:5 d:s16", "rt, d(ra)", displaced(zero(1))),
  insn("lbzu", "100011 rt:5 ra:5 d:s16", "rt, d(ra)", displacedUpdate(zero(1))),
  insn("lbzx", "011111 rt:5 ra:5 rb:5 0001010111 -", "rt, ra, rb", indexed(zero(1))),
  insn("lbzux", "011111 rt:5 ra:5 rb:5 0001110111 -", "rt, ra, rb", indexedUpdate(zero(1))),

  insn("lhz", "101000 rt:5 ra:5 d:s16", "rt, d(ra)", displaced(zero(2))),
  insn("lhzu", "101001 rt:5 ra:5 d:s16", "rt, d(ra)", displacedUpdate(zero(2))),
  insn("lhzx", "011111 rt:5 ra:5 rb:5 0100010111 -", "rt, ra, rb", indexed(zero(2))),
  insn("lhzux", "011111 rt:5 ra:5 rb:5 0100110111 -", "rt, ra, rb", indexedUpdate(zero(2))),

  insn("lha", "101010 rt:5 ra:5 d:s16", "rt, d(ra)", displaced(algebraic16)),
  insn("lhau", "101011 rt:5 ra:5 d:s16", "rt, d(ra)", displacedUpdate(algebraic16)),
  insn("lhax", "011111 rt:5 ra:5 rb:5 0101010111 -", "rt, ra, rb", indexed(algebraic16)),
  insn("lhaux", "011111 rt:5 ra:5 rb:5 0101110111 -", "rt, ra, rb", indexedUpdate(algebraic16)),

  insn("lwz", "100000 rt:5 ra:5 d:s16", "rt, d(ra)", displaced(zero(4))),
  insn("lwzu", "100001 rt:5 ra:5 d:s16", "rt, d(ra)", displacedUpdate(zero(4))),
  insn("lwzx", "011111 rt:5 ra:5 rb:5 0000010111 -", "rt, ra, rb", indexed(zero(4))),
  insn("lwzux", "011111 rt:5 ra:5 rb:5 0000110111 -", "rt, ra, rb", indexedUpdate(zero(4))),

  insn("lwa", "111010 rt:5 ra:5 d:s14*4 10", "rt, d(ra)", displaced(algebraic32)),
  insn("lwax", "011111 rt:5 ra:5 rb:5 0101010101 -", "rt, ra, rb", indexed(algebraic32)),
  insn("lwaux", "011111 rt:5 ra:5 rb:5 0101110101 -", "rt, ra, rb", indexedUpdate(algebraic32)),

  insn("ld", "111010 rt:5 ra:5 d:s14*4 00", "rt, d(ra)", displaced(zero(8))),
  insn("ldu", "111010 rt:5 ra:5 d:s14*4 01", "rt, d(ra)", displacedUpdate(zero(8))),
  insn("ldx", "011111 rt:5 ra:5 rb:5 0000010101 -", "rt, ra, rb", indexed(zero(8))),
  insn("ldux", "011111 rt:5 ra:5 rb:5 0000110101 -", "rt, ra, rb", indexedUpdate(zero(8))),

  insn("lhbrx", "011111 rt:5 ra:5 rb:5 1100010110 -", "rt, ra, rb", indexed(zero(2, byteReversed))),
  insn("lwbrx", "011111 rt:5 ra:5 rb:5 1000010110 -", "rt, ra, rb", indexed(zero(4, byteReversed))),
  insn("ldbrx", "011111 rt:5 ra:5 rb:5 1000010100 -", "rt, ra, rb", indexed(zero(8, byteReversed))),
];

/** The even register takes the more significant half in either byte order. An odd RTp is no instruction. */
export const lq = insn("lq", "111000 rtp:4*2 0 ra:5 dq:s12*16 -:4", "rtp, dq(ra)", (m, o) => {
  const ea = m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.dq));
  m.requireAlignment(ea, 16);
  const value = m.loadQuad(ea);
  m.setGpr(o.rtp, m.v128.high(value));
  m.setGpr(m.i32.add(o.rtp, m.i32.const(1)), m.v128.low(value));
});

// Several registers. In little-endian mode these raise Alignment, as the processors do.

export const lmw = insn("lmw", "101110 rt:5 ra:5 d:s16", "rt, d(ra)", (m, o) => {
  const { i32, i64 } = m;
  const ea = i64.add(m.gprOrZero(o.ra), i64.extendS(o.d));
  if (m.littleEndian) {
    m.raiseAlignment(ea);
    return;
  }
  m.repeat(i32.sub(i32.const(32), o.rt), (index) => {
    m.setGpr(i32.add(o.rt, index), m.load(i64.add(ea, i64.extendU(i32.shl(index, i32.const(2)))), 4));
  });
});

/**
 * Bytes into the low words of successive registers from RT on, wrapping after 31, the last filled up with zeros. A form
 * that would load a register it takes its address from is invalid; `isInvalid` says whether it is one, given a test for
 * a register being among those loaded.
 */
function loadString(m: Machine, rt: I32, ea: I64, count: I32, isInvalid: (loads: (register: I32) => I32) => I32): void {
  const { i32, i64 } = m;
  if (m.littleEndian) {
    m.raiseAlignment(ea);
    return;
  }
  const registers = i32.shrU(i32.add(count, i32.const(3)), i32.const(2));
  const loads = (register: I32) => i32.ltU(i32.and(i32.sub(register, rt), i32.const(31)), registers);
  m.if(isInvalid(loads), () => m.raise("illegal"));
  m.repeat(count, (index) => {
    const register = i32.and(i32.add(rt, i32.shrU(index, i32.const(2))), i32.const(31));
    const place = i32.and(index, i32.const(3));
    const shift = i64.extendU(i32.sub(i32.const(24), i32.shl(place, i32.const(3))));
    const byte = i64.shl(m.load(i64.add(ea, i64.extendU(index)), 1), shift);
    m.setGpr(register, i64.or(m.select(place, m.gpr(register), i64.const(0)), byte));
  });
}

export const lswi = insn("lswi", "011111 rt:5 ra:5 nb:5 1001010101 -", "rt, ra, nb", (m, o) => {
  const count = m.select(o.nb, o.nb, m.i32.const(32));
  // RA = 0 too, though it stands for no register then.
  loadString(m, o.rt, m.gprOrZero(o.ra), count, (loads) => loads(o.ra));
});

export const lswx = insn("lswx", "011111 rt:5 ra:5 rb:5 1000010101 -", "rt, ra, rb", { interpreted: true }, (m, o) => {
  const { i32, i64 } = m;
  const count = i32.and(i32.wrap(m.get("xerRest")), i32.const(0x7f));
  const ea = i64.add(m.gprOrZero(o.ra), m.gpr(o.rb));
  loadString(m, o.rt, ea, count, (loads) => i32.or(i32.and(i32.ne(o.ra, i32.const(0)), loads(o.ra)), loads(o.rb)));
});

/** Loads that bypass the caches are the hypervisor's. */
const uncached = [
  insn("lbzcix", "011111 rt:5 ra:5 rb:5 1101010101 -", "rt, ra, rb", { privileged: "hypervisor" }, () => {}),
  insn("lhzcix", "011111 rt:5 ra:5 rb:5 1100110101 -", "rt, ra, rb", { privileged: "hypervisor" }, () => {}),
  insn("lwzcix", "011111 rt:5 ra:5 rb:5 1100010101 -", "rt, ra, rb", { privileged: "hypervisor" }, () => {}),
  insn("ldcix", "011111 rt:5 ra:5 rb:5 1101110101 -", "rt, ra, rb", { privileged: "hypervisor" }, () => {}),
];

export const fixedLoadInstructions = [...plain, lq, lmw, lswi, lswx, ...uncached];
