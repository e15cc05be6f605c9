/**
 * Where a vCPU's thread and the machine's thread meet: whether the vCPU may run, and the exit that waits for an answer.
 * The vCPU's thread blocks on it; the machine's thread never does. All of it is [A].
 */
import { exitReasons, exitWordCount, type ForwardedExit, type ForwardedReason, wordsOf } from "../../kvm/uapi/exits.js";

/** What the vCPU's thread is to do. */
export const Turn = {
  /** Wait. */
  parked: 0,
  /** Run the guest, or go on after an answer. */
  go: 1,
  /** Wait for an answer. */
  asked: 2,
  /** The answer is there: complete the exit, then wait parked. */
  park: 3,
  /** Leave for good. */
  quit: 4,
  /** Leave: the VM is in another kvm, where another thread goes on. */
  moved: 5,
} as const;
export type TurnValue = (typeof Turn)[keyof typeof Turn];

const turnWord = 0;
const reasonWord = 1;
const traceWord = 2;
/** Pieces of trace that may be on their way to the machine's thread. */
const traceLimit = 32;
const wordsSize = 64;

export class Mailbox {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #values: BigInt64Array;

  constructor(buffer = new SharedArrayBuffer(wordsSize + exitWordCount * 8)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, wordsSize / 4);
    this.#values = new BigInt64Array(buffer, wordsSize, exitWordCount);
  }

  get turn(): TurnValue {
    return Atomics.load(this.#words, turnWord) as TurnValue;
  }

  /** From the machine's thread. A vCPU told to quit stays so. */
  give(turn: TurnValue): void {
    for (;;) {
      const now = this.turn;
      if (now === Turn.quit) return;
      if (Atomics.compareExchange(this.#words, turnWord, now, turn) === now) break;
    }
    Atomics.notify(this.#words, turnWord);
  }

  /** From the vCPU's thread: `from` becomes `to`, unless the machine's thread was quicker. */
  take(from: TurnValue, to: TurnValue): void {
    Atomics.compareExchange(this.#words, turnWord, from, to);
  }

  /** From the vCPU's thread: blocks while it is `turn`. */
  waitWhile(turn: TurnValue): void {
    while (this.turn === turn) Atomics.wait(this.#words, turnWord, turn);
  }

  /** From the vCPU's thread: as `waitWhile`, for so many milliseconds at most. */
  sleepWhile(turn: TurnValue, milliseconds: number): void {
    Atomics.wait(this.#words, turnWord, turn, milliseconds);
  }

  /** From the vCPU's thread, before it sends a piece of trace: waits while too many are on their way. */
  traceSending(): void {
    for (;;) {
      const sent = Atomics.load(this.#words, traceWord);
      if (sent < traceLimit || this.turn === Turn.quit) break;
      Atomics.wait(this.#words, traceWord, sent, 100);
    }
    Atomics.add(this.#words, traceWord, 1);
  }

  /** From the machine's thread, when a piece of trace has been written. */
  traceWritten(): void {
    Atomics.sub(this.#words, traceWord, 1);
    Atomics.notify(this.#words, traceWord);
  }

  /** Puts an exit down: from the vCPU's thread one to be answered, from the machine's thread the answered one. */
  put(exit: ForwardedExit): void {
    this.#words[reasonWord] = exitReasons.indexOf(exit.reason);
    wordsOf(exit.reason).put(exit, this.#values);
  }

  /** From the machine's thread: the exit as an object of its own. */
  exit(): ForwardedExit {
    // Only `put` writes it.
    const reason = exitReasons[this.#words[reasonWord] ?? 0] as ForwardedReason;
    return wordsOf(reason).get(this.#values);
  }

  /** From the vCPU's thread: the answer into the exit that KVM gave. */
  takeAnswer(exit: ForwardedExit): void {
    wordsOf(exit.reason).answer?.(this.exit(), exit);
  }
}
