/**
 * DEFLATE, without any head or checksum, at once: where a platform's own does not wait. Source: RFC 1951, "DEFLATE Compressed Data
 * Format". Nothing that comes in is trusted: each code is checked when it is made, each distance against what has been made.
 */
import { cutOff, damaged, larger } from "./output.js";

const mostCodeLength = 15;
const endOfBlock = 256;
const firstLength = 257;

/** What a length's or a distance's code means: the smallest value, and how many bits more are added to that. */
interface Ranges {
  readonly base: readonly number[];
  readonly extra: readonly number[];
}

function ranges(first: number, extra: readonly number[]): Ranges {
  let next = first;
  const base = extra.map((bits) => {
    const start = next;
    next += 1 << bits;
    return start;
  });
  return { base, extra };
}

/** "Compressed blocks (length and distance codes)". The longest length has a code of its own. */
const lengths = ((): Ranges => {
  const { base, extra } = ranges(
    3,
    Array.from({ length: 28 }, (_, code) => (code < 8 ? 0 : (code >> 2) - 1)),
  );
  return { base: [...base, 258], extra: [...extra, 0] };
})();
const distances = ranges(
  1,
  Array.from({ length: 30 }, (_, code) => (code < 4 ? 0 : (code >> 1) - 1)),
);

/** "Compression with dynamic Huffman codes": in which order the lengths of the codes of lengths come. */
const lengthsOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/** Of them, how many bits say how often a length is repeated, and how often at least. */
const repeats: Readonly<Record<number, readonly [bits: number, least: number]>> = {
  16: [2, 3],
  17: [3, 3],
  18: [7, 11],
};

/** A Huffman code: by the next `bits` bits, a symbol in the upper bits and the length of its code in the lower four; 0: none. */
interface Code {
  readonly bits: number;
  readonly entries: Uint16Array;
}

/**
 * "Use of Huffman coding in the 'deflate' format". `single`: it may be of one symbol, which leaves half of its bits unused. Throws
 * UnpackError: no code has such lengths.
 */
function makeCode(of: Uint8Array, single = true): Code {
  const counts = new Uint16Array(mostCodeLength + 1);
  for (const length of of) counts[length] = (counts[length] as number) + 1;
  counts[0] = 0;
  let bits = mostCodeLength;
  while (bits > 1 && counts[bits] === 0) bits--;
  const next = new Uint16Array(mostCodeLength + 2);
  let code = 0;
  for (let length = 1; length <= bits; length++) {
    code += counts[length] as number;
    if (code > 1 << length) throw damaged("deflate has a code with too many symbols");
    code <<= 1;
    next[length + 1] = code;
  }
  // Of distances there is none where nothing is repeated.
  const isWhole = code === 2 << bits || code === 0 || (single && bits === 1);
  if (!isWhole) throw damaged("deflate has a code with too few symbols");
  const entries = new Uint16Array(1 << bits);
  for (const [symbol, length] of of.entries()) {
    if (length === 0) continue;
    const own = next[length] as number;
    next[length] = own + 1;
    let reversed = 0;
    for (let bit = 0; bit < length; bit++) reversed |= ((own >> bit) & 1) << (length - 1 - bit);
    for (let at = reversed; at < entries.length; at += 1 << length) entries[at] = (symbol << 4) | length;
  }
  return { bits, entries };
}

/** "Compression with fixed Huffman codes". */
const fixedLengths = (): Uint8Array =>
  Uint8Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8));

class Bits {
  readonly #packed: Uint8Array;
  #at = 0;
  #held = 0;
  #count = 0;

  constructor(packed: Uint8Array) {
    this.#packed = packed;
  }

