/**
 * The PCI host bridge of machine pc: one bus, in whose first slot it shows itself; configuration space by two ports and in memory;
 * addresses on the bus are the CPUs', and devices reach all of RAM: there is no IOMMU. Source: PCI Local Bus Specification 3.0,
 * "Configuration Mechanism #1"; PCI Firmware Specification, "Enhanced Configuration Access Mechanism".
 */
import type { X86Vm } from "../../../../arch/x86/uapi.js";
import { anything, having, listOf, u32 } from "../../../../base/takes.js";
import { KvmError } from "../../../../kvm/uapi.js";
import type { GuestMemory } from "../../../core/guest-memory.js";
import type { PciDevice } from "../../../devices/pci/device.js";
import { PciFunction, type PciFunctionState } from "../../../devices/pci/function.js";
import { HostBus } from "../../../devices/pci/host-bus.js";
import type { PciMessage } from "../../../devices/pci/messages.js";
import { PCI_INTERRUPT_LINE } from "../../../devices/pci/registers.js";
import { type BusWindow, inside } from "../../../devices/pci/windows.js";
import {
  Address,
  olderLine,
  pciBusPorts,
  pciConfigPorts,
  pciConfigWindow,
  pciLine,
  pciReach,
  pciSlots,
} from "../memory-map.js";
import type { PortDevice } from "../ports.js";
import { MessageRoutes } from "./message-routes.js";

/** The bridge and all on its bus as a plain value. */
export interface BridgeState {
  /** What the address port was last told. */
  readonly address: number;
  readonly bridge: PciFunctionState;
  /** From the second slot on. */
  readonly slots: readonly { readonly function: PciFunctionState }[];
}

const bridgeState = having({ address: u32, bridge: anything, slots: listOf(having({ function: anything })) });

export interface BridgeParts {
  readonly vm: X86Vm;
  readonly memory: GuestMemory;
  /** An interrupt may have become pending. */
  readonly wake: () => void;
  /** A device threw, when nobody waited for it. */
  readonly fail: (error: unknown) => void;
}

/** A bridge that needs no driver: Red Hat's number for QEMU's. */
const itself: PciDevice = {
  identity: { vendorId: 0x1b36, deviceId: 0x0008, classCode: 0x06_0000 },
  bars: [],
  connect: () => undefined,
  reset: () => undefined,
  read: () => 0n,
  write: () => undefined,
  save: () => ({}),
};
const noBus = { dma: () => false, setIntx: () => undefined, message: () => undefined };

/** The address port: whether an access is one to configuration space; reserved bits are 0. */
const enabled = 0x8000_0000;
const addressBits = 0x80ff_fffc;
/** Of these addresses a message is one to local APICs, whatever it says. */
const messages = { start: BigInt(Address.lapic), size: 0x10_0000n };

const windows: readonly BusWindow[] = Object.values(pciReach).map((range) => ({ ...range, bus: range.start }));
const nothing = (size: number): number => 2 ** (8 * size) - 1;

export class PciHostBridge {
  readonly #bus: HostBus;
  readonly #bridge: PciFunction;
  #address = 0;

