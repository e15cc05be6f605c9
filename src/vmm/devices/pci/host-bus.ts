/**
 * A bus behind a host bridge, as far as all bridges are alike: functions in slots, what answers at an address, shared pins,
 * doorbells. How configuration space, memory and messages are reached is the bridge's. Source: PCI Local Bus Specification 3.0.
 */
import type { Vm } from "../../../kvm/uapi.js";
import type { GuestMemory } from "../../core/guest-memory.js";
import { ChoiceError, VmmError } from "../../errors.js";
import { type Dma, dmaWrite, type PciDevice } from "./device.js";
import { Doorbells } from "./doorbells.js";
import { PciFunction, type PciFunctionState } from "./function.js";
import type { PciMessage } from "./messages.js";
import { type BusWindow, inside } from "./windows.js";

export interface HostBusParts {
  readonly vm: Pick<Vm, "shared" | "createEventFd" | "ioeventfd" | "irqLine">;
  readonly memory: GuestMemory;
  readonly windows: readonly BusWindow[];
  /** Most devices. */
  readonly slots: number;
  /** The interrupt of pin A of the device of this number. */
  readonly pinInterrupt: (number: number) => number;
  readonly dma: Dma;
  /** A message for the interrupt controller: true. False: its address stands for memory, where it is written. */
  readonly message: (number: number, message: PciMessage) => boolean;
  /** KVM's number of the interrupt that a message of a device raises, if KVM can raise it by itself. */
  readonly gsiOf: (number: number, message: PciMessage) => number | undefined;
  /** An interrupt may have become pending. */
  readonly wake: () => void;
  /** A device threw, when nobody waited for it. */
  readonly fail: (error: unknown) => void;
}

export class HostBus {
  readonly #parts: HostBusParts;
  readonly #functions: PciFunction[] = [];
  /** Devices that pull each level interrupt. */
  readonly #pulled = new Map<number, Set<number>>();
  readonly #doorbells: Doorbells;
  readonly #counters = new Map<string, number>();

  constructor(parts: HostBusParts) {
    this.#parts = parts;
    this.#doorbells = new Doorbells(parts.vm, parts.windows, parts.fail);
  }

  get functions(): readonly PciFunction[] {
    return this.#functions;
  }

  /**
   * Plugs devices in, from number 0 on; `states` are of their functions, and `plugged` is told of each. Throws VmmError: too many, or one that no
   * hardware could be; none is plugged in then. EINVAL: a state is not of such a device.
   */
  plug(
    devices: readonly PciDevice[],
    states: readonly (PciFunctionState | undefined)[],
    plugged: (number: number, plugged: PciFunction) => void = () => undefined,
  ): void {
    const { slots, pinInterrupt } = this.#parts;
    if (devices.length > slots) {
      throw new ChoiceError(`the PCI bus has ${slots} slots, and there are ${devices.length} devices`);
    }
    for (const [number, device] of devices.entries()) {
      // Nobody else pulls the interrupt of its pin, so that KVM may do it by itself.
      const alone = devices.every((_, other) => other === number || pinInterrupt(other) !== pinInterrupt(number));
      try {
        const added = new PciFunction(device, this.#upstream(number, alone), states[number]);
        this.#functions[number] = added;
        plugged(number, added);
      } catch (error) {
        this.close();
        if (error instanceof RangeError) throw new VmmError(`PCI device ${number}: ${error.message}`, { cause: error });
        throw error;
      }
    }
  }

  /** A CPU's access to a window. Reads find all ones where nothing answers; writes there are lost. */
  read(space: BusWindow["space"], address: bigint, length: number): bigint {
    const target = this.#decode(space, address, length);
    if (target) return target.function.read(target.bar, target.offset, length);
    this.count("unassigned");
    return (1n << BigInt(8 * length)) - 1n;
  }

  write(space: BusWindow["space"], address: bigint, length: number, value: bigint): void {
    const target = this.#decode(space, address, length);
    if (target) target.function.write(target.bar, target.offset, length, BigInt.asUintN(8 * length, value));
    else this.count("unassigned");
  }

  count(what: string): void {
    this.#counters.set(what, (this.#counters.get(what) ?? 0) + 1);
  }

  stats(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counters].map(([what, count]) => [`pci_${what}`, count]));
  }

  /** Pulls all devices out. */
  close(): void {
    for (const one of this.#functions) one.disconnect();
    this.#doorbells.close();
  }

  #upstream(number: number, alone: boolean): ConstructorParameters<typeof PciFunction>[1] {
    const { dma, pinInterrupt, gsiOf } = this.#parts;
    return {
      dma: (...access) => this.#counted(dma(...access)),
      setIntx: (level) => this.#setPin(number, level),
      message: (message) => this.#message(number, message),
      memory: this.#parts.memory,
      soon: (work) => this.#soon(work),
      doorbell: (index, place, ring) => this.#doorbells.place(`${number} ${index}`, place, ring),
      gsiOf: (message) => gsiOf(number, message),
      ...(alone ? { intx: pinInterrupt(number) } : {}),
    };
  }

  #soon(work: () => void): void {
    queueMicrotask(() => {
      try {
        work();
      } catch (error) {
        this.#parts.fail(error);
      }
    });
  }

  #decode(
    space: BusWindow["space"],
    address: bigint,
    length: number,
  ): { function: PciFunction; bar: number; offset: number } | undefined {
    const range = this.#parts.windows.find((one) => one.space === space && inside(one, address, length));
    if (!range) return undefined;
    const bus = address - range.start + range.bus;
    // Where BARs overlap, the lowest number and BAR answers.
    for (const target of this.#functions) {
      const place = target.decode(range.space, bus, length);
      if (place) return { function: target, ...place };
    }
    return undefined;
  }

  /** A message is a write like any other, but for the addresses that stand for the interrupt controller. */
  #message(number: number, message: PciMessage): void {
    if (this.#parts.message(number, message)) return;
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, message.data, true);
    this.#counted(dmaWrite(this.#parts.dma, message.address, bytes));
  }

  #setPin(number: number, level: boolean): void {
    const { vm, pinInterrupt, wake } = this.#parts;
    const interrupt = pinInterrupt(number);
    const pulling = this.#pulled.get(interrupt) ?? new Set();
    this.#pulled.set(interrupt, pulling);
    if (level) pulling.add(number);
    else pulling.delete(number);
    vm.irqLine(interrupt, pulling.size > 0);
    if (level) wake();
  }

  #counted(done: boolean): boolean {
    this.count(done ? "dma" : "dma_fault");
    return done;
  }
}
