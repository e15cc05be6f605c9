/**
 * How much a machine's processors run, bounded in periods as a control group's are: in each all of them together have a time,
 * and who has used it up waits for the next. What one took too much is missing there. Several threads share it. [A]
 * Source: Linux, "Control Group v2", cpu.max; "CFS Bandwidth Control".
 */
import { KvmError } from "../../base/errors.js";
import type { Exit, RunOptions, Vcpu } from "../../kvm/uapi.js";

/** As a control group's is if nothing else is said, milliseconds. */
const period = 100;
/** The longest that a vCPU runs without looking at what the others took meanwhile, milliseconds. */
const longestRun = 20;
/** Processors: less would be less than a control group takes, a millisecond in a period. */
export const leastCores = 0.01;
/** Processors. */
export const mostCores = 1000;

/** Microseconds; the number of the period. */
const Word = { quota: 0, period: 1, left: 2 } as const;

const now = (): number => performance.timeOrigin + performance.now();

/** How long the calling thread has been on a processor, milliseconds; where that is not known, a clock is looked at instead. */
export type ThreadTime = () => number;

export class CpuLimit {
  readonly buffer: SharedArrayBuffer | ArrayBuffer;
  readonly #words: Int32Array;
  readonly #used: ThreadTime | undefined;
  #charged: number;

  private constructor(buffer: SharedArrayBuffer | ArrayBuffer, used: ThreadTime | undefined) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#used = used;
    this.#charged = used?.() ?? 0;
  }

  /**
   * `cores`: processors of the host, as 0.5. `used`: of the thread that runs vCPUs by this object. KvmError, EINVAL: no such
   * number.
   */
  static of(cores: number, used?: ThreadTime): CpuLimit {
    if (!(cores >= leastCores && cores <= mostCores)) {
      throw new KvmError("EINVAL", `a limit of ${cores} processors: there is one from ${leastCores} to ${mostCores}`);
    }
    // Where there is none there are no other threads.
    const limit = new CpuLimit(new (globalThis.SharedArrayBuffer ?? ArrayBuffer)(12), used);
    const quota = Math.round(cores * period * 1000);
    limit.#words[Word.quota] = quota;
    limit.#words[Word.period] = Math.floor(now() / period) | 0;
    limit.#words[Word.left] = quota;
    return limit;
  }

  /** The same, on another thread. */
  static from(buffer: SharedArrayBuffer, used?: ThreadTime): CpuLimit {
    return new CpuLimit(buffer, used);
  }

  /** What may be run now, milliseconds: none if it is not above 0. */
  get room(): number {
    const before = Atomics.load(this.#words, Word.period);
    const current = Math.floor(now() / period) | 0;
    const passed = (current - before) | 0;
    // Of several who see that a period has begun, one gives its time.
    if (passed > 0 && Atomics.compareExchange(this.#words, Word.period, before, current) === before) this.#give(passed);
    return Atomics.load(this.#words, Word.left) / 1000;
  }

  /** Milliseconds until the next period begins. */
  get untilNext(): number {
    return period - (now() % period);
  }

  charge(milliseconds: number): void {
    Atomics.sub(this.#words, Word.left, Math.max(0, Math.round(milliseconds * 1000)));
  }

  /** As vcpu.run, for no longer than there is room; without any an exit is completed, and "intr" follows. */
  run(vcpu: Vcpu, options: RunOptions): Exit {
    const { room } = this;
    const since = performance.now();
    const halted = this.#used ? 0 : haltTime(vcpu);
    const end = room > 0 ? since + Math.min(room, longestRun) : 0;
    const exit = vcpu.run({ ...options, deadline: Math.min(end, options.deadline ?? end) });
    if (!this.#used) this.charge(performance.now() - since - (haltTime(vcpu) - halted));
    else {
      // With what the thread did between two runs.
      const used = this.#used();
      this.charge(used - this.#charged);
      this.#charged = used;
    }
    return exit;
  }

  #give(periods: number): void {
    const quota = this.#words[Word.quota] ?? 0;
    for (;;) {
      const left = Atomics.load(this.#words, Word.left);
      const then = Math.min(quota, left + periods * quota);
      if (Atomics.compareExchange(this.#words, Word.left, left, then) === left) return;
    }
  }
}

/** What a vCPU has slept in run(), milliseconds. */
const haltTime = (vcpu: Vcpu): number => (vcpu.stats()["haltTimeNs"] ?? 0) / 1e6;