  /**
   * Plugs the devices in, from slot 1 on. Throws VmmError: too many, or one that no hardware could be. `state` is what an
   * earlier `save` gave; each device was made from its own part. EINVAL: it is not of such a bridge.
   */
  constructor(parts: BridgeParts, devices: readonly PciDevice[], state?: BridgeState) {
    if (state !== undefined) bridgeState(state, "new PciHostBridge", "state");
    if (state && state.slots.length !== devices.length) {
      throw new KvmError("EINVAL", `the saved bus has ${state.slots.length} devices, and this one ${devices.length}`);
    }
    const { vm, memory, wake } = parts;
    const routes = new MessageRoutes(vm);
    this.#address = (state?.address ?? 0) & addressBits;
    this.#bridge = new PciFunction(itself, noBus, state?.bridge);
    this.#bus = new HostBus({
      ...parts,
      ...{ windows, slots: pciSlots - 1, pinInterrupt: (number) => pciLine(number + 1, 0) },
      dma: (address, ...access) => memory.visit(Number(address), ...access),
      message: (_, { address, data }: PciMessage) => {
        if (!inside(messages, address, 4)) return false;
        this.#bus.count("messages");
        vm.signalMsi({ address, data });
        wake();
        return true;
      },
      gsiOf: (number, message) => (inside(messages, message.address, 4) ? routes.gsiOf(number, message) : undefined),
    });
    this.#bus.plug(
      devices,
      (state?.slots ?? []).map((slot) => slot.function),
    );
    // As firmware leaves it, for kernels that know of no other way to learn it.
    if (!state) {
      for (const [number, plugged] of this.#bus.functions.entries())
        plugged.writeConfig(PCI_INTERRUPT_LINE, 1, olderLine(pciLine(number + 1, 0)));
    }
  }

  /** EBUSY: a device is of a kind that cannot be saved. */
  save(): BridgeState {
    return {
      address: this.#address >>> 0,
      bridge: this.#bridge.save(),
      slots: this.#bus.functions.map((plugged) => ({ function: plugged.save() })),
    };
  }

  /** What of it is at ports: the two of configuration space, and the bus's own. */
  get ports(): readonly PortDevice[] {
    const { start } = pciReach.io;
    return [
      {
        ...pciConfigPorts,
        read: (offset, width) => this.#readPort(offset, width),
        write: (offset, width, value) => this.#writePort(offset, width, value),
      },
      {
        ...pciBusPorts,
        read: (offset, width) => Number(this.#bus.read("io", start + BigInt(offset), width)),
        write: (offset, width, value) => this.#bus.write("io", start + BigInt(offset), width, BigInt(value)),
      },
    ];
  }

  /** A CPU's access to memory that is the bus's. Where nothing answers, reads find all ones, and writes are lost. */
  read(address: bigint, length: number): bigint {
    if (!inside(pciConfigWindow, address, length)) return this.#bus.read("memory", address, length);
    const offset = Number(address - pciConfigWindow.start);
    const read = (at: number, width: number): bigint => BigInt(this.#readConfig(at >> 12, at & 0xfff, width));
    if (length <= 4) return read(offset, length);
    return read(offset, 4) | (read(offset + 4, 4) << 32n);
  }

  write(address: bigint, length: number, value: bigint): void {
    if (!inside(pciConfigWindow, address, length)) {
      this.#bus.write("memory", address, length, value);
      return;
    }
    const offset = Number(address - pciConfigWindow.start);
    for (let at = 0; at < length; at += 4) {
      const width = Math.min(4, length - at);
      const part = Number(BigInt.asUintN(8 * width, value >> BigInt(8 * at)));
      this.#writeConfig((offset + at) >> 12, (offset + at) & 0xfff, width, part);
    }
  }

  stats(): Readonly<Record<string, number>> {
    return this.#bus.stats();
  }

  /** Pulls all devices out. */
  close(): void {
    this.#bus.close();
    this.#bridge.disconnect();
  }

  /** The address takes words of 32 bits alone. */
  #readPort(offset: number, width: number): number {
    if (offset < 4) return offset === 0 && width === 4 ? this.#address >>> 0 : nothing(width);
    if (!(this.#address & enabled)) return nothing(width);
    return this.#readConfig((this.#address >>> 8) & 0xffff, (this.#address & 0xfc) + offset - 4, width);
  }

  #writePort(offset: number, width: number, value: number): void {
    if (offset === 0 && width === 4) this.#address = value & addressBits;
    if (offset < 4 || !(this.#address & enabled)) return;
    this.#writeConfig((this.#address >>> 8) & 0xffff, (this.#address & 0xfc) + offset - 4, width, value);
  }

  /** `place`: bus, slot and function. */
  #functionAt(place: number): PciFunction | undefined {
    if ((place & 0xff07) !== 0) return undefined;
    return place === 0 ? this.#bridge : this.#bus.functions[(place >> 3) - 1];
  }

  #readConfig(place: number, register: number, width: number): number {
    return this.#functionAt(place)?.readConfig(register, width) ?? nothing(width);
  }

  #writeConfig(place: number, register: number, width: number, value: number): void {
    this.#functionAt(place)?.writeConfig(register, width, value);
  }
}
