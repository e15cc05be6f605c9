/**
 * Pairs of registers, and elements at a register's right end, to and from storage, all of v3.1.
 * Source: Power ISA v3.1B, Book I "VSX Load Instructions", "VSX Store Instructions".
 */
import { insn } from "../insn.js";
import { since } from "../levels.js";
import type { I32, I64, Machine } from "../machine.js";
import { bits } from "../vector-forms.js";
import { indexed } from "../vsx-forms.js";

const loads = { facility: "vsx" } as const;
const stores = { facility: "vsx" } as const;

/** Where the pair's first register is in storage: in front, or in little-endian mode behind. */
const [front, behind] = [0, 16];
const parts = (m: Machine): readonly [number, number] => (m.littleEndian ? [behind, front] : [front, behind]);

export function loadPair(m: Machine, xt: I32, ea: I64): void {
  const [first, second] = parts(m).map((at) => m.loadQuad(m.i64.add(ea, m.i64.const(at))));
  if (!first || !second) return;
  m.setVsr(xt, first);
  m.setVsr(m.i32.add(xt, m.i32.const(1)), second);
}

export function storePair(m: Machine, xs: I32, ea: I64): void {
  const [first, second] = parts(m);
  const registers = [
    [first, m.vsr(xs)],
    [second, m.vsr(m.i32.add(xs, m.i32.const(1)))],
  ] as const;
  for (const [at, value] of registers) m.storeQuad(m.i64.add(ea, m.i64.const(at)), value);
}

const displaced = (m: Machine, ra: I32, dq: I32): I64 => m.i64.add(m.gprOrZero(ra), m.i64.extendS(dq));

function loadRight(name: string, xo: number, size: 1 | 2 | 4 | 8) {
  return insn(name, `011111 xt:5 ra:5 rb:5 ${bits(xo, 10)} xt:1@5`, "xt, ra, rb", loads, (m, o) =>
    m.setVsr(o.xt, m.v128.make(m.i64.const(0), m.load(indexed(m, o.ra, o.rb), size))),
  );
}

function storeRight(name: string, xo: number, size: 1 | 2 | 4 | 8) {
  return insn(name, `011111 xs:5 ra:5 rb:5 ${bits(xo, 10)} xs:1@5`, "xs, ra, rb", stores, (m, o) =>
    m.store(indexed(m, o.ra, o.rb), size, m.v128.low(m.vsr(o.xs))),
  );
}

export const vsxPairStorageInstructions = since("3.1", [
  insn("lxvp", "000110 xt:4@1 xt:1@5 ra:5 dq:s12*16 0000", "xt, dq(ra)", loads, (m, o) =>
    loadPair(m, o.xt, displaced(m, o.ra, o.dq)),
  ),
  insn("stxvp", "000110 xs:4@1 xs:1@5 ra:5 dq:s12*16 0001", "xs, dq(ra)", stores, (m, o) =>
    storePair(m, o.xs, displaced(m, o.ra, o.dq)),
  ),
  insn("lxvpx", "011111 xt:4@1 xt:1@5 ra:5 rb:5 0101001101 -", "xt, ra, rb", loads, (m, o) =>
    loadPair(m, o.xt, indexed(m, o.ra, o.rb)),
  ),
  insn("stxvpx", "011111 xs:4@1 xs:1@5 ra:5 rb:5 0111001101 -", "xs, ra, rb", stores, (m, o) =>
    storePair(m, o.xs, indexed(m, o.ra, o.rb)),
  ),
  loadRight("lxvrbx", 13, 1),
  loadRight("lxvrhx", 45, 2),
  loadRight("lxvrwx", 77, 4),
  loadRight("lxvrdx", 109, 8),
  storeRight("stxvrbx", 141, 1),
  storeRight("stxvrhx", 173, 2),
  storeRight("stxvrwx", 205, 4),
  storeRight("stxvrdx", 237, 8),
]);
