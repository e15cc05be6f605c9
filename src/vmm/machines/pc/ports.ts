/** What a PC has at ports, but for what the kernel side of KVM has, as the machine's thread answers for it. */
import { integer, options } from "../../../base/takes.js";
import { Cmos, type CmosState } from "../../devices/cmos.js";
import type { Rtc } from "../../devices/rtc.js";
import type { Serial } from "../../devices/serial.js";
import { cmosPorts, keyboardPorts, Port, type PortRange, powerPorts, serialPorts, within } from "./memory-map.js";
import { type PowerHost, PowerManagement, type PowerState } from "./power.js";

export interface PortsHost extends PowerHost {
  readonly rtc: Rtc;
  readonly serial: Serial;
  /** The clock's line has this level. */
  clockLine(level: boolean): void;
  reset(): void;
}

/** As a plain value; the serial port and the clock are the machine's. */
export interface PortsState {
  readonly cmos: CmosState;
  readonly power: PowerState;
  readonly resetControl: number;
}

const stateCheck = options<PortsState>({ cmos: () => {}, power: () => {}, resetControl: integer(0, 0xff) });

/** The keyboard controller's command that pulls the reset line. */
const pulseReset = 0xfe;
/** Reset control: bit 2 resets, when it rises. */
const reset = 4;
const keptControl = 0x0a;

/** Something at ports. What is asked of it lies wholly in its range. */
export interface PortDevice extends PortRange {
  read(offset: number, size: number): number;
  write(offset: number, size: number, value: number): void;
}

/** A device each of whose bytes stands for itself. */
export const bytewise = (
  range: PortRange,
  read: (offset: number) => number,
  write: (offset: number, byte: number) => void,
): PortDevice => ({
  ...range,
  read: (offset, size) => {
    let value = 0;
    for (let i = 0; i < size; i++) value |= (read(offset + i) & 0xff) << (8 * i);
    return value >>> 0;
  },
  write: (offset, size, value) => {
    for (let i = 0; i < size; i++) write(offset + i, (value >>> (8 * i)) & 0xff);
  },
});

export class PcPorts {
  readonly #devices: readonly PortDevice[];
  readonly #cmos: Cmos;
  readonly #power: PowerManagement;
  readonly #host: PortsHost;
  #resetControl = 0;

  /** `more`: what else there is. `state`: what an earlier `save` gave. EINVAL: it is not. */
  constructor(host: PortsHost, more: readonly PortDevice[] = [], state?: PortsState) {
    if (state !== undefined) stateCheck(state, "new PcPorts", "state");
    this.#host = host;
    this.#cmos = new Cmos(host.rtc, (level) => host.clockLine(level), state?.cmos);
    this.#power = new PowerManagement(host, state?.power);
    this.#resetControl = (state?.resetControl ?? 0) & keptControl;
    const { serial } = host;
    this.#devices = [
      bytewise(
        serialPorts,
        (at) => serial.read(at),
        (at, byte) => serial.write(at, byte),
      ),
      bytewise(
        cmosPorts,
        (at) => this.#cmos.read(at),
        (at, byte) => this.#cmos.write(at, byte),
      ),
      bytewise(
        keyboardPorts,
        () => 0xff,
        (_, byte) => {
          if (byte === pulseReset) host.reset();
        },
      ),
      {
        ...bytewise(
          powerPorts,
          (at) => this.#power.read(at),
          () => {},
        ),
        write: (at, size, value) => this.#power.write(at, size, value),
      },
      bytewise(
        { first: Port.resetControl, count: 1 },
        () => this.#resetControl,
        (_, byte) => this.#control(byte),
      ),
      ...more,
    ];
  }

  close(): void {
    this.#cmos.close();
  }

  save(): PortsState {
    return { cmos: this.#cmos.save(), power: this.#power.save(), resetControl: this.#resetControl };
  }

  /** 1, 2 or 4 bytes from a port on. Where nothing is, all ones. */
  read(port: number, size: number): bigint {
    const found = this.#devices.find((device) => within(device, port, size));
    if (found) return BigInt(found.read(port - found.first, size) >>> 0);
    let value = 0n;
    // Over the edge of one, each byte goes its own way.
    for (let i = 0; i < size; i++) value |= (size === 1 ? 0xffn : this.read(port + i, 1)) << BigInt(8 * i);
    return value;
  }

  write(port: number, size: number, value: bigint): void {
    const found = this.#devices.find((device) => within(device, port, size));
    if (found) found.write(port - found.first, size, Number(BigInt.asUintN(8 * size, value)));
    else if (size > 1) for (let i = 0; i < size; i++) this.write(port + i, 1, (value >> BigInt(8 * i)) & 0xffn);
  }

  #control(byte: number): void {
    const rises = byte & reset && !(this.#resetControl & reset);
    this.#resetControl = byte & keptControl;
    if (rises) this.#host.reset();
  }
}
