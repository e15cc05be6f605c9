/**
 * .xz files: streams of blocks, each LZMA2 behind filters, with checksums and an index. Source: The .xz File Format 1.2.
 * Each field is held against what it speaks of.
 */
import { type BranchFilter, undoPowerPc, undoX86 } from "./branch-filters.js";
import { crc32, crc64 } from "./checksums.js";
import { LzmaDecoder, lzmaProperties } from "./lzma.js";
import { cutOff, damaged, Output, UnpackError } from "./output.js";

const magic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0] as const;
const lzma2Filter = 0x21;
const branchFilters: ReadonlyMap<number, BranchFilter> = new Map([
  [0x04, undoX86],
  [0x05, undoPowerPc],
]);

interface Check {
  readonly size: number;
  readonly isRight: (made: Uint8Array, stored: DataView) => boolean;
}
/** By the number that a stream's flags have. */
const checks: ReadonlyMap<number, Check> = new Map<number, Check>([
  [0, { size: 0, isRight: () => true }],
  [1, { size: 4, isRight: (made, stored) => crc32(made) === stored.getUint32(0, true) }],
  [4, { size: 8, isRight: (made, stored) => crc64(made) === stored.getBigUint64(0, true) }],
]);

/** What the files' blocks have packed, one after the other. Throws UnpackError. */
export function unxz(bytes: Uint8Array, limit: number): Uint8Array {
  const reader = new Reader(bytes);
  const output = new Output(limit);
  do {
    stream(reader, output);
    // "Stream Padding".
    while (bytes.length - reader.at >= 4 && reader.peek32() === 0) reader.at += 4;
  } while (reader.at < bytes.length);
  return output.made;
}

/** Reads what may be cut off. */
class Reader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Where `count` bytes begin, which are then behind. */
  take(count: number): number {
    if (count > this.bytes.length - this.at) throw cutOff();
    this.at += count;
    return this.at - count;
  }

  byte(): number {
    return this.bytes[this.take(1)] as number;
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  peek32(): number {
    return this.view.getUint32(this.at, true);
  }

  /** "Multibyte Integers", of which those that are exact as numbers make sense. */
  integer(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (byte === 0 && scale > 1) break;
        return value;
      }
    }
    throw damaged("a number in it is not written as it should be");
  }

  /** Up to a multiple of four bytes from `start`; all zero. */
  pad(start: number): void {
    while ((this.at - start) % 4 !== 0) if (this.byte() !== 0) throw damaged("its padding is not zero");
  }

  /** A CRC-32 of what has been read from `start` on. */
  checkSum(start: number, what: string): void {
    const sum = crc32(this.bytes.subarray(start, this.at));
    if (this.u32() !== sum) throw damaged(`the CRC-32 of ${what} is wrong`);
  }
}

/** What an index has of a block. */
interface Record {
  readonly unpadded: number;
  readonly made: number;
}

function stream(reader: Reader, output: Output): void {
  const start = reader.take(magic.length);
  if (!magic.every((byte, i) => reader.bytes[start + i] === byte)) throw damaged("it is no xz stream");
  const flagsAt = reader.take(2);
  const flags = reader.view.getUint16(flagsAt);
  reader.checkSum(flagsAt, "its header");
  const check = checks.get(flags);
  if (!check) {
    const which = flags === 10 ? "SHA-256" : `number ${flags}`;
    throw new UnpackError("unsupported", `its check is ${which}, not a CRC; pack it again with xz --check=crc32`);
  }
  const blocks: Record[] = [];
  while (reader.bytes[reader.at] !== 0) blocks.push(block(reader, output, check));
  const indexAt = reader.at;
  index(reader, blocks);
  const indexSize = reader.at - indexAt;
  // "Stream Footer".
  const sum = reader.u32();
  const footerAt = reader.at;
  const backwards = reader.u32();
  const again = reader.view.getUint16(reader.take(2));
  if (crc32(reader.bytes.subarray(footerAt, reader.at)) !== sum) throw damaged("the CRC-32 of its footer is wrong");
  if ((backwards + 1) * 4 !== indexSize || again !== flags) throw damaged("its footer is not of this stream");
  if (reader.byte() !== 0x59 || reader.byte() !== 0x5a) throw damaged("it does not end as an xz stream");
}

