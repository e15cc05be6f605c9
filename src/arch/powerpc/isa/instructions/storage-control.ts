/**
 * Caches, ordering and translation look-aside buffers.
 * Source: Power ISA v3.0B, Book II "Storage Control Instructions", Book III "Storage Control Instructions".
 */
import { insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";

interface Indexed {
  readonly ra: I32;
  readonly rb: I32;
}
const address = (m: Machine, o: Indexed): I64 => m.i64.add(m.gprOrZero(o.ra), m.gpr(o.rb));
const nothing = (): void => {};

// Data cache. There is none to flush, but an address that may not be read still faults.

const touchAsLoad = (m: Machine, o: Indexed): void => {
  m.load(address(m, o), 1);
};

const caches = [
  insn("dcbt", "011111 th:5 ra:5 rb:5 0100010110 -", "ra, rb, th", nothing),
  insn("dcbtst", "011111 th:5 ra:5 rb:5 0011110110 -", "ra, rb, th", nothing),
  insn("dcbst", "011111 -:5 ra:5 rb:5 0000110110 -", "ra, rb", touchAsLoad),
  // L = 0, 1 (dcbfl) or 3 (dcbflp) says from which caches; 2 is no instruction.
  insn("dcbf", "011111 - - - 0 l:1 ra:5 rb:5 0001010110 -", "ra, rb, l", touchAsLoad),
  insn("dcbflp", "011111 - - - 11 ra:5 rb:5 0001010110 -", "ra, rb", touchAsLoad),
  insn("dcbz", "011111 -:5 ra:5 rb:5 1111110110 -", "ra, rb", (m, o) => m.zeroBlock(address(m, o))),
  insn("icbi", "011111 -:5 ra:5 rb:5 1111010110 -", "ra, rb", (m, o) => {
    m.call("invalidateInstructionBlock", address(m, o));
  }),
  insn("icbt", "011111 - ct:4 ra:5 rb:5 0000010110 -", "ct, ra, rb", nothing),
];

// Ordering.

const ordering = [
  /** L = 0 hwsync, 1 lwsync. */
  insn("sync", "011111 - - - 0 l:1 -:5 -:5 1001010110 -", "l", (m) => m.fence()),
  insn("ptesync", "011111 - - - 10 -:5 -:5 1001010110 -", "", { privileged: "supervisor" }, (m) => {
    m.fence();
    m.call("synchronizeTranslations");
  }),
  insn("eieio", "011111 -:5 -:5 -:5 1101010110 -", "", (m) => m.fence()),
  // What a program changes in its own context takes effect at once, but code that was written may have been translated.
  insn("isync", "010011 -:5 -:5 -:5 0010010110 -", "", (m) => m.call("synchronizeContext")),
];

// Copy and paste: no accelerator is there to paste to, so every paste fails and the program takes its other way.

const accelerators = [
  insn("copy", "011111 - - - - 1 ra:5 rb:5 1100000110 -", "ra, rb", (m, o) => {
    const ea = address(m, o);
    m.requireAlignment(ea, 128);
    m.load(ea, 8);
  }),
  insn("paste.", "011111 - - - - 1 ra:5 rb:5 1110000110 1", "ra, rb", (m, o) => {
    m.requireAlignment(address(m, o), 128);
    m.setCrField(m.i32.const(0), m.get("so"));
  }),
  insn("cpabort", "011111 -:5 -:5 -:5 1101000110 -", "", nothing),
];

// Look-aside buffers.

const supervisor = { privileged: "supervisor" } as const;

const translations = [
  insn("tlbie", "011111 rs:5 - ric:2 prs:1 r:1 rb:5 0100110010 -", "rb, rs, ric, prs, r", supervisor, (m, o) => {
    m.call("tlbInvalidateEntry", m.gpr(o.rb), m.gpr(o.rs), o.ric, o.prs, o.r);
  }),
  insn("tlbiel", "011111 rs:5 - ric:2 prs:1 r:1 rb:5 0100010010 -", "rb, rs, ric, prs, r", supervisor, (m, o) => {
    m.call("tlbInvalidateEntryLocal", m.gpr(o.rb), m.gpr(o.rs), o.ric, o.prs, o.r);
  }),
  insn("tlbsync", "011111 -:5 -:5 -:5 1000110110 -", "", supervisor, (m) => m.call("synchronizeTranslations")),
  insn("slbie", "011111 -:5 -:5 rb:5 0110110010 -", "rb", supervisor, (m, { rb }) => {
    m.call("slbInvalidateEntry", m.gpr(rb));
  }),
  insn("slbieg", "011111 rs:5 -:5 rb:5 0111010010 -", "rs, rb", supervisor, (m, { rb }) => {
    m.call("slbInvalidateEntry", m.gpr(rb));
  }),
  insn("slbia", "011111 - - ih:3 -:5 -:5 0111110010 -", "ih", supervisor, (m, { ih }) =>
    m.call("slbInvalidateAll", ih),
  ),
  insn("slbmte", "011111 rs:5 -:5 rb:5 0110010010 -", "rs, rb", supervisor, (m, { rs, rb }) => {
    m.call("slbMoveTo", m.gpr(rs), m.gpr(rb));
  }),
  insn("slbmfee", "011111 rt:5 -:5 rb:5 1110010011 -", "rt, rb", supervisor, (m, { rt, rb }) => {
    m.setGpr(rt, m.call("slbMoveFromEsid", m.gpr(rb)));
  }),
  insn("slbmfev", "011111 rt:5 -:5 rb:5 1101010011 -", "rt, rb", supervisor, (m, { rt, rb }) => {
    m.setGpr(rt, m.call("slbMoveFromVsid", m.gpr(rb)));
  }),
  insn("slbfee.", "011111 rt:5 -:5 rb:5 1111010011 1", "rt, rb", supervisor, (m, { rt, rb }) => {
    const found = m.call("slbFound", m.gpr(rb));
    m.setGpr(rt, m.call("slbFindVsid", m.gpr(rb)));
    m.setCrField(m.i32.const(0), m.i32.or(m.i32.shl(found, m.i32.const(1)), m.get("so")));
  }),
  insn("slbsync", "011111 -:5 -:5 -:5 0101010010 -", "", supervisor, nothing),
];

export const storageControlInstructions = [...caches, ...ordering, ...accelerators, ...translations];
