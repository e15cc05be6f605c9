/** What a supervisor case runs in: MSR, translation, keys, facilities, all drawn at random. */
import { Msr } from "../../src/arch/powerpc/isa/msr.js";
import type { Aim } from "./generate.js";
import type { Random } from "./random.js";
import { addresses, offsets, State, windowSize } from "./record.js";
import { kernelMsr } from "./supervisor-kernel.js";
import {
  beforeSize,
  patchCount,
  patchSize,
  type SavedSpr,
  sprOffset,
  supervisorOffsets,
  supervisorRecordSize,
} from "./supervisor-record.js";
import { codeEntry, kernelViews, Pte, processViews, type View } from "./supervisor-tables.js";

const translated = Msr.IR | Msr.DR;

/** What a case needs to be as it is. */
export interface Wishes {
  /** Absolute branches: the code runs at its real address. */
  readonly atRealAddress?: boolean;
  /** Facilities are on: the case is not about them. */
  readonly facilities?: boolean;
  /** No single step, no branch trace. */
  readonly untraced?: boolean;
  /** Supervisor state. */
  readonly supervisor?: boolean;
  /** No interrupt from outside. */
  readonly disabled?: boolean;
  /** The byte order of the kernel: the case may run into its code. */
  readonly kernelsOrder?: boolean;
  /** Problem state more seldom. */
  readonly mostlySupervisor?: boolean;
}

export interface Patch {
  readonly at: number;
  readonly value: bigint;
}

export interface Context {
  readonly msr: bigint;
  readonly pid: number;
  readonly start: bigint;
  readonly aim: Aim;
  /** The view of the window that `aim` goes by, if data is translated. */
  readonly view: View | undefined;
  readonly patches: readonly Patch[];
}

/** A page table entry; mostly valid, and mostly with every right. */
export function drawEntry(random: Random, page: number): bigint {
  let entry = BigInt(page);
  if (random.chance(0.95)) entry |= Pte.valid;
  if (random.chance(0.98)) entry |= Pte.leaf;
  if (random.chance(0.6)) entry |= Pte.referenced;
  if (random.chance(0.5)) entry |= Pte.changed;
  if (random.chance(0.3)) entry |= Pte.privileged;
  if (random.chance(0.8)) entry |= Pte.read;
  if (random.chance(0.7)) entry |= Pte.write;
  if (random.chance(0.7)) entry |= Pte.execute;
  // Bits for software.
  if (random.chance(0.3)) entry |= (random.u64() & 0xe00n) | (random.u64() & (1n << 61n));
  // Without the leaf bit it is a directory entry, here of no valid size.
  return entry & Pte.leaf ? entry : entry & ~0x1fn;
}

function drawMsr(random: Random, littleEndian: boolean, wishes: Wishes): bigint {
  let msr = kernelMsr | (littleEndian ? Msr.LE : 0n);
  const kind = random.below(20);
  if (kind < 8) msr |= 0n;
  else if (kind < 9) msr |= Msr.IR;
  else if (kind < 10) msr |= Msr.DR;
  else if (kind < 14 || wishes.supervisor || (wishes.mostlySupervisor && kind < 18)) msr |= translated;
  else msr |= translated | Msr.PR | Msr.EE;
  if (random.chance(0.15)) msr &= ~Msr.SF;
  if (!wishes.facilities && random.chance(0.2)) {
    msr &= ~random.pick([Msr.FP, Msr.VEC, Msr.VSX, Msr.FP | Msr.VSX, Msr.FP | Msr.VEC | Msr.VSX]);
  }
  if (!wishes.disabled && random.chance(0.3)) msr |= Msr.EE;
  if (random.chance(0.5)) msr |= random.pick([Msr.FE0, Msr.FE1, Msr.FE0 | Msr.FE1]);
  if (random.chance(0.5)) msr |= random.pick([Msr.PMM, Msr.RI, Msr.PMM | Msr.RI]);
  if (!wishes.untraced && random.chance(0.12)) msr |= random.pick([Msr.SE, Msr.BE, Msr.SE | Msr.BE]);
  return msr;
}

