/** Bytes of which most are zeros, as guest RAM and what was written to a disk are: the pieces that are not. */

/** Pieces begin and end at multiples of this. */
export const imagePage = 4096;
/** Looked at in one go first: what was never used is found quickly. */
const stretch = 65536;

export interface SparseImage {
  /** Bytes, with the zeros. */
  readonly size: number;
  /** By offset; they do not overlap. */
  readonly runs: readonly SparseRun[];
  /** Instead of them: they lie in a file, from where RAM is read when it is used. */
  readonly stored?: StoredRuns;
}

/** Pieces in a file that is open until `close`. */
export interface StoredRuns {
  /** Its descriptor. */
  readonly file: number;
  /** Of each piece, by offset: that, its length, its place in the file. */
  readonly places: readonly (readonly [offset: number, length: number, position: number])[];
  /** Throws if the bytes are not all there. [any thread, by the descriptor] */
  read(position: number, into: Uint8Array): void;
  close(): void;
}

export interface SparseRun {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Whether all of some bytes are 0. Platforms have quicker ways than this one. */
export type IsZero = (bytes: Uint8Array) => boolean;

export const isZero: IsZero = (bytes) => {
  if (bytes.byteOffset % 8 === 0 && bytes.length % 8 === 0) {
    return new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8).every((word) => word === 0n);
  }
  return bytes.every((byte) => byte === 0);
};

/** Copies what is not zero out of `bytes`. */
export function sparseImage(bytes: Uint8Array, zero: IsZero = isZero): SparseImage {
  const places = findRuns(bytes, zero);
  // One buffer for all of it: half the page faults of one for each.
  const copy = new Uint8Array(places.reduce((sum, [start, end]) => sum + end - start, 0));
  let at = 0;
  const runs = places.map(([start, end]) => {
    const run = copy.subarray(at, (at += end - start));
    run.set(bytes.subarray(start, end));
    return { offset: start, bytes: run };
  });
  return { size: bytes.length, runs };
}

function findRuns(bytes: Uint8Array, zero: IsZero): readonly (readonly [start: number, end: number])[] {
  const found: [number, number][] = [];
  for (let first = 0; first < bytes.length; first += stretch) {
    const last = Math.min(first + stretch, bytes.length);
    if (zero(bytes.subarray(first, last))) continue;
    for (let at = first; at < last; at += imagePage) {
      const end = Math.min(at + imagePage, last);
      if (zero(bytes.subarray(at, end))) continue;
      const before = found.at(-1);
      if (before && before[1] === at) before[1] = end;
      else found.push([at, end]);
    }
  }
  return found;
}

/** Into bytes that are 0. RangeError: they are fewer. */
export function fillFrom({ runs }: SparseImage, bytes: Uint8Array): void {
  for (const run of runs) bytes.set(run.bytes, run.offset);
}

/** Bytes that are not left out. */
export const bytesIn = ({ runs, stored }: SparseImage): number =>
  stored
    ? stored.places.reduce((sum, [, length]) => sum + length, 0)
    : runs.reduce((sum, { bytes }) => sum + bytes.length, 0);
