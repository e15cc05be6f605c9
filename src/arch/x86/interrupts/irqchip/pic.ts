/**
 * The two interrupt controllers of a PC, the second on the first one's input 2. Whoever calls holds the controllers' lock.
 * Source: Intel, 8259A Programmable Interrupt Controller; Intel 82371SB (PIIX3), "ELCR".
 */
import { struct } from "../../../../base/struct.js";
import type { Words } from "../../../../kvm/words.js";

/** Each field once for each chip. */
export const picState = struct({
  requests: ["i32", 2],
  masked: ["i32", 2],
  inService: ["i32", 2],
  /** Lines as they are. */
  lines: ["i32", 2],
  /** Inputs that are level-triggered. */
  levels: ["i32", 2],
  /** The input of the highest priority. */
  first: ["i32", 2],
  vectorBase: ["i32", 2],
  readsService: ["i32", 2],
  polled: ["i32", 2],
  specialMask: ["i32", 2],
  /** The initialisation word that comes next, 0: none; whether there is a fourth. */
  initialisation: ["i32", 2],
  fourth: ["i32", 2],
  autoEnd: ["i32", 2],
  rotates: ["i32", 2],
  nested: ["i32", 2],
});

type Chip = 0 | 1;
const cascade = 2;
/** Inputs that can be level-triggered. */
export const canBeLevel = [0xf8, 0xde] as const;

export class Pic {
  readonly #state: Words<typeof picState.fields>;
  readonly #ended: (input: number) => void;

  /** `ended` is told of each input of 0 to 15 whose interrupt is over. */
  constructor(state: Words<typeof picState.fields>, ended: (input: number) => void) {
    this.#state = state;
    this.#ended = ended;
  }

  setIrq(input: number, level: boolean): void {
    const s = this.#state;
    const chip = (input >> 3) as Chip;
    const bit = 1 << (input & 7);
    const rises = level && !(s.get("lines", chip) & bit);
    if (s.get("levels", chip) & bit) this.#put("requests", chip, bit, level);
    else if (rises) this.#put("requests", chip, bit, true);
    this.#put("lines", chip, bit, level);
  }

  /** Something waits for the processor. */
  get output(): boolean {
    return this.#pending(0) >= 0;
  }

  /** The processor takes it: the vector. Where nothing waits any more, that of input 7. */
  acknowledge(): number {
    const first = this.#pending(0);
    if (first < 0) return this.#state.get("vectorBase", 0) + 7;
    const second = first === cascade ? this.#pending(1) : -1;
    if (second >= 0) this.#take(1, second);
    this.#take(0, first);
    if (first !== cascade) return this.#state.get("vectorBase", 0) + first;
    return this.#state.get("vectorBase", 1) + (second < 0 ? 7 : second);
  }

  /** Ports 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1. Undefined: another one. */
  read(port: number): number | undefined {
    const s = this.#state;
    if (port === 0x4d0 || port === 0x4d1) return s.get("levels", port & 1);
    const chip = chipOf(port);
    if (chip === undefined) return undefined;
    if (s.get("polled", chip)) {
      s.set("polled", 0, chip);
      const found = this.#pending(chip);
      if (found >= 0) this.#take(chip, found);
      return found < 0 ? 0 : 0x80 | found;
    }
    if (port & 1) return s.get("masked", chip);
    return s.get("readsService", chip) ? s.get("inService", chip) : this.#requests(chip);
  }

  write(port: number, value: number): boolean {
    if (port === 0x4d0 || port === 0x4d1) {
      this.#state.set("levels", value & canBeLevel[(port & 1) as Chip], port & 1);
      return true;
    }
    const chip = chipOf(port);
    if (chip === undefined) return false;
    if (port & 1) this.#data(chip, value);
    else if (value & 0x10) this.#initialise(chip, value);
    else if (value & 8) this.#operation3(chip, value);
    else this.#operation2(chip, value);
    return true;
  }

