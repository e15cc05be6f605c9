/**
 * What a tar archive is made of. Source: POSIX.1-2017, pax, "pax Interchange Format" and "ustar Interchange Format";
 * guests/agent/tar.h is the guest's side of it.
 */

export const blockSize = 512;

/** Type flags by what they stand for. */
export const entryTypes = {
  file: "0",
  hardLink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  folder: "5",
  fifo: "6",
} as const;
export type TarEntryKind = keyof typeof entryTypes;

/** One thing in an archive. */
export interface TarEntry {
  /** Parts with "/" between them, as the archive has it: it may lead anywhere. */
  readonly path: string;
  readonly kind: TarEntryKind;
  /** Permissions, with the bits for other users. */
  readonly mode: number;
  readonly user: number;
  readonly group: number;
  /** Of a file, bytes. */
  readonly size: number;
  /** When it was last written to, nanoseconds since 1970; none is before that. */
  readonly time: bigint;
  /** Of a link: where it leads; of a hard link, another entry's path. */
  readonly target: string;
}

/** Fields of a head: where they are and how long. */
export const fields = {
  name: [0, 100],
  mode: [100, 8],
  user: [108, 8],
  group: [116, 8],
  size: [124, 12],
  time: [136, 12],
  sum: [148, 8],
  type: [156, 1],
  target: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  prefix: [345, 155],
} as const;

/** Bytes to the next whole block. */
export const padding = (size: number): number => (blockSize - (size % blockSize)) % blockSize;

/** The sum of a head's bytes, with blanks for the sum itself. */
export function headSum(block: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < blockSize; i++) sum += block[i] ?? 0;
  const [at, length] = fields.sum;
  for (let i = at; i < at + length; i++) sum += 32 - (block[i] ?? 0);
  return sum;
}
