/**
 * When regions are optimised. The optimiser takes half a microsecond for each byte of a region, twice that for large ones, on
 * a core that the guest would use while a program starts and its regions come by the hundred. It pays once a region has run
 * for as long as optimising it takes: after a number of runs that grows with its size. V8 counts bytes and not runs, a region's
 * size for each, so what it counts to grows with the square. While few regions come, the optimiser has a core to itself and
 * is to begin early.
 */
import type { Optimiser } from "../../wasm/optimiser.js";
import { sizeOf } from "./region-maker.js";

/** Regions up to these sizes in bytes are compiled together, and larger ones: V8 has one budget a module. */
const sizes = [2048, 5000, 12_000];
/** V8's budget for each square byte of a region, when many regions come. */
const perSquareByte = 15;
/** Bytes of regions made lately from which on their budgets grow, and at which they are full grown. */
const few = 500_000;
const many = 1_500_000;
/** Milliseconds after which what was made counts for the e-th part. */
const lately = 1000;

interface Sized {
  readonly body: Uint8Array;
}

export class Tiers {
  readonly #optimiser: Optimiser;
  readonly #now: () => number;
  #made = 0;
  #since = 0;

  constructor(optimiser: Optimiser, now: () => number = () => performance.now()) {
    this.#optimiser = optimiser;
    this.#now = now;
  }

  /** Compiles regions, those of a size together. */
  compile<R extends Sized, T>(made: readonly R[], compile: (made: readonly R[]) => T): T[] {
    const now = this.#now();
    this.#made = this.#made * Math.exp((this.#since - now) / lately) + sizeOf(made);
    this.#since = now;
    const bySize = new Map<number, R[]>();
    for (const region of made) {
      const size = sizes.findIndex((most) => region.body.length <= most);
      const others = bySize.get(size);
      if (others) others.push(region);
      else bySize.set(size, [region]);
    }
    return [...bySize.values()].map((regions) => this.#optimiser.within(this.#budget(regions), () => compile(regions)));
  }

  #budget(regions: readonly Sized[]): number {
    const size = sizeOf(regions) / regions.length;
    const pressure = Math.min(1, Math.max(0, (this.#made - few) / (many - few)));
    return Math.max(this.#optimiser.least, perSquareByte * size * size * pressure);
  }
}
