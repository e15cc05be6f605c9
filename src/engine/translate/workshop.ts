/** Where a translator has its regions made: on the vCPU's thread, or beside it. */
import type { ThreadBeside } from "../../kvm/engine.js";
import { getOptimiser } from "../../wasm/optimiser.js";
import { type RegionBatch, RegionMaker, type RegionRequest } from "./region-maker.js";
import type { TranslatorTarget } from "./target.js";
import { Tiers } from "./tiers.js";

export interface Workshop {
  /** False: what was asked of it never comes. */
  readonly alive: boolean;
  make(request: RegionRequest): void;
  /** The guest was found where a region that is being made begins. */
  wanted(): void;
  /** What has become ready; asked at the end of each slice while something is being made. */
  take(): RegionBatch | undefined;
}

/**
 * Regions wait for each other: a module costs as much as interpreting some slices, its regions hardly more than that. They
 * are compiled when there are so many, when the guest was so often found where one of them begins, or after so many slices.
 */
const batchSize = 32;
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

/** On a thread beside this one, where `serveTranslations` answers. */
export class BesideWorkshop implements Workshop {
  readonly #thread: ThreadBeside;

  constructor(thread: ThreadBeside) {
    this.#thread = thread;
  }

  get alive(): boolean {
    return this.#thread.alive;
  }

  make(request: RegionRequest): void {
    this.#thread.post(request);
  }

  wanted(): void {}

  take(): RegionBatch | undefined {
    return this.#thread.take() as RegionBatch | undefined;
  }
}

/**
 * Milliseconds that a region waits for others; not longer, since the guest interprets it meanwhile. A module costs the vCPU's
 * thread one to three, for its instance: the more there are, the longer a region waits.
 */
const besidePatience = (modules: number): number => Math.min(10 + modules, 40);

/** One for all vCPUs that this thread works for: so is the optimiser. */
let tiers: Tiers | undefined;

function tiersOfThread(): Tiers | undefined {
  const optimiser = getOptimiser();
  if (optimiser) tiers ??= new Tiers(optimiser);
  return tiers;
}

/**
 * Makes regions for a vCPU on another thread, from its memory: `post` sends what the vCPU's thread takes. The result is told
 * each request.
 */
export function serveTranslations<V>(
  target: TranslatorTarget<V>,
  memory: WebAssembly.Memory,
  post: (batch: RegionBatch) => void,
): (request: RegionRequest) => void {
  let maker: RegionMaker<V> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let since = 0;
  let modules = 0;
  const build = (made: RegionMaker<V>): void => {
    clearTimeout(timer);
    timer = undefined;
    modules++;
    post(made.build());
  };
  return (request) => {
    maker ??= new RegionMaker(target, memory, request.state, tiersOfThread());
    if (maker.waiting === 0) since = performance.now();
    maker.make(request);
    // Timers wait while one request comes after another.
    if (maker.waiting >= batchSize || performance.now() - since >= besidePatience(modules)) build(maker);
    else timer ??= setTimeout(build, besidePatience(modules), maker);
  };
}
