/** Cases for supervisor state: any user instruction under a random MSR, and the instructions that only a supervisor has. */
import { assembleWord } from "../../src/arch/powerpc/isa/assembler.js";
import type { Candidate, Case, CaseGenerator } from "./generate.js";
import { integer, type Random } from "./random.js";
import { offsets, State } from "./record.js";
import { kernelMsr, supervisorOffsets, supervisorRecordSize } from "./supervisor-kernel.js";

const msr = {
  sf: 1n << 63n,
  vec: 1n << 25n,
  vsx: 1n << 23n,
  ee: 1n << 15n,
  fp: 1n << 13n,
  fe0: 1n << 11n,
  fe1: 1n << 8n,
} as const;

/**
 * MSR bits that a case may change. Not among them: IR and DR (there are no translations), PR (which sets them), LE and SE (the
 * end of the case could not be run), TM's.
 */
const free = msr.sf | msr.vec | msr.vsx | msr.ee | msr.fp | msr.fe0 | msr.fe1 | 0x6n; // PMM, RI

/** Registers that keep what is written but for bits that do not exist. */
const registers = [
  ["srr0", 26],
  ["srr1", 27],
  ["dar", 19],
  ["dsisr", 18],
  ["sprg0", 272],
  ["sprg1", 273],
  ["dscr", 17],
  ["vrsave", 256],
  ["tar", 815],
  ["lr", 8],
  ["ctr", 9],
  ["xer", 1],
] as const;

type Maker = (random: Random, state: State, address: number) => { mnemonic: string; words: number[] };

/** The state's register, set to an odd value of any kind. */
const value = (random: Random, state: State, register: number) => state.setGpr(register, integer(random));

const makers: readonly Maker[] = [
  (random, state) => {
    const [name, number] = random.pick(registers);
    const [rs, rt] = [random.below(32), random.below(32)];
    // DSISR and VRSAVE have 32 bits; QEMU keeps 64.
    state.setGpr(rs, name === "dsisr" || name === "vrsave" ? BigInt(random.u32()) : integer(random));
    const words = [assembleWord(`mtspr ${number}, r${rs}`), assembleWord(`mfspr r${rt}, ${number}`)];
    return { mnemonic: `mtspr, mfspr ${name}`, words };
  },
  (random) => ({ mnemonic: "mfmsr", words: [assembleWord(`mfmsr r${random.below(32)}`)] }),
  (random, state) => {
    const [rs, rt, l] = [random.below(32), random.below(32), random.below(2)];
    state.setGpr(rs, (kernelMsr & ~free) | (random.u64() & free));
    const name = random.pick(["mtmsr", "mtmsrd"]);
    return { mnemonic: name, words: [assembleWord(`${name} r${rs}, ${l}`), assembleWord(`mfmsr r${rt}`)] };
  },
  (random, state, address) => {
    const [a, b] = [3, 4];
    state.setGpr(a, BigInt(address + 12 + random.below(4)));
    state.setGpr(b, (kernelMsr & ~free) | (random.u64() & free) | (random.u64() & 0x783f0000n & ~0x0280_0000n));
    return {
      mnemonic: "rfid",
      words: [`mtspr 26, r${a}`, `mtspr 27, r${b}`, "rfid", `mfmsr r${random.below(32)}`].map((text) =>
        assembleWord(text),
      ),
    };
  },
  (random, state) => {
    const [ra, rb] = [random.below(32), random.below(32)];
    value(random, state, ra);
    value(random, state, rb);
    const text = random.pick([
      `tw ${random.below(32)}, r${ra}, r${rb}`,
      `td ${random.below(32)}, r${ra}, r${rb}`,
      `twi ${random.below(32)}, r${ra}, ${random.below(65536) - 32768}`,
      `tdi ${random.below(32)}, r${ra}, ${random.below(65536) - 32768}`,
    ]);
    return { mnemonic: text.split(" ")[0] as string, words: [assembleWord(text)] };
  },
  (random, state) => {
    state.set(offsets.fpscr, 0x10n); // ZE
    state.setVsr(2, [random.u64() & ~(0x7ffn << 52n), 0n]);
    state.setVsr(3, [random.pick([0n, 1n << 63n]), 0n]);
    return { mnemonic: "fdiv, enabled", words: [assembleWord(`fdiv f${1 + random.below(8)}, f2, f3`)] };
  },
  () => ({ mnemonic: "sc", words: [assembleWord("sc 0")] }),
  (random, state) => {
    state.setGpr(3, BigInt(0x7ff0 + 4 * random.below(3)));
    return { mnemonic: "sc 1", words: [assembleWord("sc 1")] };
  },
  (random) => {
    // Primary opcodes and extended ones that POWER9 has not.
    const word = random.pick([
      0x00000000, 0x14000000, 0x18000000, 0x24000000, 0x4c00003c, 0xfc00001e, 0x7c0007fc, 0x7c0000fc,
    ]);
    return { mnemonic: "illegal", words: [word] };
  },
];

