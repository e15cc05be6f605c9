/**
 * LZ4 as kernels and initial RAM disks have it: the "legacy" frame, blocks of up to 8 MiB behind their lengths. Source: LZ4 Frame
 * Format, "Legacy frame"; LZ4 Block Format.
 */
import { cutOff, damaged, Output } from "./output.js";

const magic = 0x184c_2102;
const mostInBlock = 8 << 20;
const shortest = 4;

/** Throws UnpackError. */
export function unlz4(bytes: Uint8Array, limit: number): Uint8Array {
  const output = new Output(limit);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 4 || view.getUint32(0, true) !== magic) throw damaged("it is no LZ4 frame of the legacy kind");
  for (let at = 4; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw cutOff();
    const size = view.getUint32(at, true);
    at += 4;
    // Frames may follow one another.
    if (size === magic) continue;
    if (size > bytes.length - at) throw cutOff();
    block(bytes.subarray(at, at + size), output);
    at += size;
  }
  return output.made;
}

function block(packed: Uint8Array, output: Output): void {
  const start = output.length;
  let at = 0;
  const byte = (): number => {
    if (at >= packed.length) throw cutOff();
    return packed[at++] as number;
  };
  /** A length of which four bits are given: as long as a byte is 255, another follows. */
  const length = (bits: number): number => {
    let value = bits;
    for (let more = bits === 15 ? 255 : 0; more === 255; value += more) more = byte();
    return value;
  };
  const grow = (count: number): void => {
    if (count > mostInBlock - (output.length - start)) throw damaged("a block of LZ4 has more than 8 MiB");
    output.reserve(count);
  };
  while (at < packed.length) {
    const token = byte();
    const literals = length(token >> 4);
    if (literals > packed.length - at) throw cutOff();
    grow(literals);
    output.append(packed.subarray(at, at + literals));
    at += literals;
    // The last sequence has only literals.
    if (at === packed.length) return;
    const distance = byte() | (byte() << 8);
    if (distance === 0 || distance > output.length - start) throw damaged("a match of LZ4 lies before the beginning");
    const count = length(token & 15) + shortest;
    grow(count);
    output.repeat(distance, count);
  }
  throw damaged("a block of LZ4 does not end in literals");
}
