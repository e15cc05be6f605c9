/**
 * Prefixed loads, stores and the addition of an immediate, all of v3.1: a displacement of 34 bits, off a register or, with
 * R, off the instruction's own address.
 * Source: Power ISA v3.1B, Book I "Fixed-Point Load Instructions" and those that follow it, "Floating-Point Load
 * Instructions", "VSX Load Instructions", and their stores.
 */

import { float } from "../float-forms.js";
import { type InsnDefinition, type InsnOptions, insn } from "../insn.js";
import { since } from "../levels.js";
import type { AccessSize, I32, I64, Machine } from "../machine.js";
import { eightLsPrefix, mlsPrefix, prefixedSum } from "../prefixed-forms.js";
import { doubleFromSingle, singleFromDouble, widenSingle } from "../single-precision.js";
import { bits } from "../vector-forms.js";
import { loadPair, storePair } from "./vsx-pair-storage.js";

/** Moves one register from or to storage. */
type Access = (m: Machine, register: I32, ea: I64) => void;

const vector = { facility: "vector" } as const;
const vsx = { facility: "vsx" } as const;

/** What stands in front of `ra:5` in the suffix, and the register's name there. */
interface Place {
  readonly prefix: string;
  readonly register: "rt" | "rs" | "rtp" | "rsp" | "frt" | "frs" | "vrt" | "vrs" | "xt" | "xs";
  readonly suffix: string;
}

function access(name: string, { prefix, register, suffix }: Place, options: InsnOptions, move: Access): InsnDefinition {
  const pattern = `${prefix} | ${suffix} ra:5 d:16` as `r:1 d:w18 ${typeof register}:5 ra:5`;
  return insn(name, pattern, `${register}, d(ra), r`, options, (m, o) => {
    const operands: Readonly<Record<string, I32 | I64>> = o;
    move(m, operands[register] as I32, prefixedSum(m, o));
  });
}

/** A register of five bits behind the primary opcode. */
const plain = (prefix: string, opcode: number, register: Place["register"]): Place => ({
  prefix,
  register,
  suffix: `${bits(opcode, 6)} ${register}:5`,
});
/** An even register, as they are numbered; an odd one is no instruction. */
const even = (opcode: number, register: "rtp" | "rsp"): Place => ({
  prefix: eightLsPrefix,
  register,
  suffix: `${bits(opcode, 6)} ${register}:4*2 0`,
});

const load =
  (size: AccessSize): Access =>
  (m, rt, ea) =>
    m.setGpr(rt, m.load(ea, size));
const store =
  (size: AccessSize): Access =>
  (m, rs, ea) =>
    m.store(ea, size, m.gpr(rs));

const next = (m: Machine, register: I32): I32 => m.i32.add(register, m.i32.const(1));

/** Unlike lq, in little-endian mode the even register takes the doubleword at the lower address. */
const loadQuad: Access = (m, rtp, ea) => {
  m.requireAlignment(ea, 16);
  const value = m.loadQuad(ea);
  m.setGpr(rtp, m.littleEndian ? m.v128.low(value) : m.v128.high(value));
  m.setGpr(next(m, rtp), m.littleEndian ? m.v128.high(value) : m.v128.low(value));
};
const storeQuad: Access = (m, rsp, ea) => {
  m.requireAlignment(ea, 16);
  const [first, second] = [m.gpr(rsp), m.gpr(next(m, rsp))];
  m.storeQuad(ea, m.littleEndian ? m.v128.make(second, first) : m.v128.make(first, second));
};

const scalar = (m: Machine, vrt: I32, value: I64): void => m.setVr(vrt, m.v128.make(value, m.i64.const(0)));

export const paddi = insn(
  "paddi",
  `${mlsPrefix} | 001110 rt:5 ra:5 d:16` as "000001 10 0 - - r:1 - - d:w18@16 | 001110 rt:5 ra:5 d:16",
  "rt, ra, d, r",
  (m, o) => m.setGpr(o.rt, prefixedSum(m, o)),
);

export const prefixedStorageInstructions = since("3.1", [
  paddi,
  access("plbz", plain(mlsPrefix, 34, "rt"), {}, load(1)),
  access("plhz", plain(mlsPrefix, 40, "rt"), {}, load(2)),
  access("plha", plain(mlsPrefix, 42, "rt"), {}, (m, rt, ea) => m.setGpr(rt, m.i64.extend16S(m.load(ea, 2)))),
  access("plwz", plain(mlsPrefix, 32, "rt"), {}, load(4)),
  access("plwa", plain(eightLsPrefix, 41, "rt"), {}, (m, rt, ea) => m.setGpr(rt, m.i64.extend32S(m.load(ea, 4)))),
  access("pld", plain(eightLsPrefix, 57, "rt"), {}, load(8)),
  access("plq", even(56, "rtp"), {}, loadQuad),
  access("pstb", plain(mlsPrefix, 38, "rs"), {}, store(1)),
  access("psth", plain(mlsPrefix, 44, "rs"), {}, store(2)),
  access("pstw", plain(mlsPrefix, 36, "rs"), {}, store(4)),
  access("pstd", plain(eightLsPrefix, 61, "rs"), {}, store(8)),
  access("pstq", even(60, "rsp"), {}, storeQuad),

  access("plfs", plain(mlsPrefix, 48, "frt"), float, (m, frt, ea) =>
    widenSingle(m, m.load(ea, 4), (value) => m.setDouble(frt, value)),
  ),
  access("plfd", plain(mlsPrefix, 50, "frt"), float, (m, frt, ea) => m.setFpr(frt, m.load(ea, 8))),
  access("pstfs", plain(mlsPrefix, 52, "frs"), float, (m, frs, ea) => m.store(ea, 4, singleFromDouble(m, m.fpr(frs)))),
  access("pstfd", plain(mlsPrefix, 54, "frs"), float, (m, frs, ea) => m.store(ea, 8, m.fpr(frs))),

  access("plxsd", plain(eightLsPrefix, 42, "vrt"), vector, (m, vrt, ea) => scalar(m, vrt, m.load(ea, 8))),
  access("plxssp", plain(eightLsPrefix, 43, "vrt"), vector, (m, vrt, ea) =>
    scalar(m, vrt, doubleFromSingle(m, m.load(ea, 4))),
  ),
  access("pstxsd", plain(eightLsPrefix, 46, "vrs"), vector, (m, vrs, ea) => m.store(ea, 8, m.v128.high(m.vr(vrs)))),
  access("pstxssp", plain(eightLsPrefix, 47, "vrs"), vector, (m, vrs, ea) =>
    m.store(ea, 4, singleFromDouble(m, m.v128.high(m.vr(vrs)))),
  ),
  access(
    "plxv",
    { prefix: eightLsPrefix, register: "xt", suffix: "11001 xt:1@5 xt:5" },
    { ...vsx, vectorIfHigh: "xt" },
    (m, xt, ea) => m.setVsr(xt, m.loadQuad(ea)),
  ),
  access(
    "pstxv",
    { prefix: eightLsPrefix, register: "xs", suffix: "11011 xs:1@5 xs:5" },
    { ...vsx, vectorIfHigh: "xs" },
    (m, xs, ea) => m.storeQuad(ea, m.vsr(xs)),
  ),
  access("plxvp", { prefix: eightLsPrefix, register: "xt", suffix: "111010 xt:4@1 xt:1@5" }, vsx, loadPair),
  access("pstxvp", { prefix: eightLsPrefix, register: "xs", suffix: "111110 xs:4@1 xs:1@5" }, vsx, storePair),
]);
