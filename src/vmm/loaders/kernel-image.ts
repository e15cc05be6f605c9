/** Finds out what a kernel file is and turns it into segments to be placed in guest memory. */
import { bytes, oneOf, optional, size, taking, text } from "../../base/takes.js";
import { VmmError } from "../errors.js";
import { bzImageItself, isBzImage, unpackBzImage, unpacksItself } from "./bzimage.js";
import { type ElfImage, type ElfMachine, i386Elf, isElf, parseElf, powerElf, x86Elf } from "./elf.js";
import { loadMultiboot } from "./multiboot.js";
import { packedWith, unpackKnown } from "./packed.js";

/** Files that people mistake for a kernel of ours, by their first bytes. */
const mistaken: readonly (readonly [magic: readonly number[], offset: number, what: string])[] = [
  [[0x30, 0x37, 0x30, 0x37, 0x30], 0, "a cpio archive; it belongs to --initrd"],
  [[0x4d, 0x5a], 0, "a PE file (a kernel for another architecture, or a program for Windows)"],
  [[0x21, 0x3c, 0x61, 0x72, 0x63, 0x68, 0x3e], 0, "a Debian package or an ar archive; take the kernel out of it first"],
  [[0x25, 0x50, 0x44, 0x46], 0, "a PDF document"],
  [[0x50, 0x4b, 3, 4], 0, "a ZIP archive"],
];

/** What a file is taken for: what it says itself; or a flat image, which says nothing. */
export const kernelFormats = ["auto", "flat"] as const;
export type KernelFormat = (typeof kernelFormats)[number];

/**
 * A kernel from a file's bytes: ELF64 for POWER, or the same packed (gzip, xz, zstd, lz4, lzma); if `format` is "flat", whatever
 * the file begins with, a flat image, as it is or packed, which is loaded at address 0 and entered at its first byte, in
 * big-endian mode. `memorySize` in bytes bounds what is unpacked. Throws VmmError for anything else.
 */
export const loadKernelImage = taking(
  "loadKernelImage",
  { file: bytes, memorySize: size, name: optional(text), format: optional(oneOf(...kernelFormats)) },
  (file: Uint8Array, memorySize: number, name?: string, format: KernelFormat = "auto") =>
    format === "flat" ? loadFlat(file, memorySize, name) : load([powerElf], file, memorySize, name),
  { promises: true },
);

/** The same of x86's: a bzImage, or what is in one, of 64 bits or 32; or what says that it is started by multiboot. */
export async function loadX86Kernel(
  file: Uint8Array,
  memorySize: number,
  name = "the kernel",
  format: KernelFormat = "auto",
): Promise<ElfImage> {
  if (format === "flat") throw new VmmError(`${name} cannot be loaded: machine pc boots no flat image`);
  const image = await unpackKernel(file, memorySize, name);
  return loadMultiboot(image, name) ?? load([x86Elf, i386Elf], image, memorySize, name);
}

/** What is in the file if it is packed or a bzImage that does not unpack itself, else the file. Throws VmmError: it is damaged, or more than `limit` bytes. */
export async function unpackKernel(file: Uint8Array, limit: number, name = "the kernel"): Promise<Uint8Array> {
  if (unpacksItself(file)) return file;
  if (isBzImage(file)) return unpackBzImage(file, limit, name);
  return packedWith(file) === undefined ? file : unpackKnown(file, limit, name);
}

async function loadFlat(file: Uint8Array, memorySize: number, name = "the kernel"): Promise<ElfImage> {
  const image = await unpackKernel(file, memorySize, name);
  if (image.length === 0) throw new VmmError(`${name} cannot be loaded: it is empty`);
  return { byteOrder: "big", entry: 0, segments: [{ address: 0, size: image.length, data: image }] };
}

async function load(
  machines: readonly ElfMachine[],
  file: Uint8Array,
  memorySize: number,
  name = "the kernel",
): Promise<ElfImage> {
  if (isBzImage(file) && !machines.includes(x86Elf)) {
    throw new VmmError(`${name} cannot be loaded: it is a kernel for x86; this machine needs one for POWER`);
  }
  const image = await unpackKernel(file, memorySize, name);
  if (image.length === 0) throw new VmmError(`${name} cannot be loaded: it is empty`);
  if (unpacksItself(image)) return bzImageItself(image, name);
  if (isElf(image)) return parseElf(image, name, ...machines);
  for (const [magic, offset, what] of mistaken) {
    if (magic.every((byte, i) => image[offset + i] === byte))
      throw new VmmError(`${name} cannot be loaded: it is ${what}`);
  }
  if (looksLikeText(image)) throw new VmmError(`${name} cannot be loaded: it is a text file, not a kernel`);
  const wanted = machines.includes(powerElf)
    ? "a vmlinux for 64-bit POWER (ELF, as it is or packed); for a flat image there is run --kernel-format flat"
    : "a bzImage, or a vmlinux of x86 (ELF, as it is or packed), or what multiboot starts";
  throw new VmmError(`${name} cannot be loaded: it is no kernel; expected is ${wanted}`);
}

/** Text has no zero bytes and next to no control characters; code for POWER has both in any stretch of it. */
export function looksLikeText(image: Uint8Array): boolean {
  const head = image.subarray(0, 4096);
  let control = 0;
  for (const byte of head) {
    if (byte === 0) return false;
    if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13 && byte !== 27) control++;
  }
  return control * 50 <= head.length;
}
