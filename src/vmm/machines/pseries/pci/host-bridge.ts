/**
 * The PCI host bridge of machine pseries: one bus, one partitionable endpoint. Configuration space, messages, DMA windows and
 * error recovery are reached through RTAS, BARs through windows of real addresses.
 * Source: LoPAPR, "PCI Host Bridge", "Enhanced I/O Error Handling".
 */
import type { PpcVm } from "../../../../arch/powerpc/uapi.js";
import { KvmError } from "../../../../base/errors.js";
import { anything, boolean, having, integer, listOf, oneOf, optional } from "../../../../base/takes.js";
import type { GuestMemory } from "../../../core/guest-memory.js";
import type { PciDevice } from "../../../devices/pci/device.js";
import type { PciFunction, PciFunctionState } from "../../../devices/pci/function.js";
import { HostBus } from "../../../devices/pci/host-bus.js";
import type { PciMessage } from "../../../devices/pci/messages.js";
import { type BusWindow, inside } from "../../../devices/pci/windows.js";
import { DmaWindows, type DmaWindowsState } from "./dma-windows.js";
import {
  bridgeWindows,
  messageAddress,
  messageInterrupt,
  messageInterruptCount,
  pinInterrupt,
  slotMax,
} from "./layout.js";

export type MessageKind = "msi" | "msix";

/** Interrupts that a device's messages were given: consecutive. */
export interface Allocation {
  readonly kind: MessageKind;
  readonly first: number;
  readonly count: number;
}

/** The bridge and all in its slots as a plain value. */
export interface BridgeState {
  readonly dma: DmaWindowsState;
  readonly slots: readonly {
    readonly function: PciFunctionState;
    readonly messages?: Allocation | undefined;
  }[];
  readonly inReset: boolean;
}

const interrupt = integer(messageInterrupt, messageInterrupt + messageInterruptCount);
const allocation = having({ kind: oneOf("msi", "msix"), first: interrupt, count: integer(1, messageInterruptCount) });
const bridgeState = having({
  dma: anything,
  slots: listOf(having({ function: anything, messages: optional(allocation) })),
  inReset: boolean,
});

export interface BridgeParts {
  readonly vm: PpcVm;
  readonly memory: GuestMemory;
  /** An interrupt may have become pending. */
  readonly wake: () => void;
  /** A device threw, when nobody waited for it. */
  readonly fail: (error: unknown) => void;
}

export class PciHostBridge {
  readonly dma: DmaWindows;
  readonly #parts: BridgeParts;
  readonly #bus: HostBus;
  /** By slot: the interrupts that its messages were given. */
  readonly #messages: (Allocation | undefined)[] = [];
  #inReset = false;

