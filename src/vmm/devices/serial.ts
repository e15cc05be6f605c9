/**
 * A serial port as PCs have it: 8 registers, a queue in each direction, no line behind it. Its registers lie in memory that
 * several threads may see, each of which has a `Serial` of its own on them: any vCPU's thread answers for it. Source: National
 * Semiconductor, PC16550D Universal Asynchronous Receiver/Transmitter with FIFOs.
 */
import { integer, listOf, options } from "../../base/takes.js";

export interface SerialLine {
  /** What the guest sends. */
  send(byte: number): void;
  /** What there is for the guest; undefined: nothing. */
  receive(): number | undefined;
  /** Whether there is something for the guest. */
  readonly waiting: boolean;
  /** Whether more can be sent. Default: it can. */
  readonly room?: boolean;
  /** Called when it changes. */
  interrupt(level: boolean): void;
}

/** A port as a plain value. */
export interface SerialState {
  /** Its words, but for the lock. */
  readonly words: readonly number[];
}

const Register = {
  data: 0,
  interrupts: 1,
  cause: 2,
  format: 3,
  modem: 4,
  line: 5,
  modemStatus: 6,
  scratch: 7,
} as const;
const Interrupt = { received: 1, sent: 2 } as const;
const Cause = { none: 1, sent: 2, received: 4 } as const;
const divisorLatch = 0x80;
const loop = 0x10;
const queuesOn = 0xc0;

/** What was sent in loop mode and not received: no longer queue than the real one's. */
const loopMost = 16;
/**
 * Looks at the line's status for which nothing has come yet after the queue was emptied: the time that a byte takes on a real
 * line. Drivers empty the queue and read what is left when they open the port, which would lose what was typed before. Allowing
 * the interrupt of what is received ends it.
 */
const quietLooks = 16;

/** Words. `sent`: the interrupt of an empty transmitter waits to be seen. `level`: of the interrupt. */
const Word = {
  lock: 0,
  interrupts: 1,
  format: 2,
  modem: 3,
  scratch: 4,
  divisor: 5,
  queues: 6,
  sent: 7,
  level: 8,
  quiet: 9,
  loopCount: 10,
  loop: 11,
} as const;
const wordCount = Word.loop + loopMost;
/** Bytes that a port's registers take. */
export const serialSize = 4 * wordCount;

const stateCheck = options<SerialState>({ words: listOf(integer(0, 0xffff)) });

export class Serial {
  readonly #line: SerialLine;
  readonly #words: Int32Array;

  /** On registers that lie in `buffer`, as `Serial.create` made it: another thread's, or new ones. */
  constructor(line: SerialLine, buffer: ArrayBuffer | SharedArrayBuffer = Serial.create(false)) {
    this.#line = line;
    this.#words = new Int32Array(buffer);
  }

  /** Registers as after power-on, or as an earlier `save` gave them. EINVAL: it did not. */
  static create(shared: boolean, state?: SerialState): ArrayBuffer | SharedArrayBuffer {
    const buffer = shared ? new SharedArrayBuffer(serialSize) : new ArrayBuffer(serialSize);
    const words = new Int32Array(buffer);
    words[Word.divisor] = 12;
    if (state === undefined) return buffer;
    stateCheck(state, "new Serial", "state");
    for (const [i, value] of state.words.slice(0, wordCount - 1).entries()) words[1 + i] = value;
    words[Word.loopCount] = Math.min(loopMost, words[Word.loopCount] ?? 0);
    return buffer;
  }