  take(count: number): number {
    this.#load(count);
    if (this.#count < count) throw cutOff();
    const value = this.#held & ((1 << count) - 1);
    this.#drop(count);
    return value;
  }

  symbol({ bits, entries }: Code): number {
    this.#load(bits);
    const entry = entries[this.#held & (entries.length - 1)] as number;
    const length = entry & 15;
    if (length > this.#count || (length === 0 && this.#count < bits)) throw cutOff();
    if (length === 0) throw damaged("deflate has bits that are no code");
    this.#drop(length);
    return entry >> 4;
  }

  /** From the next whole byte on. */
  bytes(length: number): Uint8Array {
    this.align();
    const from = this.#at - (this.#count >> 3);
    this.#held = this.#count = 0;
    this.#at = from + length;
    if (this.#at > this.#packed.length) throw cutOff();
    return this.#packed.subarray(from, this.#at);
  }

  align(): void {
    this.#drop(this.#count & 7);
  }

  #drop(count: number): void {
    this.#held >>>= count;
    this.#count -= count;
  }

  #load(count: number): void {
    while (this.#count < count && this.#at < this.#packed.length) {
      this.#held |= (this.#packed[this.#at++] as number) << this.#count;
      this.#count += 8;
    }
  }
}

/** Codes of literals with lengths, and of distances, as a dynamic block begins with them. */
function readCodes(bits: Bits): readonly [symbols: Code, distances: Code] {
  const literals = bits.take(5) + firstLength;
  const all = literals + bits.take(5) + 1;
  if (literals > firstLength + lengths.base.length || all - literals > distances.base.length) {
    throw damaged("deflate has a code for more lengths or distances than there are");
  }
  const own = new Uint8Array(lengthsOrder.length);
  const given = bits.take(4) + 4;
  for (const symbol of lengthsOrder.slice(0, given)) own[symbol] = bits.take(3);
  const code = makeCode(own, false);
  const found = new Uint8Array(all);
  for (let at = 0; at < all; ) {
    const symbol = bits.symbol(code);
    const repeat = repeats[symbol];
    if (!repeat) {
      found[at++] = symbol;
      continue;
    }
    const [more, least] = repeat;
    const count = least + bits.take(more);
    if (count > all - at || (symbol === 16 && at === 0))
      throw damaged("deflate repeats a code's length that is not there");
    found.fill(symbol === 16 ? (found[at - 1] as number) : 0, at, at + count);
    at += count;
  }
  if (found[endOfBlock] === 0) throw damaged("deflate has a block without an end");
  return [makeCode(found.subarray(0, literals)), makeCode(found.subarray(literals))];
}

/**
 * Unpacks what begins `packed`, whatever follows, into all of `into`. Throws UnpackError: it is damaged or cut off, or makes more
 * or fewer bytes.
 */
export function inflate(packed: Uint8Array, into: Uint8Array): void {
  const bits = new Bits(packed);
  let made = 0;
  const room = (count: number): void => {
    if (count > into.length - made) throw larger(into.length);
  };
  const ranged = ({ base, extra }: Ranges, code: number): number => {
    const least = base[code];
    if (least === undefined) throw damaged("deflate has a length or a distance that there is not");
    return least + bits.take(extra[code] as number);
  };
  for (let last = false; !last; ) {
    last = bits.take(1) === 1;
    const kind = bits.take(2);
    if (kind === 3) throw damaged("deflate has a block of a kind that there is not");
    if (kind === 0) {
      bits.align();
      const length = bits.take(16);
      if (bits.take(16) !== (length ^ 0xffff)) throw damaged("deflate has a stored block of two lengths");
      room(length);
      into.set(bits.bytes(length), made);
      made += length;
      continue;
    }
    const [symbols, places] =
      kind === 2 ? readCodes(bits) : [makeCode(fixedLengths()), makeCode(new Uint8Array(32).fill(5))];
    for (let symbol = bits.symbol(symbols); symbol !== endOfBlock; symbol = bits.symbol(symbols)) {
      if (symbol < endOfBlock) {
        room(1);
        into[made++] = symbol;
        continue;
      }
      const length = ranged(lengths, symbol - firstLength);
      const distance = ranged(distances, bits.symbol(places));
      if (distance > made) throw damaged("deflate repeats what lies before the beginning");
      room(length);
      if (distance >= length) into.copyWithin(made, made - distance, made - distance + length);
      else for (let i = 0; i < length; i++) into[made + i] = into[made + i - distance] as number;
      made += length;
    }
  }
  if (made < into.length) throw damaged(`deflate makes ${made} bytes, not ${into.length}`);
}
