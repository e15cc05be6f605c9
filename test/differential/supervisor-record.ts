/** A supervisor case's record: the user's (record.ts), then what only a supervisor has. */
import { addresses, offsets, recordSize, windowSize } from "./record.js";

/**
 * Special purpose registers that every case has values of, set before it and read after it. FSCR is the last to be set and
 * the first to be read, since it decides about others. SPRG2 and SPRG3 are set only: the handler needs them.
 */
export const savedSprs = [
  ["dsisr", 18],
  ["dar", 19],
  ["amr", 29],
  ["pid", 48],
  ["iamr", 61],
  ["uamor", 157],
  ["dscr", 17],
  ["tidr", 144],
  ["pspb", 159],
  ["vrsave", 256],
  ["sprg0", 272],
  ["sprg1", 273],
  ["mmcr0", 795],
  ["mmcr1", 798],
  ["mmcr2", 785],
  ["mmcra", 786],
  ["pmc1", 787],
  ["pmc2", 788],
  ["pmc3", 789],
  ["pmc4", 790],
  ["pmc5", 791],
  ["pmc6", 792],
  ["sier", 784],
  ["siar", 796],
  ["sdar", 797],
  ["ebbhr", 804],
  ["ebbrr", 805],
  ["bescr", 806],
  ["tar", 815],
  ["ppr", 896],
  ["fscr", 153],
] as const;
export type SavedSpr = (typeof savedSprs)[number][0];

/** Doublewords of guest memory that a case wants otherwise while it runs: entries of page tables. */
export const patchCount = 4;
/** Of a patch: its real address; the value, then what is found there after the case; what stood there before. */
export const patchSize = 24;

/** Bytes before the window that are compared too: accesses that come from the page before. */
export const beforeSize = 256;

const extra = recordSize + 64;
export const supervisorOffsets = {
  /** MSR of the case; afterwards MSR in the interrupt handler. */
  msr: recordSize,
  srr0: recordSize + 8,
  srr1: recordSize + 16,
  /** Address of the vector that was entered. */
  vector: recordSize + 24,
  cfar: recordSize + 32,
  /** Address of the case's first instruction. */
  start: recordSize + 40,
  sprg2: recordSize + 48,
  sprg3: recordSize + 56,
  sprs: extra,
  patches: extra + 8 * savedSprs.length,
  before: extra + 8 * savedSprs.length + patchCount * patchSize,
} as const;
export const supervisorRecordSize = supervisorOffsets.before + beforeSize;

/** Offset of a saved register. */
export function sprOffset(name: SavedSpr): number {
  return supervisorOffsets.sprs + 8 * savedSprs.findIndex(([saved]) => saved === name);
}

/** Where the compared memory begins. */
export const memoryStart = addresses.window - beforeSize;

/** Between the host's order of the doublewords and a big-endian guest's; memory is bytes and stays. */
export function swapSupervisorRecord(bytes: Uint8Array): void {
  for (let at = 0; at < supervisorOffsets.before; at += 8) {
    if (at < offsets.window || at >= offsets.window + windowSize) bytes.subarray(at, at + 8).reverse();
  }
}
