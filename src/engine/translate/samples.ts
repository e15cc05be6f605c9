/**
 * What is hot, of samples of where a vCPU is: what has a share of the guest's time, a five-hundredth about, not what has run
 * often in a long time. Code that is spread thinly over a kernel or a compiler waits for its own bytes each time that it
 * runs, and translated there are ten times as many of them: interpreted it is quicker.
 */

/** Samples of one address that make it hot. */
const hot = 8;
/** All counts are halved after so many samples, some 30 million instructions. */
const halvedAfter = 2048;
/** What is refused needs so many more, fewer as time goes by: other code may stand there by then. */
const refused = 2000;

export class Samples {
  readonly #counts = new Map<number, number>();
  readonly #asked: (address: number) => boolean;
  #taken = 0;

  /** @param asked whether what is at an address has been asked for: it stays hot until `forget` or `refuse`. */
  constructor(asked: (address: number) => boolean) {
    this.#asked = asked;
  }

  /** Addresses that are remembered. However many there are in the guest, they are some thousands. */
  get size(): number {
    return this.#counts.size;
  }

  /** Counts an address once more. True: it is hot. */
  take(address: number): boolean {
    if (++this.#taken >= halvedAfter) this.#halve();
    const count = (this.#counts.get(address) ?? 0) + 1;
    this.#counts.set(address, count);
    return count >= hot;
  }

  forget(address: number): void {
    this.#counts.delete(address);
  }

  refuse(address: number): void {
    this.#counts.set(address, -refused);
  }

  #halve(): void {
    this.#taken = 0;
    for (const [address, count] of this.#counts) {
      if (this.#asked(address)) continue;
      const half = Math.trunc(count / 2);
      if (half === 0) this.#counts.delete(address);
      else this.#counts.set(address, half);
    }
  }
}
