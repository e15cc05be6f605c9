/**
 * The interrupt controller for the machine's lines, 24 of them, which sends messages to local APICs. Whoever calls holds the
 * controllers' lock. Source: Intel 82093AA I/O Advanced Programmable Interrupt Controller.
 */
import { struct } from "../../../../base/struct.js";
import type { Words } from "../../../../kvm/words.js";
import type { Message } from "./message.js";

export const pins = 24;
export const ioapicAddress = 0xfec0_0000;
export const ioapicSize = 0x100;

export const ioapicState = struct({
  id: "i32",
  selected: "i32",
  /** Lines as they are: a bit each. */
  lines: "i32",
  entries: ["i64", pins],
});

const version = 0x11;
const Bit = { remote: 1n << 14n, level: 1n << 15n, masked: 1n << 16n } as const;
const readOnly = (1n << 12n) | Bit.remote;
const low = 0xffffffffn;
/** What is defined of an entry: the low word's 17 bits and the destination. */
export const definedEntry = 0x1ffffn | (0xffn << 56n);

export interface IoapicOutputs {
  /** False: no local APIC took it. */
  send(message: Message): boolean;
  /** The guest has ended the interrupt of a level-triggered pin. Who raised it may lower it, before `again`. */
  ended(pin: number): void;
}

export class Ioapic {
  readonly #state: Words<typeof ioapicState.fields>;
  readonly #outputs: IoapicOutputs;

  constructor(state: Words<typeof ioapicState.fields>, outputs: IoapicOutputs) {
    this.#state = state;
    this.#outputs = outputs;
  }

  reset(): void {
    for (let pin = 0; pin < pins; pin++) this.#state.set64("entries", Bit.masked, pin);
  }

  setIrq(pin: number, level: boolean): void {
    const s = this.#state;
    const lines = s.get("lines");
    const bit = 1 << pin;
    s.set("lines", level ? lines | bit : lines & ~bit);
    if (level && (!(lines & bit) || s.get64("entries", pin) & Bit.level)) this.#service(pin);
  }

  /** What a pin raises; -1: it is masked. */
  vectorOf(pin: number): number {
    const entry = this.#state.get64("entries", pin);
    return entry & Bit.masked ? -1 : Number(entry & 0xffn);
  }

  /** The end of an interrupt of this vector at a local APIC. */
  end(vector: number): void {
    const s = this.#state;
    for (let pin = 0; pin < pins; pin++) {
      const entry = s.get64("entries", pin);
      if (!(entry & Bit.level) || Number(entry & 0xffn) !== vector || !(entry & Bit.remote)) continue;
      this.#outputs.ended(pin);
    }
  }

  /** What `ended` was told of is over: a line that is still up interrupts again. */
  again(pin: number): void {
    const s = this.#state;
    s.set64("entries", s.get64("entries", pin) & ~Bit.remote, pin);
    if (s.get("lines") & (1 << pin)) this.#service(pin);
  }

  read(offset: number): number {
    const s = this.#state;
    if (offset === 0) return s.get("selected");
    if (offset !== 0x10) return 0;
    const selected = s.get("selected");
    if (selected === 0 || selected === 2) return s.get("id") << 24;
    if (selected === 1) return version | ((pins - 1) << 16);
    const pin = (selected - 0x10) >> 1;
    if (selected < 0x10 || pin >= pins) return 0;
    return Number(BigInt.asUintN(32, s.get64("entries", pin) >> (selected & 1 ? 32n : 0n)));
  }

  write(offset: number, value: number): void {
    const s = this.#state;
    if (offset === 0) s.set("selected", value & 0xff);
    if (offset !== 0x10) return;
    const selected = s.get("selected");
    if (selected === 0) s.set("id", (value >>> 24) & 15);
    const pin = (selected - 0x10) >> 1;
    if (selected < 0x10 || pin >= pins) return;
    const old = s.get64("entries", pin);
    const half = BigInt(value >>> 0);
    const written = selected & 1 ? (old & low) | (half << 32n) : (old & ~low) | half;
    let entry = (written & definedEntry & ~readOnly) | (old & readOnly);
    // Of an edge there is nothing to end.
    if (!(entry & Bit.level)) entry &= ~Bit.remote;
    s.set64("entries", entry, pin);
    if (entry & Bit.level && s.get("lines") & (1 << pin)) this.#service(pin);
  }

  /** Its state has been set: lines that are up are seen. */
  loaded(): void {
    const s = this.#state;
    for (let pin = 0; pin < pins; pin++) {
      if (s.get64("entries", pin) & Bit.level && s.get("lines") & (1 << pin)) this.#service(pin);
    }
  }

  #service(pin: number): void {
    const s = this.#state;
    const entry = s.get64("entries", pin);
    const level = (entry & Bit.level) !== 0n;
    if (entry & Bit.masked || (level && entry & Bit.remote)) return;
    const taken = this.#outputs.send({
      vector: Number(entry & 0xffn),
      mode: Number((entry >> 8n) & 7n),
      logical: (entry & 0x800n) !== 0n,
      destination: Number(entry >> 56n),
      level,
    });
    if (taken && level) s.set64("entries", entry | Bit.remote, pin);
  }
}
