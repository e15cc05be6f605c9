/**
 * What xz's branch filters did before packing is undone: targets of calls became absolute, so that calls of one function look
 * alike. Source: The .xz File Format, "Branch/Call/Jump Filters for Executables"; Lasse Collin's and Igor Pavlov's filters, whose
 * every quirk is part of the format.
 */

/** Undoes it in place; `start` is the position that the first byte counts as. */
export type BranchFilter = (bytes: Uint8Array, start: number) => void;

/** An operand whose highest byte is 0 or 0xff is one that a call has. */
const isEnd = (byte: number): boolean => byte === 0 || byte === 0xff;

/**
 * CALL and JMP with four bytes of displacement, wherever such a byte is found, be it an opcode or not. Opcodes seen among the
 * three bytes before, which may have this one in their operand, are remembered by a bit each, the nearest lowest.
 */
export function undoX86(bytes: Uint8Array, start: number): void {
  let seen = 0;
  let last = -1;
  for (let at = 0; at + 4 < bytes.length; at++) {
    if (((bytes[at] as number) & 0xfe) !== 0xe8) continue;
    const since = at - last;
    seen = last < 0 || since > 3 ? 0 : (seen << (since - 1)) & 7;
    last = at;
    // Of the byte in the operand which the earliest of them decides by.
    const inside = seen === 0 ? 0 : seen < 2 ? 1 : seen < 4 ? 2 : 3;
    if (seen !== 0) {
      const severalSeen = (seen & (seen - 1)) !== 0;
      if (severalSeen || isEnd(bytes[at + 4 - inside] as number)) {
        seen = (seen << 1) | 1;
        continue;
      }
    }
    if (!isEnd(bytes[at + 4] as number)) {
      seen = (seen << 1) | 1;
      continue;
    }
    const behind = (start + at + 5) | 0;
    let value =
      (bytes[at + 1] as number) |
      ((bytes[at + 2] as number) << 8) |
      ((bytes[at + 3] as number) << 16) |
      ((bytes[at + 4] as number) << 24);
    let target = (value - behind) | 0;
    if (seen !== 0) {
      const shift = 24 - 8 * inside;
      if (isEnd((target >>> shift) & 255)) {
        value = target ^ ((1 << (shift + 8)) - 1);
        target = (value - behind) | 0;
      }
    }
    bytes[at + 1] = target;
    bytes[at + 2] = target >>> 8;
    bytes[at + 3] = target >>> 16;
    bytes[at + 4] = (target >>> 24) & 1 ? 0xff : 0;
    at += 4;
    last = at;
    seen = 0;
  }
}

/** `bl` with a target relative to the instruction, big-endian. */
export function undoPowerPc(bytes: Uint8Array, start: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const word = view.getUint32(at);
    if ((word & 0xfc00_0003) >>> 0 !== 0x4800_0001) continue;
    view.setUint32(at, 0x4800_0001 | (((word & 0x03ff_fffc) - (start + at)) & 0x03ff_fffc));
  }
}
