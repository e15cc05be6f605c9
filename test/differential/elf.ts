/** A static 64-bit PowerPC ELF executable, made from bytes. */

export interface Segment {
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Size in memory, at least bytes.length; the rest is zero. */
  readonly size?: number;
  readonly executable?: boolean;
}

const headerSize = 64;
const programHeaderSize = 56;
const page = 0x10000;

/** The file. ABI version 2 in both byte orders, so that the entry is code and not a function descriptor. */
export function staticElf(entry: number, segments: readonly Segment[], littleEndian: boolean): Uint8Array {
  let end = headerSize + programHeaderSize * segments.length;
  const places = segments.map((segment) => {
    const offset = Math.ceil(end / page) * page + (segment.address % page);
    end = offset + segment.bytes.length;
    return offset;
  });
  const file = new Uint8Array(end);
  const view = new DataView(file.buffer);
  const u16 = (at: number, value: number) => view.setUint16(at, value, littleEndian);
  const u32 = (at: number, value: number) => view.setUint32(at, value, littleEndian);
  const u64 = (at: number, value: number) => view.setBigUint64(at, BigInt(value), littleEndian);
  // e_ident: magic, ELFCLASS64, byte order, version.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, littleEndian ? 1 : 2, 1]);
  u16(16, 2); // ET_EXEC
  u16(18, 21); // EM_PPC64
  u32(20, 1);
  u64(24, entry);
  u64(32, headerSize);
  u32(48, 2); // e_flags: ELFv2
  u16(52, headerSize);
  u16(54, programHeaderSize);
  u16(56, segments.length);
  u16(58, 64);
  segments.forEach((segment, i) => {
    const at = headerSize + programHeaderSize * i;
    const size = Math.max(segment.size ?? 0, segment.bytes.length);
    u32(at, 1); // PT_LOAD
    u32(at + 4, segment.executable ? 7 : 6);
    u64(at + 8, places[i] as number);
    u64(at + 16, segment.address);
    u64(at + 24, segment.address);
    u64(at + 32, segment.bytes.length);
    u64(at + 40, size);
    u64(at + 48, page);
    file.set(segment.bytes, places[i]);
  });
  return file;
}
