/**
 * LZMA: what .lzma files have, and LZMA2's chunks in .xz files. Source: Igor Pavlov, "LZMA specification", and the .xz file
 * format's description of LZMA2. Nothing that comes in is trusted: each distance is held against what has been made.
 */
import { cutOff, damaged, larger, Output } from "./output.js";

/** Where each kind of probability begins, in one array: it is what the inner loop reads. */
const positionStates = 16;
const states = 12;
const lengthSize = 2 + 2 * positionStates * 8 + 256;
const Place = (() => {
  let at = 0;
  const take = (count: number): number => {
    at += count;
    return at - count;
  };
  return {
    isMatch: take(states * positionStates),
    isLongRepeat0: take(states * positionStates),
    isRepeat: take(states),
    isRepeat0: take(states),
    isRepeat1: take(states),
    isRepeat2: take(states),
    slot: take(4 * 64),
    special: take(128),
    align: take(16),
    matchLength: take(lengthSize),
    repeatLength: take(lengthSize),
    literal: take(0),
  } as const;
})();

const shortest = 2;
const endMarker = -1;

/** "Properties": how many bits of the byte before, and of the position, choose among probabilities. */
export interface LzmaProperties {
  readonly lc: number;
  readonly lp: number;
  readonly pb: number;
}

/** From the byte that has them. Throws UnpackError. */
export function lzmaProperties(byte: number): LzmaProperties {
  if (byte >= 9 * 5 * 5) throw damaged(`properties of LZMA are below 225, not ${byte}`);
  return { lc: byte % 9, lp: Math.floor(byte / 9) % 5, pb: Math.floor(byte / 45) };
}

export class LzmaDecoder {
  readonly #output: Output;
  /** Of `#output`: where the dictionary begins. */
  #start = 0;
  #probabilities = new Uint16Array(0);
  #lc = 0;
  #literalMask = 0;
  #positionMask = 0;
  #state = 0;
  #repeats: [number, number, number, number] = [0, 0, 0, 0];
  /** What of a match did not fit any more. */
  #pending = 0;
  #input: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  /** 32 bits each, kept as signed numbers, which engines hold without a box. */
  #range = 0;
  #code = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  /** The dictionary is empty from here on. */
  forget(): void {
    this.#start = this.#output.length;
  }

