/**
 * bzImage: the form in which x86's kernels are shipped, a program that unpacks the kernel itself. That takes a guest longer than
 * all the rest of its boot, so it is unpacked here. Source: Linux, Documentation/x86/boot.rst, "The Real-Mode Kernel Header".
 * The file is not trusted: each offset and length is checked before it is used.
 */
import { VmmError } from "../errors.js";
import type { ElfImage } from "./elf.js";
import { packedOtherwise, unpackKnown } from "./packed.js";

const Header = {
  setupSectors: 0x1f1,
  bootFlag: 0x1fe,
  /** The header's length, less the jump before its magic number. */
  length: 0x201,
  magic: 0x202,
  version: 0x206,
  loadFlags: 0x211,
  entry: 0x214,
  payloadOffset: 0x248,
  payloadLength: 0x24c,
  end: 0x250,
  /** How much memory it wants while it unpacks itself; of versions from 2.10 on. */
  initSize: 0x260,
  initSizeEnd: 0x264,
} as const;
/** Of the flags: its code is loaded at 1 MiB, not below. */
const loadedHigh = 1;
const highMemory = 0x10_0000;
/** The zero page has no more room for it. */
const headerLimit = 0x290;
const sector = 512;
/** The first that says where the payload is. */
const oldestVersion = 0x208;
/** Kernels since Linux 2.6.14 say it; 0 stands for what those before had. */
const usualSetupSectors = 4;

/** Whether the bytes begin as a kernel of x86 for boot loaders does. */
export const isBzImage = (file: Uint8Array): boolean =>
  file.length >= Header.end &&
  file[Header.bootFlag] === 0x55 &&
  file[Header.bootFlag + 1] === 0xaa &&
  [0x48, 0x64, 0x72, 0x53].every((byte, i) => file[Header.magic + i] === byte);

/**
 * Whether it is to unpack itself: it has no kernel in it that could be taken out, since it is a program of its own (memtest86+),
 * or one whose packer nobody here knows.
 */
export function unpacksItself(file: Uint8Array): boolean {
  if (!isBzImage(file)) return false;
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (view.getUint16(Header.version, true) < oldestVersion) return false;
  if (view.getUint32(Header.payloadLength, true) === 0) return true;
  const at = codeOf(file) + view.getUint32(Header.payloadOffset, true);
  return at < file.length && packedOtherwise(file.subarray(at)) !== undefined;
}

/** Where in it the code of protected mode begins. */
const codeOf = (file: Uint8Array): number => ((file[Header.setupSectors] || usualSetupSectors) + 1) * sector;

/** As it is entered by who has loaded it: the entry of 32 bits. Throws VmmError. */
export function bzImageItself(file: Uint8Array, name: string): ElfImage {
  const refuse = (why: string): never => {
    throw new VmmError(`${name} cannot be loaded: ${why}`);
  };
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const data = file.subarray(codeOf(file));
  if (data.length === 0) refuse("it is cut off before its code");
  if (!((file[Header.loadFlags] ?? 0) & loadedHigh)) refuse("it is to be loaded below 1 MiB");
  const entry = view.getUint32(Header.entry, true);
  const headerEnd = Header.magic + (file[Header.length] ?? 0);
  if (headerEnd < Header.end || headerEnd > Math.min(headerLimit, file.length)) refuse("its header is no header");
  const initSize = headerEnd >= Header.initSizeEnd ? view.getUint32(Header.initSize, true) : 0;
  const size = Math.max(data.length, initSize);
  if (entry < highMemory || entry >= highMemory + data.length)
    refuse(`its entry point 0x${entry.toString(16)} lies outside it`);
  return {
    ...{ byteOrder: "little", bits: 32, entry },
    segments: [{ address: highMemory, size, data }],
    setupHeader: file.subarray(Header.setupSectors, headerEnd),
  };
}

/** What it has packed, and how large that is, as it says. Throws VmmError. */
export function bzImagePayload(file: Uint8Array, name: string): { readonly packed: Uint8Array; readonly size: number } {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const version = view.getUint16(Header.version, true);
  if (version < oldestVersion) {
    const shown = `${version >> 8}.${(version & 255).toString().padStart(2, "0")}`;
    throw new VmmError(
      `${name} cannot be unpacked: its boot protocol ${shown} does not say where the kernel is (2.08 does); ` +
        "give its vmlinux. What is no Linux (iPXE) needs a BIOS, which there is not",
    );
  }
  const offset = codeOf(file) + view.getUint32(Header.payloadOffset, true);
  const length = view.getUint32(Header.payloadLength, true);
  if (length < 8) throw new VmmError(`${name} cannot be unpacked: its header speaks of ${length} bytes of kernel`);
  if (offset > file.length || length > file.length - offset) {
    throw new VmmError(
      `${name} is damaged or cut off: its kernel is said to end at ${offset + length}, and the file has ${file.length} bytes`,
    );
  }
  const whole = file.subarray(offset, offset + length);
  // gzip ends with it; behind all others the kernel's build puts it.
  const packed = whole[0] === 0x1f && whole[1] === 0x8b ? whole : whole.subarray(0, -4);
  return { packed, size: view.getUint32(offset + length - 4, true) };
}

/** The kernel in it, an ELF file, at most `limit` bytes. Throws VmmError. */
export async function unpackBzImage(file: Uint8Array, limit: number, name = "the kernel"): Promise<Uint8Array> {
  const { packed, size } = bzImagePayload(file, name);
  if (size > limit) {
    throw new VmmError(
      `${name} cannot be loaded: unpacked it has ${size} bytes, more than ${limit}; give more with --memory`,
    );
  }
  const vmlinux = await unpackKnown(packed, size, name);
  if (vmlinux.length === size) return vmlinux;
  throw new VmmError(`${name} is damaged: its kernel has ${vmlinux.length} bytes, not ${size} as it says`);
}