/** Draws a context for code at a real address. */
export function drawContext(random: Random, littleEndian: boolean, code: number, wishes: Wishes): Context {
  const msr = drawMsr(random, littleEndian, wishes);
  const pid = random.pick([1, 1, 1, 2, 2, 2, 0]);
  const process = pid === 0 ? undefined : (pid as 1 | 2);
  const supervisor = (msr & Msr.PR) === 0n;
  const patches = new Map<number, bigint>();

  let start = BigInt(code);
  if (msr & Msr.IR) {
    const wide = (msr & Msr.SF) !== 0n;
    if (process && random.chance(0.2)) {
      const entry = codeEntry(process, code);
      patches.set(entry.at, drawEntry(random, entry.page));
    }
    if (!wishes.atRealAddress && wide) {
      if (supervisor && random.chance(0.3)) start |= 0xcn << 60n;
      else if (random.chance(0.02)) start |= random.pick([1n << 62n, 2n << 62n, 1n << 55n, 1n << 45n, 1n << 31n]);
    }
  } else if (!wishes.atRealAddress && (msr & Msr.SF) !== 0n && random.chance(0.1)) start |= 0xcn << 60n;

  let view: View | undefined;
  let base = 0n;
  if (msr & Msr.DR) {
    // In 32-bit mode there is no quadrant 3.
    const reachable = msr & Msr.SF ? kernelViews : processViews(process ?? 1);
    view = random.pick(process && !(supervisor && random.chance(0.3)) ? processViews(process) : reachable);
    base = view.base;
    const entries = [addresses.window - 1, addresses.window].map((real) => (view as View).entry(real));
    for (const { at, page } of entries) {
      if (!patches.has(at) && random.chance(0.4)) patches.set(at, drawEntry(random, page));
    }
    if (view.above && random.chance(0.03)) patches.set(view.above, 0n);
    if (random.chance(0.03)) base += random.pick([1n << 62n, 2n << 62n, 1n << 55n, 1n << 45n, 1n << 33n]);
  } else if (random.chance(0.1)) base = 0xcn << 60n;
  const aim: Aim = (r, aligned) => {
    let at = addresses.window + r.below(windowSize - 128);
    if (r.chance(0.25)) at = addresses.window - r.below(32);
    if (r.chance(aligned ? 0.9 : 0.4)) at &= ~15;
    return base + BigInt(at);
  };
  return { msr, pid, start, aim, view, patches: [...patches].map(([at, value]) => ({ at, value })) };
}

/** Doublewords that nobody uses, for the patches that a case does not want. */
const unused = 0x90100;

const sometimes = (random: Random, value: () => bigint): bigint => (random.chance(0.5) ? value() : 0n);

/** The case's state with what only a supervisor has. */
export function supervisorState(random: Random, user: State, context: Context): State {
  const bytes = new Uint8Array(supervisorRecordSize);
  bytes.set(user.bytes);
  const state = new State(bytes);
  const at = supervisorOffsets;
  state.set(at.msr, context.msr);
  state.set(at.start, context.start);
  state.set(at.sprg2, random.u64());
  state.set(at.sprg3, random.u64());
  const set = (name: SavedSpr, value: bigint) => state.set(sprOffset(name), value);
  for (const name of ["dar", "sprg0", "sprg1", "tar"] as const) set(name, random.u64());
  set("dsisr", BigInt(random.u32()));
  set("pid", BigInt(context.pid));
  set("amr", random.chance(0.6) ? 0n : random.u64());
  set("iamr", random.chance(0.6) ? 0n : random.u64());
  set(
    "uamor",
    sometimes(random, () => random.u64()),
  );
  set("dscr", BigInt(random.below(1 << 25)));
  set("vrsave", BigInt(random.u32()));
  set(
    "pspb",
    sometimes(random, () => BigInt(random.u32())),
  );
  set(
    "tidr",
    sometimes(random, () => BigInt(random.below(65536))),
  );
  set("ppr", BigInt(random.below(8)) << 50n);
  // The counters stand still (FC); PMCC says what problem state may do.
  set("mmcr0", 0x8000_0000n | BigInt(random.below(4) << 18));
  for (const name of ["pmc1", "pmc2", "pmc3", "pmc4", "pmc5", "pmc6"] as const) {
    set(
      name,
      sometimes(random, () => BigInt(random.u32() >>> 1)),
    );
  }
  for (const name of ["sier", "siar", "sdar", "ebbhr", "ebbrr"] as const) {
    set(
      name,
      sometimes(random, () => random.u64()),
    );
  }
  set("bescr", random.chance(0.5) ? 1n << 63n : 0n);
  // SCV, TAR, EBB, BHRB, PM, DSCR.
  set("fscr", random.chance(0.5) ? 0x1198n | 4n : random.u64() & 0x119cn);
  for (let n = 0; n < patchCount; n++) {
    const patch = context.patches[n];
    state.set(at.patches + n * patchSize, BigInt(patch?.at ?? unused));
    state.set(at.patches + n * patchSize + 8, patch?.value ?? 0n);
  }
  if (context.patches.length > patchCount) throw new Error("a case has too many patches");
  for (let n = 0; n < beforeSize; n += 8) state.set(at.before + n, random.u64());
  state.set(offsets.signal, 0n);
  return state;
}
