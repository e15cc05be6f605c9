/** A translator's workshop on a thread beside the vCPU's, where `serveTranslations` (beside.ts) answers. No page has one. */
import type { ThreadBeside } from "../../kvm/engine.js";
import { Gathering } from "./gathering.js";
import type { RegionBatch, RegionRequest } from "./region-maker.js";
import type { MadeByRequest, Workshop } from "./workshop.js";

/** What a thread beside is asked for: a region, or that some which it has made are gathered. */
export type BesideRequest = RegionRequest | { readonly gather: readonly number[] };

class BesideWorkshop implements Workshop {
  readonly #thread: ThreadBeside;
  readonly #gathering: Gathering<MadeByRequest> | undefined;

  constructor(thread: ThreadBeside) {
    this.#thread = thread;
    if (thread.gathers) this.#gathering = new Gathering();
  }

  get alive(): boolean {
    return this.#thread.alive;
  }

  make(request: RegionRequest): void {
    this.#thread.post(request satisfies BesideRequest);
  }

  wanted(): void {}

  take(): RegionBatch | undefined {
    const batch = this.#thread.take() as RegionBatch | undefined;
    if (batch?.gathered && this.#gathering) this.#gathering.underWay = false;
    return batch;
  }

  lives(region: MadeByRequest): void {
    this.#gathering?.add(region);
  }

  gone(region: MadeByRequest): void {
    this.#gathering?.forget(region);
  }

  sliceEnded(requests: number): boolean {
    if (!this.#gathering) return false;
    const regions = this.#gathering.take(requests);
    if (regions.length > 0) this.#thread.post({ gather: regions.map(({ id }) => id) } satisfies BesideRequest);
    return this.#gathering.underWay;
  }
}

/** What makes one for each translator. */
export const besideWorkshops = (thread: ThreadBeside) => (): Workshop => new BesideWorkshop(thread);
