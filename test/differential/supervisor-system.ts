/**
 * Cases for the instructions that a user program cannot have compared: those of the supervisor, system calls, moves to and
 * from special purpose registers, what reads the clock.
 */

import { assembleWord } from "../../src/arch/powerpc/isa/assembler.js";
import { type InstructionSet, instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { has } from "../../src/arch/powerpc/isa/levels.js";
import { Msr } from "../../src/arch/powerpc/isa/msr.js";
import { encodeField, type Variant } from "../../src/arch/powerpc/isa/pattern.js";
import { sprs } from "../../src/arch/powerpc/isa/sprs.js";
import { undrawn } from "./generate.js";
import { integer, type Random } from "./random.js";
import { addresses, offsets, type State } from "./record.js";
import { type Context, drawEntry, type Patch, type Wishes } from "./supervisor-context.js";
import { sprOffset } from "./supervisor-record.js";
import type { View } from "./supervisor-tables.js";

/** A case in the making. */
export interface Draft {
  readonly random: Random;
  /** The user's part, and the supervisor's. */
  readonly state: State;
  /** Real address of the first word. */
  readonly address: number;
  readonly littleEndian: boolean;
  readonly context: Context;
}

export interface Made {
  readonly words: readonly number[];
  /** From this word on, words lie in the other byte order. */
  readonly swappedFrom?: number;
  /** A page table entry the case itself changes: compared after it, put back. */
  readonly patch?: Patch;
}

/** A kind of case. */
export interface Kind {
  /** Unique, and what --only matches. */
  readonly name: string;
  readonly wishes: Wishes;
  readonly make: (draft: Draft) => Made;
  /** The variants that it draws. */
  readonly variants: readonly Variant[];
}

const word = (text: string): number => assembleWord(text);

function encode(variant: Variant, random: Random, fixed: Readonly<Record<string, number>> = {}): number {
  let bits = variant.value;
  for (const [name, field] of Object.entries(variant.fields)) {
    const span = 2 ** field.width;
    const raw = random.below(span);
    const value = fixed[name] ?? (field.signed && raw >= span / 2 ? raw - span : raw) * field.scale;
    bits |= encodeField(field, value);
  }
  return bits >>> 0;
}

/** But those of the hypervisor, which no guest has. */
const everyMsrBit = Object.values(Msr).reduce((all, bit) => all | bit, 0n) & ~(Msr.HV | Msr.S);

/** MSR[TS] and [TM], which QEMU's processor has. */
const transactional = 0x7_0000_0000n;

/** An MSR image, with ME (QEMU lets a supervisor without hypervisor privilege clear it): of the bits that exist any, mostly 64-bit, and now and then bits that do not exist. */
function msrImage(random: Random): bigint {
  let image = (random.u64() & everyMsrBit) | Msr.ME;
  if (random.chance(0.8)) image |= Msr.SF;
  if (random.chance(0.7)) image &= ~(Msr.SE | Msr.BE);
  if (random.chance(0.6)) image &= ~Msr.PR;
  if (random.chance(0.2)) image |= random.u64() & 0x0fff_ffff_fd7f_0000n & ~transactional;
  return image;
}

/** rfid, rfscv: to the next instruction, whose byte order is that of the image. */
function comeBack(draft: Draft, text: "rfid" | "rfscv"): Made {
  const { random, state, address, littleEndian } = draft;
  const image = msrImage(random);
  const words = text === "rfid" ? [word("mtspr 26, r3"), word("mtspr 27, r4")] : [word("mtlr r3"), word("mtctr r4")];
  words.push(word(text));
  state.setGpr(3, BigInt(address + 4 * words.length + random.below(4)));
  state.setGpr(4, image);
  words.push(word(`addi r5, r5, 1`), word(`mfmsr r${random.below(32)}`));
  return { words, ...((image & 1n) === (littleEndian ? 1n : 0n) ? {} : { swappedFrom: 3 }) };
}

/** Page size as RB wants it (AP). */
const pageSizes: Readonly<Record<number, number>> = { 12: 0, 16: 5, 21: 1, 30: 2 };

/** An entry is used, changed, invalidated by a form that covers it, and used again. */
function invalidate(draft: Draft, text: "tlbie" | "tlbiel"): Made {
  const { random, state, context } = draft;
  const { msr, pid } = context;
  const view = context.view as View | undefined;
  const ea = view && view.base + BigInt(addresses.window);
  // RIC, and IS in RB.
  const [ric, scope] = random.pick([
    [0, 0],
    [0, 1],
    [2, 1],
    [0, 3],
    [2, 3],
    [0, 2],
    [2, 2],
    [1, 1],
    [1, 3],
  ] as const);
  const kernels = view !== undefined && view.base >> 62n === 3n;
  state.setGpr(
    10,
    (scope === 0 ? (ea ?? 0n) : 0n) | BigInt(scope << 10) | BigInt((pageSizes[view?.shift ?? 12] ?? 0) << 5),
  );
  state.setGpr(11, BigInt(kernels ? 0 : pid) << 32n);
  const flush = word(`${text} r10, r11, ${ric}, 1, 1`);
  const covered = ric !== 1;
  if (ea === undefined || (msr & Msr.PR) !== 0n || !covered) return { words: [flush, word("sync")] };
  const entry = (view as View).entry(addresses.window);
  state.setGpr(8, ea);
  state.setGpr(6, (0xcn << 60n) | BigInt(entry.at));
  state.setGpr(7, drawEntry(random, entry.page));
  const access = () => word(random.pick(["lbz r3, 1(r8)", "stb r3, 2(r8)", "ld r4, 8(r8)", "std r4, 16(r8)"]));
  return {
    words: [
      access(),
      word(draft.littleEndian ? "stdbrx r7, 0, r6" : "std r7, 0(r6)"),
      word("ptesync"),
      flush,
      word("eieio"),
      word("tlbsync"),
      word("ptesync"),
      access(),
      access(),
    ],
    patch: { at: entry.at, value: drawEntry(random, entry.page) },
  };
}

/** Numbers of registers that count with time; what is read cannot be compared. */
const counting = new Set([22, 268, 269, 308, 309, 848, 849]);

/** A value worth writing to a special purpose register. */
function sprValue(random: Random, number: number): bigint {
  const value = random.chance(0.5) ? random.u64() : integer(random);
  switch (number) {
    case 48: // PID: of a process that is there
      return BigInt(random.below(3));
    case 795: // MMCR0: FC, or the counters would run; no alerts
    case 779:
      return 0x8000_0000n | (value & 0xc0000n);
    case 61: // IAMR: the next instruction may still be fetched
      return value & ~(1n << 62n);
    case 18: // Registers of 32 bits, of which QEMU keeps 64
    case 256:
    case 771:
    case 772:
    case 773:
    case 774:
    case 775:
    case 776:
    case 787:
    case 788:
    case 789:
    case 790:
    case 791:
    case 792:
      return value & 0xffff_ffffn;
    case 798: // MMCR1: no events
    case 785:
    case 786:
    case 769:
    case 770:
      return 0n;
    default:
      return value;
  }
}

/** The number of a move's register, if its definition has one. */
export function sprOf({ mnemonic, value, fields }: Variant): number | undefined {
  if (!/^m[ft](spr|xer|lr|ctr|tb)$/.test(mnemonic) || "spr" in fields) return undefined;
  return ((value >>> 16) & 31) | (((value >>> 11) & 31) << 5);
}

const moveBack = (number: number, register: number): number =>
  (0x7c0002a6 | (register << 21) | ((number & 31) << 16) | ((number >> 5) << 11)) >>> 0;

function moveSpr(variant: Variant, number: number): Kind["make"] {
  const reads = variant.mnemonic.startsWith("mf");
  return ({ random, state }) => {
    const register = random.below(32);
    const fields = { rt: register, rs: register };
    if (reads) {
      const words = [encode(variant, random, fields)];
      if (counting.has(number)) words.push(word(`li r${register}, 0`));
      return { words };
    }
    state.setGpr(register, sprValue(random, number));
    const words = [encode(variant, random, fields)];
    if (number === 22) return { words };
    if (sprs.some((spr) => spr.number === number && spr.read)) words.push(moveBack(number, random.below(32)));
    return { words };
  };
}

/**
 * Numbers that are no registers for QEMU either: its POWER9 has those of transactional memory and some of other processors
 * (Power ISA v3.0B, Book III, "Move To/From System Register Instructions" has the list).
 */
const strangers = new Set([31, 128, 129, 130, 131, 176, 316, 317, 888, 889, 890, 891, 892, 893, 894]);
const noSprs = Array.from({ length: 1024 }, (_, n) => n).filter(
  (n) => !strangers.has(n) && !sprs.some((spr) => spr.number === n),
);

/**
 * A segment in r3 and r4 as slbmte wants it (QEMU takes no malformed one, and none of 16 MiB pages), its entry's number in r5, an address of it in r6.
 * What was in the SLB before is taken away; what is there in the end is seen by address.
 */
const segments = (texts: (random: Random) => readonly string[]) => ({
  wishes: { mostlySupervisor: true },
  make: ({ random, state }: Draft): Made => {
    const is1T = random.chance(0.5);
    const flags = [0x800n, 0x400n, 0x200n, 0x80n].reduce((all, bit) => all | (random.chance(0.5) ? bit : 0n), 0n);
    const vsid = BigInt(random.below(1 << 20)) << (is1T ? 24n : 12n);
    const esid = BigInt(random.below(16)) << (is1T ? 40n : 28n);
    const index = BigInt(random.below(32));
    state.setGpr(3, (is1T ? 1n << 62n : 0n) | vsid | flags | random.pick([0n, 0x110n]));
    state.setGpr(4, esid | 0x0800_0000n | index);
    state.setGpr(5, index);
    state.setGpr(6, esid | BigInt(random.below(1 << 20)));
    return { words: ["slbia 4", "slbmte r3, r4", ...texts(random), "slbfee. r7, r6"].map((text) => word(text)) };
  },
});

/** How to make the cases of a mnemonic; the others have random operands. */
const special: Readonly<Record<string, { wishes?: Wishes; make: (draft: Draft, variant: Variant) => Made }>> = {
  rfid: { make: (draft) => comeBack(draft, "rfid"), wishes: { mostlySupervisor: true } },
  rfscv: { make: (draft) => comeBack(draft, "rfscv"), wishes: { mostlySupervisor: true } },
  ...Object.fromEntries(
    (["mtmsr", "mtmsrd"] as const).map((name) => [
      name,
      {
        wishes: { mostlySupervisor: true },
        make: ({ random, state }: Draft) => {
          const rs = random.below(32);
          state.setGpr(rs, random.chance(0.2) ? integer(random) & ~transactional : msrImage(random));
          return { words: [word(`${name} r${rs}, ${random.below(2)}`), word(`mfmsr r${random.below(32)}`)] };
        },
      },
    ]),
  ),
  sc: {
    make: ({ random, state }) => {
      // Numbers of no hypercall.
      state.setGpr(3, BigInt(0x7ff0 + 4 * random.below(3)));
      return { words: [word(`sc ${random.pick([0, 0, 1])}`)] };
    },
  },
  scv: { make: ({ random }) => ({ words: [word(`scv ${random.chance(0.4) ? 0 : random.below(128)}`)] }) },
  slbmte: segments(() => []),
  "slbfee.": segments(() => []),
  slbmfee: segments(() => ["slbmfee r8, r5"]),
  slbmfev: segments(() => ["slbmfev r8, r5"]),
  slbie: segments(() => ["slbie r6"]),
  slbieg: segments(() => ["slbieg r8, r6"]),
  slbia: segments((random) => [`slbia ${random.below(8)}`]),
  tlbie: { make: (draft) => invalidate(draft, "tlbie"), wishes: { mostlySupervisor: true } },
  tlbiel: { make: (draft) => invalidate(draft, "tlbiel"), wishes: { mostlySupervisor: true } },
  // Only of types that are no message: QEMU 7.2 ends when the interrupt is taken, and msgclrp does not take it back.
  // src/arch/powerpc/interrupts/interrupts.test.ts has the others.
  msgsndp: {
    make: ({ random, state }) => {
      state.setGpr(3, BigInt((6 + random.below(31)) & 31) << 27n);
      return { words: [word("msgsndp r3")] };
    },
  },
  // Entry 0 stays when all are invalidated; what there is in an invalid entry, and beyond entry 31, is undefined.
  ...Object.fromEntries(
    ["slbmte", "slbmfee", "slbmfev", "slbfee."].map((name) => [
      name,
      {
        make: ({ random, state, context }: Draft) => {
          const index = BigInt(1 + random.below(31));
          const segment = random.u64() & ~0xfff_ffffn;
          // RS: VSID, then Ks, Kp, N and C; L and LP say 4 KiB.
          state.setGpr(
            3,
            (random.u64() & 0x3fff_ffff_f000n) | BigInt(random.below(8) << 9) | BigInt(random.below(2) << 7),
          );
          state.setGpr(4, segment | (1n << 27n) | index);
          state.setGpr(5, index);
          state.setGpr(6, random.chance(0.8) ? segment : random.u64() & ~0xfff_ffffn);
          const own = { slbmte: "slbmte r3, r4", slbmfee: "slbmfee r7, r5", slbmfev: "slbmfev r8, r5" }[name];
          const first = word(own ?? "slbfee. r9, r6");
          const all = ["slbia", "slbmte r3, r4", "slbmfee r7, r5", "slbmfev r8, r5", "slbfee. r9, r6"].map(word);
          // The instruction alone where it is refused.
          return { words: (context.msr & Msr.PR) !== 0n ? [first] : all };
        },
      },
    ]),
  ),
  msgclrp: {
    wishes: { mostlySupervisor: true },
    make: ({ random, state }) => {
      state.setGpr(3, BigInt(random.chance(0.8) ? 5 : random.below(32)) << 27n);
      state.setGpr(4, Msr.EE | Msr.RI);
      return { words: [word("msgclrp r3"), word("mtmsrd r4, 1"), word("nop")] };
    },
  },
  // Aligned: QEMU goes to the odd address, the ISA leaves the two low bits out (Book II, "Event-Based Branch Facility").
  rfebb: {
    make: ({ random, state, address }) => {
      state.set(sprOffset("ebbrr"), BigInt(address + 8));
      return { words: [word(`rfebb ${random.below(2)}`), word("addi r5, r5, 1")] };
    },
  },
  // Ends when the decrementer does; where is nobody's business.
  wait: {
    wishes: { supervisor: true, untraced: true },
    make: ({ state }) => {
      state.setGpr(3, 20_000n);
      state.setGpr(4, Msr.EE);
      return { words: [word("mtspr 22, r3"), word("mtmsrd r4, 1"), word("wait"), word("b . - 4")] };
    },
  },
  darn: {
    wishes: { untraced: true },
    make: ({ random }, variant) => {
      const rt = random.below(32);
      return { words: [encode(variant, random, { rt }), word(`li r${rt}, 0`)] };
    },
  },
  // To a place among the vectors: what stands there takes a case for over.
  ...Object.fromEntries(
    ["bca", "bcla"].map((name) => [
      name,
      {
        wishes: { kernelsOrder: true },
        make: ({ random, state }: Draft, variant: Variant) => {
          state.set(offsets.ctr, BigInt(random.below(3)));
          const bo = random.pick([0, 2, 4, 8, 10, 12, 16, 18, 20]);
          return { words: [encode(variant, random, { target: 0x1000 + 32 * random.below(256), bo })] };
        },
      },
    ]),
  ),
};

/** Instructions that a user program cannot draw, by kind. */
function systemKinds(set: InstructionSet): Kind[] {
  const names = new Set(undrawn(set, false).map(({ mnemonic }) => mnemonic));
  const list: Kind[] = [];
  for (const { variant } of set.variants) {
    const { mnemonic } = variant;
    // The kernel's processor is a POWER9.
    if (!names.has(mnemonic) || !has("3.0", variant.definition)) continue;
    const number = sprOf(variant);
    const own = special[mnemonic];
    if (number !== undefined) {
      const clock = /^mf/.test(mnemonic) && counting.has(number);
      list.push({
        name: `${mnemonic} ${number}`,
        // A decrementer that is written may be over at once.
        wishes: { ...(clock ? { untraced: true } : {}), ...(number === 22 ? { disabled: true } : {}) },
        make: moveSpr(variant, number),
        variants: [variant],
      });
    } else if (/^m[ft]spr$/.test(mnemonic)) {
      const make: Kind["make"] = ({ random }) => ({ words: [encode(variant, random, spr(random.pick(noSprs)))] });
      list.push({ name: `${mnemonic} of no register`, wishes: {}, make, variants: [variant] });
    } else {
      const make: Kind["make"] = own
        ? (draft) => own.make(draft, variant)
        : ({ random }) => ({ words: [encode(variant, random)] });
      list.push({ name: mnemonic, wishes: { atRealAddress: true, ...own?.wishes }, make, variants: [variant] });
    }
  }
  return list;
}

const spr = (number: number) => ({ spr: number });

/** What is no instruction's own matter. */
const others: readonly Kind[] = [
  {
    name: "decrementer",
    wishes: { disabled: true, supervisor: true },
    variants: [],
    make: ({ random, state }) => {
      state.setGpr(
        3,
        random.chance(0.6) ? 0x8000_0000n | random.u64() : BigInt(0x6000_0000 + random.below(0x1000_0000)),
      );
      state.setGpr(4, random.chance(0.8) ? Msr.EE | Msr.RI : 0n);
      return { words: [word("mtspr 22, r3"), word("mtmsrd r4, 1"), word("nop")] };
    },
  },
  {
    name: "fdiv, enabled",
    wishes: { facilities: true },
    variants: [],
    make: ({ random, state }) => {
      state.set(offsets.fpscr, 0x10n); // ZE
      state.setVsr(2, [random.u64() & ~(0x7ffn << 52n), 0n]);
      state.setVsr(3, [random.pick([0n, 1n << 63n]), 0n]);
      return { words: [word(`fdiv f${1 + random.below(8)}, f2, f3`)] };
    },
  },
  {
    name: "illegal",
    wishes: {},
    variants: [],
    make: ({ random }) => {
      // Primary opcodes that POWER9 has not, and extended ones.
      const primary = random.pick([1, 5, 6, 9]);
      const known = [0, 0x4c00003c, 0xfc00001e, 0x7c0007fc, 0x7c0000fc];
      return { words: [random.chance(0.3) ? random.pick(known) : ((primary << 26) | random.below(1 << 26)) >>> 0] };
    },
  },
];

/** Every kind of case but those of single user instructions. */
export function kinds(): Kind[] {
  return [...systemKinds(instructionSet()), ...others];
}
