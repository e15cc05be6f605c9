/** A connection to a server in the guest, as streams. */
import type { HostStream, HostStreamEvents } from "../vmm/network/host.js";
import { VmError } from "./error.js";
import type { Duplex } from "./types.js";

interface Piece {
  readonly bytes: Uint8Array;
  readonly taken: () => void;
}

/**
 * The host's end of a connection, as streams. The network bounds what waits for a reader, by the window that the guest is
 * told: a piece counts until it was read.
 */
export class Connection implements Duplex {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  /** Rejects with VmError: the guest has not taken it. */
  readonly opened: Promise<void>;
  readonly #port: number;
  #events: HostStreamEvents | undefined;
  readonly #pieces: Piece[] = [];
  #isOpen = false;
  #isEnded = false;
  #failure: unknown;
  #flows = true;
  /** Wakes who reads, who writes, and who waits for the connection. */
  #read = (): void => {};
  #write = (): void => {};
  #accept = (): void => {};
  #refuse = (_: unknown): void => {};

  constructor(port: number) {
    this.#port = port;
    this.opened = new Promise((resolve, reject) => {
      this.#accept = resolve;
      this.#refuse = reject;
    });
    this.opened.catch(() => undefined);
    this.readable = new ReadableStream(
      { pull: (controller) => this.#pull(controller), cancel: () => this.reset(undefined) },
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream({
      write: (bytes) => this.#send(bytes),
      close: () => this.#events?.ended(),
      abort: (reason) => this.reset(reason),
    });
  }

  attach(events: HostStreamEvents): HostStream {
    this.#events = events;
    return {
      opened: () => {
        this.#isOpen = true;
        this.#accept();
      },
      write: (bytes, taken) => {
        this.#pieces.push({ bytes, taken });
        this.#read();
      },
      end: () => {
        this.#isEnded = true;
        this.#read();
      },
      destroy: () => this.#fail(this.#lost()),
      flow: (wanted) => {
        this.#flows = wanted;
        this.#write();
      },
    };
  }

  /** Ends it at once, for the guest too. */
  reset(reason: unknown): void {
    this.#fail(reason ?? new VmError("ECONNRESET", `the connection to port ${this.#port} of the guest was cancelled`));
    this.#events?.failed();
  }

  #lost(): VmError {
    const what = `port ${this.#port} of the guest`;
    if (this.#isOpen) return new VmError("ECONNRESET", `the connection to ${what} was reset`);
    return new VmError("ECONNREFUSED", `nothing listens at ${what}, or there is no room for another connection`);
  }

  #fail(why: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = why;
    this.#pieces.length = 0;
    this.#refuse(why);
    this.#read();
    this.#write();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (this.#pieces.length === 0 && !this.#isEnded && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#read = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
    const piece = this.#pieces.shift();
    if (!piece) return controller.close();
    controller.enqueue(piece.bytes);
    piece.taken();
  }

  async #send(bytes: Uint8Array): Promise<void> {
    if (!(bytes instanceof Uint8Array)) throw new VmError("EINVAL", "what is written to a connection is no Uint8Array");
    while (!this.#flows && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#write = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
    // Its writer may use the bytes again.
    if (bytes.length > 0) this.#events?.data(bytes.slice());
  }
}
