/**
 * A snapshot as bytes. In front: "UNIKVMSN", the format's version and the head's length (4 bytes each, little-endian), the
 * head's SHA-256. The head is one value (value.ts): the machine's state, and of each image where its pieces belong and the
 * length and SHA-256 of each block. Behind it the blocks, one after the other: the pieces of an image, joined and cut into
 * blocks of 1 MiB, each as it is or deflated.
 *
 * What comes in may be hostile: a digest keeps damage out, not an enemy. Each length is checked before it is used, and no more
 * memory is taken than the head says, block by block, and a file can hold.
 */
import { KvmError } from "../../base/errors.js";
import { anything, bytesOf, having, listOf, oneOf, recordOf, size, text, time } from "../../base/takes.js";
import { bytesIn, type SparseImage, type SparseRun, type StoredRuns } from "../core/sparse-image.js";
import { VmmError } from "../errors.js";
import { type Packing, packings } from "./packing.js";
import type { SnapshotPlatform } from "./platform.js";
import type { Snapshot } from "./snapshot.js";
import { decodeValue, encodeValue, ValueError } from "./value.js";

export const formatVersion = 1;
const magic = "UNIKVMSN";
const frontSize = 48;
const digestSize = 32;
const blockSize = 1 << 20;
/** Blocks that are read and inflated at a time. */
const ahead = 8;
/** Bytes of a head: the largest has tables of DMA windows of 4 MiB, and a number for each of 100,000 pieces. */
const mostHead = 64 << 20;

interface ImageHead {
  /** Bytes, with the zeros. */
  readonly size: number;
  /** Offset and length of each piece, one after the other. */
  readonly runs: readonly number[];
  readonly packing: Packing;
  readonly blocks: readonly { readonly length: number; readonly digest: Uint8Array }[];
}

interface Head extends Pick<Snapshot, "state" | "hardware" | "created"> {
  /** What wrote it, for people. */
  readonly by: string;
  readonly images: Readonly<Record<string, ImageHead>>;
}

const headCheck = having({
  by: text,
  created: time,
  state: having({ machine: text }),
  hardware: anything,
  images: recordOf(
    having({
      size,
      runs: listOf(size),
      packing: oneOf(...packings),
      blocks: listOf(having({ length: size, digest: bytesOf(digestSize) })),
    }),
  ),
});

/** Why bytes are no snapshot that can be used. `foreign`: there is none in them, or one that another unikvm reads; else it is damaged. */
export class SnapshotError extends VmmError {
  readonly foreign: boolean;

  constructor(
    message: string,
    { foreign = false, cause }: { readonly foreign?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? {} : { cause });
    this.foreign = foreign;
  }
}

/** Where the bytes come from. Reading beyond the end rejects. */
export interface SnapshotSource {
  /** What it is called in sentences. */
  readonly name: string;
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Of a file: leaves it open for whoever reads on. */
  keep?(): KeptFile;
}

/** A file that stays open until `close`. */
export type KeptFile = Pick<StoredRuns, "file" | "read" | "close">;

/** What a head says that was looked at before, for who reads the same file again. */
export interface KnownHead {
  readonly digest: string;
  readonly head: Head;
  readonly at: number;
}

/** What a snapshot says of itself; from whoever made it. */
export interface SnapshotInfo {
  /** SHA-256 of its head, which has those of all blocks: 64 hexadecimal digits. */
  readonly digest: string;
  /** What wrote it, for people. */
  readonly by: string;
  /** When, ms since 1970. */
  readonly created: number;
  /** The machine's kind, as "pseries". */
  readonly machine: string;
  /** Bytes of the file. */
  readonly size: number;
  /** By name, bytes with the zeros and without. */
  readonly images: Readonly<
    Record<
      string,
      {
        /** Bytes, with the zeros. */
        readonly size: number;
        /** Bytes, without. */
        readonly used: number;
        /** How they lie in the file. */
        readonly packing: Packing;
      }
    >
  >;
}

export interface WriteOptions {
  readonly platform: SnapshotPlatform;
  readonly packing?: Packing;
  /** Name and version of this package. */
  readonly by: string;
}

