/**
 * The PCI host bridge of machine pseries: one bus, one partitionable endpoint. Configuration space, messages, DMA windows and
 * error recovery are reached through RTAS, BARs through windows of real addresses.
 * Source: LoPAPR, "PCI Host Bridge", "Enhanced I/O Error Handling".
 */
import type { PpcVm } from "../../../../arch/powerpc/uapi.js";
import { KvmError } from "../../../../base/errors.js";
import { anything, boolean, having, integer, listOf, oneOf, optional } from "../../../../base/takes.js";
import type { GuestMemory } from "../../../core/guest-memory.js";
import type { PciDevice, PciMemory } from "../../../devices/pci/device.js";
import { PciFunction, type PciFunctionState } from "../../../devices/pci/function.js";
import type { PciMessage } from "../../../devices/pci/messages.js";
import { VmmError } from "../../../errors.js";
import { DmaWindows, type DmaWindowsState } from "./dma-windows.js";
import { Doorbells } from "./doorbells.js";
import {
  bridgeWindows,
  inside,
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

interface Slot {
  readonly number: number;
  readonly function: PciFunction;
  messages: Allocation | undefined;
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
  readonly #slots: Slot[] = [];
  /** Slots that pull each level interrupt. */
  readonly #pulled = new Map<number, Set<number>>();
  readonly #doorbells: Doorbells;
  #inReset = false;
  readonly #counters: Record<string, number> = {};

  /**
   * Plugs the devices in, from slot 0 on. Throws VmmError: too many, or one that no hardware could be. `state` is what an
   * earlier `save` gave; each device was made from its own part. EINVAL: it is not of such a bridge.
   */
  constructor(parts: BridgeParts, devices: readonly PciDevice[], state?: BridgeState) {
    if (state !== undefined) bridgeState(state, "new PciHostBridge", "state");
    this.#parts = parts;
    if (devices.length > slotMax)
      throw new VmmError(`the PCI bus has ${slotMax} slots, and there are ${devices.length} devices`);
    if (state && state.slots.length !== devices.length) {
      throw new KvmError("EINVAL", `the saved bus has ${state.slots.length} devices, and this one ${devices.length}`);
    }
    this.dma = new DmaWindows(parts.vm, parts.memory, state?.dma);
    this.#doorbells = new Doorbells(parts.vm, parts.fail);
    for (const [number, device] of devices.entries()) {
      const alone = devices.every((_, other) => other === number || pinInterrupt(other) !== pinInterrupt(number));
      this.#plug(number, device, alone, state?.slots[number]);
    }
    this.#inReset = state?.inReset ?? false;
  }

  /** EBUSY: a device is of a kind that cannot be saved. */
  save(): BridgeState {
    return {
      dma: this.dma.save(),
      slots: this.#slots.map(({ function: plugged, messages }) => ({ function: plugged.save(), messages })),
      inReset: this.#inReset,
    };
  }

  get functions(): readonly PciFunction[] {
    return this.#slots.map((slot) => slot.function);
  }

  /** The function that a configuration address of RTAS names: bus, device, function in its middle bytes. */
  #slotAt(configAddress: number): Slot | undefined {
    const bus = (configAddress >>> 16) & 0xff;
    const number = (configAddress >>> 11) & 0x1f;
    return bus === 0 && ((configAddress >>> 8) & 7) === 0 ? this.#slots[number] : undefined;
  }

  /** Whether there is a device at a configuration address. */
  has(configAddress: number): boolean {
    return this.#slotAt(configAddress) !== undefined;
  }

  /** All ones where nothing answers. Undefined: no such register, size or alignment. */
  readConfig(configAddress: number, width: number): number | undefined {
    const offset = configOffset(configAddress);
    if (!isConfigAccess(offset, width)) return undefined;
    const nothing = 2 ** (8 * width) - 1;
    return this.#inReset ? nothing : (this.#slotAt(configAddress)?.function.readConfig(offset, width) ?? nothing);
  }

  /** False: no such register, size or alignment. */
  writeConfig(configAddress: number, width: number, value: number): boolean {
    const offset = configOffset(configAddress);
    if (!isConfigAccess(offset, width)) return false;
    if (!this.#inReset) this.#slotAt(configAddress)?.function.writeConfig(offset, width, value);
    return true;
  }

  /** A CPU's access to a window of real addresses. Reads find all ones where nothing answers; writes there are lost. */
  read(address: bigint, length: number): bigint {
    const target = this.#decode(address, length);
    if (target) return target.function.read(target.bar, target.offset, length);
    this.#count("unassigned");
    return (1n << BigInt(8 * length)) - 1n;
  }

  write(address: bigint, length: number, value: bigint): void {
    const target = this.#decode(address, length);
    if (target) target.function.write(target.bar, target.offset, length, BigInt.asUintN(8 * length, value));
    else this.#count("unassigned");
  }

  /**
   * Gives a device interrupts for its messages, and tells it where to send them, since a partition does not know. Instead of
   * those it had. Returns how many it got, which may be fewer than asked; undefined: it has no such messages.
   */
  setMessages(configAddress: number, kind: MessageKind, wanted: number): number | undefined {
    const slot = this.#slotAt(configAddress);
    if (!slot) return undefined;
    const { msi, msix } = slot.function;
    const most = this.#mostMessages(slot.function, kind);
    if (most === 0) return undefined;
    this.#take(slot);
    // Messages of MSI differ in the low bits of their data.
    const count = kind === "msi" ? 2 ** Math.floor(Math.log2(Math.min(wanted, most))) : Math.min(wanted, most);
    const first = wanted > 0 ? this.#allocate(count, kind === "msi" ? count : 1) : undefined;
    if (first === undefined) return 0;
    slot.messages = { kind, first, count };
    if (kind === "msi") msi?.set(messageAddress, first);
    else for (let vector = 0; vector < count; vector++) msix?.set(vector, messageAddress, first + vector);
    slot.function.routeMessages();
    return count;
  }

  /** Takes a device's interrupts back. False: there is no such device. */
  clearMessages(configAddress: number): boolean {
    const slot = this.#slotAt(configAddress);
    if (slot) this.#take(slot);
    return slot !== undefined;
  }

  #take(slot: Slot): void {
    slot.messages = undefined;
    slot.function.routeMessages();
  }

  /** The kind that the device can have, MSI first. */
  messageKind(configAddress: number): MessageKind | undefined {
    const { msi, msix } = this.#slotAt(configAddress)?.function ?? {};
    return msi ? "msi" : msix ? "msix" : undefined;
  }

  /** The interrupt of a device's message. */
  messageSource(configAddress: number, index: number): number | undefined {
    const messages = this.#slotAt(configAddress)?.messages;
    return messages && index < messages.count ? messages.first + index : undefined;
  }

  /** The reset line of the endpoint: while it is up, nothing of its devices answers. */
  setReset(active: boolean): void {
    if (active) for (const slot of this.#slots) slot.function.reset();
    this.#inReset = active;
  }

  get inReset(): boolean {
    return this.#inReset;
  }

  stats(): Readonly<Record<string, number>> {
    return this.#counters;
  }

  /** Pulls all devices out. */
  close(): void {
    for (const slot of this.#slots) slot.function.disconnect();
    this.#doorbells.close();
  }

  /** `alone`: nobody else pulls the interrupt of its pin, so that KVM may do it by itself. */
  #plug(number: number, device: PciDevice, alone: boolean, state?: BridgeState["slots"][number]): void {
    try {
      const upstream = {
        read: (address: bigint, bytes: Uint8Array) => this.#counted("dma", this.dma.read(address, bytes)),
        write: (address: bigint, bytes: Uint8Array) => this.#counted("dma", this.dma.write(address, bytes)),
        setIntx: (level: boolean) => this.#setPin(number, level),
        message: (message: PciMessage) => this.#message(number, message),
        memory: this.#memory,
        soon: (work: () => void) => this.#soon(work),
        doorbell: (index: number, place: { address: bigint; length: number } | undefined, ring: () => void) =>
          this.#doorbells.place(`${number} ${index}`, place, ring),
        gsiOf: (message: PciMessage) => (this.#isOwn(number, message) ? message.data : undefined),
        ...(alone ? { intx: pinInterrupt(number) } : {}),
      };
      const plugged = new PciFunction(device, upstream, state?.function);
      const slot: Slot = { number, function: plugged, messages: undefined };
      if (state?.messages) slot.messages = this.#restored(plugged, state.messages);
      this.#slots[number] = slot;
      if (state?.messages) plugged.routeMessages();
    } catch (error) {
      this.close();
      if (error instanceof RangeError) throw new VmmError(`PCI device ${number}: ${error.message}`, { cause: error });
      throw error;
    }
  }

  get #memory(): PciMemory {
    const { memory, vm } = this.#parts;
    return {
      view: (address, length) => memory.view(address, length),
      written: (address, length) => vm.guestWritten(BigInt(address), length),
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
    const taken = this.#slots.some(
      ({ messages }) => messages && first < messages.first + messages.count && messages.first < first + count,
    );
    return first >= messageInterrupt && first + count <= end && !taken;
  }

  #decode(address: bigint, length: number): { function: PciFunction; bar: number; offset: number } | undefined {
    if (this.#inReset) return undefined;
    const range = bridgeWindows.find((one) => inside(one, address, length));
    if (!range) return undefined;
    const bus = address - range.start + range.bus;
    // Where BARs overlap, the lowest slot and BAR answers.
    for (const { function: target } of this.#slots) {
      const place = target.decode(range.space, bus, length);
      if (place) return { function: target, ...place };
    }
    return undefined;
  }

  /** Consecutive interrupts that no device has. */
  #allocate(count: number, alignment: number): number | undefined {
    const end = messageInterrupt + messageInterruptCount;
    for (let first = messageInterrupt; first + count <= end; first += alignment) {
      if (this.#isFree(first, count)) return first;
    }
    return undefined;
  }

  /** A message is a write like any other, but for the address that stands for the interrupt controller. */
  #message(number: number, { address, data }: PciMessage): void {
    if (address !== messageAddress) {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, data, true);
      this.#counted("dma", this.dma.write(address, bytes));
      return;
    }
    if (!this.#isOwn(number, { address, data })) {
      this.#count("message_refused");
      return;
    }
    this.#count("messages");
    this.#parts.vm.signalMsi({ address, data });
    this.#parts.wake();
  }

  /** A device raises its own interrupts only, whatever the guest wrote as data. */
  #isOwn(number: number, { address, data }: Pick<PciMessage, "address" | "data">): boolean {
    const messages = this.#slots[number]?.messages;
    if (!messages || address !== messageAddress) return false;
    return data >= messages.first && data < messages.first + messages.count;
  }

  #setPin(number: number, level: boolean): void {
    const interrupt = pinInterrupt(number);
    const pulling = this.#pulled.get(interrupt) ?? new Set();
    this.#pulled.set(interrupt, pulling);
    if (level) pulling.add(number);
    else pulling.delete(number);
    this.#parts.vm.irqLine(interrupt, pulling.size > 0);
    if (level) this.#parts.wake();
  }

  #counted(what: string, done: boolean): boolean {
    this.#count(done ? what : `${what}_fault`);
    return done;
  }

  #count(what: string): void {
    this.#counters[`pci_${what}`] = (this.#counters[`pci_${what}`] ?? 0) + 1;
  }
}

/** The register number has 12 bits, in two places. */
const configOffset = (configAddress: number): number => ((configAddress >>> 20) & 0xf00) | (configAddress & 0xff);

/** A partition's configuration space has 4096 bytes, whether the device has so many or not. */
const isConfigAccess = (offset: number, width: number): boolean =>
  (width === 1 || width === 2 || width === 4) && offset % width === 0;
