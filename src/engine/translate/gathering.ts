/**
 * Which regions are compiled once more, many in one module. V8 puts each module somewhere in the address space, with page tables
 * of the host's to itself, and the paths of a kernel lead through hundreds of them: gathered they lie side by side. They are
 * optimised at once then, by a thread beside, whose work it is, and not when V8 has counted enough of each.
 */

/** A module of fewer gains little; more would keep the thread beside from new regions for more than some 50 ms. */
const least = 32;
const most = 48;
/** Slices, an eighth of a second, in which the guest comes to know so few hot places that the thread beside has time. */
const slices = 4096;
const few = 16;

export class Gathering<R> {
  /** Regions that are in a module with those that happened to be made with them, in the order in which they were. */
  readonly #alone = new Set<R>();
  #slices = 0;
  #requests = 0;
  /** Some were given out and have not come back. */
  underWay = false;

  add(region: R): void {
    this.#alone.add(region);
  }

  forget(region: R): void {
    this.#alone.delete(region);
  }

  /** At the end of a slice: those that are to be gathered now. `requests`: how many regions have been asked for. */
  take(requests: number): readonly R[] {
    if (++this.#slices < slices) return [];
    const isCalm = requests - this.#requests <= few;
    this.#slices = 0;
    this.#requests = requests;
    if (!isCalm || this.underWay || this.#alone.size < least) return [];
    this.underWay = true;
    const regions = [...this.#alone].slice(0, most);
    for (const region of regions) this.#alone.delete(region);
    return regions;
  }
}