/** Calls `write` with the bytes in their order. Resolves with the digest. */
export async function writeSnapshot(
  { state, images, hardware, created }: Snapshot,
  { platform, packing = "deflate", by }: WriteOptions,
  write: (bytes: Uint8Array) => void | Promise<void>,
): Promise<string> {
  const blocks: Uint8Array[] = [];
  const heads: Record<string, ImageHead> = {};
  for (const [name, image] of Object.entries(images)) {
    const packed = await Promise.all(
      cut(image).map((block) => (packing === "stored" ? block : platform.deflate(block))),
    );
    const digests = await Promise.all(packed.map((block) => platform.digest(block)));
    heads[name] = {
      size: image.size,
      runs: image.runs.flatMap(({ offset, bytes }) => [offset, bytes.length]),
      packing,
      blocks: packed.map(({ length }, i) => ({ length, digest: digests[i] as Uint8Array })),
    };
    blocks.push(...packed);
  }
  const head = encodeValue({ by, created, state, hardware, images: heads } satisfies Head);
  if (head.length > mostHead)
    throw new VmmError(`a snapshot's head would take ${head.length} bytes; ${mostHead} are the most`);
  const digest = await platform.digest(head);
  const front = new Uint8Array(frontSize);
  new TextEncoder().encodeInto(magic, front);
  const view = new DataView(front.buffer);
  view.setUint32(8, formatVersion, true);
  view.setUint32(12, head.length, true);
  front.set(digest, 16);
  for (const bytes of [front, head, ...blocks]) await write(bytes);
  return hex(digest);
}

/** An image's pieces, joined and cut. */
function cut({ runs }: SparseImage): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  let left = runs.reduce((sum, { bytes }) => sum + bytes.length, 0);
  let block = new Uint8Array(0);
  let filled = 0;
  for (const { bytes } of runs) {
    for (let done = 0; done < bytes.length; ) {
      if (filled === block.length) {
        block = new Uint8Array(Math.min(blockSize, left));
        left -= block.length;
        blocks.push(block);
        filled = 0;
      }
      const part = bytes.subarray(done, done + block.length - filled);
      block.set(part, filled);
      filled += part.length;
      done += part.length;
    }
  }
  return blocks;
}

/** What its head says. Throws SnapshotError: it is no snapshot, or damaged, or of a version that this one does not read. */
export const readInfo = async (source: SnapshotSource, platform: SnapshotPlatform): Promise<SnapshotInfo> =>
  infoOf(await readHead(source, platform), source);

export function infoOf({ digest, head }: KnownHead, source: SnapshotSource): SnapshotInfo {
  const images = Object.entries(head.images).map(([name, { size: whole, runs, packing }]) => {
    const used = runs.reduce((sum, value, i) => sum + (i % 2 === 1 ? value : 0), 0);
    return [name, { size: whole, used, packing }] as const;
  });
  const { by, created, state } = head;
  return { digest, by, created, machine: state.machine, size: source.size, images: Object.fromEntries(images) };
}

export interface ReadOptions {
  /** What `readHead` gave of this file: its head is not read again. */
  readonly known?: KnownHead;
  /** The image that may stay in the file, if it is stored there as it is: what it is read from is `stored`, which is to be closed. */
  readonly kept?: string;
}

/** All of it. Throws SnapshotError as `readInfo` does. What its values mean, those check that take them. */
export async function readSnapshot(
  source: SnapshotSource,
  platform: SnapshotPlatform,
  { known, kept }: ReadOptions = {},
): Promise<Snapshot> {
  const { head, at } = known ?? (await readHead(source, platform));
  const images: Record<string, SparseImage> = {};
  const file = kept !== undefined && head.images[kept]?.packing === "stored" ? source.keep?.() : undefined;
  try {
    let offset = at;
    for (const [name, image] of Object.entries(head.images)) {
      const value =
        file && name === kept
          ? await storedImage(source, platform, name, image, offset, file)
          : await readImage(source, platform, name, image, offset);
      Object.defineProperty(images, name, { value, enumerable: true });
      offset += image.blocks.reduce((sum, { length }) => sum + length, 0);
    }
  } catch (error) {
    file?.close();
    throw error;
  }
  const { state, hardware, created } = head;
  return { state, hardware, created, images };
}

