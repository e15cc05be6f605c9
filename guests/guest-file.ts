/**
 * A guest as one file, for hosts that cannot fetch it and for pages. In front: "UNIKVMGF", the format's version and the head's
 * length (4 bytes each, little-endian), the head's SHA-256. The head is JSON: what the guest is, and of each of its files the
 * path, the size, and the length and SHA-256 of each block. Behind it the blocks, one after the other: the files in their order,
 * each cut into blocks of 1 MiB, each deflated (RFC 1951). Whoever wants one file reads the head and its blocks.
 *
 * What comes in may be hostile: a digest keeps damage out, not an enemy. Each length is checked before it is used, and paths
 * lead nowhere else. In every runtime.
 */
import { messageOf } from "../src/base/errors.js";
import { having, listOf, recordOf, size, text } from "../src/base/takes.js";
import { GuestUnavailable } from "./unavailable.js";

const formatVersion = 1;
const magic = "UNIKVMGF";
const frontSize = 48;
const blockSize = 1 << 20;
/** Bytes of a head: 200 files of 50 blocks each take a tenth of it. */
const mostHead = 8 << 20;
/** Bytes of all files together, unpacked. */
const mostBytes = 1 << 30;

/** What of the file's content a reader can rely on: no empty, hidden or absolute part, nothing that leads upwards. */
const pathPattern = /^(?:\w[\w.+-]*\/)*\w[\w.+-]*$/;

