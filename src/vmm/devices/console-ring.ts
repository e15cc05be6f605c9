/**
 * The bytes between a guest's terminal and the thread that owns the real one: two rings in memory that both sides see.
 * Any vCPU's thread may write output and read input without asking the other side, so that a boot's thousands of
 * console hypercalls cost no thread switch. All of it is [A].
 */
import { bytesOf, having } from "../../base/takes.js";

/** Bytes on their way. */
export interface ConsoleRingState {
  /** Of the guest, which the owner has not taken. */
  readonly output: Uint8Array;
  /** For the guest, which it has not read. */
  readonly input: Uint8Array;
}

const outputSize = 65536;
const inputSize = 4096;
/** Words of the header. */
const outputWritten = 0;
const outputRead = 1;
const inputWritten = 2;
const inputRead = 3;
const lock = 4;
const announced = 5;
const headerWords = 16;

export class ConsoleRing {
  /** Memory to hand to another thread, which gives it to a ConsoleRing of its own. */
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #output: Uint8Array;
  readonly #input: Uint8Array;

  constructor(buffer: ArrayBuffer | SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, headerWords);
    this.#output = new Uint8Array(buffer, headerWords * 4, outputSize);
    this.#input = new Uint8Array(buffer, headerWords * 4 + outputSize, inputSize);
  }

  /**
   * A new ring; shared memory where several threads are to see it. `state` is what an earlier `save` gave: its output has not
   * been announced, so the owner is to look once. EINVAL: it is not.
   */
  static create(shared: boolean, state?: ConsoleRingState): ConsoleRing {
    const size = headerWords * 4 + outputSize + inputSize;
    const ring = new ConsoleRing(shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size));
    if (state === undefined) return ring;
    const fits = { output: bytesOf(0, outputSize), input: bytesOf(0, inputSize) };
    having(fits)(state, "ConsoleRing.create", "state");
    ring.write(state.output);
    ring.offer(state.input);
    return ring;
  }

  /** While no vCPU runs. */
  save(): ConsoleRingState {
    return { output: this.#waiting(), input: this.unread() };
  }

  // The guest's side.

  /** Appends all of `bytes` or, if there is no room, nothing: false. */
  write(bytes: Uint8Array): boolean {
    return this.#locked(() => {
      const written = Atomics.load(this.#words, outputWritten);
      const used = (written - Atomics.load(this.#words, outputRead)) >>> 0;
      if (used + bytes.length > outputSize) return false;
      for (const [i, byte] of bytes.entries()) this.#output[(written + i) & (outputSize - 1)] = byte;
      Atomics.store(this.#words, outputWritten, (written + bytes.length) | 0);
      return true;
    });
  }

  /** Bytes that can be written now. */
  get room(): number {
    return outputSize - ((Atomics.load(this.#words, outputWritten) - Atomics.load(this.#words, outputRead)) >>> 0);
  }

  /** Takes up to `limit` bytes of input. */
  read(limit: number): Uint8Array {
    return this.#locked(() => {
      const read = Atomics.load(this.#words, inputRead);
      const length = Math.min(limit, (Atomics.load(this.#words, inputWritten) - read) >>> 0);
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = this.#input[(read + i) & (inputSize - 1)] as number;
      Atomics.store(this.#words, inputRead, (read + length) | 0);
      return bytes;
    });
  }

  /** Whether the owner must be told that there is something for it to do: true once until the owner looks. */
  announce(): boolean {
    return Atomics.exchange(this.#words, announced, 1) === 0;
  }

  /** Waits until the owner has taken output, at most `milliseconds`. Only on a thread that may block. */
  waitForRoom(milliseconds: number): void {
    const read = Atomics.load(this.#words, outputRead);
    Atomics.wait(this.#words, outputRead, read, milliseconds);
  }

  // The owner's side: one thread.

  /** Takes all output there is. */
  drain(): Uint8Array {
    Atomics.store(this.#words, announced, 0);
    const bytes = this.#waiting();
    Atomics.store(this.#words, outputRead, (Atomics.load(this.#words, outputRead) + bytes.length) | 0);
    Atomics.notify(this.#words, outputRead);
    return bytes;
  }

  /** A copy of the output that there is. */
  #waiting(): Uint8Array {
    const read = Atomics.load(this.#words, outputRead);
    const length = Math.min(outputSize, (Atomics.load(this.#words, outputWritten) - read) >>> 0);
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.#output[(read + i) & (outputSize - 1)] as number;
    return bytes;
  }

  /** Offers input; returns how many of the bytes there was room for. */
  offer(bytes: Uint8Array): number {
    const written = Atomics.load(this.#words, inputWritten);
    const used = (written - Atomics.load(this.#words, inputRead)) >>> 0;
    const length = Math.min(bytes.length, Math.max(0, inputSize - used));
    for (let i = 0; i < length; i++) this.#input[(written + i) & (inputSize - 1)] = bytes[i] as number;
    Atomics.store(this.#words, inputWritten, (written + length) | 0);
    return length;
  }

  /** The input that the guest has not read. It stays. */
  unread(): Uint8Array {
    const read = Atomics.load(this.#words, inputRead);
    const length = Math.min(inputSize, (Atomics.load(this.#words, inputWritten) - read) >>> 0);
    return Uint8Array.from({ length }, (_, i) => this.#input[(read + i) & (inputSize - 1)] as number);
  }

  /** Whether input lies unread. */
  get inputPending(): boolean {
    return Atomics.load(this.#words, inputWritten) !== Atomics.load(this.#words, inputRead);
  }

  /** vCPUs of one guest exclude each other here; the owner never takes the lock, so it cannot be held up. */
  #locked<T>(body: () => T): T {
    while (Atomics.compareExchange(this.#words, lock, 0, 1) !== 0) {}
    try {
      return body();
    } finally {
      Atomics.store(this.#words, lock, 0);
    }
  }
}
