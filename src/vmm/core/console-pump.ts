/** Carries bytes between the guest's console ring and the user's terminal, neither side waiting for the other. */
import { ByteQueue } from "./byte-queue.js";
import type { Machine } from "./machine.js";

/** Where the guest's output goes. A promise: no more until it resolves. */
export type ConsoleOutput = (bytes: Uint8Array) => Promise<void> | undefined;

/** Output is gathered for this long, milliseconds: a guest writes a line in many small pieces. */
const gathering = 4;
/** How long the last output may take to be written at the end, milliseconds. */
const patience = 2000;

/**
 * Bytes of input that wait for the guest before whoever types is held up. So many can be pasted into a guest that reads
 * nothing before a key that is not for the guest waits behind them.
 */
export const inputLimit = 1 << 20;

export class ConsolePump {
  readonly #machine: Machine;
  readonly #output: ConsoleOutput;
  readonly #arrived: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #paused = false;
  readonly #waiting = new ByteQueue();
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #finished = false;

  /** `arrived` is called when the guest has new input to read. */
  constructor(machine: Machine, output: ConsoleOutput, arrived: () => void) {
    this.#machine = machine;
    this.#output = output;
    this.#arrived = arrived;
  }

  /** There is work; it will be done soon. */
  schedule(): void {
    if (this.#timer !== undefined || this.#paused) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, gathering);
  }

  /** Takes all of it. A promise: no more until it resolves, which it does at the end at the latest. */
  input(bytes: Uint8Array): Promise<void> | undefined {
    this.#waiting.append(bytes);
    this.#feed();
    if (this.#waiting.length < inputLimit || this.#finished) return undefined;
    if (!this.#room) {
      let resolve = (): void => undefined;
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#room = { promise, resolve };
    }
    return this.#room.promise;
  }

  /** What the guest has not read, when it runs no more. */
  unread(): Uint8Array {
    const all = new ByteQueue();
    all.append(this.#machine.console.unread());
    all.append(this.#waiting.peek());
    return all.peek();
  }

  /** Everything the guest has written, to its end. */
  async finish(): Promise<void> {
    this.#finished = true;
    this.#room?.resolve();
    clearTimeout(this.#timer);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patience);
    });
    await Promise.race([this.#write(), late]);
    clearTimeout(timer);
  }

  #pump(): void {
    this.#feed();
    const written = this.#write();
    if (!written) return;
    this.#paused = true;
    const resume = (): void => {
      this.#paused = false;
      this.schedule();
    };
    void written.then(resume, resume);
  }

  #write(): Promise<void> | undefined {
    const bytes = this.#machine.console.drain();
    if (bytes.length > 0) this.#machine.consoleDrained?.();
    return bytes.length > 0 ? this.#output(bytes) : undefined;
  }

  /** Offers what the user typed, as far as there is room; the rest when the guest has read some. */
  #feed(): void {
    if (this.#finished || this.#waiting.length === 0) return;
    const offered = this.#machine.console.offer(this.#waiting.peek());
    this.#waiting.drop(offered);
    if (this.#room && this.#waiting.length < inputLimit) {
      this.#room.resolve();
      this.#room = undefined;
    }
    if (offered > 0) this.#arrived();
  }
}
