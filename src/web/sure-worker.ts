/**
 * A worker that is sure to begin, as far as it takes to do that again. In Firefox a worker that makes workers may never come
 * back from it: so such a worker says that it is loaded, makes them, and says that it is ready, before it does anything else; one
 * that does not say so in time is ended, and another is made.
 */
import { messageOf } from "../base/errors.js";

/** The first two that such a worker says, in this order. */
export const Greeting = { loaded: 1, ready: 2 } as const;

/** What is needed of a Worker. */
type AnyWorker = Pick<Worker, "postMessage" | "terminate" | "onmessage" | "onerror" | "onmessageerror">;

export interface SureWorker<To> {
  /** What is sent before the worker is ready waits for that. */
  post(message: To, transfer?: Transferable[]): void;
  terminate(): void;
}

/**
 * Milliseconds that it has to load, and then to become ready; each further worker has twice as long, since it may be the network
 * or the host that is slow.
 */
export interface Patience {
  readonly load: number;
  readonly ready: number;
}

/** Workers that are made before it is given up. */
const tries = 4;

/** `hear` is told what comes after the greetings; `died`, why there is nothing more. */
export function sureWorker<To, From>(
  make: () => AnyWorker,
  hear: (message: From) => void,
  died: (why: string) => void,
  { load, ready }: Patience = { load: 30_000, ready: 3_000 },
): SureWorker<To> {
  let waiting: [message: To, transfer: Transferable[]][] | undefined = [];
  let worker: AnyWorker;
  let late: ReturnType<typeof setTimeout>;
  const begin = (count: number): void => {
    const own = make();
    worker = own;
    const expect = (time: number): void => {
      clearTimeout(late);
      late = setTimeout(
        () => {
          own.onmessage = own.onerror = null;
          own.terminate();
          if (count < tries) begin(count + 1);
          else died("it does not begin to run");
        },
        time << (count - 1),
      );
    };
    expect(load);
    own.onmessage = ({ data }: MessageEvent) => {
      if (!waiting) return hear(data);
      if (data === Greeting.loaded) return expect(ready);
      clearTimeout(late);
      const first = waiting;
      waiting = undefined;
      try {
        for (const [message, transfer] of first) own.postMessage(message, transfer);
      } catch (error) {
        died(messageOf(error));
      }
    };
    own.onerror = ({ message }) => {
      clearTimeout(late);
      died(message || "it could not be loaded");
    };
    own.onmessageerror = () => died("a message could not be read");
  };
  begin(1);
  return {
    post(message, transfer = []) {
      if (waiting) waiting.push([message, transfer]);
      else worker.postMessage(message, transfer);
    },
    terminate() {
      clearTimeout(late);
      worker.terminate();
    },
  };
}
