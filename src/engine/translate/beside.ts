/** What a thread beside the vCPUs' does for their translators. No page has one. */
import { getOptimiser } from "../../wasm/optimiser.js";
import type { BesideRequest } from "./beside-workshop.js";
import { type Made, type RegionBatch, RegionMaker, sizeOf } from "./region-maker.js";
import type { TranslatorTarget } from "./target.js";
import { Tiers } from "./tiers.js";
import { batchSize } from "./workshop.js";

/**
 * Milliseconds that a region waits for others; not longer, since the guest interprets it meanwhile. A module costs the vCPU's
 * thread one to three, for its instance: the more there are, the longer a region waits.
 */
const besidePatience = (modules: number): number => Math.min(10 + modules, 40);

/** Bytes of regions that a vCPU's are gathered from; they are some 3 kB each. */
const mostKept = 2 << 20;

/** One for all vCPUs that this thread works for: so is the optimiser. */
let tiers: Tiers | undefined;

function tiersOfThread(): Tiers | undefined {
  const optimiser = getOptimiser();
  if (optimiser) tiers ??= new Tiers(optimiser);
  return tiers;
}

/** What was made last, so that it can be compiled again. */
class Kept {
  readonly #byId = new Map<number, Made>();
  #bytes = 0;

  add(made: readonly Made[]): void {
    for (const one of made) this.#byId.set(one.region.id, one);
    this.#bytes += sizeOf(made);
    for (const id of this.#byId.keys()) {
      if (this.#bytes <= mostKept) break;
      this.take([id]);
    }
  }

  /** Those of them that are still here, which it keeps no longer. */
  take(ids: readonly number[]): Made[] {
    const made = ids.flatMap((id) => this.#byId.get(id) ?? []);
    for (const { region } of made) this.#byId.delete(region.id);
    this.#bytes -= sizeOf(made);
    return made;
  }
}

/**
 * Makes regions for a vCPU on another thread, from its memory: `post` sends what the vCPU's thread takes. The result is told
 * each request.
 */
export function serveTranslations<V>(
  target: TranslatorTarget<V>,
  memory: WebAssembly.Memory,
  post: (batch: RegionBatch) => void,
): (request: BesideRequest) => void {
  let maker: RegionMaker<V> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let since = 0;
  let modules = 0;
  const ofThread = tiersOfThread();
  // What is never asked for again is not kept.
  const optimised = getOptimiser()?.optimised;
  const kept = optimised && new Kept();
  const build = (made: RegionMaker<V>): void => {
    clearTimeout(timer);
    timer = undefined;
    modules++;
    post(made.build());
  };
  const gather = (ids: readonly number[]): RegionBatch => {
    const made = kept?.take(ids) ?? [];
    const from = maker;
    const modules = optimised && from && made.length > 0 ? [optimised(() => from.compile(made))] : [];
    return { modules, refused: [], gathered: true };
  };
  return (request) => {
    if ("gather" in request) {
      post(gather(request.gather));
      return;
    }
    maker ??= new RegionMaker(target, memory, request.state, (made, compile) => {
      kept?.add(made);
      return ofThread ? ofThread.compile(made, compile) : [compile(made)];
    });
    if (maker.waiting === 0) since = performance.now();
    maker.make(request);
    // Timers wait while one request comes after another.
    if (maker.waiting >= batchSize || performance.now() - since >= besidePatience(modules)) build(maker);
    else timer ??= setTimeout(build, besidePatience(modules), maker);
  };
}
