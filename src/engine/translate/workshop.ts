/** Where a translator has its regions made: on the vCPU's thread, or beside it (beside-workshop.ts). */
import { type RegionBatch, RegionMaker, type RegionRequest } from "./region-maker.js";
import type { TranslatorTarget } from "./target.js";

/** A region that lives, by its request. */
export interface MadeByRequest {
  readonly id: number;
  /** Bytes of its code. */
  readonly size: number;
}

export interface Workshop {
  /** False: what was asked of it never comes. */
  readonly alive: boolean;
  make(request: RegionRequest): void;
  /** The guest was found where a region that is being made begins. */
  wanted(): void;
  /** What has become ready; asked at the end of each slice while something is being made. */
  take(): RegionBatch | undefined;
  /** What of the regions that it made is in use: who gathers them (gathering.ts) wants to know. */
  lives?(region: MadeByRequest): void;
  gone?(region: MadeByRequest): void;
  /** Until now so many were asked for. True: `take` may have something, whether or not regions are being made. */
  sliceEnded?(requests: number): boolean;
}

/**
 * Regions wait for each other: a module costs as much as interpreting some slices, its regions hardly more than that. They
 * are compiled when there are so many, when the guest was so often found where one of them begins, or after so many slices.
 */
export const batchSize = 32;
const batchSamples = 8;
const batchPatience = 256;
/** Bytes of regions that are compiled at once where the guest stands still meanwhile: a few milliseconds' worth. */
const batchBytes = 16 * 1024;

/** On this thread: one region is made at a time, and few are compiled together, so that the guest never stops for long. */
export class HereWorkshop<V> implements Workshop {
  readonly alive = true;
  readonly #maker: RegionMaker<V>;
  #waited = 0;

  constructor(target: TranslatorTarget<V>, memory: WebAssembly.Memory, state: number) {
    this.#maker = new RegionMaker(target, memory, state);
  }

  get waiting(): number {
    return this.#maker.waiting;
  }

  make(request: RegionRequest): void {
    this.#maker.make(request);
  }

  wanted(): void {
    this.#waited += batchPatience / batchSamples;
  }

  take(): RegionBatch | undefined {
    const isFull = this.#maker.waiting >= batchSize || this.#maker.bytes >= batchBytes;
    return isFull || ++this.#waited >= batchPatience ? this.build() : undefined;
  }

  build(): RegionBatch {
    this.#waited = 0;
    return this.#maker.build();
  }
}