function block(reader: Reader, output: Output, check: Check): Record {
  const start = reader.at;
  const size = (reader.byte() + 1) * 4;
  const headerEnd = start + size - 4;
  if (headerEnd > reader.bytes.length) throw cutOff();
  // Nothing is read beyond its own header.
  const header = new Reader(reader.bytes.subarray(0, headerEnd));
  header.at = reader.at;
  reader.at = headerEnd;
  reader.checkSum(start, "a block's header");
  const flags = header.byte();
  if (flags & 0x3c) throw new UnpackError("unsupported", `a block has the flags ${flags}, which are not known`);
  const packedSize = flags & 0x40 ? header.integer() : undefined;
  const madeSize = flags & 0x80 ? header.integer() : undefined;
  const filters = Array.from({ length: (flags & 3) + 1 }, (_, i) => readFilter(header, i === (flags & 3)));
  while (header.at < headerEnd) if (header.byte() !== 0) throw damaged("a block's header is not zero at its end");

  const dataAt = reader.at;
  const madeAt = output.length;
  if (madeSize !== undefined && madeSize > output.left) output.reserve(madeSize);
  reader.at = lzma2(reader.bytes, dataAt, output);
  const packed = reader.at - dataAt;
  const made = output.length - madeAt;
  if ((packedSize ?? packed) !== packed || (madeSize ?? made) !== made) {
    throw damaged("a block does not have the size that its header says");
  }
  const part = output.made.subarray(madeAt);
  for (const undo of filters.reverse()) undo(part);
  reader.pad(dataAt);
  const stored = reader.take(check.size);
  if (!check.isRight(part, new DataView(reader.bytes.buffer, reader.bytes.byteOffset + stored, check.size))) {
    throw damaged("the checksum of what was unpacked is wrong");
  }
  return { unpadded: size + packed + check.size, made };
}

/** What undoes it; LZMA2, the last, has itself done so. */
function readFilter(header: Reader, last: boolean): (bytes: Uint8Array) => void {
  const id = header.integer();
  const size = header.integer();
  const at = header.take(size);
  const filter = branchFilters.get(id);
  if (last && id === lzma2Filter && size === 1) return () => undefined;
  if (last || !filter || (size !== 0 && size !== 4)) {
    throw new UnpackError("unsupported", `a block is packed with xz's filter ${id}, which is not known here`);
  }
  const start = size === 4 ? header.view.getUint32(at, true) : 0;
  return (bytes) => filter(bytes, start);
}

function index(reader: Reader, blocks: readonly Record[]): void {
  const start = reader.take(1);
  if (reader.integer() !== blocks.length) throw damaged("its index does not have as many blocks as it has");
  for (const { unpadded, made } of blocks) {
    if (reader.integer() !== unpadded || reader.integer() !== made) throw damaged("its index does not fit its blocks");
  }
  reader.pad(start);
  reader.checkSum(start, "its index");
}

/** What a chunk's control byte says. */
const Control = {
  end: 0,
  storedForget: 1,
  stored: 2,
  lzma: 0x80,
  reset: 0xa0,
  properties: 0xc0,
  forget: 0xe0,
} as const;

/** Unpacks chunks from `at` on; where they end. */
function lzma2(bytes: Uint8Array, at: number, output: Output): number {
  const decoder = new LzmaDecoder(output);
  const byte = (place: number): number => {
    if (place >= bytes.length) throw cutOff();
    return bytes[place] as number;
  };
  const sixteen = (place: number): number => (byte(place) << 8) | byte(place + 1);
  let [forgotten, reset, properties] = [false, false, false];
  for (;;) {
    const control = byte(at);
    if (control === Control.end) return at + 1;
    if (control === Control.storedForget || control >= Control.forget) {
      decoder.forget();
      forgotten = true;
    }
    if (!forgotten) throw damaged("its first chunk does not begin with an empty dictionary");
    if (control < Control.lzma) {
      if (control > Control.stored) throw damaged(`a chunk begins with ${control}`);
      const size = sixteen(at + 1) + 1;
      if (at + 3 + size > bytes.length) throw cutOff();
      output.append(bytes.subarray(at + 3, at + 3 + size));
      at += 3 + size;
      continue;
    }
    const made = ((control & 31) << 16) + sixteen(at + 1) + 1;
    const packed = sixteen(at + 3) + 1;
    at += 5;
    if (control >= Control.properties) {
      const found = lzmaProperties(byte(at++));
      if (found.lc + found.lp > 4) throw damaged(`lc and lp of LZMA2 are at most 4 together`);
      decoder.setProperties(found);
      properties = true;
      reset = true;
    } else if (control >= Control.reset) {
      if (properties) decoder.reset();
      reset = true;
    }
    if (!properties || !reset) throw damaged("a chunk goes on with what no chunk has begun");
    if (at + packed > bytes.length) throw cutOff();
    decoder.begin(bytes, at, at + packed);
    if (decoder.decode(made) || decoder.at !== at + packed || !decoder.isWhole) {
      throw damaged("a chunk does not have the size that it claims");
    }
    at += packed;
  }
}
