/**
 * RAM whose contents lie somewhere else until they are looked at: in the pieces of a snapshot that this process has in memory,
 * or in its file. Plain values, so that each vCPU's thread fetches itself what its guest comes to.
 */
import { VmmError } from "../errors.js";
import type { SparseImage } from "./sparse-image.js";
import { logPage, PageSet } from "./written-pages.js";

/** Reads bytes of a file that was opened; throws if they are not all there. */
export type ReadFile = (file: number, position: number, into: Uint8Array) => void;

/** What a piece is: 4 numbers in `pieces`. */
const Piece = { offset: 0, length: 1, store: 2, position: 3, size: 4 } as const;

export interface LatentRam {
  /** Bytes, with the zeros. */
  readonly size: number;
  /** In order of its place in RAM: there, its length, where it lies: in which of `stores`, and where in that. */
  readonly pieces: Float64Array;
  /** Memory, or the descriptor of a file. */
  readonly stores: readonly (ArrayBufferLike | number)[];
}

/** Of an image; undefined: threads are to have it, and its bytes are not shared with them. */
export function latentRam({ size, runs, stored }: SparseImage, threads: boolean): LatentRam | undefined {
  if (stored) {
    const { file, places } = stored;
    return { size, stores: [file], pieces: numbers(places.map(([at, length, position]) => [at, length, 0, position])) };
  }
  const stores = [...new Set(runs.map(({ bytes }) => bytes.buffer))];
  if (threads && stores.some((store) => store instanceof ArrayBuffer)) return undefined;
  const numberOf = new Map(stores.map((store, i) => [store, i]));
  const pieces = runs.map(({ offset, bytes }) => [
    ...[offset, bytes.length, numberOf.get(bytes.buffer) ?? 0, bytes.byteOffset],
  ]);
  return { size, stores, pieces: numbers(pieces) };
}

/** Shared where that is possible: nobody copies it for a thread. */
export const sharedBytes = (bytes: number): ArrayBufferLike =>
  typeof SharedArrayBuffer === "undefined" ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes);

function numbers(pieces: readonly (readonly number[])[]): Float64Array {
  const all = new Float64Array(sharedBytes(8 * Piece.size * pieces.length));
  for (const [i, piece] of pieces.entries()) all.set(piece, Piece.size * i);
  return all;
}

/** Pages that have a piece. */
export function latentPages({ size, pieces }: LatentRam): PageSet {
  const pages = new PageSet(Math.ceil(size / logPage));
  for (let at = 0; at < pieces.length; at += Piece.size) {
    pages.addBytes(pieces[at + Piece.offset] as number, pieces[at + Piece.length] as number);
  }
  return pages;
}

/** Puts what lies from `offset` on into bytes that are 0. */
export function fillLatent({ pieces, stores }: LatentRam, offset: number, into: Uint8Array, readFile: ReadFile): void {
  const end = offset + into.length;
  for (let at = firstAt(pieces, offset); at < pieces.length; at += Piece.size) {
    const from = pieces[at + Piece.offset] as number;
    if (from >= end) return;
    const [first, last] = [Math.max(from, offset), Math.min(from + (pieces[at + Piece.length] as number), end)];
    if (first >= last) continue;
    const position = (pieces[at + Piece.position] as number) + first - from;
    const store = stores[pieces[at + Piece.store] as number] as ArrayBufferLike | number;
    const place = into.subarray(first - offset, last - offset);
    if (typeof store === "number") readFile(store, position, place);
    else place.set(new Uint8Array(store, position, last - first));
  }
}

/** The first piece that ends behind `offset`. */
function firstAt(pieces: Float64Array, offset: number): number {
  let [low, high] = [0, pieces.length / Piece.size];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = Piece.size * middle;
    if ((pieces[at + Piece.offset] as number) + (pieces[at + Piece.length] as number) <= offset) low = middle + 1;
    else high = middle;
  }
  return Piece.size * low;
}

const noFiles: ReadFile = () => {
  throw new VmmError("memory that lies in a file is read on threads that can read files alone");
};

/** What fills pages of RAM that begins at `address` of the VM's memory. */
export const fillFrom =
  (latent: LatentRam & { readonly address: number }, readFile: ReadFile = noFiles) =>
  (address: number, page: Uint8Array): void =>
    fillLatent(latent, address - latent.address, page, readFile);
