/**
 * A PC's clock with 128 bytes that its battery keeps: an index at port 0x70, a byte at 0x71. Its interrupts are not there, as
 * nothing says that they would be. Source: Motorola, MC146818A Real-Time Clock plus RAM.
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
  readonly #bytes = new Uint8Array(size);
  #index = 0;

  /** `state`: what an earlier `save` gave. EINVAL: it is not. */
  constructor(rtc: Rtc, state?: CmosState) {
    this.#rtc = rtc;
    this.#bytes[Place.statusA] = 0x26;
    this.#bytes[Place.statusB] = whole;
    if (state === undefined) return;
    stateCheck(state, "new Cmos", "state");
    this.#bytes.set(state.bytes);
    this.#index = state.index;
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
    return this.#index === Place.statusC ? 0 : (this.#bytes[this.#index] ?? 0);
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
  }

  #fields(): Map<number, number> {
    const now = new Date(this.#rtc.read());
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
