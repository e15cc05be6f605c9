/**
 * Copies a guest's RAM while the guest runs on, then, while it stands still, again what it has written meanwhile: so it stands
 * still for as long as that takes, however much memory it has.
 */
import type { Machine } from "./machine.js";
import { logPage, type PageLog, PageSet } from "./written-pages.js";

/** Pages copied in one go, with others' turns between: 4 MiB. */
const stretch = 64;
/** So few pages are left for the moment in which it stands still. */
const few = 64;
/** A guest that writes faster than is copied is stopped after so many passes. */
const mostPasses = 4;

export class RamCopy {
  /** Pages that were copied; all others are 0. */
  readonly pages: PageSet;
  readonly #source: Pick<Machine, "ram" | "ramSize" | "written">;
  readonly #copy: (page: number, bytes: Uint8Array, again: boolean) => void;
  readonly #log: PageLog;
  #done = false;

  /** `copy` puts a page's bytes where they belong, some pages' again. */
  constructor(
    source: Pick<Machine, "ram" | "ramSize" | "written">,
    copy: (page: number, bytes: Uint8Array, again: boolean) => void,
  ) {
    this.#source = source;
    this.#copy = copy;
    this.#log = source.written.log();
    this.pages = new PageSet(Math.ceil(source.ramSize / logPage));
  }

  /** While it runs. `turn` lets others have theirs. */
  async begin(turn: () => Promise<void>): Promise<void> {
    for (let pass = 0; pass < mostPasses; pass++) {
      const pages = [...this.#log.take()];
      for (let at = 0; at < pages.length; at += stretch) {
        if (at > 0 || pass > 0) await turn();
        if (this.#done) return;
        this.#pass(pages.slice(at, at + stretch));
      }
      if (pages.length <= few) return;
    }
  }

  /** While it stands still, after everything else of it was saved, which may write too. */
  finish(): void {
    this.#pass(this.#log.take());
    this.close();
  }

  close(): void {
    this.#done = true;
    this.#log.close();
  }

  #pass(pages: Iterable<number>): void {
    const { ramSize } = this.#source;
    for (const page of pages) {
      const offset = page * logPage;
      this.#copy(page, this.#source.ram(offset, Math.min(logPage, ramSize - offset)), this.pages.has(page));
      this.pages.add(page);
    }
  }
}
