/** Arguments of any value, and of the right type. */

/** Repeatable: a generator of 32-bit numbers (xorshift). */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 1;
  }
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }
  pick<T>(values: readonly T[]): T {
    return values[this.next() % values.length] as T;
  }
  number(): number {
    const odd = [0, 1, 2, 4, 8, 12, 16, 18, 46, 64, 0x1000, 65536, -1, 0.5, Number.NaN, 2 ** 31, 2 ** 32, 2 ** 53];
    return this.pick([...odd, Number.POSITIVE_INFINITY, -(2 ** 40), this.next(), this.next() & 0xff]);
  }
  bigint(): bigint {
    const odd = [0n, 1n, 3n, 8n, 0x1000n, 65536n, 0x100000n, -1n, 1n << 32n, 1n << 63n, (1n << 64n) - 1n, 1n << 64n];
    return this.pick([...odd, -(1n << 70n), 1n << 127n, BigInt(this.next()), BigInt(this.next()) << 32n]);
  }
  flags(): number {
    return this.pick([0, 0, 0, 1, 2, 3, 4, 8, -1, this.next()]);
  }
  /** Some fields, on average one, with any value of their type. */
  spoil<T extends object>(valid: T): T {
    const fields = Object.entries(valid).map(([name, value]) => {
      if (this.next() % Object.keys(valid).length !== 0) return [name, value];
      if (typeof value === "number") return [name, name === "flags" ? this.flags() : this.number()];
      return [name, typeof value === "bigint" ? this.bigint() : value];
    });
    return Object.fromEntries(fields) as T;
  }
  array<T>(make: () => T): T[] {
    return Array.from({ length: this.next() % 5 }, make);
  }
}
