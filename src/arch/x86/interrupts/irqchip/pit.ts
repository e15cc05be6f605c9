/**
 * The interval timer of a PC, three counters of 1.193182 MHz, and port 0x61, through which the third one is heard. What a
 * counter says follows from when it was loaded: nothing runs but where its interrupt is due. Whoever calls holds the
 * controllers' lock. Source: Intel, 8254 Programmable Interval Timer; IBM PC AT Technical Reference, "System Board".
 */
import { struct } from "../../../../base/struct.js";
import type { Words } from "../../../../kvm/words.js";

/** Ticks a millisecond. */
export const pitRate = 1193.182;

/** Each field once for each counter, but for the last two. */
export const pitState = struct({
  /** What it counts from, 1 to 65536; 0: nothing has been loaded since its mode was set. */
  count: ["i32", 3],
  /** When it was loaded: the guest's time, ms. */
  loaded: ["f64", 3],
  mode: ["i32", 3],
  decimal: ["i32", 3],
  gate: ["i32", 3],
  /** Which bytes are read and written: 1 the low one, 2 the high one, 3 one after the other. */
  access: ["i32", 3],
  /** 1: the high byte is next, of what is read or written. */
  readsHigh: ["i32", 3],
  writesHigh: ["i32", 3],
  lowWritten: ["i32", 3],
  /** 1 + what has been latched. */
  latchedCount: ["i32", 3],
  latchedStatus: ["i32", 3],
  /** When the first counter's next interrupt is due: the guest's time, ms; 0: never. */
  due: "f64",
  /** Bit 1 of port 0x61. */
  speaker: "i32",
  /** KVM_REINJECT_CONTROL: 1: ticks that came too late for each other are counted, to be delivered one after the other. */
  reinject: "i32",
  missed: "i32",
});

/** Modes: 0 one interrupt at the end; 1, 5 the same when the gate rises; 2 a rate; 3 a square wave; 4 one by software. */
const rate = 2;
const square = 3;
/** No shorter period than this is delivered, ms. */
const shortest = 0.2;
/** The most ticks that are made up for: beyond, the guest's clock is wrong in any case. */
export const mostMissed = 1_000_000;

export class Pit {
  readonly #state: Words<typeof pitState.fields>;

  constructor(state: Words<typeof pitState.fields>) {
    this.#state = state;
  }

  reset(): void {
    for (let i = 0; i < 3; i++) {
      this.#state.set("mode", square, i);
      this.#state.set("access", 3, i);
      this.#state.set("gate", i === 2 ? 0 : 1, i);
    }
    this.#state.set("reinject", 1);
  }

  /** KVM_REINJECT_CONTROL. */
  set reinject(on: boolean) {
    this.#state.set("reinject", on ? 1 : 0);
    this.#state.set("missed", 0);
  }

  /** Ticks that the guest could not take in time. */
  get missed(): number {
    return this.#state.get("missed");
  }

  /** Whether there is a tick that has been missed, which is one less then. */
  takeMissed(): boolean {
    const { missed } = this;
    if (missed > 0) this.#state.set("missed", missed - 1);
    return missed > 0;
  }