  /** While no vCPU runs. */
  save(): SerialState {
    return { words: Array.from(this.#words).slice(1) };
  }

  /** A byte of register 0 to 7. */
  read(register: number): number {
    return this.#locked(() => this.#read(register));
  }

  write(register: number, value: number): void {
    this.#locked(() => this.#write(register, value & 0xff));
  }

  /** There is something for the guest, or room for what it sends. */
  lineChanged(): void {
    this.#locked(() => undefined);
  }

  #read(register: number): number {
    switch (register) {
      case Register.data:
        return this.#latched ? this.#get(Word.divisor) & 0xff : (this.#receive() ?? 0);
      case Register.interrupts:
        return this.#latched ? this.#get(Word.divisor) >> 8 : this.#get(Word.interrupts);
      case Register.cause: {
        const cause = this.#cause();
        // Seeing it ends it.
        if (cause === Cause.sent) this.#set(Word.sent, 0);
        return cause | (this.#get(Word.queues) ? queuesOn : 0);
      }
      case Register.format:
        return this.#get(Word.format);
      case Register.modem:
        return this.#get(Word.modem);
      case Register.line: {
        const status = (this.#hasRoom ? 0x60 : 0) | (this.#hasInput ? 1 : 0);
        this.#set(Word.quiet, Math.max(0, this.#get(Word.quiet) - 1));
        return status;
      }
      case Register.modemStatus: {
        // Outputs come back as inputs; else somebody is there who is ready.
        const modem = this.#get(Word.modem);
        const [dtr, rts, out1, out2] = [0, 1, 2, 3].map((bit) => (modem >> bit) & 1);
        if (!(modem & loop)) return 0xb0;
        return ((rts ?? 0) << 4) | ((dtr ?? 0) << 5) | ((out1 ?? 0) << 6) | ((out2 ?? 0) << 7);
      }
      default:
        return this.#get(Word.scratch);
    }
  }

  #write(register: number, byte: number): void {
    switch (register) {
      case Register.data:
        if (this.#latched) this.#set(Word.divisor, (this.#get(Word.divisor) & 0xff00) | byte);
        else this.#send(byte);
        break;
      case Register.interrupts:
        if (this.#latched) this.#set(Word.divisor, (this.#get(Word.divisor) & 0xff) | (byte << 8));
        else {
          // Allowed while the transmitter is empty, its interrupt comes.
          if (byte & Interrupt.sent && !(this.#get(Word.interrupts) & Interrupt.sent)) this.#set(Word.sent, 1);
          this.#set(Word.interrupts, byte & 15);
          if (byte & Interrupt.received) this.#set(Word.quiet, 0);
        }
        break;
      case Register.cause:
        this.#set(Word.queues, byte & 1);
        if (byte & 2) {
          this.#set(Word.loopCount, 0);
          if (!(this.#get(Word.interrupts) & Interrupt.received)) this.#set(Word.quiet, quietLooks);
        }
        break;
      case Register.format:
        this.#set(Word.format, byte);
        break;
      case Register.modem:
        this.#set(Word.modem, byte & 0x1f);
        break;
      case Register.scratch:
        this.#set(Word.scratch, byte);
        break;
      default:
      // The two of status are only read.
    }
  }

  get #latched(): boolean {
    return (this.#get(Word.format) & divisorLatch) !== 0;
  }

  get #loops(): boolean {
    return (this.#get(Word.modem) & loop) !== 0;
  }

  #send(byte: number): void {
    if (this.#loops) {
      if (this.#get(Word.loopCount) === loopMost) this.#shift();
      const count = this.#get(Word.loopCount);
      this.#set(Word.loop + count, byte);
      this.#set(Word.loopCount, count + 1);
    } else this.#line.send(byte);
    this.#set(Word.sent, 1);
  }

  #receive(): number | undefined {
    if (!this.#loops) return this.#get(Word.quiet) > 0 ? undefined : this.#line.receive();
    return this.#get(Word.loopCount) > 0 ? this.#shift() : undefined;
  }

  /** Takes the oldest. */
  #shift(): number {
    const first = this.#get(Word.loop);
    this.#words.copyWithin(Word.loop, Word.loop + 1, Word.loop + this.#get(Word.loopCount));
    this.#set(Word.loopCount, this.#get(Word.loopCount) - 1);
    return first;
  }

  get #hasInput(): boolean {
    return this.#loops ? this.#get(Word.loopCount) > 0 : this.#get(Word.quiet) === 0 && this.#line.waiting;
  }

  get #hasRoom(): boolean {
    return this.#loops || (this.#line.room ?? true);
  }

  #cause(): number {
    const allowed = this.#get(Word.interrupts);
    if (allowed & Interrupt.received && this.#hasInput) return Cause.received;
    return allowed & Interrupt.sent && this.#get(Word.sent) && this.#hasRoom ? Cause.sent : Cause.none;
  }

  /** Drives the interrupt as it is to be now. */
  #look(): void {
    // OUT2 is the gate of the interrupt on a PC's card.
    const gate = (this.#get(Word.modem) & 8) !== 0 && !this.#loops;
    const level = gate && this.#cause() !== Cause.none;
    if (level === (this.#get(Word.level) !== 0)) return;
    this.#set(Word.level, level ? 1 : 0);
    this.#line.interrupt(level);
  }

  #get(word: number): number {
    return this.#words[word] ?? 0;
  }
  #set(word: number, value: number): void {
    this.#words[word] = value;
  }

  /** One thread at a time; what comes of the interrupt is told before the next. */
  #locked<T>(body: () => T): T {
    while (Atomics.compareExchange(this.#words, Word.lock, 0, 1) !== 0) {}
    try {
      const result = body();
      this.#look();
      return result;
    } finally {
      Atomics.store(this.#words, Word.lock, 0);
    }
  }
}
