/**
 * Kernels that say themselves, in a header near their beginning, that a loader of the multiboot protocol starts them.
 * Source: Multiboot Specification version 0.6.96, "OS image format".
 */
import { VmmError } from "../errors.js";
import { type ElfImage, i386Elf, isElf, parseElf } from "./elf.js";

/** The header lies in so many bytes, at a multiple of 4. */
const searched = 8192;
const magic = 0x1badb002;
const Flag = { alignModules: 1, memory: 2, video: 4, addresses: 0x1_0000 } as const;
/** What a loader must have, or refuse; ours places modules at pages and always tells of memory. */
const required = 0xffff;
const served = Flag.alignModules | Flag.memory;

/** Offsets of its fields. */
const Field = { flags: 4, checksum: 8, header: 12, load: 16, loadEnd: 20, bssEnd: 24, entry: 28, end: 32 } as const;

/** Where in a file, of which these bytes are the beginning, such a header is; undefined: there is none. */
export function multibootHeader(head: Uint8Array): number | undefined {
  const view = new DataView(head.buffer, head.byteOffset, Math.min(head.length, searched));
  for (let at = 0; at + Field.header <= view.byteLength; at += 4) {
    if (view.getUint32(at, true) !== magic) continue;
    const sum = magic + view.getUint32(at + Field.flags, true) + view.getUint32(at + Field.checksum, true);
    if (sum >>> 0 === 0) return at;
  }
  return undefined;
}

/** The kernel in a file that has such a header; undefined: it has none. Throws VmmError: it cannot be loaded. */
export function loadMultiboot(file: Uint8Array, name: string): ElfImage | undefined {
  const at = multibootHeader(file);
  if (at === undefined) return undefined;
  const refuse = (why: string): never => {
    throw new VmmError(`${name} cannot be loaded: ${why}`);
  };
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const flags = view.getUint32(at + Field.flags, true);
  const unserved = flags & required & ~served;
  if (unserved & Flag.video) refuse("it wants its loader to set a video mode, and the machine has no display");
  if (unserved) refuse(`it wants what no loader has, multiboot's flags 0x${unserved.toString(16)}`);
  if (!(flags & Flag.addresses)) {
    if (!isElf(file)) refuse("its multiboot header gives no addresses, and it is no ELF file");
    return { ...parseElf(file, name, i386Elf), multiboot: { name } };
  }
  if (at + Field.end > file.length) refuse("its multiboot header is cut off");
  const field = (offset: number) => view.getUint32(at + offset, true);
  const [header, load, loadEnd, bssEnd, entry] = [
    Field.header,
    Field.load,
    Field.loadEnd,
    Field.bssEnd,
    Field.entry,
  ].map(field) as [number, number, number, number, number];
  const first = at - (header - load);
  if (load > header || first < 0)
    refuse("its multiboot header says that it is loaded from before the file's beginning");
  const end = loadEnd === 0 ? file.length : first + loadEnd - load;
  if (end <= first || end > file.length) refuse("its multiboot header says that more is loaded than the file has");
  const length = end - first;
  const size = bssEnd === 0 ? length : bssEnd - load;
  if (size < length) refuse("its multiboot header says that it ends in memory before it ends in the file");
  if (entry < load || entry >= load + size) refuse(`its entry point 0x${entry.toString(16)} lies outside it`);
  return {
    ...{ byteOrder: "little", bits: 32, entry },
    segments: [{ address: load, size, data: file.subarray(first, end) }],
    multiboot: { name },
  };
}