  /**
   * Plugs the devices in, from slot 0 on. Throws VmmError: too many, or one that no hardware could be. `state` is what an
   * earlier `save` gave; each device was made from its own part. EINVAL: it is not of such a bridge.
   */
  constructor(parts: BridgeParts, devices: readonly PciDevice[], state?: BridgeState) {
    if (state !== undefined) bridgeState(state, "new PciHostBridge", "state");
    this.#parts = parts;
    if (state && state.slots.length !== devices.length) {
      throw new KvmError("EINVAL", `the saved bus has ${state.slots.length} devices, and this one ${devices.length}`);
    }
    this.dma = new DmaWindows(parts.vm, parts.memory, state?.dma);
    this.#bus = new HostBus({
      ...parts,
      ...{ windows: bridgeWindows, slots: slotMax, pinInterrupt, dma: this.dma.access },
      message: (number, message) => this.#message(number, message),
      gsiOf: (number, message) => (this.#isOwn(number, message) ? message.data : undefined),
    });
    const states = state?.slots ?? [];
    this.#bus.plug(
      devices,
      states.map((slot) => slot.function),
      (number, plugged) => {
        const messages = states[number]?.messages;
        if (!messages) return;
        this.#messages[number] = this.#restored(plugged, messages);
        plugged.routeMessages();
      },
    );
    this.#inReset = state?.inReset ?? false;
  }

  /** EBUSY: a device is of a kind that cannot be saved. */
  save(): BridgeState {
    return {
      dma: this.dma.save(),
      slots: this.functions.map((plugged, number) => ({ function: plugged.save(), messages: this.#messages[number] })),
      inReset: this.#inReset,
    };
  }

  get functions(): readonly PciFunction[] {
    return this.#bus.functions;
  }

  /** The function that a configuration address of RTAS names: bus, device, function in its middle bytes. */
  #functionAt(configAddress: number): PciFunction | undefined {
    const isSlot = ((configAddress >>> 16) & 0xff) === 0 && ((configAddress >>> 8) & 7) === 0;
    return isSlot ? this.functions[slotOf(configAddress)] : undefined;
  }

  /** Whether there is a device at a configuration address. */
  has(configAddress: number): boolean {
    return this.#functionAt(configAddress) !== undefined;
  }

  /** All ones where nothing answers. Undefined: no such register, size or alignment. */
  readConfig(configAddress: number, width: number): number | undefined {
    const offset = configOffset(configAddress);
    if (!isConfigAccess(offset, width)) return undefined;
    const nothing = 2 ** (8 * width) - 1;
    return this.#inReset ? nothing : (this.#functionAt(configAddress)?.readConfig(offset, width) ?? nothing);
  }

  /** False: no such register, size or alignment. */
  writeConfig(configAddress: number, width: number, value: number): boolean {
    const offset = configOffset(configAddress);
    if (!isConfigAccess(offset, width)) return false;
    if (!this.#inReset) this.#functionAt(configAddress)?.writeConfig(offset, width, value);
    return true;
  }

  /** A CPU's access to a window of real addresses. Reads find all ones where nothing answers; writes there are lost. */
  read(address: bigint, length: number): bigint {
    return this.#bus.read(this.#spaceOf(address), address, length);
  }

  write(address: bigint, length: number, value: bigint): void {
    this.#bus.write(this.#spaceOf(address), address, length, value);
  }

  /**
   * Gives a device interrupts for its messages, and tells it where to send them, since a partition does not know. Instead of
   * those it had. Returns how many it got, which may be fewer than asked; undefined: it has no such messages.
   */
  setMessages(configAddress: number, kind: MessageKind, wanted: number): number | undefined {
    const plugged = this.#functionAt(configAddress);
    if (!plugged) return undefined;
    const { msi, msix } = plugged;
    const most = this.#mostMessages(plugged, kind);
    if (most === 0) return undefined;
    this.#take(configAddress);
    // Messages of MSI differ in the low bits of their data.
    const count = kind === "msi" ? 2 ** Math.floor(Math.log2(Math.min(wanted, most))) : Math.min(wanted, most);
    const first = wanted > 0 ? this.#allocate(count, kind === "msi" ? count : 1) : undefined;
    if (first === undefined) return 0;
    this.#messages[slotOf(configAddress)] = { kind, first, count };
    if (kind === "msi") msi?.set(messageAddress, first);
    else for (let vector = 0; vector < count; vector++) msix?.set(vector, messageAddress, first + vector);
    plugged.routeMessages();
    return count;
  }

  /** Takes a device's interrupts back. False: there is no such device. */
  clearMessages(configAddress: number): boolean {
    this.#take(configAddress);
    return this.has(configAddress);
  }

  #take(configAddress: number): void {
    const plugged = this.#functionAt(configAddress);
    if (!plugged) return;
    this.#messages[slotOf(configAddress)] = undefined;
    plugged.routeMessages();
  }

  /** The kind that the device can have, MSI first. */
  messageKind(configAddress: number): MessageKind | undefined {
    const { msi, msix } = this.#functionAt(configAddress) ?? {};
    return msi ? "msi" : msix ? "msix" : undefined;
  }

  /** The interrupt of a device's message. */
  messageSource(configAddress: number, index: number): number | undefined {
    const messages = this.has(configAddress) ? this.#messages[slotOf(configAddress)] : undefined;
    return messages && index < messages.count ? messages.first + index : undefined;
  }

  /** The reset line of the endpoint: while it is up, nothing of its devices answers. */
  setReset(active: boolean): void {
    if (active) for (const plugged of this.functions) plugged.reset();
    this.#inReset = active;
  }

  get inReset(): boolean {
    return this.#inReset;
  }

  stats(): Readonly<Record<string, number>> {
    return this.#bus.stats();
  }

  /** Pulls all devices out. */
  close(): void {
    this.#bus.close();
  }

  /** Interrupts as they were handed out before. EINVAL: such a device gets none, or another has them. */
  #restored(plugged: PciFunction, { kind, first, count }: Allocation): Allocation {
    // Messages of MSI differ in the low bits of their data.
    const unlike = kind === "msi" && (!Number.isInteger(Math.log2(count)) || first % count !== 0);
    if (unlike || count > this.#mostMessages(plugged, kind) || !this.#isFree(first, count)) {
      const what = `${count} interrupts from 0x${first.toString(16)} on for its messages`;
      throw new KvmError("EINVAL", `a saved PCI device has ${what}, which it cannot have`);
    }
    return { kind, first, count };
  }

  #mostMessages({ device, msix }: PciFunction, kind: MessageKind): number {
    return kind === "msi" ? (device.interrupts?.msi ?? 0) : (msix?.vectors ?? 0);
  }

  #isFree(first: number, count: number): boolean {
    const end = messageInterrupt + messageInterruptCount;
    const taken = this.#messages.some(
      (messages) => messages && first < messages.first + messages.count && messages.first < first + count,
    );
    return first >= messageInterrupt && first + count <= end && !taken;
  }

  /** Where no window is, nobody answers in either. While the reset line is up no function decodes anything. */
  #spaceOf(address: bigint): BusWindow["space"] {
    return bridgeWindows.find((window) => inside(window, address, 1))?.space ?? "memory";
  }

  /** Consecutive interrupts that no device has. */
  #allocate(count: number, alignment: number): number | undefined {
    const end = messageInterrupt + messageInterruptCount;
    for (let first = messageInterrupt; first + count <= end; first += alignment) {
      if (this.#isFree(first, count)) return first;
    }
    return undefined;
  }

  #message(number: number, { address, data }: PciMessage): boolean {
    if (address !== messageAddress) return false;
    if (!this.#isOwn(number, { address, data })) {
      this.#bus.count("message_refused");
      return true;
    }
    this.#bus.count("messages");
    this.#parts.vm.signalMsi({ address, data });
    this.#parts.wake();
    return true;
  }

  /** A device raises its own interrupts only, whatever the guest wrote as data. */
  #isOwn(number: number, { address, data }: Pick<PciMessage, "address" | "data">): boolean {
    const messages = this.#messages[number];
    if (!messages || address !== messageAddress) return false;
    return data >= messages.first && data < messages.first + messages.count;
  }
}

const slotOf = (configAddress: number): number => (configAddress >>> 11) & 0x1f;

/** The register number has 12 bits, in two places. */
const configOffset = (configAddress: number): number => ((configAddress >>> 20) & 0xf00) | (configAddress & 0xff);

/** A partition's configuration space has 4096 bytes, whether the device has so many or not. */
const isConfigAccess = (offset: number, width: number): boolean =>
  (width === 1 || width === 2 || width === 4) && offset % width === 0;
