/** What a PC has at ports, but for what the kernel side of KVM has: a serial port, a clock, and the ways to reset it. */
import { Cmos } from "../../devices/cmos.js";
import type { Rtc } from "../../devices/rtc.js";
import { Serial, type SerialLine } from "../../devices/serial.js";

export interface PortsHost {
  readonly rtc: Rtc;
  readonly console: SerialLine;
  reset(): void;
}

const serialPort = 0x3f8;
const cmosPort = 0x70;
const keyboardCommand = 0x64;
/** The keyboard controller's command that pulls the reset line. */
const pulseReset = 0xfe;
/** Reset control: bit 2 resets, when it rises. */
const resetControl = 0xcf9;

export class PcPorts {
  readonly serial: Serial;
  readonly #cmos: Cmos;
  readonly #host: PortsHost;
  #resetControl = 0;

  constructor(host: PortsHost) {
    this.#host = host;
    this.serial = new Serial(host.console);
    this.#cmos = new Cmos(host.rtc);
  }

  /** `size` bytes from a port on. Where nothing is, all ones. */
  read(port: number, size: number): bigint {
    let value = 0n;
    for (let i = 0; i < size; i++) value |= BigInt(this.#read(port + i)) << BigInt(8 * i);
    return value;
  }

  write(port: number, size: number, value: bigint): void {
    for (let i = 0; i < size; i++) this.#write(port + i, Number((value >> BigInt(8 * i)) & 0xffn));
  }

  #read(port: number): number {
    if (port >= serialPort && port < serialPort + 8) return this.serial.read(port - serialPort);
    if (port === cmosPort || port === cmosPort + 1) return this.#cmos.read(port - cmosPort);
    return port === resetControl ? this.#resetControl : 0xff;
  }

  #write(port: number, byte: number): void {
    if (port >= serialPort && port < serialPort + 8) this.serial.write(port - serialPort, byte);
    else if (port === cmosPort || port === cmosPort + 1) this.#cmos.write(port - cmosPort, byte);
    else if (port === keyboardCommand && byte === pulseReset) this.#host.reset();
    else if (port === resetControl) {
      const rises = byte & 4 && !(this.#resetControl & 4);
      this.#resetControl = byte & 0x0a;
      if (rises) this.#host.reset();
    }
  }
}
