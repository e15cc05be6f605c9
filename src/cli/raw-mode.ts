/** A terminal that hands on every key as it is, and again so after this process was stopped. */
import type { ReadStream } from "node:tty";

export class RawMode {
  readonly #terminal: ReadStream;
  readonly #listeners = { SIGTSTP: (): void => this.#stop(), SIGCONT: (): void => this.#goOn() };

  constructor(terminal: ReadStream) {
    this.#terminal = terminal;
  }

  enter(): void {
    this.#terminal.setRawMode(true);
    // At most once each.
    this.#forget();
    for (const [signal, listener] of Object.entries(this.#listeners)) process.on(signal, listener);
  }

  /** Gives the terminal back as it was. */
  leave(): void {
    this.#forget();
    try {
      this.#terminal.setRawMode(false);
    } catch {
      // It is gone.
    }
  }

  #forget(): void {
    for (const [signal, listener] of Object.entries(this.#listeners)) process.off(signal, listener);
  }

  #stop(): void {
    this.#terminal.setRawMode(false);
    process.kill(process.pid, "SIGSTOP");
  }

  /** While this was stopped, the shell has made the terminal its own. */
  #goOn(): void {
    // What Node believes to be so already it does not do.
    this.#terminal.setRawMode(false);
    this.#terminal.setRawMode(true);
  }
}