  /** A counter's state has been set: it counts from `now`, ms. */
  restart(i: number, now: number): void {
    if (this.#state.get("count", i) !== 0) this.#start(i, now);
    else if (i === 0) this.#state.setFloat("due", 0);
  }

  /** When the first counter's interrupt is due, ms; Infinity: never. */
  get due(): number {
    return this.#state.float("due") || Number.POSITIVE_INFINITY;
  }

  /** Whether an interrupt was due; then the next one follows. Those that the guest slept over are lost, or count as missed. */
  expire(now: number, counts = true): boolean {
    const s = this.#state;
    const due = s.float("due");
    if (due === 0 || now < due) return false;
    const mode = s.get("mode", 0);
    if (mode !== rate && mode !== square) {
      s.setFloat("due", 0);
      return true;
    }
    const period = Math.max(s.get("count", 0) / pitRate, shortest);
    const periods = Math.max(1, Math.ceil((now - due) / period));
    s.setFloat("due", due + period * periods);
    if (counts && s.get("reinject")) s.set("missed", Math.min(s.get("missed") + periods - 1, mostMissed));
    return true;
  }

  /** Ports 0x40 to 0x43 and 0x61. Undefined: another one. */
  read(port: number, now: number): number | undefined {
    const s = this.#state;
    if (port === 0x61) {
      // Memory is refreshed every 15 microseconds.
      const refresh = Math.floor(now / 0.015) & 1;
      return s.get("gate", 2) | (s.get("speaker") << 1) | (refresh << 4) | (this.output(2, now) ? 0x20 : 0);
    }
    if (port === 0x43) return 0;
    const i = port - 0x40;
    if (i < 0 || i > 2) return undefined;
    const status = s.get("latchedStatus", i);
    if (status) {
      s.set("latchedStatus", 0, i);
      return status - 1;
    }
    const latched = s.get("latchedCount", i);
    const value = latched ? latched - 1 : this.#value(i, now);
    const access = s.get("access", i);
    const high = access === 2 || (access === 3 && s.get("readsHigh", i) !== 0);
    if (access === 3) s.set("readsHigh", high ? 0 : 1, i);
    // Both bytes of what has been latched are read before the counter is again.
    if (access !== 3 || high) s.set("latchedCount", 0, i);
    return high ? value >> 8 : value & 0xff;
  }

  write(port: number, value: number, now: number): boolean {
    const s = this.#state;
    if (port === 0x61) {
      this.#setGate(2, (value & 1) !== 0, now);
      s.set("speaker", (value >> 1) & 1);
      return true;
    }
    if (port === 0x43) {
      this.#command(value, now);
      return true;
    }
    const i = port - 0x40;
    if (i < 0 || i > 2) return false;
    const access = s.get("access", i);
    if (access === 1) this.#load(i, value, now);
    else if (access === 2) this.#load(i, value << 8, now);
    else if (s.get("writesHigh", i)) {
      s.set("writesHigh", 0, i);
      this.#load(i, s.get("lowWritten", i) | (value << 8), now);
    } else {
      s.set("lowWritten", value, i);
      s.set("writesHigh", 1, i);
    }
    return true;
  }

  /** Whether a counter's output is high. */
  output(i: number, now: number): boolean {
    const s = this.#state;
    const count = s.get("count", i);
    const mode = s.get("mode", i);
    if (count === 0) return mode !== 0;
    const ticks = this.#ticks(i, now);
    switch (mode) {
      case 0:
      case 1:
        return ticks >= count;
      case rate:
        return ticks % count !== count - 1;
      case square:
        return ticks % count < (count + 1) / 2;
      default:
        return ticks !== count;
    }
  }

  #command(value: number, now: number): void {
    const s = this.#state;
    const which = value >> 6;
    if (which === 3) {
      for (let i = 0; i < 3; i++) {
        if (!(value & (2 << i))) continue;
        if (!(value & 0x20)) this.#latch(i, now);
        if (!(value & 0x10) && !s.get("latchedStatus", i)) {
          const loaded = s.get("count", i) === 0 ? 0x40 : 0;
          const mode = (s.get("access", i) << 4) | (s.get("mode", i) << 1) | s.get("decimal", i);
          s.set("latchedStatus", 1 + ((this.output(i, now) ? 0x80 : 0) | loaded | mode), i);
        }
      }
      return;
    }
    const access = (value >> 4) & 3;
    if (access === 0) {
      this.#latch(which, now);
      return;
    }
    const mode = (value >> 1) & 7;
    s.set("access", access, which);
    s.set("mode", mode > 5 ? mode & 3 : mode, which);
    s.set("decimal", value & 1, which);
    for (const name of ["readsHigh", "writesHigh", "latchedCount", "latchedStatus", "count"] as const)
      s.set(name, 0, which);
    if (which === 0) s.setFloat("due", 0);
  }

  #latch(i: number, now: number): void {
    if (!this.#state.get("latchedCount", i)) this.#state.set("latchedCount", 1 + this.#value(i, now), i);
  }

  #load(i: number, value: number, now: number): void {
    const s = this.#state;
    const binary = s.get("decimal", i) ? fromDecimal(value) : value;
    s.set("count", binary || (s.get("decimal", i) ? 10000 : 65536), i);
    this.#start(i, now);
  }

  #start(i: number, now: number): void {
    const s = this.#state;
    s.setFloat("loaded", now, i);
    if (i !== 0) return;
    const mode = s.get("mode", 0);
    const period = s.get("count", 0) / pitRate;
    s.setFloat("due", mode === 1 || mode === 5 ? 0 : now + Math.max(period, shortest));
  }

  #setGate(i: number, gate: boolean, now: number): void {
    const s = this.#state;
    const rises = gate && !s.get("gate", i);
    s.set("gate", gate ? 1 : 0, i);
    // Modes 0 and 4 only stop while the gate is low.
    if (rises && s.get("count", i) !== 0) this.#start(i, now);
  }

  #ticks(i: number, now: number): number {
    return Math.max(0, Math.floor((now - this.#state.float("loaded", i)) * pitRate));
  }

  /** What the counter stands at, as it is read. */
  #value(i: number, now: number): number {
    const s = this.#state;
    const count = s.get("count", i);
    const ticks = this.#ticks(i, now);
    const mode = s.get("mode", i);
    let value: number;
    if (count === 0) value = 0;
    else if (mode === rate) value = count - (ticks % count);
    // Two at a time.
    else if (mode === square) value = count - ((2 * ticks) % count);
    else value = (((count - ticks) % 65536) + 65536) % 65536;
    value &= 0xffff;
    return s.get("decimal", i) ? toDecimal(value) : value;
  }
}

const fromDecimal = (value: number) =>
  [0, 4, 8, 12].reduce((sum, shift, i) => sum + Math.min((value >> shift) & 15, 9) * 10 ** i, 0);
const toDecimal = (value: number) =>
  [0, 4, 8, 12].reduce((all, shift, i) => all | ((Math.floor(value / 10 ** i) % 10) << shift), 0);
