/**
 * Plain values as bytes: numbers, bigints, strings, byte arrays, booleans, undefined, null, and lists and objects of these.
 * Decoding takes no more memory than a small multiple of the bytes, whatever they claim.
 * Source: RFC 8949, "Concise Binary Object Representation (CBOR)"; bigints are its bignums.
 */

/** What is not such bytes. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

const Major = { unsigned: 0, negative: 1, bytes: 2, text: 3, list: 4, map: 5, tag: 6, simple: 7 } as const;
const Simple = { false: 20, true: 21, null: 22, undefined: 23, float64: 27 } as const;
const positiveBignum = 2;
const negativeBignum = 3;
/** Lists and objects in each other. */
const deepest = 32;
/** Bytes of a bignum. */
const longest = 64;

export function encodeValue(value: unknown): Uint8Array {
  const writer = new Writer();
  writer.value(value, 0);
  return writer.done();
}

class Writer {
  #bytes = new Uint8Array(65536);
  #at = 0;

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  #room(length: number): DataView {
    if (this.#at + length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + length));
      larger.set(this.#bytes.subarray(0, this.#at));
      this.#bytes = larger;
    }
    return new DataView(this.#bytes.buffer);
  }

  #head(major: number, value: number): void {
    const view = this.#room(9);
    const first = major << 5;
    if (value < 24) view.setUint8(this.#at++, first | value);
    else if (value < 2 ** 32) {
      view.setUint8(this.#at, first | 26);
      view.setUint32(this.#at + 1, value);
      this.#at += 5;
    } else {
      view.setUint8(this.#at, first | 27);
      view.setBigUint64(this.#at + 1, BigInt(value));
      this.#at += 9;
    }
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  value(value: unknown, depth: number): void {
    if (depth > deepest) throw new ValueError("a value of too many lists and objects in each other");
    if (typeof value === "number") this.#number(value);
    else if (typeof value === "bigint") this.#bignum(value);
    else if (typeof value === "string") this.#text(value);
    else if (typeof value === "object") this.#object(value, depth);
    else if (value === undefined) this.#head(Major.simple, Simple.undefined);
    else if (typeof value === "boolean") this.#head(Major.simple, value ? Simple.true : Simple.false);
    else throw new ValueError(`a ${typeof value} is no plain value`);
  }

  #text(value: string): void {
    const text = new TextEncoder().encode(value);
    this.#head(Major.text, text.length);
    this.#raw(text);
  }

  #object(value: object | null, depth: number): void {
    if (value === null) this.#head(Major.simple, Simple.null);
    else if (value instanceof Uint8Array) {
      this.#head(Major.bytes, value.length);
      this.#raw(value);
    } else if (Array.isArray(value)) {
      this.#head(Major.list, value.length);
      for (const each of value as unknown[]) this.value(each, depth + 1);
    } else {
      const entries = Object.entries(value).filter(([, each]) => each !== undefined);
      this.#head(Major.map, entries.length);
      for (const [name, each] of entries) {
        this.value(name, depth + 1);
        this.value(each, depth + 1);
      }
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0) this.#head(Major.unsigned, value);
      else this.#head(Major.negative, -1 - value);
      return;
    }
    const view = this.#room(9);
    view.setUint8(this.#at, (Major.simple << 5) | Simple.float64);
    view.setFloat64(this.#at + 1, value);
    this.#at += 9;
  }

  #bignum(value: bigint): void {
    const magnitude = value < 0n ? -1n - value : value;
    const hex = magnitude === 0n ? "" : magnitude.toString(16);
    const bytes = new Uint8Array(Math.ceil(hex.length / 2));
    const even = hex.padStart(2 * bytes.length, "0");
    for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(even.slice(2 * i, 2 * i + 2), 16);
    this.#head(Major.tag, value < 0n ? negativeBignum : positiveBignum);
    this.#head(Major.bytes, bytes.length);
    this.#raw(bytes);
  }
}

/** Throws ValueError. Byte arrays are views of `bytes`. */
export function decodeValue(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.left !== 0) throw new ValueError(`${reader.left} bytes behind the value`);
  return value;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #take(length: number): number {
    if (length > this.left)
      throw new ValueError(`${length} bytes are wanted at ${this.#at}, and there are ${this.left}`);
    const at = this.#at;
    this.#at += length;
    return at;
  }

  #raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  value(depth: number): unknown {
    if (depth > deepest) throw new ValueError("lists and objects are too deep in each other");
    const first = this.#view.getUint8(this.#take(1));
    const [major, small] = [first >> 5, first & 31];
    if (major === Major.simple) return this.#simple(small);
    const argument = this.#argument(small);
    switch (major) {
      case Major.unsigned:
        return argument;
      case Major.negative:
        return -1 - argument;
      case Major.bytes:
        return this.#raw(argument);
      case Major.text:
        return this.#text(argument);
      case Major.list: {
        // Each takes a byte at least.
        if (argument > this.left) throw new ValueError(`a list of ${argument} in ${this.left} bytes`);
        const list: unknown[] = [];
        while (list.length < argument) list.push(this.value(depth + 1));
        return list;
      }
      case Major.map:
        return this.#map(argument, depth);
      default:
        return this.#bignum(argument);
    }
  }

  #argument(small: number): number {
    if (small < 24) return small;
    if (small === 26) return this.#view.getUint32(this.#take(4));
    if (small !== 27) throw new ValueError(`a head that is not written here (${small})`);
    const value = this.#view.getBigUint64(this.#take(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ValueError(`the number ${value} is too large`);
    return Number(value);
  }

  #simple(small: number): unknown {
    switch (small) {
      case Simple.false:
        return false;
      case Simple.true:
        return true;
      case Simple.null:
        return null;
      case Simple.undefined:
        return undefined;
      case Simple.float64:
        return this.#view.getFloat64(this.#take(8));
      default:
        throw new ValueError(`no simple value ${small}`);
    }
  }

  #text(length: number): string {
    const raw = this.#raw(length);
    // Names, which are most: a decoder's call costs more than they do.
    if (length < 32 && raw.every((byte) => byte < 0x80)) return String.fromCharCode(...raw);
    try {
      return this.#decoder.decode(raw.slice());
    } catch (cause) {
      if (cause instanceof ValueError) throw cause;
      throw new ValueError("a string that is not UTF-8", { cause });
    }
  }

  #map(count: number, depth: number): unknown {
    if (2 * count > this.left) throw new ValueError(`an object of ${count} in ${this.left} bytes`);
    const entries: [string, unknown][] = [];
    while (entries.length < count) {
      const name = this.value(depth + 1);
      if (typeof name !== "string") throw new ValueError("a name that is no string");
      entries.push([name, this.value(depth + 1)]);
    }
    // Unlike an assignment it takes any name, as "__proto__", for one of the object's own.
    return Object.fromEntries(entries);
  }

  #bignum(tag: number): bigint {
    if (tag !== positiveBignum && tag !== negativeBignum) throw new ValueError(`a tag ${tag} is not written here`);
    const bytes = this.value(deepest);
    if (!(bytes instanceof Uint8Array) || bytes.length > longest) throw new ValueError("a bigint that is none");
    let magnitude = 0n;
    for (const byte of bytes) magnitude = (magnitude << 8n) | BigInt(byte);
    return tag === negativeBignum ? -1n - magnitude : magnitude;
  }
}
