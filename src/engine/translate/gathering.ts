/**
 * Which regions are compiled once more, many in one module. V8 puts each module somewhere in the address space, with page tables
 * of the host's to itself, and the paths of a kernel lead through hundreds of them: gathered they lie side by side. They are
 * optimised at once then, by a thread beside, whose work it is, and not when V8 has counted enough of each.
 */
import type { MadeByRequest } from "./workshop.js";

/** A module of fewer gains little. */
const least = 16;
/**
 * Bytes of a module's regions, those of large ones twice: the optimiser takes half a microsecond for each, and new regions wait for
 * as long. A region that has more is alone.
 */
const most = 128 * 1024;
const large = 12_000;
/**
 * Slices, a thirtieth of a second, in which the guest comes to know so few hot places that the thread beside has time. One whose
 * processor halts between requests has few slices a second.
 */
const slices = 1024;
const few = 2;

export class Gathering<R extends MadeByRequest> {
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
    const regions: R[] = [];
    let bytes = 0;
    for (const region of this.#alone) {
      bytes += region.size > large ? 2 * region.size : region.size;
      if (bytes > most && regions.length > 0) break;
      regions.push(region);
      this.#alone.delete(region);
    }
    return regions;
  }
}
