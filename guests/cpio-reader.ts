/**
 * Reads what Linux unpacks as its initramfs: archives in the "newc" format one after the other, each as it is or compressed
 * (Linux, "initramfs buffer format"). Others made it: each length is checked.
 */
import { constants, gunzipSync } from "node:zlib";
import { decompress, isCompressed, magicLength } from "../src/modules/node/decompress.js";
import { looksLikeText } from "../src/vmm/loaders/kernel-image.js";

/** Of an initial RAM disk, unpacked. */
const mostBytes = 1 << 30;
const headerSize = 110;
const trailer = "TRAILER!!!";

export interface InitramfsFiles {
  /** By path without a leading slash. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** What of it could not be looked into, and why; undefined: all of it could. */
  readonly unread?: string;
}

/** The regular files whose path `wanted` takes. Never throws: what cannot be read is said. */
export async function readInitramfs(bytes: Uint8Array, wanted: (path: string) => boolean): Promise<InitramfsFiles> {
  const files = new Map<string, Uint8Array>();
  let rest = bytes;
  for (;;) {
    rest = rest.subarray(zerosAt(rest));
    if (rest.length === 0) return { files };
    if (isArchive(rest)) {
      const end = readArchive(rest, wanted, files);
      if (end === undefined) return { files, unread: "it is damaged or cut off" };
      rest = rest.subarray(end);
      continue;
    }
    if (!isCompressed(rest.subarray(0, magicLength))) {
      return { files, unread: "it is neither a cpio archive nor compressed with gzip, xz or zstd" };
    }
    try {
      rest = await decompress(rest, mostBytes);
    } catch (error) {
      return { files, unread: error instanceof Error ? error.message : String(error) };
    }
    if (isCompressed(rest.subarray(0, magicLength))) return { files, unread: "it is compressed twice" };
  }
}

/** First bytes of what Linux unpacks ("lib/decompress.c"), whether we do or not: cpio, gzip, xz, zstd, bzip2, lzma, lzo, lz4. */
const starts = ["30373037", "1f8b", "1f9e", "fd377a", "28b52ffd", "425a", "5d0000", "894c5a", "02214c18"];

/** Whether a kernel may take it for its initramfs. */
export function isInitramfs(bytes: Uint8Array): boolean {
  const first = zerosAt(bytes);
  const head = Buffer.from(bytes.subarray(first, first + 4)).toString("hex");
  return bytes.length === 0 || starts.some((start) => head.startsWith(start));
}

/** Whether it is text, as it is or packed with gzip: no kernel finds a file system of any kind in that. */
export function isTextFile(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.length > 0 && looksLikeText(bytes);
  try {
    const head = gunzipSync(bytes.subarray(0, 4096), { finishFlush: constants.Z_SYNC_FLUSH });
    return head.length > 0 && looksLikeText(head);
  } catch {
    return false;
  }
}

function zerosAt(bytes: Uint8Array): number {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? bytes.length : first;
}

const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder();

const isArchive = (bytes: Uint8Array): boolean => /^07070[12]/.test(latin1.decode(bytes.subarray(0, 6)));

const padded = (length: number): number => (length + 3) & ~3;

/** Where it ends; undefined: it is not as it should be. */
function readArchive(
  bytes: Uint8Array,
  wanted: (path: string) => boolean,
  files: Map<string, Uint8Array>,
): number | undefined {
  for (let at = 0; at + headerSize <= bytes.length; ) {
    const header = latin1.decode(bytes.subarray(at, at + headerSize));
    if (!/^07070[12][0-9A-Fa-f]{104}$/.test(header)) return undefined;
    const field = (index: number): number => Number.parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const dataAt = padded(at + headerSize + nameSize);
    if (nameSize === 0 || dataAt + size > bytes.length) return undefined;
    const name = utf8.decode(bytes.subarray(at + headerSize, at + headerSize + nameSize - 1));
    at = padded(dataAt + size);
    if (name === trailer) return Math.min(at, bytes.length);
    const path = name.replace(/^(?:\.?\/)+/, "");
    if ((mode & 0o170000) === 0o100000 && wanted(path)) files.set(path, bytes.subarray(dataAt, dataAt + size));
  }
  return undefined;
}
