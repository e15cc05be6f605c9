/** What kernels are packed with, by the first bytes; each is unpacked here, never beyond a limit, or refused by its name. */
import { UnpackError } from "../../base/unpack/output.js";
import { VmmError } from "../errors.js";
import { gunzip } from "./gzip.js";

interface Format {
  readonly name: string;
  readonly magic: readonly number[];
  /** Throws UnpackError or VmmError. Without it: nobody here unpacks it. */
  readonly unpack?: (bytes: Uint8Array, limit: number, name: string) => Uint8Array | Promise<Uint8Array>;
}

// A decoder is loaded when there is something for it: a page that boots a plain kernel does without.
const formats: readonly Format[] = [
  { name: "gzip", magic: [0x1f, 0x8b, 8], unpack: gunzip },
  {
    name: "xz",
    magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
    unpack: async (bytes, limit) => (await import("../../base/unpack/xz.js")).unxz(bytes, limit),
  },
  {
    name: "zstd",
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    unpack: async (bytes, limit) => (await import("../../base/unpack/zstd.js")).unzstd(bytes, limit),
  },
  {
    name: "lz4",
    magic: [0x02, 0x21, 0x4c, 0x18],
    unpack: async (bytes, limit) => (await import("../../base/unpack/lz4.js")).unlz4(bytes, limit),
  },
  // Its header has no magic number; these are the properties that kernels are packed with, and a dictionary of whole KiB.
  {
    name: "lzma",
    magic: [0x5d, 0, 0],
    unpack: async (bytes, limit) => (await import("../../base/unpack/lzma.js")).unlzma(bytes, limit),
  },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68] },
  { name: "lzo", magic: [0x89, 0x4c, 0x5a, 0x4f, 0, 0x0d, 0x0a, 0x1a, 0x0a] },
];

/** What the bytes are packed with, if with anything that kernels are packed with. */
export const packedWith = (bytes: Uint8Array): string | undefined => formatOf(bytes)?.name;

/** What the bytes are packed with, if that is known and nobody here unpacks it. */
export function packedOtherwise(bytes: Uint8Array): string | undefined {
  const format = formatOf(bytes);
  return format && !format.unpack ? format.name : undefined;
}

const formatOf = (bytes: Uint8Array): Format | undefined =>
  formats.find(({ magic }) => bytes.length >= magic.length && magic.every((byte, at) => bytes[at] === byte));

/** What is in the packed bytes. Throws VmmError: it is damaged, or more than `limit` bytes, or of a format that is not known here. */
export async function unpackKnown(bytes: Uint8Array, limit: number, name: string): Promise<Uint8Array> {
  const format = formatOf(bytes);
  if (!format?.unpack) {
    const what = format ? `packed with ${format.name}` : "packed with something unknown";
    throw new VmmError(
      `${name} cannot be unpacked: it is ${what}, which unikvm does not unpack; give its vmlinux (scripts/extract-vmlinux of Linux)`,
    );
  }
  try {
    return await format.unpack(bytes, limit, name);
  } catch (error) {
    if (error instanceof VmmError) throw error;
    if (!(error instanceof UnpackError)) {
      throw new VmmError(`${name} cannot be unpacked: its ${format.name} data is damaged or cut off`);
    }
    if (error.code === "larger") throw new VmmError(`${name} cannot be loaded: ${error.message}`);
    throw new VmmError(`${name} cannot be unpacked: its ${format.name} data: ${error.message}`);
  }
}
