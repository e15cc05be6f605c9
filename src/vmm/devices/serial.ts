/**
 * A serial port as PCs have it: 8 registers, a queue in each direction, no line behind it. Source: National Semiconductor,
 * PC16550D Universal Asynchronous Receiver/Transmitter with FIFOs.
 */

export interface SerialLine {
  /** What the guest sends. */
  send(byte: number): void;
  /** What there is for the guest; undefined: nothing. */
  receive(): number | undefined;
  /** Whether there is something for the guest. */
  readonly waiting: boolean;
  interrupt(level: boolean): void;
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

export class Serial {
  readonly #line: SerialLine;
  #interrupts = 0;
  #format = 0;
  #modem = 0;
  #scratch = 0;
  #divisor = 12;
  #queues = false;
  /** The interrupt of an empty transmitter waits to be seen. */
  #sent = false;
  /** In loop mode, what was sent and not received. */
  #looped: number[] = [];

  constructor(line: SerialLine) {
    this.#line = line;
  }

  /** A byte of register 0 to 7. */
  read(register: number): number {
    switch (register) {
      case Register.data:
        if (this.#format & divisorLatch) return this.#divisor & 0xff;
        return this.#receive();
      case Register.interrupts:
        return this.#format & divisorLatch ? this.#divisor >> 8 : this.#interrupts;
      case Register.cause: {
        const cause = this.#cause();
        // Seeing it ends it.
        if (cause === Cause.sent) this.#sent = false;
        this.#look();
        return cause | (this.#queues ? queuesOn : 0);
      }
      case Register.format:
        return this.#format;
      case Register.modem:
        return this.#modem;
      case Register.line:
        return 0x60 | (this.#hasInput ? 1 : 0);
      case Register.modemStatus: {
        // Outputs come back as inputs; else somebody is there who is ready.
        const { [0]: dtr, [1]: rts, [2]: out1, [3]: out2 } = [0, 1, 2, 3].map((bit) => (this.#modem >> bit) & 1);
        if (!(this.#modem & loop)) return 0xb0;
        return ((rts ?? 0) << 4) | ((dtr ?? 0) << 5) | ((out1 ?? 0) << 6) | ((out2 ?? 0) << 7);
      }
      default:
        return this.#scratch;
    }
  }

  write(register: number, value: number): void {
    const byte = value & 0xff;
    switch (register) {
      case Register.data:
        if (this.#format & divisorLatch) this.#divisor = (this.#divisor & 0xff00) | byte;
        else this.#send(byte);
        break;
      case Register.interrupts:
        if (this.#format & divisorLatch) this.#divisor = (this.#divisor & 0xff) | (byte << 8);
        else {
          // Allowed while the transmitter is empty, which it always is, its interrupt comes.
          if (byte & Interrupt.sent && !(this.#interrupts & Interrupt.sent)) this.#sent = true;
          this.#interrupts = byte & 15;
        }
        break;
      case Register.cause:
        this.#queues = (byte & 1) !== 0;
        if (byte & 2) this.#looped = [];
        break;
      case Register.format:
        this.#format = byte;
        break;
      case Register.modem:
        this.#modem = byte & 0x1f;
        break;
      case Register.scratch:
        this.#scratch = byte;
        break;
      default:
      // The two of status are only read.
    }
    this.#look();
  }

  /** There is something for the guest. */
  inputCame(): void {
    this.#look();
  }

  #send(byte: number): void {
    // No longer queue than the real one's.
    if (this.#modem & loop) this.#looped = [...this.#looped, byte].slice(-16);
    else this.#line.send(byte);
    this.#sent = true;
  }

  #receive(): number {
    const byte = this.#modem & loop ? this.#looped.shift() : this.#line.receive();
    this.#look();
    return byte ?? 0;
  }

  get #hasInput(): boolean {
    return this.#modem & loop ? this.#looped.length > 0 : this.#line.waiting;
  }

  #cause(): number {
    if (this.#interrupts & Interrupt.received && this.#hasInput) return Cause.received;
    return this.#interrupts & Interrupt.sent && this.#sent ? Cause.sent : Cause.none;
  }

  #look(): void {
    // OUT2 is the gate of the interrupt on a PC's card.
    const gate = (this.#modem & 8) !== 0 && !(this.#modem & loop);
    this.#line.interrupt(gate && this.#cause() !== Cause.none);
  }
}