/** Whether its front speaks of the same head. */
export async function hasHead(source: SnapshotSource, { digest }: KnownHead): Promise<boolean> {
  return source.size >= frontSize && hex((await source.read(0, frontSize)).subarray(16)) === digest;
}

/** What it says of itself, digest and all checked. Throws SnapshotError as `readInfo` does. */
export async function readHead(source: SnapshotSource, platform: SnapshotPlatform): Promise<KnownHead> {
  const { end, ...known } = await headAndEnd(source, platform);
  if (end !== source.size)
    refuse(source, `is damaged or cut off: it has ${source.size} bytes, and its head speaks of ${end}`);
  return known;
}

/** Bytes of all of it, as its head says, of one that is not whole yet. Throws SnapshotError as `readInfo` does. */
export const saidSize = async (source: SnapshotSource, platform: SnapshotPlatform): Promise<number> =>
  (await headAndEnd(source, platform)).end;

async function headAndEnd(
  source: SnapshotSource,
  platform: SnapshotPlatform,
): Promise<KnownHead & { readonly end: number }> {
  if (source.size < frontSize) refuse(source, "is no snapshot: it is too short", true);
  const front = await source.read(0, frontSize);
  if (new TextDecoder("latin1").decode(front.subarray(0, 8)) !== magic) refuse(source, "is no snapshot", true);
  const view = new DataView(front.buffer, front.byteOffset, front.length);
  const version = view.getUint32(8, true);
  if (version !== formatVersion) {
    refuse(
      source,
      `has version ${version} of the format, and this unikvm reads ${formatVersion}; use one that reads it`,
      true,
    );
  }
  const length = view.getUint32(12, true);
  if (length > mostHead || frontSize + length > source.size) {
    refuse(source, `is damaged or cut off: its head has ${length} bytes, the file ${source.size}`);
  }
  const bytes = await source.read(frontSize, length);
  const digest = await platform.digest(bytes);
  if (hex(digest) !== hex(front.subarray(16, frontSize))) refuse(source, "is damaged: its head's digest is another");
  const head = decodeHead(source, bytes);
  const at = frontSize + length;
  const end = Object.entries(head.images).reduce((sum, [name, image]) => sum + checkImage(source, name, image), at);
  return { digest: hex(digest), head, at, end };
}

function decodeHead(source: SnapshotSource, bytes: Uint8Array): Head {
  try {
    const head = decodeValue(bytes);
    headCheck(head, "snapshot", "head");
    return head as Head;
  } catch (error) {
    if (!(error instanceof ValueError || error instanceof KvmError)) throw error;
    throw new SnapshotError(`${source.name} is damaged: ${error.message}`, { cause: error });
  }
}

/** Bytes of its blocks. */
function checkImage(source: SnapshotSource, name: string, { size: whole, runs, packing, blocks }: ImageHead): number {
  const wrong = (what: string): never =>
    refuse(source, `is damaged: its image ${JSON.stringify(name.slice(0, 60))} ${what}`);
  if (runs.length % 2 !== 0) wrong("has a piece without a length");
  let [end, total] = [0, 0];
  for (let i = 0; i < runs.length; i += 2) {
    const [offset = 0, length = 0] = [runs[i], runs[i + 1]];
    if (offset < end || length === 0 || offset + length > whole) wrong(`has a piece of ${length} bytes at ${offset}`);
    end = offset + length;
    total += length;
  }
  if (blocks.length !== Math.ceil(total / blockSize)) wrong(`has ${blocks.length} blocks for ${total} bytes`);
  let stored = 0;
  for (const [i, { length }] of blocks.entries()) {
    const bytes = Math.min(blockSize, total - i * blockSize);
    // Deflate adds a little to what it cannot make shorter.
    const fits = packing === "stored" ? length === bytes : length > 0 && length <= bytes + 1024;
    if (!fits) wrong(`has a block of ${length} bytes that is to give ${bytes}`);
    stored += length;
  }
  return stored;
}