  setProperties({ lc, lp, pb }: LzmaProperties): void {
    this.#lc = lc;
    this.#literalMask = (1 << lp) - 1;
    this.#positionMask = (1 << pb) - 1;
    const size = Place.literal + (0x300 << (lc + lp));
    if (this.#probabilities.length !== size) this.#probabilities = new Uint16Array(size);
    this.reset();
  }

  reset(): void {
    this.#probabilities.fill(1024);
    this.#state = 0;
    this.#repeats = [0, 0, 0, 0];
    this.#pending = 0;
  }

  /** Begins to read packed bytes from `at` up to `end`. Throws UnpackError. */
  begin(input: Uint8Array, at: number, end: number): void {
    if (end - at < 5) throw cutOff();
    if (input[at] !== 0) throw damaged("LZMA data does not begin with 0");
    this.#input = input;
    this.#at = at + 5;
    this.#end = end;
    this.#range = -1;
    this.#code = new DataView(input.buffer, input.byteOffset).getInt32(at + 1);
  }

  /** Where reading has come to. */
  get at(): number {
    return this.#at;
  }

  /** Whether what was read is what an encoder leaves at its end, with no match open. */
  get isWhole(): boolean {
    return this.#code === 0 && this.#pending === 0;
  }

  /** Makes `count` bytes, or fewer if it comes to the end's marker: then true. Throws UnpackError. */
  decode(count: number): boolean {
    const output = this.#output;
    output.reserve(count);
    const end = output.length + count;
    if (this.#pending > 0) this.#copy(this.#pending, end);
    const probabilities = this.#probabilities;
    const { bytes } = output;
    let made = output.length;
    while (made < end) {
      const position = made - this.#start;
      const positionState = position & this.#positionMask;
      const state = this.#state;
      if (this.#bit(probabilities, Place.isMatch + state * positionStates + positionState) === 0) {
        const before = position > 0 ? (bytes[made - 1] as number) : 0;
        const context = ((position & this.#literalMask) << this.#lc) + (before >> (8 - this.#lc));
        const base = Place.literal + 0x300 * context;
        bytes[made] = state < 7 ? this.#literal(probabilities, base) : this.#afterMatch(probabilities, base, made);
        made++;
        this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
        continue;
      }
      let length: number;
      const repeats = this.#repeats;
      if (this.#bit(probabilities, Place.isRepeat + state) === 0) {
        length = this.#length(probabilities, Place.matchLength, positionState);
        repeats[3] = repeats[2];
        repeats[2] = repeats[1];
        repeats[1] = repeats[0];
        repeats[0] = this.#distance(probabilities, length);
        this.#state = state < 7 ? 7 : 10;
        if (repeats[0] === endMarker) {
          output.length = made;
          return true;
        }
      } else {
        length = this.#repeat(probabilities, state, positionState);
      }
      output.length = made;
      this.#copy(length, end);
      made = output.length;
    }
    output.length = made;
    return false;
  }

  /** Copies a match, as far as `end`. */
  #copy(length: number, end: number): void {
    const output = this.#output;
    // As an unsigned number: what is beyond 2 GiB is beyond anything.
    const distance = (this.#repeats[0] >>> 0) + 1;
    if (distance > output.length - this.#start) throw damaged("a match of LZMA lies before the beginning");
    const count = Math.min(length, end - output.length);
    output.repeat(distance, count);
    this.#pending = length - count;
  }

  #bit(probabilities: Uint16Array, at: number): 0 | 1 {
    const probability = probabilities[at] as number;
    const bound = Math.imul(this.#range >>> 11, probability);
    if (this.#code >>> 0 < bound >>> 0) {
      probabilities[at] = probability + ((2048 - probability) >> 5);
      this.#range = bound;
      if (bound >>> 24 === 0) this.#next();
      return 0;
    }
    probabilities[at] = probability - (probability >> 5);
    const range = (this.#range - bound) | 0;
    this.#range = range;
    this.#code = (this.#code - bound) | 0;
    if (range >>> 24 === 0) this.#next();
    return 1;
  }

  #next(): void {
    if (this.#at >= this.#end) throw cutOff();
    this.#range <<= 8;
    this.#code = (this.#code << 8) | (this.#input[this.#at++] as number);
  }

  /** Adds bits to `node` until it is `end` or more: as #bit does, and nearly all of the time is spent here, so with all at hand. */
  #walk(probabilities: Uint16Array, base: number, node: number, end: number): number {
    const input = this.#input;
    let range = this.#range;
    let code = this.#code;
    while (node < end) {
      const at = base + node;
      const probability = probabilities[at] as number;
      const bound = Math.imul(range >>> 11, probability);
      if (code >>> 0 < bound >>> 0) {
        probabilities[at] = probability + ((2048 - probability) >> 5);
        range = bound;
        node <<= 1;
      } else {
        probabilities[at] = probability - (probability >> 5);
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        node = (node << 1) | 1;
      }
      if (range >>> 24 === 0) {
        if (this.#at >= this.#end) throw cutOff();
        range <<= 8;
        code = (code << 8) | (input[this.#at++] as number);
      }
    }
    this.#range = range;
    this.#code = code;
    return node;
  }

  #tree(probabilities: Uint16Array, base: number, bits: number): number {
    return this.#walk(probabilities, base, 1, 1 << bits) - (1 << bits);
  }

  #literal(probabilities: Uint16Array, base: number): number {
    return this.#walk(probabilities, base, 1, 0x100) & 255;
  }

  /** A byte behind a match is likely to differ from what followed there: its bits choose, as long as they agree. */
  #afterMatch(probabilities: Uint16Array, base: number, made: number): number {
    const distance = (this.#repeats[0] >>> 0) + 1;
    if (distance > made - this.#start) throw damaged("a match of LZMA lies before the beginning");
    let other = this.#output.bytes[made - distance] as number;
    let node = 1;
    while (node < 0x100) {
      const otherBit = (other >> 7) & 1;
      other <<= 1;
      const bit = this.#bit(probabilities, base + ((1 + otherBit) << 8) + node);
      node = (node << 1) | bit;
      if (bit !== otherBit) break;
    }
    return this.#walk(probabilities, base, node, 0x100) & 255;
  }

  #length(probabilities: Uint16Array, base: number, positionState: number): number {
    const [low, middle, high] = [base + 2, base + 2 + positionStates * 8, base + 2 + 2 * positionStates * 8];
    if (this.#bit(probabilities, base) === 0) return shortest + this.#tree(probabilities, low + positionState * 8, 3);
    if (this.#bit(probabilities, base + 1) === 0)
      return shortest + 8 + this.#tree(probabilities, middle + positionState * 8, 3);
    return shortest + 16 + this.#tree(probabilities, high, 8);
  }

  /** One less than it is; 32 bits, as a signed number. */
  #distance(probabilities: Uint16Array, length: number): number {
    const slot = this.#tree(probabilities, Place.slot + Math.min(length - shortest, 3) * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const start = (2 | (slot & 1)) << bits;
    if (slot < 14) return start + this.#reverse(probabilities, Place.special + start - slot, bits);
    let direct = 0;
    for (let i = 4; i < bits; i++) {
      this.#range >>>= 1;
      const half = this.#range;
      if (this.#code >>> 0 >= half >>> 0) {
        this.#code = (this.#code - half) | 0;
        direct = (direct << 1) | 1;
      } else direct <<= 1;
      if (half >>> 24 === 0) this.#next();
    }
    return (start + (direct << 4) + this.#reverse(probabilities, Place.align, 4)) | 0;
  }

  #reverse(probabilities: Uint16Array, base: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(probabilities, base + node);
      node = (node << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  /** A match at one of the four distances that were last; its length. */
  #repeat(probabilities: Uint16Array, state: number, positionState: number): number {
    const repeats = this.#repeats;
    if (this.#bit(probabilities, Place.isRepeat0 + state) === 0) {
      if (this.#bit(probabilities, Place.isLongRepeat0 + state * positionStates + positionState) === 0) {
        this.#state = state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      const which =
        this.#bit(probabilities, Place.isRepeat1 + state) === 0
          ? 1
          : this.#bit(probabilities, Place.isRepeat2 + state) === 0
            ? 2
            : 3;
      const distance = repeats[which];
      repeats.copyWithin(1, 0, which);
      repeats[0] = distance;
    }
    this.#state = state < 7 ? 8 : 11;
    return this.#length(probabilities, Place.repeatLength, positionState);
  }
}

/** Of a file, ".lzma": properties, the dictionary's size, the size or -1 for what ends with a marker. */
const headerSize = 13;

/** What a .lzma file has packed. Throws UnpackError. */
export function unlzma(bytes: Uint8Array, limit: number): Uint8Array {
  if (bytes.length < headerSize) throw cutOff();
  // The end's marker may stand where the limit is: one byte more shows that it does not.
  const output = new Output(limit + 1);
  const decoder = new LzmaDecoder(output);
  const size = new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(5, true);
  decoder.setProperties(lzmaProperties(bytes[0] as number));
  decoder.begin(bytes, headerSize, bytes.length);
  const whole = size < 0n ? Number.POSITIVE_INFINITY : Number(size);
  if (size > limit) throw larger(limit);
  while (output.length < whole) {
    if (output.length > limit) throw larger(limit);
    if (!decoder.decode(Math.min(whole - output.length, 1 << 20, output.left))) continue;
    if (size >= 0n) throw damaged("it ends before the size that it claims");
    break;
  }
  if (!decoder.isWhole) throw damaged("it does not end as LZMA data does");
  return output.made;
}
