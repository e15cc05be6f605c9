/**
 * ELF executables of 64 and 32 bits, of either byte order, as a boot loader sees them: PT_LOAD segments at physical addresses.
 * The file is not trusted: every offset, count and address is checked before it is used.
 * Source: System V ABI, "ELF Header" and "Program Header"; 64-bit ELF V2 ABI for Power.
 */
import { VmmError } from "../errors.js";

/** A part of it. */
export interface ElfSegment {
  /** Guest physical address of the first byte. */
  readonly address: number;
  /** Bytes in guest memory; those beyond `data` are zero. */
  readonly size: number;
  /** The file's part, a view into the image. */
  readonly data: Uint8Array;
}

/** A kernel that was read, and can be loaded. */
export interface ElfImage {
  /** In which the first instruction is fetched. */
  readonly byteOrder: "big" | "little";
  /** Guest physical address of the first instruction. */
  readonly entry: number;
  /** Sorted by address, none empty, no two overlapping. */
  readonly segments: readonly ElfSegment[];
  /** Of its addresses, if not 64. */
  readonly bits?: 32;
  /** It is a bzImage that unpacks itself: its header, as Linux's boot protocol wants it in the zero page from 0x1f1 on. */
  readonly setupHeader?: Uint8Array;
  /** It is started by the multiboot protocol, whose command lines begin with the kernel's name. */
  readonly multiboot?: {
    /** As it was given. */
    readonly name: string;
    /** What of a firmware that it may ask lies where in memory. */
    readonly firmware?: readonly {
      /** Guest physical address of the first byte. */
      readonly address: number;
      /** What lies there. */
      readonly bytes: Uint8Array;
    }[];
  };
}

/** No boot image has more; Linux has 2 and a count of 65535 is an attack or a damaged file. */
const maxProgramHeaders = 256;
/** What a machine's executables are: e_machine, the width of addresses, and what an entry point is a multiple of. */
export interface ElfMachine {
  readonly machine: number;
  readonly bits: 32 | 64;
  readonly title: string;
  readonly entryAlignment: number;
}
export const powerElf: ElfMachine = { machine: 21, bits: 64, title: "64-bit POWER", entryAlignment: 4 };
export const x86Elf: ElfMachine = { machine: 62, bits: 64, title: "x86-64", entryAlignment: 1 };
export const i386Elf: ElfMachine = { machine: 3, bits: 32, title: "i386", entryAlignment: 1 };

/** Where the fields are, by the width of addresses. */
const layouts = {
  64: {
    ...{ header: 64, programHeader: 56, entry: 24, table: 32, entrySize: 54, count: 56 },
    ...{ offset: 8, virtual: 16, physical: 24, fileSize: 32, memorySize: 40 },
  },
  32: {
    ...{ header: 52, programHeader: 32, entry: 24, table: 28, entrySize: 42, count: 44 },
    ...{ offset: 4, virtual: 8, physical: 12, fileSize: 16, memorySize: 20 },
  },
} as const;
const typeExecutable = 2;
const typeShared = 3;
const segmentLoad = 1;
/**
 * Where a position-independent program linked at address 0 goes: the place that QEMU's machine pseries gives to every
 * kernel. At 0 it would lie on the interrupt vectors, which such a program fills itself. It is made for firmware, and
 * firmware hands over in big-endian mode; Linux takes either.
 */
const positionIndependentBase = 0x40_0000;
/** Physical addresses and sizes above this cannot be RAM of ours, and stay exact as numbers. */
const addressLimit = 1n << 48n;

/** Whether the bytes begin as an ELF file does. */
export function isElf(image: Uint8Array): boolean {
  return image.length >= 4 && image[0] === 0x7f && image[1] === 0x45 && image[2] === 0x4c && image[3] === 0x46;
}

/** For which of the machines an ELF file says that it is built; undefined: for none of them, or it is none. */
export function elfMachine(image: Uint8Array, known: readonly ElfMachine[]): ElfMachine | undefined {
  if (!isElf(image) || image.length < 20) return undefined;
  const number = new DataView(image.buffer, image.byteOffset).getUint16(18, image[5] === 1);
  return known.find(({ machine, bits }) => machine === number && image[4] === bits / 32);
}

