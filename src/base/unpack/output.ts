/** Where unpackers put what they make: it grows with what has come, never with what a header claims, up to a limit. */

/** Packed bytes that cannot be unpacked. */
export class UnpackError extends Error {
  override readonly name = "UnpackError";
  /** `damaged`: or cut off; `larger`: it would be more than the limit; `unsupported`: whole, perhaps, but not known here. */
  readonly code: "damaged" | "larger" | "unsupported";

  constructor(code: UnpackError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

export const damaged = (what: string): UnpackError => new UnpackError("damaged", what);
export const larger = (limit: number): UnpackError =>
  new UnpackError("larger", `unpacked it is larger than ${limit} bytes`);
export const cutOff = (): UnpackError => damaged("it is cut off");

export class Output {
  /** Those before `length` are made; those behind it may be written before `length` is moved, as far as was reserved. */
  bytes = new Uint8Array(1 << 16);
  length = 0;
  readonly #limit: number;

  /** `limit` in bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How much may still come. */
  get left(): number {
    return this.#limit - this.length;
  }

  /** Makes room for `count` more bytes. Throws UnpackError: that is beyond the limit. */
  reserve(count: number): void {
    if (count > this.left) throw larger(this.#limit);
    const wanted = this.length + count;
    if (wanted <= this.bytes.length) return;
    const grown = new Uint8Array(Math.min(Math.max(wanted, 4 * this.bytes.length), this.#limit));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Repeats `count` bytes that lie `distance` before the end, some of which it may itself be making. They must be there, and be reserved. */
  repeat(distance: number, count: number): void {
    const { bytes, length } = this;
    if (distance >= count) bytes.copyWithin(length, length - distance, length - distance + count);
    else for (let i = length; i < length + count; i++) bytes[i] = bytes[i - distance] as number;
    this.length = length + count;
  }

  /** All that was made, a view. */
  get made(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
