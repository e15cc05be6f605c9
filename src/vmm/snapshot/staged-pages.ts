/** Pages of RAM on their way into a snapshot, some of which come again. */
import { sharedBytes } from "../core/latent-ram.js";
import { type IsZero, imagePage, type SparseImage, type SparseRun } from "../core/sparse-image.js";
import { logPage } from "../core/written-pages.js";

/** Pages that get room in one go: neighbours there that are neighbours in RAM too make one piece. */
const slabPages = 64;

export class StagedPages {
  readonly #isZero: IsZero;
  readonly #pages = new Map<number, Uint8Array>();
  #slab: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(isZero: IsZero) {
    this.#isZero = isZero;
  }

  /** Copies it. */
  put(page: number, bytes: Uint8Array): void {
    const known = this.#pages.get(page);
    if (known) known.set(bytes);
    else if (!this.#isZero(bytes)) {
      const place = this.#place(bytes.length);
      place.set(bytes);
      this.#pages.set(page, place);
    }
  }

  #place(bytes: number): Uint8Array {
    if (this.#used + bytes > this.#slab.length) {
      // Threads of VMs that go on from here fetch what their guests use.
      this.#slab = new Uint8Array(sharedBytes(slabPages * logPage));
      this.#used = 0;
    }
    const place = this.#slab.subarray(this.#used, this.#used + bytes);
    this.#used += bytes;
    return place;
  }

  /** What of them is not 0, of so many bytes of RAM. Nothing is copied: no page may come any more. */
  image(size: number): SparseImage {
    const runs: SparseRun[] = [];
    for (const [page, bytes] of [...this.#pages].sort(([a], [b]) => a - b)) {
      for (let at = 0; at < bytes.length; at += imagePage) {
        const part = bytes.subarray(at, at + imagePage);
        if (!this.#isZero(part)) append(runs, { offset: page * logPage + at, bytes: part });
      }
    }
    return { size, runs };
  }
}

/** Makes one piece of two that touch, in the image and where they lie. */
function append(runs: SparseRun[], run: SparseRun): void {
  const last = runs.at(-1);
  const touches =
    last &&
    last.offset + last.bytes.length === run.offset &&
    last.bytes.buffer === run.bytes.buffer &&
    last.bytes.byteOffset + last.bytes.length === run.bytes.byteOffset;
  if (!touches) return void runs.push(run);
  const bytes = new Uint8Array(last.bytes.buffer, last.bytes.byteOffset, last.bytes.length + run.bytes.length);
  runs[runs.length - 1] = { offset: last.offset, bytes };
}
