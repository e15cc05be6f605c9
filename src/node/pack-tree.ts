/** A folder of the host as a tar stream. */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readlinkSync,
  readSync,
  statSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import { VmError } from "../api/error.js";
import { padding, type TarEntry } from "../api/tar/format.js";
import { tarEnd, tarHead } from "../api/tar/write.js";

const pieceSize = 1 << 18;

/** Made up of as many small things as a piece holds. */
class Pieces {
  #piece = new Uint8Array(pieceSize);
  #length = 0;

  /** The pieces that are full, and at the end the last one. */
  *add(bytes: Uint8Array): Generator<Uint8Array> {
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done, done + pieceSize - this.#length);
      this.#piece.set(part, this.#length);
      this.#length += part.length;
      done += part.length;
      if (this.#length === pieceSize) yield this.take();
    }
  }

  /** Reads into it what is missing. */
  read(fd: number, most: number): number {
    const count = readSync(fd, this.#piece, this.#length, Math.min(most, pieceSize - this.#length), null);
    this.#length += count;
    return count;
  }

  get full(): boolean {
    return this.#length === pieceSize;
  }

  take(): Uint8Array {
    const piece = this.#piece.subarray(0, this.#length);
    this.#piece = new Uint8Array(pieceSize);
    this.#length = 0;
    return piece;
  }
}

export interface PackOptions {
  /** A file's, instead of its own. */
  readonly name?: string;
  /** Told of devices, pipes and sockets, by their paths from the folder on. */
  leftOut?(path: string): void;
}

/**
 * Its things belong to root, as the host's users are none of the guest's. A folder's are named from it on; a file has its own
 * name, or `name`. Devices, pipes and sockets are left out; a file with several names in the folder keeps them. Its reader gets
 * the errors: VmError.
 */
export function packTree(path: string, options: PackOptions = {}): ReadableStream<Uint8Array> {
  const pieces = packed(resolve(path), options);
  return new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        try {
          const { done, value } = pieces.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          const { code = "EIO", message } = error as NodeJS.ErrnoException;
          throw error instanceof VmError
            ? error
            : new VmError(code, message.replace(`${code}: `, ""), { cause: error });
        }
      },
      cancel: () => {
        pieces.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

/** What goes for all of a tree. */
interface Packing {
  readonly pieces: Pieces;
  /** The first name of each file that has others, by its device and number. */
  readonly names: Map<string, string>;
  readonly leftOut: (path: string) => void;
}

function* packed(path: string, { name, leftOut }: PackOptions): Generator<Uint8Array, undefined> {
  const pieces = new Pieces();
  const packing: Packing = { pieces, names: new Map(), leftOut: (one) => leftOut?.(one) };
  const state = statSync(path, { bigint: true });
  if (state.isDirectory()) {
    yield* pieces.add(tarHead(entryOf("./", state, { kind: "folder" })));
    yield* packFolder(packing, path, "");
  } else if (state.isFile()) yield* packFile(packing, path, name ?? basename(path), 0);
  else throw new VmError("EINVAL", `${path} is neither a folder nor a file`);
  yield* pieces.add(tarEnd());
  yield pieces.take();
}

function* packFolder(packing: Packing, path: string, name: string): Generator<Uint8Array> {
  const { pieces } = packing;
  const folder = opendirSync(path);
  try {
    for (let one = folder.readSync(); one; one = folder.readSync()) {
      const [itsPath, itsName] = [join(path, one.name), `${name}${one.name}`];
      const state = lstatSync(itsPath, { bigint: true, throwIfNoEntry: false });
      if (!state) {
        // It is gone since; or its name has what Node.js puts in the place of bytes that are no UTF-8.
        if (!itsName.includes("\ufffd")) continue;
        throw new VmError(
          "EILSEQ",
          `the name of ${itsPath} is not UTF-8, and so Node.js cannot open it; give it another`,
        );
      }
      if (state.isFile()) yield* packFile(packing, itsPath, itsName, constants.O_NOFOLLOW);
      else if (state.isSymbolicLink()) {
        yield* pieces.add(tarHead(entryOf(itsName, state, { kind: "symlink", target: readlinkSync(itsPath) })));
      } else if (state.isDirectory()) {
        yield* pieces.add(tarHead(entryOf(`${itsName}/`, state, { kind: "folder" })));
        yield* packFolder(packing, itsPath, `${itsName}/`);
      } else packing.leftOut(itsName);
    }
  } finally {
    folder.closeSync();
  }
}

/** As many bytes as its head says: one that has become shorter has zeros behind its end, as tar does it. */
function* packFile({ pieces, names }: Packing, path: string, name: string, flags: number): Generator<Uint8Array> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  try {
    const state = fstatSync(fd, { bigint: true });
    if (state.nlink > 1n) {
      const file = `${state.dev}:${state.ino}`;
      const target = names.get(file);
      if (target !== undefined) {
        yield* pieces.add(tarHead(entryOf(name, state, { kind: "hardLink", target })));
        return;
      }
      names.set(file, name);
    }
    const size = Number(state.size);
    yield* pieces.add(tarHead(entryOf(name, state, { kind: "file", size })));
    let left = size;
    while (left > 0) {
      const count = pieces.read(fd, left);
      if (count === 0) break;
      left -= count;
      if (pieces.full) yield pieces.take();
    }
    for (; left > 0; left -= Math.min(left, pieceSize)) yield* pieces.add(new Uint8Array(Math.min(left, pieceSize)));
    yield* pieces.add(new Uint8Array(padding(size)));
  } finally {
    closeSync(fd);
  }
}

function entryOf(
  path: string,
  { mode, mtimeNs }: BigIntStats,
  more: Pick<TarEntry, "kind"> & Partial<TarEntry>,
): TarEntry {
  const time = mtimeNs < 0n ? 0n : mtimeNs;
  return { path, mode: Number(mode) & 0o7777, user: 0, group: 0, size: 0, time, target: "", ...more };
}