  #initialise(chip: Chip, value: number): void {
    const s = this.#state;
    s.set("requests", s.get("requests", chip) & s.get("levels", chip), chip);
    for (const name of ["masked", "inService", "lines", "first", "readsService", "polled"] as const)
      s.set(name, 0, chip);
    for (const name of ["specialMask", "autoEnd", "rotates", "nested"] as const) s.set(name, 0, chip);
    s.set("initialisation", 2, chip);
    s.set("fourth", value & 1, chip);
  }

  #data(chip: Chip, value: number): void {
    const s = this.#state;
    switch (s.get("initialisation", chip)) {
      case 0:
        s.set("masked", value, chip);
        return;
      case 2:
        s.set("vectorBase", value & 0xf8, chip);
        s.set("initialisation", 3, chip);
        return;
      case 3:
        s.set("initialisation", s.get("fourth", chip) ? 4 : 0, chip);
        return;
      default:
        s.set("nested", (value >> 4) & 1, chip);
        s.set("autoEnd", (value >> 1) & 1, chip);
        s.set("initialisation", 0, chip);
    }
  }

  #operation2(chip: Chip, value: number): void {
    const s = this.#state;
    const command = value >> 5;
    const priority = this.#highest(chip, s.get("inService", chip));
    switch (command) {
      case 0:
      case 4:
        s.set("rotates", command >> 2, chip);
        return;
      case 1:
      case 5:
        if (priority < 8) this.#end(chip, (priority + s.get("first", chip)) & 7, command === 5);
        return;
      case 3:
      case 7:
        this.#end(chip, value & 7, command === 7);
        return;
      case 6:
        s.set("first", (value + 1) & 7, chip);
    }
  }

  #operation3(chip: Chip, value: number): void {
    const s = this.#state;
    if (value & 4) s.set("polled", 1, chip);
    if (value & 2) s.set("readsService", value & 1, chip);
    if (value & 0x40) s.set("specialMask", (value >> 5) & 1, chip);
  }

  #end(chip: Chip, input: number, rotate: boolean): void {
    const was = this.#state.get("inService", chip) & (1 << input);
    this.#put("inService", chip, 1 << input, false);
    if (rotate) this.#state.set("first", (input + 1) & 7, chip);
    if (was) this.#ended(8 * chip + input);
  }

  #take(chip: Chip, input: number): void {
    const s = this.#state;
    if (!(s.get("levels", chip) & (1 << input))) this.#put("requests", chip, 1 << input, false);
    if (!s.get("autoEnd", chip)) {
      this.#put("inService", chip, 1 << input, true);
      return;
    }
    if (s.get("rotates", chip)) s.set("first", (input + 1) & 7, chip);
    this.#ended(8 * chip + input);
  }

  /** The first chip's input 2 is what the second one asks. */
  #requests(chip: Chip): number {
    const own = this.#state.get("requests", chip);
    if (chip === 1) return own;
    return (own & ~(1 << cascade)) | (this.#pending(1) >= 0 ? 1 << cascade : 0);
  }

  /** The input that the chip asks for; -1: none. */
  #pending(chip: Chip): number {
    const s = this.#state;
    const masked = s.get("masked", chip);
    let busy = s.get("inService", chip);
    if (s.get("specialMask", chip)) busy &= ~masked;
    if (chip === 0 && s.get("nested", 0)) busy &= ~(1 << cascade);
    const priority = this.#highest(chip, this.#requests(chip) & ~masked);
    return priority < this.#highest(chip, busy) ? (priority + s.get("first", chip)) & 7 : -1;
  }

  /** The highest priority among inputs: 0 to 7; 8 for none. */
  #highest(chip: Chip, inputs: number): number {
    const first = this.#state.get("first", chip);
    for (let priority = 0; priority < 8; priority++) if (inputs & (1 << ((priority + first) & 7))) return priority;
    return 8;
  }

  #put(name: "requests" | "lines" | "inService", chip: Chip, bit: number, set: boolean): void {
    const old = this.#state.get(name, chip);
    this.#state.set(name, set ? old | bit : old & ~bit, chip);
  }
}

function chipOf(port: number): Chip | undefined {
  return port === 0x20 || port === 0x21 ? 0 : port === 0xa0 || port === 0xa1 ? 1 : undefined;
}
