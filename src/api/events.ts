/** `vm.events`: what happens to a VM, for whoever asks, from when he asks on. */
import type { VmEvent } from "./types.js";

/** Events that wait for one reader; of more, the oldest are forgotten. */
const mostWaiting = 1024;

class Reader implements AsyncIterableIterator<VmEvent> {
  readonly #signal: AbortSignal | undefined;
  readonly #leave: (reader: Reader) => void;
  #waiting: VmEvent[] = [];
  #forgotten = 0;
  #over = false;
  #wake: (() => void) | undefined;
  readonly #onAbort = (): void => this.#wake?.();

  constructor(signal: AbortSignal | undefined, leave: (reader: Reader) => void) {
    this.#signal = signal;
    this.#leave = leave;
    signal?.addEventListener("abort", this.#onAbort);
  }

  put(event: VmEvent): void {
    if (this.#waiting.length === mostWaiting) {
      this.#waiting.shift();
      this.#forgotten++;
    }
    this.#waiting.push(event);
    if (event.type === "ended") this.#over = true;
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<VmEvent, undefined>> {
    for (;;) {
      if (this.#signal?.aborted) {
        await this.return();
        throw this.#signal.reason;
      }
      if (this.#forgotten > 0) {
        const count = this.#forgotten;
        this.#forgotten = 0;
        return { done: false, value: { type: "forgotten", count } };
      }
      const value = this.#waiting.shift();
      if (value) return { done: false, value };
      if (this.#over) return this.return();
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async return(): Promise<IteratorResult<VmEvent, undefined>> {
    this.#over = true;
    this.#waiting = [];
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#leave(this);
    this.#wake?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

export class Events {
  readonly #readers = new Set<Reader>();

  tell(event: VmEvent): void {
    for (const reader of this.#readers) reader.put(event);
  }

  read(signal: AbortSignal | undefined): AsyncIterableIterator<VmEvent> {
    const reader = new Reader(signal, (one) => this.#readers.delete(one));
    this.#readers.add(reader);
    return reader;
  }
}
