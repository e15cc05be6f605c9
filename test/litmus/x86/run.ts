/** Runs litmus tests (tests.ts) on processors with threads (thread.ts), and counts what came out. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Processor, sharedMemory } from "../../engines/x86/processor.js";
import { area, batch, loadedStride, placeOf, processors, program, ramSize } from "./guest.js";
import type { Litmus } from "./tests.js";
import type { Round, RoundDone } from "./thread.js";

export interface LitmusResult {
  readonly test: Litmus;
  readonly tries: number;
  /** How often the outcome came that the test looks for. */
  readonly seen: number;
  /** Tries that processor 0 began with all others there. */
  readonly met: number;
  /** Every outcome that came, by its digits, and how often. */
  readonly counts: ReadonlyMap<string, number>;
}

export interface LitmusOptions {
  /** Rounded up to whole rounds. */
  readonly tries: number;
  /** Ends when the outcome has been seen. */
  readonly untilSeen?: boolean;
}

/** How all tests of some processors are run. */
export interface LitmusSetting {
  readonly implementation: "hv" | "pr";
  /** The engine orders accesses, as where the host does not. */
  readonly ordered: boolean;
  readonly seed: number;
}

/** The processors of a guest, which run one test after the other. */
export class LitmusGuest {
  readonly #processor: Processor;
  readonly #workers: readonly Worker[];
  readonly #translates: boolean;
  #code = area.code;
  #tries = 0;

  constructor({ implementation, ordered, seed }: LitmusSetting) {
    const memory = sharedMemory(ramSize, processors);
    const translate = implementation === "hv";
    this.#translates = translate;
    const p = new Processor(ramSize, { translate: false, beside: { memory, index: 0, count: processors } });
    this.#processor = p;
    // 2 MiB pages, where they are.
    p.putRam64(area.tables, BigInt(area.tables + 0x1003));
    p.putRam64(area.tables + 0x1000, BigInt(area.tables + 0x2003));
    p.putRam64(area.tables + 0x2000, 0x83n);
    p.putRam64(area.tables + 0x2008, 0x20_0083n);
    this.#workers = Array.from({ length: processors }, (_, index) => {
      const workerData = { beside: { memory, index, count: processors, ordered }, translate, seed };
      return new Worker(new URL("thread.js", import.meta.url), { workerData });
    });
  }

  /** Throws if a processor did anything but halt at the end of a round, or none of its code ran as it was to. */
  async run(test: Litmus, options: LitmusOptions): Promise<LitmusResult> {
    const programs = test.threads.map((_, id) => this.#put(program(test, id)));
    const wanted = test.outcome.join("");
    const counts = new Map<string, number>();
    const metBefore = this.#met;
    const first = this.#tries;
    while (this.#tries - first < options.tries && !(options.untilSeen && counts.has(wanted))) {
      await this.#round(test, programs, this.#tries === first);
      for (let attempt = 0; attempt < batch; attempt++) {
        const outcome = this.#outcome(test, attempt);
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      }
    }
    const seen = counts.get(wanted) ?? 0;
    return { test, tries: this.#tries - first, seen, met: this.#met - metBefore, counts };
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #put(code: Uint8Array): number {
    const at = this.#code;
    this.#code += area.program;
    if (code.length > area.program || this.#code > area.codeEnd)
      throw new Error("too many litmus tests, or too long ones");
    this.#processor.ram(at, code.length).set(code);
    return at;
  }

  get #met(): number {
    return Number(this.#processor.getRam64(area.met));
  }

  async #round(test: Litmus, programs: readonly number[], isFirst: boolean): Promise<void> {
    this.#processor.ram(area.x, area.loaded - area.x + batch * loadedStride).fill(0);
    const done = programs.map(async (at, id) => {
      const worker = this.#workers[id] as Worker;
      worker.postMessage({ at, isFirst, tries: this.#tries } satisfies Round);
      const [{ halted, translated }] = (await once(worker, "message")) as [RoundDone];
      return halted && translated === this.#translates;
    });
    if (!(await Promise.all(done)).every(Boolean)) throw new Error(`${test.name}: a processor did not do its round`);
    this.#tries += batch;
  }

  #outcome(test: Litmus, attempt: number): string {
    const loads = test.threads.flatMap(({ accesses }) => accesses).filter(({ kind }) => kind === "read").length;
    const digit = (at: number) => (this.#processor.ram(at, 1)[0] as number).toString();
    const loaded = Array.from({ length: loads }, (_, i) => digit(area.loaded + attempt * loadedStride + 4 * i));
    return [...loaded, ...test.final.map((location) => digit(placeOf(location, attempt, test)))].join("");
  }
}
