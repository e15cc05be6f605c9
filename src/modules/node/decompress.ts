/** What gzip, xz and zstd made of a module's file. The bytes' first few say which, as for libkmod; the name does not. */
import { gunzipSync, inflateRawSync } from "node:zlib";
import { UnpackError } from "../../base/unpack/output.js";
import { unxz } from "../../base/unpack/xz.js";
import { unzstd } from "../../base/unpack/zstd.js";
import { ModuleFileError } from "../elf/elf-file.js";

/** No module is larger. What unpacks to more is refused before it fills the memory. */
export const maxModuleSize = 2 ** 30;

const formats = [
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: unzstd },
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], unpack: unxz },
  { name: "gzip", magic: [0x1f, 0x8b], unpack: gunzip },
] as const;

/** The longest of the magic numbers; a shorter file is no module. */
export const magicLength = 6;

/** Whether these are the first bytes of a compressed file. */
export const isCompressed = (start: Uint8Array): boolean => formatOf(start) !== undefined;

const formatOf = (start: Uint8Array) => formats.find(({ magic }) => magic.every((byte, at) => start[at] === byte));

/** The bytes, unpacked if they are packed. Throws ModuleFileError: EINVAL for damaged ones, ENOMEM for more than `limit`. */
export async function decompress(bytes: Uint8Array, limit = maxModuleSize): Promise<Uint8Array> {
  const format = formatOf(bytes);
  if (!format) return bytes;
  try {
    return await format.unpack(bytes, limit);
  } catch (error) {
    if (error instanceof ModuleFileError) throw error;
    if (error instanceof UnpackError && error.code === "larger") throw tooLarge(limit);
    const sentence = error instanceof UnpackError ? error.message : String(error);
    throw new ModuleFileError("EINVAL", `${format.name}: ${format.name === "xz" ? "File is corrupt" : sentence}`);
  }
}

const tooLarge = (limit: number) => new ModuleFileError("ENOMEM", `unpacks to more than ${limit} bytes`);

function gunzip(bytes: Uint8Array, limit: number): Uint8Array {
  const unpack = (packed: Uint8Array): Uint8Array => {
    const { buffer, byteOffset, length } = gunzipSync(packed, { maxOutputLength: limit });
    return new Uint8Array(buffer, byteOffset, length);
  };
  try {
    try {
      return unpack(bytes);
    } catch (error) {
      // What follows the last member and is none is passed over, as zlib's gzread does, and so kmod.
      const end = endOfMembers(bytes, limit);
      if (end === bytes.length) throw error;
      return unpack(bytes.subarray(0, end));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(limit);
    throw error;
  }
}

/** Nobody packs one module as more of them. */
const maxMembers = 1000;
/** RFC 1952, "Member header and trailer". */
const gzipHeader = 10;
const gzipTrailer = 8;
const gzipFlags = { checksum: 2, extra: 4, name: 8, comment: 16 } as const;

/** What zlib gives if it is asked for more than the bytes. */
interface Inflated {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}

/** Where the last of the members ends that follow one another from the start. Throws zlib's error for a broken one. */
function endOfMembers(bytes: Uint8Array, limit: number): number {
  let [at, left] = [0, limit];
  for (let members = 0; bytes[at] === 0x1f && bytes[at + 1] === 0x8b; members++) {
    if (members === maxMembers) throw tooLarge(limit);
    const flags = bytes[at + 3] ?? 0;
    at += gzipHeader;
    if (flags & gzipFlags.extra) at += 2 + (bytes[at] ?? 0) + ((bytes[at + 1] ?? 0) << 8);
    for (const text of [gzipFlags.name, gzipFlags.comment])
      if (flags & text) at = bytes.indexOf(0, at) + 1 || bytes.length;
    if (flags & gzipFlags.checksum) at += 2;
    const options = { info: true, maxOutputLength: left };
    const { engine, buffer } = inflateRawSync(bytes.subarray(at), options) as unknown as Inflated;
    left = Math.max(1, left - buffer.length);
    at = Math.min(at + engine.bytesWritten + gzipTrailer, bytes.length);
  }
  return at;
}