/** What the kernel itself needs to be as it is. */
function supervise(random: Random, one: Case, strange: boolean): Case {
  const user = one.initial.get(offsets.fpscr);
  const bytes = new Uint8Array(supervisorRecordSize);
  bytes.set(one.initial.bytes);
  const initial = new State(bytes);
  let bits = kernelMsr;
  if (strange) {
    if (random.chance(0.4)) bits &= ~msr.sf;
    if (random.chance(0.2)) bits &= ~random.pick([msr.fp, msr.vec, msr.vsx, msr.fp | msr.vec | msr.vsx]);
    if (random.chance(0.3)) bits |= msr.ee;
    if (random.chance(0.5)) bits |= random.pick([msr.fe0, msr.fe1, msr.fe0 | msr.fe1]);
  }
  initial.set(supervisorOffsets.start, BigInt(one.address));
  // Enabled floating-point exceptions have a case of their own: QEMU keeps some to itself until a later case, and takes them
  // for disabled where MSR[FE0] and [FE1] are 0.
  if (one.mnemonic !== "fdiv, enabled") initial.set(offsets.fpscr, user & ~0xf8n);
  else bits |= random.pick([msr.fe0, msr.fe1, msr.fe0 | msr.fe1]);
  initial.set(supervisorOffsets.msr, bits);
  for (const name of ["dar", "sprg0", "sprg1"] as const) initial.set(supervisorOffsets[name], random.u64());
  initial.set(supervisorOffsets.dsisr, BigInt(random.u32()));
  initial.set(supervisorOffsets.fscr, random.chance(0.7) ? 0x100n : 0n);
  return { ...one, initial };
}

/**
 * Not drawn here: where QEMU asks for VSX though the ISA asks for VEC (vrlwnm and its kin, lxsd and its kin), and what
 * exceptions.ts says QEMU does not know.
 */
const notDrawn =
  /^(stxs(d|sp)$|lxs(d|sp)$|vrl[wd](nm|mi)|lq|stq|lqarx|stqcx\.|copy|paste\.|icbt|dst|dcbflp|l[wd]at|st[wd]at)/;

/** Makes a case with a generator that places it. */
export type CaseMaker = (generator: CaseGenerator) => Case;

/** `count` cases for each user instruction and `own` of each kind that only a supervisor has. */
export function supervisorCases(pool: readonly Candidate[], count: number, own: number): CaseMaker[] {
  const list: CaseMaker[] = [];
  for (const candidate of pool) {
    if (notDrawn.test(candidate.variant.mnemonic)) continue;
    for (let i = 0; i < count; i++) list.push((g) => supervise(g.random, g.single(candidate), true));
  }
  for (const make of makers) {
    for (let i = 0; i < own; i++) {
      list.push((g) =>
        supervise(
          g.random,
          g.custom((state, address) => make(g.random, state, address)),
          false,
        ),
      );
    }
  }
  return list;
}
