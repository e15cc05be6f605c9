/** Fixed-point stores. Source: Power ISA v3.0B, Book I "Fixed-Point Store Instructions" and those that follow it. */
import { modeAddress } from "../common.js";
import { insn } from "../insn.js";
import type { AccessOptions, AccessSize, I32, I64, Machine } from "../machine.js";

interface Displaced {
  readonly rs: I32;
  readonly ra: I32;
  readonly d: I32;
}
interface Indexed {
  readonly rs: I32;
  readonly ra: I32;
  readonly rb: I32;
}

const displaced =
  (size: AccessSize) =>
  (m: Machine, o: Displaced): void => {
    m.store(m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.d)), size, m.gpr(o.rs));
  };
const indexed =
  (size: AccessSize, options?: AccessOptions) =>
  (m: Machine, o: Indexed): void => {
    m.store(m.i64.add(m.gprOrZero(o.ra), m.gpr(o.rb)), size, m.gpr(o.rs), options);
  };

/** Store with update. RA = 0 is an invalid form; here it is then register 0. */
function update(m: Machine, size: AccessSize, rs: I32, ra: I32, ea: I64): void {
  m.store(ea, size, m.gpr(rs));
  m.setGpr(ra, modeAddress(m, ea));
}
const displacedUpdate =
  (size: AccessSize) =>
  (m: Machine, o: Displaced): void => {
    update(m, size, o.rs, o.ra, m.i64.add(m.gpr(o.ra), m.i64.extendS(o.d)));
  };
const indexedUpdate =
  (size: AccessSize) =>
  (m: Machine, o: Indexed): void => {
    update(m, size, o.rs, o.ra, m.i64.add(m.gpr(o.ra), m.gpr(o.rb)));
  };

const byteReversed = { byteReversed: true };

const plain = [
  insn("stb", "100110 rs:5 ra:5 d:s16", "rs, d(ra)", displaced(1)),
  insn("stbu", "100111 rs:5 ra:5 d:s16", "rs, d(ra)", displacedUpdate(1)),
  insn("stbx", "011111 rs:5 ra:5 rb:5 0011010111 -", "rs, ra, rb", indexed(1)),
  insn("stbux", "011111 rs:5 ra:5 rb:5 0011110111 -", "rs, ra, rb", indexedUpdate(1)),

  insn("sth", "101100 rs:5 ra:5 d:s16", "rs, d(ra)", displaced(2)),
  insn("sthu", "101101 rs:5 ra:5 d:s16", "rs, d(ra)", displacedUpdate(2)),
  insn("sthx", "011111 rs:5 ra:5 rb:5 0110010111 -", "rs, ra, rb", indexed(2)),
  insn("sthux", "011111 rs:5 ra:5 rb:5 0110110111 -", "rs, ra, rb", indexedUpdate(2)),

  insn("stw", "100100 rs:5 ra:5 d:s16", "rs, d(ra)", displaced(4)),
  insn("stwu", "100101 rs:5 ra:5 d:s16", "rs, d(ra)", displacedUpdate(4)),
  insn("stwx", "011111 rs:5 ra:5 rb:5 0010010111 -", "rs, ra, rb", indexed(4)),
  insn("stwux", "011111 rs:5 ra:5 rb:5 0010110111 -", "rs, ra, rb", indexedUpdate(4)),

  insn("std", "111110 rs:5 ra:5 d:s14*4 00", "rs, d(ra)", displaced(8)),
  insn("stdu", "111110 rs:5 ra:5 d:s14*4 01", "rs, d(ra)", displacedUpdate(8)),
  insn("stdx", "011111 rs:5 ra:5 rb:5 0010010101 -", "rs, ra, rb", indexed(8)),
  insn("stdux", "011111 rs:5 ra:5 rb:5 0010110101 -", "rs, ra, rb", indexedUpdate(8)),

  insn("sthbrx", "011111 rs:5 ra:5 rb:5 1110010110 -", "rs, ra, rb", indexed(2, byteReversed)),
  insn("stwbrx", "011111 rs:5 ra:5 rb:5 1010010110 -", "rs, ra, rb", indexed(4, byteReversed)),
  insn("stdbrx", "011111 rs:5 ra:5 rb:5 1010010100 -", "rs, ra, rb", indexed(8, byteReversed)),
];

/** The even register holds the more significant half in either byte order. An odd RSp is no instruction. */
export const stq = insn("stq", "111110 rsp:4*2 0 ra:5 d:s14*4 10", "rsp, d(ra)", (m, o) => {
  const ea = m.i64.add(m.gprOrZero(o.ra), m.i64.extendS(o.d));
  m.requireAlignment(ea, 16);
  m.storeQuad(ea, m.v128.make(m.gpr(o.rsp), m.gpr(m.i32.add(o.rsp, m.i32.const(1)))));
});

// Several registers. In little-endian mode these raise Alignment, as the processors do.

export const stmw = insn("stmw", "101111 rs:5 ra:5 d:s16", "rs, d(ra)", (m, o) => {
  const { i32, i64 } = m;
  const ea = i64.add(m.gprOrZero(o.ra), i64.extendS(o.d));
  if (m.littleEndian) {
    m.raiseAlignment(ea);
    return;
  }
  m.repeat(i32.sub(i32.const(32), o.rs), (index) => {
    m.store(i64.add(ea, i64.extendU(i32.shl(index, i32.const(2)))), 4, m.gpr(i32.add(o.rs, index)));
  });
});

/** Bytes from the low words of successive registers from RS on, wrapping after 31. */
function storeString(m: Machine, rs: I32, ea: I64, count: I32): void {
  const { i32, i64 } = m;
  if (m.littleEndian) {
    m.raiseAlignment(ea);
    return;
  }
  m.repeat(count, (index) => {
    const register = i32.and(i32.add(rs, i32.shrU(index, i32.const(2))), i32.const(31));
    const shift = i32.sub(i32.const(24), i32.shl(i32.and(index, i32.const(3)), i32.const(3)));
    m.store(i64.add(ea, i64.extendU(index)), 1, i64.shrU(m.gpr(register), i64.extendU(shift)));
  });
}

export const stswi = insn("stswi", "011111 rs:5 ra:5 nb:5 1011010101 -", "rs, ra, nb", (m, o) => {
  storeString(m, o.rs, m.gprOrZero(o.ra), m.select(o.nb, o.nb, m.i32.const(32)));
});

export const stswx = insn(
  "stswx",
  "011111 rs:5 ra:5 rb:5 1010010101 -",
  "rs, ra, rb",
  { interpreted: true },
  (m, o) => {
    const { i32, i64 } = m;
    const count = i32.and(i32.wrap(m.get("xerRest")), i32.const(0x7f));
    storeString(m, o.rs, i64.add(m.gprOrZero(o.ra), m.gpr(o.rb)), count);
  },
);

/** Stores that bypass the caches are the hypervisor's. */
const uncached = [
  insn("stbcix", "011111 rs:5 ra:5 rb:5 1111010101 -", "rs, ra, rb", { privileged: "hypervisor" }, () => {}),
  insn("sthcix", "011111 rs:5 ra:5 rb:5 1110110101 -", "rs, ra, rb", { privileged: "hypervisor" }, () => {}),
  insn("stwcix", "011111 rs:5 ra:5 rb:5 1110010101 -", "rs, ra, rb", { privileged: "hypervisor" }, () => {}),
  insn("stdcix", "011111 rs:5 ra:5 rb:5 1111110101 -", "rs, ra, rb", { privileged: "hypervisor" }, () => {}),
];

export const fixedStoreInstructions = [...plain, stq, stmw, stswi, stswx, ...uncached];
