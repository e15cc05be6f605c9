/** Makes ELF64 files for tests, as wrong as a test wants them. */
export interface TestSegment {
  readonly physical: bigint;
  readonly virtual?: bigint;
  readonly data: Uint8Array;
  readonly memorySize?: bigint;
  readonly fileSize?: bigint;
  readonly offset?: bigint;
}

export interface TestElf {
  readonly segments: readonly TestSegment[];
  readonly entry: bigint;
  readonly littleEndian?: boolean;
  readonly machine?: number;
  readonly type?: number;
  readonly class?: number;
  readonly count?: number;
  readonly entrySize?: number;
  readonly tableOffset?: bigint;
}

export function makeElf(elf: TestElf): Uint8Array {
  const little = elf.littleEndian ?? false;
  const headers = 64 + 56 * elf.segments.length;
  const file = new Uint8Array(headers + elf.segments.reduce((sum, { data }) => sum + data.length, 0));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, elf.class ?? 2, little ? 1 : 2, 1]);
  view.setUint16(16, elf.type ?? 2, little);
  view.setUint16(18, elf.machine ?? 21, little);
  view.setBigUint64(24, elf.entry, little);
  view.setBigUint64(32, elf.tableOffset ?? 64n, little);
  view.setUint16(54, elf.entrySize ?? 56, little);
  view.setUint16(56, elf.count ?? elf.segments.length, little);
  let at = headers;
  for (const [i, segment] of elf.segments.entries()) {
    const header = 64 + 56 * i;
    view.setUint32(header, 1, little);
    view.setBigUint64(header + 8, segment.offset ?? BigInt(at), little);
    view.setBigUint64(header + 16, segment.virtual ?? segment.physical, little);
    view.setBigUint64(header + 24, segment.physical, little);
    view.setBigUint64(header + 32, segment.fileSize ?? BigInt(segment.data.length), little);
    view.setBigUint64(header + 40, segment.memorySize ?? BigInt(segment.data.length), little);
    file.set(segment.data, at);
    at += segment.data.length;
  }
  return file;
}
