/**
 * Where a vCPU's thread and the machine's thread meet: whether the vCPU may run, and the exit that waits for an answer.
 * The vCPU's thread blocks on it; the machine's thread never does. All of it is [A].
 */
import type { Exit } from "../../kvm/uapi.js";

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

/** Exits that are forwarded; the others end the run or are the thread's own. */
const reasons = ["papr_hcall", "mmio", "shutdown", "system_event", "fail_entry", "nmi"] as const;
const turnWord = 0;
const reasonWord = 1;
const traceWord = 2;
/** Pieces of trace that may be on their way to the machine's thread. */
const traceLimit = 32;
const wordsSize = 64;
/** Number, result and nine arguments. */
const values = 11;

export class Mailbox {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #values: BigInt64Array;

  constructor(buffer = new SharedArrayBuffer(wordsSize + values * 8)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, wordsSize / 4);
    this.#values = new BigInt64Array(buffer, wordsSize, values);
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

  /** From the vCPU's thread: puts the exit down. False: this kind cannot be asked about. */
  putExit(exit: Exit): boolean {
    const index = reasons.indexOf(exit.reason as (typeof reasons)[number]);
    if (index < 0) return false;
    this.#words[reasonWord] = index;
    const v = this.#values;
    switch (exit.reason) {
      case "papr_hcall":
        v[0] = BigInt(exit.nr);
        v[1] = exit.ret;
        for (let i = 0; i < 9; i++) v[2 + i] = exit.args[i] ?? 0n;
        break;
      case "mmio":
        v[0] = exit.physAddr;
        v[1] = exit.data;
        v[2] = BigInt(exit.length);
        v[3] = exit.isWrite ? 1n : 0n;
        break;
      case "system_event":
        v[0] = BigInt(exit.type);
        v[1] = exit.flags;
        break;
      case "fail_entry":
        v[0] = exit.hardwareEntryFailureReason;
        break;
      case "nmi":
        v[0] = BigInt(exit.flags);
        break;
      default:
    }
    return true;
  }

  /** From the machine's thread: the exit as an object of its own. */
  exit(): Exit {
    const v = this.#values;
    const value = (i: number) => v[i] ?? 0n;
    const reason = reasons[this.#words[reasonWord] ?? 0] ?? "shutdown";
    switch (reason) {
      case "papr_hcall":
        return { reason, nr: Number(value(0)), ret: value(1), args: Array.from({ length: 9 }, (_, i) => value(2 + i)) };
      case "mmio": {
        const physAddr = BigInt.asUintN(64, value(0));
        const data = BigInt.asUintN(64, value(1));
        return { reason, physAddr, data, length: Number(value(2)), isWrite: value(3) !== 0n };
      }
      case "system_event":
        return { reason, type: Number(value(0)), flags: BigInt.asUintN(64, value(1)) };
      case "fail_entry":
        return { reason, hardwareEntryFailureReason: value(0) };
      case "nmi":
        return { reason, flags: Number(value(0)) };
      case "shutdown":
        return { reason };
      default:
        return reason satisfies never;
    }
  }

  /** From the machine's thread: the answered exit back into the record. */
  putAnswer(exit: Exit): void {
    this.putExit(exit);
  }

  /** From the vCPU's thread: the answer into the exit that KVM gave. */
  takeAnswer(exit: Exit): void {
    const v = this.#values;
    if (exit.reason === "papr_hcall") {
      exit.ret = v[1] ?? 0n;
      for (let i = 0; i < 9; i++) exit.args[i] = v[2 + i] ?? 0n;
    } else if (exit.reason === "mmio") {
      exit.data = BigInt.asUintN(64, v[1] ?? 0n);
    }
  }
}
