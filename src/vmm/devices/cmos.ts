/**
 * A PC's clock with 128 bytes that its battery keeps: an index at port 0x70, a byte at 0x71. Its interrupts are an alarm and each
 * second's end; there is no faster one. Source: Motorola, MC146818A Real-Time Clock plus RAM.
 */
import { bytesOf, integer, options } from "../../base/takes.js";
import type { Rtc } from "./rtc.js";

const Place = {
  seconds: 0,
  minutes: 2,
  hours: 4,
  weekDay: 6,
  day: 7,
  month: 8,
  year: 9,
  statusA: 10,
  statusB: 11,
  statusC: 12,
  statusD: 13,
  century: 0x32,
} as const;
/** Where an alarm's hours, minutes and seconds are, behind those of the time; from `any` on it comes at all of them. */
const alarmPlaces = [Place.hours, Place.minutes, Place.seconds];
const any = 0xc0;
/** Interrupts: status B lets them in, status C says which there were. */
const alarm = 0x20;
const secondEnds = 0x10;
const interrupts = alarm | secondEnds;
/** Status C: there is one that is let in. */
const asks = 0x80;
const secondsOfDay = 86_400;
/** Status B: the clock stands; binary instead of decimal digits; 24 hours. */
const standing = 0x80;
const binary = 4;
const whole = 2;
const size = 128;

/** Its memory as a plain value; the time is the clock's. */
export interface CmosState {
  readonly bytes: Uint8Array;
  readonly index: number;
}

const stateCheck = options<CmosState>({ bytes: bytesOf(size), index: integer(0, size - 1) });

export class Cmos {
  readonly #rtc: Rtc;
  readonly #interrupt: (level: boolean) => void;
  readonly #bytes = new Uint8Array(size);
  #index = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `interrupt`: its line has this level. `state`: what an earlier `save` gave. EINVAL: it is not. */
  constructor(rtc: Rtc, interrupt: (level: boolean) => void, state?: CmosState) {
    this.#rtc = rtc;
    this.#interrupt = interrupt;
    this.#bytes[Place.statusA] = 0x26;
    this.#bytes[Place.statusB] = whole;
    if (state === undefined) return;
    stateCheck(state, "new Cmos", "state");
    this.#bytes.set(state.bytes);
    this.#index = state.index;
    this.#await();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  save(): CmosState {
    return { bytes: this.#bytes.slice(), index: this.#index };
  }

  /** Port 0x70 (0) or 0x71 (1). */
  read(port: number): number {
    if (port === 0) return this.#index;
    const fields = this.#fields();
    const field = fields.get(this.#index);
    if (field !== undefined && !(this.#status & standing)) return this.#coded(field);
    // The battery is good.
    if (this.#index === Place.statusD) return 0x80;
    const byte = this.#bytes[this.#index] ?? 0;
    if (this.#index === Place.statusC) {
      this.#bytes[Place.statusC] = 0;
      this.#interrupt(false);
    }
    return byte;
  }

  write(port: number, value: number): void {
    // The highest bit keeps non-maskable interrupts away, which nothing here makes.
    if (port === 0) this.#index = value & (size - 1);
    else if (this.#index === Place.statusB) this.#setStatus(value & 0xff);
    else if (this.#index < Place.statusC || this.#index > Place.statusD) {
      this.#bytes[this.#index] = value;
      if (this.#fields().has(this.#index) && !(this.#status & standing)) this.#set();
    }
  }

  get #status(): number {
    return this.#bytes[Place.statusB] ?? 0;
  }

  /** Setting the time is: stop, write the fields, go on. */
  #setStatus(value: number): void {
    const stood = (this.#status & standing) !== 0;
    const stands = (value & standing) !== 0;
    this.#bytes[Place.statusB] = value;
    if (stands && !stood) for (const [place, field] of this.#fields()) this.#bytes[place] = this.#coded(field);
    if (stood && !stands) this.#set();
    this.#tell(0);
    this.#await();
  }

  /** These interrupts there were, too. */
  #tell(which: number): void {
    const all = ((this.#bytes[Place.statusC] ?? 0) | which) & interrupts;
    const level = (all & this.#status) !== 0;
    this.#bytes[Place.statusC] = level ? all | asks : all;
    this.#interrupt(level);
  }

  get #second(): number {
    return Math.floor(this.#rtc.read() / 1000);
  }

  /** Looks after each second, while an interrupt is let in, what has come since `from`, at most a day before. */
  #await(from = this.#second): void {
    this.close();
    if (!(this.#status & interrupts) || this.#status & standing) return;
    this.#timer = setTimeout(
      () => {
        const now = this.#second;
        let which = now > from ? secondEnds : 0;
        for (let at = Math.max(from, now - secondsOfDay); at < now && !(which & alarm); )
          if (this.#isAlarm(++at)) which |= alarm;
        this.#tell(which);
        this.#await(now);
      },
      1000 - (this.#rtc.read() % 1000),
    );
    (this.#timer as { unref?: () => void }).unref?.();
  }

  #isAlarm(second: number): boolean {
    const fields = this.#fields(1000 * second);
    return alarmPlaces.every((place) => {
      const wanted = this.#bytes[place + 1] ?? 0;
      return wanted >= any || wanted === this.#coded(fields.get(place) ?? 0);
    });
  }

  #fields(time = this.#rtc.read()): Map<number, number> {
    const now = new Date(time);
    const hours = now.getUTCHours();
    return new Map<number, number>([
      [Place.seconds, now.getUTCSeconds()],
      [Place.minutes, now.getUTCMinutes()],
      [Place.hours, this.#status & whole ? hours : hours % 12 || 12],
      [Place.weekDay, now.getUTCDay() + 1],
      [Place.day, now.getUTCDate()],
      [Place.month, now.getUTCMonth() + 1],
      [Place.year, now.getUTCFullYear() % 100],
      [Place.century, Math.floor(now.getUTCFullYear() / 100)],
    ]);
  }

  #set(): void {
    const at = (place: number) => this.#plain(this.#bytes[place] ?? 0);
    const year = 100 * at(Place.century) + at(Place.year);
    const time = Date.UTC(
      year,
      at(Place.month) - 1,
      at(Place.day),
      at(Place.hours),
      at(Place.minutes),
      at(Place.seconds),
    );
    if (Number.isFinite(time)) this.#rtc.set(time);
  }

  #coded(value: number): number {
    return this.#status & binary ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }
  #plain(value: number): number {
    return this.#status & binary ? value : 10 * (value >> 4) + (value & 15);
  }
}
