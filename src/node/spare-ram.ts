/**
 * RAM for the next twin of a VM that was forked before. Most of what a twin costs is page faults: RAM that nobody has touched yet
 * takes thirty times as long to copy to as RAM that was. So it is touched beforehand, a little at a time, while nobody waits.
 */
import type { PlacedRam } from "../vmm/core/machine.js";
import { logPage, type PageSet } from "../vmm/core/written-pages.js";

/** Pages touched in one go, and ms between: a few ms of each ten. */
const stretch = 4;
const between = 6;
/** After a twin was made: its first command comes first, ms. */
const patience = 300;

export class SpareRam {
  #ram: PlacedRam | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** All 0, of so many bytes; whoever takes it closes it. Undefined: there is none yet. */
  take(size: number): PlacedRam | undefined {
    const ram = this.#ram;
    this.#stop();
    if (ram?.bytes().length === size) return ram;
    ram?.close();
    return undefined;
  }

  /** Makes one that will be filled on such pages; what keeps it from being made is met by who needs it. */
  prepare(place: () => PlacedRam, pages: PageSet): void {
    if (this.#closed || this.#timer !== undefined || this.#ram) return;
    const left = pages[Symbol.iterator]();
    const touch = (): void => {
      const bytes = this.#ram?.bytes();
      for (let i = 0; bytes && i < stretch; i++) {
        const { done, value: page } = left.next();
        if (done) {
          this.#timer = undefined;
          return;
        }
        bytes.fill(0, page * logPage, (page + 1) * logPage);
      }
      this.#later(touch, between);
    };
    this.#later(() => {
      try {
        this.#ram = place();
      } catch {
        this.#timer = undefined;
        return;
      }
      touch();
    }, patience);
  }

  close(): void {
    this.#closed = true;
    this.#ram?.close();
    this.#stop();
  }

  #later(work: () => void, delay: number): void {
    this.#timer = setTimeout(work, delay);
    this.#timer.unref();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#ram = undefined;
  }
}