/** Looks at all of it and keeps none: touching as much memory takes a multiple of the time. */
async function storedImage(
  source: SnapshotSource,
  platform: SnapshotPlatform,
  name: string,
  { size: whole, runs, blocks }: ImageHead,
  start: number,
  file: KeptFile,
): Promise<SparseImage> {
  const buffer = new Uint8Array(Math.max(0, ...blocks.map(({ length }) => length)));
  let position = start;
  for (const [i, { length, digest }] of blocks.entries()) {
    const block = buffer.subarray(0, length);
    file.read(position, block);
    await checkBlock(source, platform, block, digest, i, name);
    position += length;
    if (i % ahead === ahead - 1) await platform.turn();
  }
  const places: (readonly [number, number, number])[] = [];
  position = start;
  for (let i = 0; i < runs.length; i += 2) {
    const length = runs[i + 1] as number;
    places.push([runs[i] as number, length, position]);
    position += length;
  }
  return { size: whole, runs: [], stored: { ...file, places } };
}

const blockOf = (i: number, name: string): string => `block ${i} of its image ${JSON.stringify(name.slice(0, 60))}`;

async function checkBlock(
  source: SnapshotSource,
  platform: SnapshotPlatform,
  block: Uint8Array,
  digest: Uint8Array,
  ...which: [i: number, name: string]
): Promise<void> {
  if (hex(await platform.digest(block)) !== hex(digest))
    refuse(source, `is damaged: ${blockOf(...which)} has another digest`);
}

async function readImage(
  source: SnapshotSource,
  platform: SnapshotPlatform,
  name: string,
  image: ImageHead,
  start: number,
): Promise<SparseImage> {
  const pieces = new Pieces(image.runs);
  const total = image.runs.reduce((sum, value, i) => sum + (i % 2 === 1 ? value : 0), 0);
  let next = start;
  const one = async (i: number, { length, digest }: ImageHead["blocks"][number]): Promise<Uint8Array> => {
    const at = next;
    next += length;
    const block = await source.read(at, length);
    await checkBlock(source, platform, block, digest, i, name);
    const bytes = Math.min(blockSize, total - i * blockSize);
    try {
      return image.packing === "stored" ? block : await platform.inflate(block, bytes);
    } catch (cause) {
      throw new SnapshotError(`${source.name} is damaged: ${blockOf(i, name)} cannot be inflated`, { cause });
    }
  };
  const coming: Promise<Uint8Array>[] = [];
  try {
    for (const [i, block] of image.blocks.entries()) {
      const bytes = one(i, block);
      // It may fail while an earlier one is waited for.
      bytes.catch(() => undefined);
      coming.push(bytes);
      if (coming.length === ahead) pieces.add(await (coming.shift() as Promise<Uint8Array>));
    }
    for (const bytes of coming) pieces.add(await bytes);
  } finally {
    // Nothing is read of a source any more that whoever gave it is told about.
    await Promise.allSettled(coming);
  }
  return { size: image.size, runs: pieces.runs };
}

/** Gives bytes that come one after the other their places: none is copied. */
class Pieces {
  readonly runs: SparseRun[] = [];
  readonly #places: readonly number[];
  #next = 0;
  #done = 0;

  constructor(places: readonly number[]) {
    this.#places = places;
  }

  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const [offset = 0, length = 0] = [this.#places[this.#next], this.#places[this.#next + 1]];
      const part = bytes.subarray(at, at + length - this.#done);
      this.runs.push({ offset: offset + this.#done, bytes: part });
      at += part.length;
      this.#done += part.length;
      if (this.#done < length) continue;
      this.#next += 2;
      this.#done = 0;
    }
  }
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function refuse(source: SnapshotSource, what: string, foreign = false): never {
  throw new SnapshotError(`${source.name} ${what}`, { foreign });
}

/** What a snapshot's images take in memory. */
export const snapshotBytes = ({ images }: Snapshot): number =>
  Object.values(images).reduce((sum, image) => sum + bytesIn(image), 0);
