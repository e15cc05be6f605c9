/**
 * Reservations and atomic memory operations.
 * Source: Power ISA v3.0B, Book II "Atomic Update Instructions".
 */
import { modeAddress } from "../common.js";
import { insn } from "../insn.js";
import type { AccessSize, I32, I64, Machine } from "../machine.js";

interface Indexed {
  readonly ra: I32;
  readonly rb: I32;
}
const address = (m: Machine, o: Indexed): I64 => m.i64.add(m.gprOrZero(o.ra), m.gpr(o.rb));
const next = (m: Machine, register: I32, by = 1): I32 =>
  m.i32.and(m.i32.add(register, m.i32.const(by)), m.i32.const(31));

// Load and reserve, store conditional. EH is a hint.

const reserve =
  (size: AccessSize) =>
  (m: Machine, o: Indexed & { readonly rt: I32 }): void => {
    m.setGpr(o.rt, m.loadReserve(address(m, o), size));
  };

/** CR0 tells whether the store was performed. */
function recordStored(m: Machine, stored: I32): void {
  m.setCrField(m.i32.const(0), m.i32.or(m.i32.shl(stored, m.i32.const(1)), m.get("so")));
}
const conditional =
  (size: AccessSize) =>
  (m: Machine, o: Indexed & { readonly rs: I32 }): void => {
    recordStored(m, m.storeConditional(address(m, o), size, m.gpr(o.rs)));
  };

const reservations = [
  insn("lbarx", "011111 rt:5 ra:5 rb:5 0000110100 eh:1", "rt, ra, rb, eh", reserve(1)),
  insn("lharx", "011111 rt:5 ra:5 rb:5 0001110100 eh:1", "rt, ra, rb, eh", reserve(2)),
  insn("lwarx", "011111 rt:5 ra:5 rb:5 0000010100 eh:1", "rt, ra, rb, eh", reserve(4)),
  insn("ldarx", "011111 rt:5 ra:5 rb:5 0001010100 eh:1", "rt, ra, rb, eh", reserve(8)),
  insn("lqarx", "011111 rtp:4*2 0 ra:5 rb:5 0100010100 eh:1", "rtp, ra, rb, eh", (m, o) => {
    const value = m.loadReserveQuad(address(m, o));
    m.setGpr(o.rtp, m.v128.high(value));
    m.setGpr(next(m, o.rtp), m.v128.low(value));
  }),
  insn("stbcx.", "011111 rs:5 ra:5 rb:5 1010110110 1", "rs, ra, rb", conditional(1)),
  insn("sthcx.", "011111 rs:5 ra:5 rb:5 1011010110 1", "rs, ra, rb", conditional(2)),
  insn("stwcx.", "011111 rs:5 ra:5 rb:5 0010010110 1", "rs, ra, rb", conditional(4)),
  insn("stdcx.", "011111 rs:5 ra:5 rb:5 0011010110 1", "rs, ra, rb", conditional(8)),
  insn("stqcx.", "011111 rsp:4*2 0 ra:5 rb:5 0010110110 1", "rsp, ra, rb", (m, o) => {
    const value = m.v128.make(m.gpr(o.rsp), m.gpr(next(m, o.rsp)));
    recordStored(m, m.storeConditionalQuad(address(m, o), value));
  }),
];

// Atomic memory operations: FC says which. Operands beyond RT are the registers after it.

/** Bit n: function code n is defined. */
const loadFunctions = 0x1ff | (1 << 16) | (1 << 24) | (1 << 25) | (1 << 28);
const storeFunctions = 0xff | (1 << 24);

function withFunction(m: Machine, fc: I32, defined: number, body: () => void): void {
  const { i32 } = m;
  const valid = i32.and(i32.shrU(i32.const(defined), fc), i32.const(1));
  m.if(valid, body, () => m.raise("illegal"));
}

const loadAtomic =
  (size: 4 | 8) =>
  (m: Machine, o: { rt: I32; ra: I32; fc: I32 }): void => {
    const { i32 } = m;
    const ea = modeAddress(m, m.gprOrZero(o.ra));
    m.requireAlignment(ea, size);
    withFunction(m, o.fc, loadFunctions, () => {
      const first = m.gpr(next(m, o.rt));
      const second = m.gpr(next(m, o.rt, 2));
      const order = i32.const(m.littleEndian ? 0 : 1);
      m.setGpr(o.rt, m.call("atomicLoadOperation", ea, i32.const(size), o.fc, first, second, order));
    });
  };

const storeAtomic =
  (size: 4 | 8) =>
  (m: Machine, o: { rs: I32; ra: I32; fc: I32 }): void => {
    const { i32 } = m;
    const ea = modeAddress(m, m.gprOrZero(o.ra));
    m.requireAlignment(ea, size);
    withFunction(m, o.fc, storeFunctions, () => {
      m.call("atomicStoreOperation", ea, i32.const(size), o.fc, m.gpr(o.rs), i32.const(m.littleEndian ? 0 : 1));
    });
  };

const memoryOperations = [
  insn("lwat", "011111 rt:5 ra:5 fc:5 1001000110 -", "rt, ra, fc", loadAtomic(4)),
  insn("ldat", "011111 rt:5 ra:5 fc:5 1001100110 -", "rt, ra, fc", loadAtomic(8)),
  insn("stwat", "011111 rs:5 ra:5 fc:5 1011000110 -", "rs, ra, fc", storeAtomic(4)),
  insn("stdat", "011111 rs:5 ra:5 fc:5 1011100110 -", "rs, ra, fc", storeAtomic(8)),
];

export const atomicInstructions = [...reservations, ...memoryOperations];
