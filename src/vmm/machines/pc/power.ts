/**
 * The registers of ACPI's fixed hardware: events, of which nothing here makes one, sleep states, of which there is one, and the
 * timer. Source: Advanced Configuration and Power Interface Specification, "ACPI Hardware Specification".
 */
import { integer, options } from "../../../base/takes.js";

/** What the DSDT gives for S5, off. */
export const sleepTypeOff = 5;
/** Ticks a second. */
const timerRate = 3_579_545n;

/** Offsets of registers. */
export const PowerRegister = { status: 0, enable: 2, control: 4, timer: 8 } as const;
/** PM1 control: ACPI is on, which nothing turns off; the type of sleep; sleep now. */
const Control = { enabled: 1, typeShift: 10, typeMask: 7, sleep: 1 << 13 } as const;
const keptControl = 0x1c06;
const keptEnable = 0x4721;

/** The registers as a plain value. */
export interface PowerState {
  readonly enable: number;
  readonly control: number;
}

const stateCheck = options<PowerState>({ enable: integer(0, 0xffff), control: integer(0, 0xffff) });

export interface PowerHost {
  /** The guest's time, nanoseconds. */
  now(): bigint;
  powerOff(): void;
}

export class PowerManagement {
  readonly #host: PowerHost;
  #enable = 0;
  #control = 0;

  /** `state`: what an earlier `save` gave. EINVAL: it is not. */
  constructor(host: PowerHost, state?: PowerState) {
    this.#host = host;
    if (state === undefined) return;
    stateCheck(state, "new PowerManagement", "state");
    this.#enable = state.enable & keptEnable;
    this.#control = state.control & keptControl;
  }

  save(): PowerState {
    return { enable: this.#enable, control: this.#control };
  }

  /** A byte of the block. */
  read(offset: number): number {
    const { control, enable, timer } = PowerRegister;
    if (offset >= timer) return (this.#ticks >> (8 * (offset - timer))) & 0xff;
    if (offset >= control) return this.#byte(this.#control | Control.enabled, offset - control);
    return offset >= enable ? this.#byte(this.#enable, offset - enable) : 0;
  }

  /** Several bytes at once, as a sleep state is chosen and entered. */
  write(offset: number, size: number, value: number): void {
    const { control, enable } = PowerRegister;
    this.#enable = this.#changed(this.#enable, offset - enable, size, value) & keptEnable;
    const before = this.#control;
    const after = this.#changed(before, offset - control, size, value);
    this.#control = after & keptControl;
    const sleeps = after !== before && (after & Control.sleep) !== 0;
    if (sleeps && ((after >> Control.typeShift) & Control.typeMask) === sleepTypeOff) this.#host.powerOff();
  }

  /** A register of two bytes after a write of so many bytes from an offset of its on, which may be outside. */
  #changed(register: number, offset: number, size: number, value: number): number {
    let result = register;
    for (let i = 0; i < size; i++) {
      const at = offset + i;
      if (at < 0 || at > 1) continue;
      const byte = (value >>> (8 * i)) & 0xff;
      result = (result & ~(0xff << (8 * at))) | (byte << (8 * at));
    }
    return result;
  }

  #byte(register: number, at: number): number {
    return at < 2 ? (register >> (8 * at)) & 0xff : 0;
  }

  /** 24 bits count. */
  get #ticks(): number {
    return Number(((this.#host.now() * timerRate) / 1_000_000_000n) & 0xff_ffffn);
  }
}
