/**
 * Which pages of a guest's RAM were ever written: all others are 0, and looking at them would only give them room. And which
 * were written since somebody looked last, so that RAM can be copied while the guest runs on.
 */

/** Bytes of a page of the dirty log. */
export const logPage = 65536;

/** Pages by number. */
export class PageSet {
  readonly count: number;
  readonly #bits: Uint8Array;

  /** `count`: how many there can be. */
  constructor(count: number) {
    this.count = count;
    this.#bits = new Uint8Array(Math.ceil(count / 8));
  }

  add(page: number): void {
    if (page >= 0 && page < this.count) this.#bits[page >>> 3] = (this.#bits[page >>> 3] as number) | (1 << (page & 7));
  }

  has(page: number): boolean {
    return (((this.#bits[page >>> 3] ?? 0) >>> (page & 7)) & 1) !== 0;
  }

  /** `bits`: one for each page, as KVM_GET_DIRTY_LOG gives them. */
  addAll(bits: Uint8Array | PageSet): void {
    const more = bits instanceof PageSet ? bits.#bits : bits;
    for (let i = 0; i < this.#bits.length; i++) this.#bits[i] = (this.#bits[i] as number) | (more[i] ?? 0);
  }

  /** A bit for each, page 0's in bit 0 of byte 0. */
  get bits(): Uint8Array {
    return this.#bits;
  }

  clear(): void {
    this.#bits.fill(0);
  }

  /** The pages that bytes from `offset` on lie in. */
  addBytes(offset: number, length: number): void {
    const end = Math.ceil((offset + length) / logPage);
    for (let page = Math.floor(offset / logPage); page < end; page++) this.add(page);
  }

  *[Symbol.iterator](): IterableIterator<number> {
    for (const [i, byte] of this.#bits.entries()) {
      for (let bit = 0; byte >>> bit; bit++) if ((byte >>> bit) & 1) yield 8 * i + bit;
    }
  }
}

/** What one who copies has not seen yet. */
export interface PageLog {
  /** The pages written since the last call; the first gives all that ever were. What is written from now on is the next's. */
  take(): PageSet;
  close(): void;
}

export class WrittenPages {
  readonly #pages: number;
  readonly #taken: () => Uint8Array;
  readonly #ever: PageSet;
  readonly #open = new Set<PageSet>();

  /** `taken` gives the VM's dirty log and empties it: nobody else may. */
  constructor(ramSize: number, taken: () => Uint8Array) {
    this.#pages = Math.ceil(ramSize / logPage);
    this.#taken = taken;
    this.#ever = new PageSet(this.#pages);
  }

  /** What was written before the guest ran, and not through the VM. */
  add(offset: number, length: number): void {
    this.#ever.addBytes(offset, length);
    for (const log of this.#open) log.addBytes(offset, length);
  }

  /** Any number at a time. */
  log(): PageLog {
    this.#update();
    let pending = new PageSet(this.#pages);
    pending.addAll(this.#ever);
    this.#open.add(pending);
    return {
      take: () => {
        this.#update();
        const given = pending;
        this.#open.delete(given);
        pending = new PageSet(this.#pages);
        this.#open.add(pending);
        return given;
      },
      close: () => void this.#open.delete(pending),
    };
  }

  #update(): void {
    const bits = this.#taken();
    this.#ever.addAll(bits);
    for (const log of this.#open) log.addAll(bits);
  }
}