/** Reads the headers. Throws VmmError for anything that a boot loader of these machines could not load. */
export function parseElf(image: Uint8Array, name = "the kernel", ...machines: readonly ElfMachine[]): ElfImage {
  const wanted = machines.length > 0 ? machines : [powerElf];
  const refuse = (why: string): never => {
    throw new VmmError(`${name} cannot be loaded: ${why}`);
  };
  if (!isElf(image)) refuse("it is not an ELF file");
  const bits = image[4] === 2 ? 64 : image[4] === 1 ? 32 : refuse(`ELF class ${image[4]} does not exist`);
  const at = layouts[bits];
  if (image.length < at.header) refuse("the ELF header is cut off");
  const littleEndian = image[5] === 1;
  if (!littleEndian && image[5] !== 2) refuse(`ELF byte order ${image[5]} does not exist`);
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const u16 = (place: number) => view.getUint16(place, littleEndian);
  const u32 = (place: number) => view.getUint32(place, littleEndian);
  const word = (place: number) => (bits === 64 ? view.getBigUint64(place, littleEndian) : BigInt(u32(place)));

  const machine =
    elfMachine(image, wanted) ??
    refuse(
      `it is a ${bits}-bit ELF file for machine ${u16(18)}, not for ` +
        wanted.map((one) => `${one.title} (${one.bits}-bit, ${one.machine})`).join(" or "),
    );
  const type = u16(16);
  if (type !== typeExecutable && type !== typeShared) refuse(`ELF type ${type} is not an executable`);
  const entryAddress = word(at.entry);
  const tableOffset = word(at.table);
  const entrySize = u16(at.entrySize);
  const count = u16(at.count);
  if (count === 0) refuse("it has no program headers");
  if (count > maxProgramHeaders) refuse(`it claims ${count} program headers; at most ${maxProgramHeaders} make sense`);
  if (entrySize !== at.programHeader)
    refuse(`its program headers are ${entrySize} bytes long, not ${at.programHeader}`);
  if (tableOffset + BigInt(count * entrySize) > BigInt(image.length)) refuse("the program headers are cut off");

  const segments: ElfSegment[] = [];
  let kernelAddresses = false;
  let entry: number | undefined;
  for (let i = 0; i < count; i++) {
    const header = Number(tableOffset) + i * entrySize;
    if (u32(header) !== segmentLoad) continue;
    const offset = word(header + at.offset);
    const virtual = word(header + at.virtual);
    const physical = word(header + at.physical);
    const fileSize = word(header + at.fileSize);
    const memorySize = word(header + at.memorySize);
    if (memorySize === 0n) continue;
    if (virtual !== physical) kernelAddresses = true;
    if (fileSize > memorySize) refuse(`segment ${i} holds more in the file than in memory`);
    if (offset > BigInt(image.length) || fileSize > BigInt(image.length) - offset) {
      refuse(`segment ${i} is cut off: it reaches beyond the end of the file`);
    }
    if (physical >= addressLimit || memorySize >= addressLimit) {
      refuse(`segment ${i} lies outside any memory, at 0x${physical.toString(16)}, ${memorySize} bytes`);
    }
    const address = Number(physical);
    const start = Number(offset);
    const data = image.subarray(start, start + Number(fileSize));
    segments.push({ address, size: Number(memorySize), data });
    // Kernels give the entry as a virtual address, small programs as a physical one.
    if (entryAddress >= virtual && entryAddress - virtual < memorySize)
      entry ??= address + Number(entryAddress - virtual);
  }
  if (segments.length === 0) refuse("it has nothing to load (no PT_LOAD segment)");
  segments.sort((a, b) => a.address - b.address);
  for (let i = 1; i < segments.length; i++) {
    const before = segments[i - 1] as ElfSegment;
    const after = segments[i] as ElfSegment;
    if (before.address + before.size > after.address) {
      refuse(`two segments overlap at 0x${after.address.toString(16)}`);
    }
  }
  if (entry === undefined) {
    const inside = segments.some((s) => entryAddress >= BigInt(s.address) && entryAddress < BigInt(s.address + s.size));
    if (!inside) refuse(`its entry point 0x${entryAddress.toString(16)} lies in no segment`);
    entry = Number(entryAddress);
  }
  if (entry % machine.entryAlignment !== 0) {
    refuse(`its entry point 0x${entryAddress.toString(16)} is not a multiple of ${machine.entryAlignment}`);
  }
  const forFirmware = machine === powerElf && type === typeShared && !kernelAddresses && segments[0]?.address === 0;
  const base = forFirmware ? positionIndependentBase : 0;
  return {
    ...(bits === 32 && { bits }),
    byteOrder: littleEndian && !forFirmware ? "little" : "big",
    entry: base + entry,
    segments: segments.map((segment) => ({ ...segment, address: base + segment.address })),
  };
}
