/** Which cases are run in supervisor state, and how one is had again by its name. */

import { instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { has } from "../../src/arch/powerpc/isa/levels.js";
import { Msr } from "../../src/arch/powerpc/isa/msr.js";
import { type Candidate, CaseGenerator, candidates } from "./generate.js";
import { Random } from "./random.js";
import { offsets } from "./record.js";
import { drawContext, supervisorState, type Wishes } from "./supervisor-context.js";
import { type KernelKind, kernelCapacity, type SupervisorCase, slotAddress } from "./supervisor-kernel.js";
import { patchCount, patchSize, supervisorOffsets } from "./supervisor-record.js";
import { type Kind, kinds } from "./supervisor-system.js";

/** One case to draw: the ordinal-th of its kind, in this place of its image. */
export interface Draw {
  readonly kind: string;
  readonly ordinal: number;
  readonly slot: number;
}

/** What --case takes. */
export const drawName = ({ kind, ordinal, slot }: Draw): string => `${kind}/${ordinal}@${slot}`;
/** Throws an Error if it is no such name. */
export function parseDraw(name: string): Draw {
  const [, kind, ordinal, slot] = /^(.+)\/(\d+)@(\d+)$/.exec(name) ?? [];
  if (kind === undefined) throw new Error(`${name} is no case's name: KIND/NUMBER@PLACE is expected`);
  return { kind, ordinal: Number(ordinal), slot: Number(slot) };
}

/** The kernels that cases take turns in: an even share of a kind's for each. */
export const kernelKinds: readonly KernelKind[] = [false, true].flatMap((littleEndian) =>
  [false, true].map((alternateLocation) => ({ littleEndian, alternateLocation })),
);
const kernelOf = ({ ordinal }: Draw): number => ordinal % kernelKinds.length;

/** QEMU asks for MSR[VSX] where the ISA asks for MSR[VEC], or the other way: not drawn with a facility disabled. */
const alwaysFacilities = /^(stxs(d|sp)$|lxs(d|sp)$|vrl[wd](nm|mi)|(lxv|stxv)x?$)/;

/** Instructions of users that are not drawn: QEMU does not know them (exceptions.ts). */
const notDrawn = /^(copy|paste\.|icbt|dst|dcbflp)/;

export class SupervisorCases {
  readonly #seed: number;
  readonly #users: readonly ReadonlyMap<string, Candidate>[];
  readonly #generators: readonly CaseGenerator[];
  readonly #kinds: ReadonlyMap<string, Kind>;

  constructor(seed: number) {
    this.#seed = seed;
    const pools = [false, true].map((littleEndian) =>
      // The kernels run on a POWER9.
      candidates(instructionSet(), littleEndian).filter(
        ({ variant }) => has("3.0", variant.definition) && !notDrawn.test(variant.mnemonic),
      ),
    );
    this.#users = pools.map((pool) => new Map(pool.map((c) => [userName(c), c])));
    this.#generators = pools.map((pool) => new CaseGenerator(new Random(seed), pool, 0));
    this.#kinds = new Map(kinds().map((kind) => [kind.name, kind]));
  }

  /** Names of the kinds of user instructions, and of the others. */
  names(): { users: string[]; own: string[] } {
    return { users: [...(this.#users[0] as ReadonlyMap<string, Candidate>).keys()], own: [...this.#kinds.keys()] };
  }

  /**
   * What a run draws, in batches of one kernel each: `count` of each user instruction, `own` of each other kind, of those
   * whose name matches.
   */
  batches(count: number, own: number, only?: RegExp): { kernel: KernelKind; draws: Draw[] }[] {
    const { users, own: others } = this.names();
    const wanted = [...users.map((kind) => ({ kind, n: count })), ...others.map((kind) => ({ kind, n: own }))].filter(
      ({ kind }) => !only || only.test(kind),
    );
    return kernelKinds.flatMap((kernel, k) => {
      const batches: { kernel: KernelKind; draws: Draw[] }[] = [];
      let draws: Draw[] = [];
      for (const { kind, n } of wanted) {
        for (let ordinal = k; ordinal < n; ordinal += kernelKinds.length) {
          draws.push({ kind, ordinal, slot: draws.length });
          if (draws.length === kernelCapacity) {
            batches.push({ kernel, draws });
            draws = [];
          }
        }
      }
      if (draws.length > 0) batches.push({ kernel, draws });
      return batches;
    });
  }

  kernelFor(draw: Draw): KernelKind {
    return kernelKinds[kernelOf(draw)] as KernelKind;
  }

  /** The same case each time. Throws an Error if there is no such kind. */
  draw(draw: Draw): SupervisorCase {
    const random = new Random(hash(this.#seed, `${draw.kind}/${draw.ordinal}`));
    const kind = this.#kinds.get(draw.kind);
    const drawnOrder = random.chance(0.5);
    const littleEndian = kind?.wishes.kernelsOrder ? this.kernelFor(draw).littleEndian : drawnOrder;
    const address = slotAddress(draw.slot);
    const generator = this.#generators[littleEndian ? 1 : 0] as CaseGenerator;
    generator.restart(random, address);
    if (kind) {
      const context = drawContext(random, littleEndian, address, kind.wishes);
      let made: ReturnType<Kind["make"]> | undefined;
      const one = generator.custom((state) => {
        const whole = supervisorState(random, state, context);
        made = kind.make({ random, state: whole, address, littleEndian, context });
        return { mnemonic: draw.kind, words: made.words, initial: whole };
      });
      const { initial } = one;
      if (draw.kind !== "fdiv, enabled") initial.set(offsets.fpscr, initial.get(offsets.fpscr) & ~0xf8n);
      else initial.set(supervisorOffsets.msr, initial.get(supervisorOffsets.msr) | Msr.FE0 | Msr.FE1);
      const patch = made?.patch;
      if (patch) {
        // In the place of what the context has for the entry, or in one that is free.
        const places = Array.from({ length: patchCount }, (_, n) => supervisorOffsets.patches + n * patchSize);
        const place = places.find((at) => initial.get(at) === BigInt(patch.at)) ?? (places.at(-1) as number);
        initial.set(place, BigInt(patch.at));
        initial.set(place + 8, patch.value);
      }
      const swapped = made?.swappedFrom === undefined ? {} : { swappedFrom: made.swappedFrom };
      return { ...one, slot: draw.slot, littleEndian, ...swapped };
    }
    const user = this.#users[littleEndian ? 1 : 0]?.get(draw.kind) ?? this.#users[littleEndian ? 0 : 1]?.get(draw.kind);
    if (!user) throw new Error(`there is no kind of case called ${draw.kind}`);
    const { mnemonic } = user.variant;
    const wishes: Wishes = { atRealAddress: user.description.jumps, facilities: alwaysFacilities.test(mnemonic) };
    const context = drawContext(random, littleEndian, address, wishes);
    const one = generator.single(user, context.aim);
    const initial = supervisorState(random, one.initial, context);
    // Enabled floating-point exceptions have a case of their own: QEMU keeps some to itself until a later case, and takes
    // them for disabled where MSR[FE0] and [FE1] are 0.
    initial.set(offsets.fpscr, initial.get(offsets.fpscr) & ~0xf8n);
    return { ...one, initial, slot: draw.slot, littleEndian };
  }
}

/** Several variants share a mnemonic. */
const userName = ({ variant }: Candidate): string => `${variant.mnemonic} ${variant.value.toString(16)}`;

/** FNV-1a of the text, from the seed on. */
function hash(seed: number, text: string): number {
  let h = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return h;
}