/** Where the bytes come from. Reading beyond the end rejects. */
export interface GuestFileSource {
  /** What it is called in sentences. */
  readonly name: string;
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** What a runtime gives for it. */
export interface GuestFilePlatform {
  /** SHA-256. */
  digest(bytes: Uint8Array): Promise<Uint8Array>;
  /** RFC 1951. Rejects if it is no such stream, or gives other than `length` bytes; takes no more memory than that. */
  inflate(bytes: Uint8Array, length: number): Promise<Uint8Array>;
}

/** What a guest's file says of itself. */
export interface GuestDescription {
  /** Of the recipe that it was fetched by. */
  readonly name: string;
  readonly architecture: string;
  readonly description: string;
  /** Names and versions of the packages that it is from. */
  readonly packages: Readonly<Record<string, string>>;
  /** Modules of its kernel that it has been asked for. */
  readonly drivers: readonly string[];
}

interface FileHead {
  readonly path: string;
  readonly size: number;
  readonly blocks: readonly { readonly length: number; readonly sha256: string }[];
}

interface Head extends GuestDescription {
  /** What wrote it, for people. */
  readonly by: string;
  readonly files: readonly FileHead[];
}

const headCheck = having({
  ...{ by: text, name: text, architecture: text, description: text },
  packages: recordOf(text),
  drivers: listOf(text),
  files: listOf(having({ path: text, size, blocks: listOf(having({ length: size, sha256: text })) })),
});
/** They are printed, and become names of folders. */
const isPlain = (line: string): boolean => line.length <= 255 && !/[\p{C}\p{Zl}\p{Zp}]/u.test(line);
/** Debian Policy, "Package": wider, for others' packages. */
const isPackage = (name: string): boolean => /^\w[\w.+:~-]*$/.test(name);
/** Tells a string of 64 hexadecimal digits. */
const isDigest = (digits: string): boolean => /^[0-9a-f]{64}$/.test(digits);

/** Calls `write` with the bytes in their order: the same guest gives the same bytes. Resolves with the head's digest. */
export async function writeGuestFile(
  about: GuestDescription & { readonly by: string },
  contents: ReadonlyMap<string, Uint8Array>,
  {
    digest,
    deflate,
  }: Pick<GuestFilePlatform, "digest"> & { readonly deflate: (bytes: Uint8Array) => Promise<Uint8Array> },
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<string> {
  const files: FileHead[] = [];
  const blocks: Uint8Array[] = [];
  for (const [path, bytes] of contents) {
    const cut = Array.from({ length: Math.ceil(bytes.length / blockSize) }, (_, i) =>
      bytes.subarray(i * blockSize, (i + 1) * blockSize),
    );
    const packed = await Promise.all(cut.map(deflate));
    const digests = await Promise.all(packed.map(digest));
    files.push({
      path,
      size: bytes.length,
      blocks: packed.map(({ length }, i) => ({ length, sha256: hex(digests[i] ?? new Uint8Array()) })),
    });
    blocks.push(...packed);
  }
  const { by, name, architecture, description, packages, drivers } = about;
  const head = new TextEncoder().encode(
    JSON.stringify({ by, name, architecture, description, packages, drivers, files } satisfies Head),
  );
  const sha256 = await digest(head);
  const front = new Uint8Array(frontSize);
  new TextEncoder().encodeInto(magic, front);
  const view = new DataView(front.buffer);
  view.setUint32(8, formatVersion, true);
  view.setUint32(12, head.length, true);
  front.set(sha256, 16);
  for (const bytes of [front, head, ...blocks]) await write(bytes);
  return hex(sha256);
}

/** An open guest's file. */
export class GuestFile {
  readonly about: GuestDescription;
  /** SHA-256 of its head, which has those of all blocks: 64 hexadecimal digits. */
  readonly digest: string;
  readonly #source: GuestFileSource;
  readonly #platform: GuestFilePlatform;
  readonly #files = new Map<string, FileHead & { readonly at: number }>();

  private constructor(source: GuestFileSource, platform: GuestFilePlatform, head: Head, digest: string, at: number) {
    this.about = head;
    this.digest = digest;
    this.#source = source;
    this.#platform = platform;
    let offset = at;
    for (const file of head.files) {
      this.#files.set(file.path, { ...file, at: offset });
      offset += file.blocks.reduce((sum, { length }) => sum + length, 0);
    }
  }

  /** Reads its head. Throws GuestUnavailable: it is no guest's file, or damaged, or of a version that this one does not read. */
  static async open(source: GuestFileSource, platform: GuestFilePlatform): Promise<GuestFile> {
    if (source.size < frontSize) refuse(source, "is no guest's file: it is too short");
    const front = await source.read(0, frontSize);
    if (new TextDecoder("latin1").decode(front.subarray(0, 8)) !== magic) {
      refuse(source, "is no guest's file; unikvm guest export makes one");
    }
    const view = new DataView(front.buffer, front.byteOffset, front.length);
    const version = view.getUint32(8, true);
    if (version !== formatVersion) {
      refuse(source, `has version ${version} of the format, and this unikvm reads ${formatVersion}; use one that does`);
    }
    const length = view.getUint32(12, true);
    if (length > mostHead || frontSize + length > source.size) {
      refuse(source, `is damaged or cut off: its head has ${length} bytes, the file ${source.size}`);
    }
    const bytes = await source.read(frontSize, length);
    const digest = hex(await platform.digest(bytes));
    if (digest !== hex(front.subarray(16, frontSize))) refuse(source, "is damaged: its head's digest is another");
    const head = parseHead(source, bytes);
    const at = frontSize + length;
    const end = at + checkFiles(source, head.files);
    if (end !== source.size) {
      refuse(source, `is damaged or cut off: it has ${source.size} bytes, and its head speaks of ${end}`);
    }
    return new GuestFile(source, platform, head, digest, at);
  }

  /** Of its files, in their order. */
  get paths(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** All bytes of one of its files. Throws GuestUnavailable: it has none of that name, or it is damaged. */
  async read(path: string): Promise<Uint8Array> {
    const file = this.#files.get(path);
    if (!file) return refuse(this.#source, `has no ${path}; export the guest again, with this unikvm`);
    const parts: Uint8Array[] = [];
    let { at } = file;
    for (const [i, { length, sha256 }] of file.blocks.entries()) {
      const packed = await this.#source.read(at, length);
      at += length;
      if (hex(await this.#platform.digest(packed)) !== sha256) {
        refuse(this.#source, `is damaged: block ${i} of its ${path} has another digest`);
      }
      try {
        parts.push(await this.#platform.inflate(packed, Math.min(blockSize, file.size - i * blockSize)));
      } catch (error) {
        refuse(this.#source, `is damaged: block ${i} of its ${path} cannot be inflated: ${messageOf(error)}`);
      }
    }
    const whole = new Uint8Array(file.size);
    parts.forEach((part, i) => void whole.set(part, i * blockSize));
    return whole;
  }
}

function parseHead(source: GuestFileSource, bytes: Uint8Array): Head {
  try {
    const head: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    headCheck(head, "guest", "head");
    const { name, architecture, description, by, packages, drivers, ...rest } = head as Head;
    const lines = [name, architecture, description, by, ...Object.values(packages), ...drivers];
    if (!lines.every(isPlain)) throw new Error("it has a text of more than one short line");
    if (!Object.keys(packages).every((one) => isPlain(one) && isPackage(one))) {
      throw new Error("it names a package as none is called");
    }
    return { name, architecture, description, by, packages, drivers, files: rest.files };
  } catch (error) {
    return refuse(source, `is not used: its head is not as it is written: ${messageOf(error)}`);
  }
}

/** Bytes of all blocks. */
function checkFiles(source: GuestFileSource, files: readonly FileHead[]): number {
  const names = new Set<string>();
  const folders = new Set<string>();
  let [unpacked, packed] = [0, 0];
  for (const { path, size: whole, blocks } of files) {
    const shown = JSON.stringify(path.slice(0, 80));
    if (path.length > 255 || !pathPattern.test(path)) refuse(source, `is not used: it has a file ${shown}`);
    for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1)) {
      folders.add(path.slice(0, slash));
    }
    if (names.has(path)) refuse(source, `is not used: it has two files ${shown}`);
    names.add(path);
    unpacked += whole;
    if (unpacked > mostBytes) refuse(source, `is not used: its files have more than ${mostBytes} bytes`);
    const wrong = (what: string): never => refuse(source, `is damaged: its file ${shown} has ${what}`);
    if (blocks.length !== Math.ceil(whole / blockSize)) wrong(`${blocks.length} blocks for ${whole} bytes`);
    for (const [i, { length, sha256 }] of blocks.entries()) {
      const gives = Math.min(blockSize, whole - i * blockSize);
      // Deflate adds a little to what it cannot make shorter, and no byte of it gives more than 1032.
      if (length > gives + 1024 || length * 1032 < gives) wrong(`a block of ${length} bytes that is to give ${gives}`);
      if (!isDigest(sha256)) wrong(`a digest ${JSON.stringify(sha256.slice(0, 80))}`);
      packed += length;
    }
  }
  const both = [...names].find((name) => folders.has(name));
  if (both !== undefined) refuse(source, `is not used: its ${JSON.stringify(both)} is a file and a folder`);
  return packed;
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function refuse(source: GuestFileSource, what: string): never {
  throw new GuestUnavailable(`${source.name} ${what}`);
}
