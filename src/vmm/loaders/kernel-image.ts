/** Finds out what a kernel file is and turns it into segments to be placed in guest memory. */
import { bytes, optional, size, taking, text } from "../../base/takes.js";
import { VmmError } from "../errors.js";
import { type ElfImage, isElf, parseElf } from "./elf.js";
import { gunzip, isGzip } from "./gzip.js";

/** Files that people mistake for a kernel of ours, by their first bytes. */
const mistaken: readonly (readonly [magic: readonly number[], offset: number, what: string])[] = [
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 0, "compressed with xz; unpack it first"],
  [[0x28, 0xb5, 0x2f, 0xfd], 0, "compressed with zstd; unpack it first"],
  [[0x42, 0x5a, 0x68], 0, "compressed with bzip2; unpack it first"],
  [[0x30, 0x37, 0x30, 0x37, 0x30], 0, "a cpio archive; it belongs to --initrd"],
  [[0x48, 0x64, 0x72, 0x53], 0x202, "a kernel for x86"],
  [[0x4d, 0x5a], 0, "a PE file (a kernel for another architecture, or a program for Windows)"],
  [[0x21, 0x3c, 0x61, 0x72, 0x63, 0x68, 0x3e], 0, "a Debian package or an ar archive; take the kernel out of it first"],
  [[0x25, 0x50, 0x44, 0x46], 0, "a PDF document"],
  [[0x50, 0x4b, 3, 4], 0, "a ZIP archive"],
];

/**
 * A kernel from a file's bytes: ELF64 for POWER, the same under gzip, or a flat image, which is loaded at address 0 and
 * entered at its first byte. `memorySize` in bytes bounds what is unpacked. Throws VmmError for anything else.
 */
export const loadKernelImage = taking(
  "loadKernelImage",
  { file: bytes, memorySize: size, name: optional(text) },
  load,
  { promises: true },
);

async function load(file: Uint8Array, memorySize: number, name = "the kernel"): Promise<ElfImage> {
  const image = isGzip(file) ? await gunzip(file, memorySize, name) : file;
  if (image.length === 0) throw new VmmError(`${name} cannot be loaded: it is empty`);
  if (isElf(image)) return parseElf(image, name);
  for (const [magic, offset, what] of mistaken) {
    if (magic.every((byte, i) => image[offset + i] === byte))
      throw new VmmError(`${name} cannot be loaded: it is ${what}`);
  }
  if (looksLikeText(image)) throw new VmmError(`${name} cannot be loaded: it is a text file, not a kernel`);
  if (image.length < 64) throw new VmmError(`${name} cannot be loaded: ${image.length} bytes are not a kernel`);
  return { byteOrder: "big", entry: 0, segments: [{ address: 0, size: image.length, data: image }] };
}

/** Text has no zero bytes and next to no control characters; code for POWER has both in any stretch of it. */
function looksLikeText(image: Uint8Array): boolean {
  const head = image.subarray(0, 4096);
  let control = 0;
  for (const byte of head) {
    if (byte === 0) return false;
    if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13 && byte !== 27) control++;
  }
  return control * 50 <= head.length;
}
