/** Carries bytes between the guest's console ring and the user's terminal, neither side waiting for the other. */
import type { Machine } from "./machine.js";

/** Where the guest's output goes. A promise: no more until it resolves. */
export type ConsoleOutput = (bytes: Uint8Array) => Promise<void> | undefined;

/** Output is gathered for this long, milliseconds: a guest writes a line in many small pieces. */
const gathering = 4;
/** How long the last output may take to be written at the end, milliseconds. */
const patience = 2000;

export class ConsolePump {
  readonly #machine: Machine;
  readonly #output: ConsoleOutput;
  readonly #arrived: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #paused = false;
  #waiting: Uint8Array[] = [];

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

  input(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#feed();
  }

  /** Everything the guest has written, to its end. */
  async finish(): Promise<void> {
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
    return bytes.length > 0 ? this.#output(bytes) : undefined;
  }

  /** Offers what the user typed, as far as there is room; the rest when the guest has read some. */
  #feed(): void {
    let offered = 0;
    while (this.#waiting.length > 0) {
      const bytes = this.#waiting[0] as Uint8Array;
      const taken = this.#machine.console.offer(bytes);
      offered += taken;
      if (taken < bytes.length) {
        this.#waiting[0] = bytes.subarray(taken);
        break;
      }
      this.#waiting.shift();
    }
    if (offered > 0) this.#arrived();
  }
}
