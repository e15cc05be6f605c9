/**
 * One function on a PCI bus: the device with all that the specification asks of every device around it. Nothing that a guest
 * writes makes it throw, or reach beyond the device's BARs.
 * Source: PCI Local Bus Specification 3.0, "Configuration Space".
 */
import { KvmError } from "../../../base/errors.js";
import { anything, boolean, bytes, having } from "../../../base/takes.js";
import { ConfigSpace, type ConfigWidth } from "./config-space.js";
import {
  type Dma,
  dmaRead,
  dmaWrite,
  type InterruptMode,
  type PciBar,
  type PciBus,
  type PciCapability,
  type PciDevice,
  type PciMemory,
} from "./device.js";
import { Msi, Msix, type MsixState, type PciMessage } from "./messages.js";
import * as pci from "./registers.js";

/** What the bridge above does for a function. */
export interface PciUpstream {
  /** DMA through the IOMMU. */
  readonly dma: Dma;
  /** The pin's level, after INTx disable. Only called when it changes. */
  setIntx(level: boolean): void;
  message(message: PciMessage): void;
  readonly memory?: PciMemory;
  /** Does something when the CPU has been answered. Default: now. */
  soon?(work: () => void): void;
  /** Has `ring` called after writes of `length` bytes at a bus address; undefined: no more. The last call counts. */
  doorbell?(
    index: number,
    place: { readonly address: bigint; readonly length: number } | undefined,
    ring: () => void,
  ): void;
  /** KVM's number of the pin's interrupt, and of the one that a message raises if it is one of the device's. */
  readonly intx?: number;
  gsiOf?(message: PciMessage): number | undefined;
}

/** A function as a plain value. */
export interface PciFunctionState {
  readonly config: Uint8Array;
  readonly msix?: MsixState | undefined;
  /** What the device wants of its pin. */
  readonly pin: boolean;
  /** What the device's own `save` gave: its constructor takes that. */
  readonly device: unknown;
}

const functionState = having({ config: bytes, pin: boolean, device: anything });

interface Decoder extends PciBar {
  readonly index: number;
}

const allOnes = (width: number): number => 2 ** (8 * width) - 1;
const commandBits =
  pci.PCI_COMMAND_IO |
  pci.PCI_COMMAND_MEMORY |
  pci.PCI_COMMAND_MASTER |
  pci.PCI_COMMAND_PARITY |
  pci.PCI_COMMAND_SERR |
  pci.PCI_COMMAND_INTX_DISABLE;

export class PciFunction {
  readonly device: PciDevice;
  readonly msi: Msi | undefined;
  readonly msix: Msix | undefined;
  readonly #upstream: PciUpstream;
  readonly #config = new ConfigSpace();
  readonly #decoders: readonly Decoder[];
  readonly #capabilities: { readonly at: number; readonly capability: PciCapability }[] = [];
  readonly #intx: boolean;
  /** What the device wants of the pin, and what the bridge was told. */
  #pin = false;
  #asserted = false;
  #mode: InterruptMode = "intx";
  #connected = true;
  #lastCommand = 0;
  /** What the device was told of its messages. */
  #routes: (number | undefined)[] = [];
  /** Bus addresses of its doorbells. */
  #doorbells: (bigint | undefined)[] = [];
  #placing = false;

  /**
   * Plugs the device in and resets it; with `state`, which an earlier `save` gave, it goes on there, and so does a device that
   * was made from `state.device`. RangeError: it is described as no hardware can be. EINVAL: the state is not of such a device.
   */
  constructor(device: PciDevice, upstream: PciUpstream, state?: PciFunctionState) {
    if (state !== undefined) functionState(state, "new PciFunction", "state");
    this.device = device;
    this.#upstream = upstream;
    this.#describe();
    this.#decoders = this.#addBars(device.bars);
    const { intx = false, msi, msix } = device.interrupts ?? {};
    this.#intx = intx;
    if (intx) this.#config.set(pci.PCI_INTERRUPT_PIN, 1, 1);
    const send = (message: PciMessage): void => upstream.message(message);
    if (msi !== undefined) this.msi = new Msi(this.#config, msi, send);
    if (msix !== undefined) {
      this.msix = new Msix(this.#config, msix, send, state?.msix);
      this.#requireInBar(msix.table.bar, msix.table.offset + this.msix.sizes.table);
      this.#requireInBar(msix.pba.bar, msix.pba.offset + this.msix.sizes.pba);
    }
    for (const capability of device.capabilities ?? []) this.#addCapability(capability);
    this.#config.expect(pci.PCI_STATUS, 2, pci.PCI_STATUS_INTERRUPT | pci.PCI_STATUS_REC_MASTER_ABORT);
    this.#config.seal(state?.config);
    if (!state) device.reset();
    else if (state.pin && !intx) throw new KvmError("EINVAL", "the saved device pulls a pin; this one has none");
    device.connect(this.#bus());
    if (!state) return;
    this.#pin = state.pin;
    this.#update();
  }

  /** EBUSY: the device is of a kind that cannot be saved, as one of the host is. */
  save(): PciFunctionState {
    const { device } = this;
    if (!device.save) {
      const { vendorId, deviceId } = device.identity;
      const name = `${vendorId.toString(16)}:${deviceId.toString(16)}`;
      throw new KvmError("EBUSY", `the PCI device ${name} cannot be saved; detach it first`);
    }
    return { config: this.#config.save(), msix: this.msix?.save(), pin: this.#pin, device: device.save() };
  }

  #describe(): void {
    const { vendorId, deviceId, classCode, revision = 0, ...rest } = this.device.identity;
    const config = this.#config;
    config.set(pci.PCI_VENDOR_ID, 2, vendorId);
    config.set(pci.PCI_DEVICE_ID, 2, deviceId);
    config.set(pci.PCI_CLASS_REVISION, 4, ((classCode << 8) | revision) >>> 0);
    config.set(pci.PCI_SUBSYSTEM_VENDOR_ID, 2, rest.subsystemVendorId ?? vendorId);
    config.set(pci.PCI_SUBSYSTEM_ID, 2, rest.subsystemId ?? deviceId);
    config.allow(pci.PCI_COMMAND, 2, commandBits);
    config.allow(pci.PCI_STATUS, 2, pci.PCI_STATUS_ERROR_BITS, { clear: true });
    config.allow(pci.PCI_CACHE_LINE_SIZE, 1, 0xff);
    config.allow(pci.PCI_INTERRUPT_LINE, 1, 0xff);
  }

  #addBars(bars: readonly (PciBar | undefined)[]): readonly Decoder[] {
    const decoders: Decoder[] = [];
    for (const [index, bar] of bars.entries()) {
      if (!bar) continue;
      const last = index + (bar.kind === "memory64" ? 1 : 0);
      if (last >= pci.PCI_STD_NUM_BARS) throw new RangeError(`BAR ${last}: a function has ${pci.PCI_STD_NUM_BARS}`);
      if (last > index && bars[last]) throw new RangeError(`BAR ${last} is the upper half of BAR ${index}`);
      this.#config.addBar(index, bar);
      decoders.push({ ...bar, index });
    }
    return decoders;
  }

  #requireInBar(index: number, end: number): void {
    const bar = this.#decoders.find((decoder) => decoder.index === index);
    if (!bar || bar.kind === "io" || end > bar.size) throw new RangeError(`MSI-X does not fit into BAR ${index}`);
  }

  #addCapability(capability: PciCapability): void {
    const { id, bytes, writable } = capability;
    const at = this.#config.addCapability(id, bytes);
    for (const [i, bits] of (writable ?? []).entries()) this.#config.allow(at + 2 + i, 1, bits);
    // What it answers is kept where it was asked for.
    if (capability.read) for (const i of bytes.keys()) this.#config.expect(at + 2 + i, 1, 0xff);
    this.#capabilities.push({ at: at + 2, capability });
  }

  get mode(): InterruptMode {
    return this.#mode;
  }

  /** Bytes of BAR `index`, 0 if there is none. */
  barSize(index: number): number {
    return this.#decoders.find((decoder) => decoder.index === index)?.size ?? 0;
  }

  /** Configuration space as the guest reads it. Nothing lies beyond its end, and nothing is misaligned: all ones. */
  readConfig(offset: number, width: number): number {
    if (!isConfigAccess(offset, width)) return allOnes(Math.min(4, width));
    for (const { at, capability } of this.#capabilitiesAt(offset, width)) {
      if (!capability.read) continue;
      const { length } = capability.bytes;
      const bytes = capability.read(this.#config.bytes(at, length), Math.max(0, offset - at));
      this.#config.setBytes(at, bytes.subarray(0, length));
    }
    if (offset <= pci.PCI_STATUS && offset + width > pci.PCI_STATUS && this.device.pinAsserted) {
      this.#setPinStatus(this.device.pinAsserted());
    }
    return this.#config.get(offset, width);
  }

  writeConfig(offset: number, width: number, value: number): void {
    if (!isConfigAccess(offset, width)) return;
    this.#config.write(offset, width, value);
    for (const { at, capability } of this.#capabilitiesAt(offset, width)) {
      const { length } = capability.bytes;
      capability.written?.(this.#config.bytes(at, length), Math.min(length, offset + width - at));
    }
    this.#update();
  }

  #capabilitiesAt(offset: number, width: number) {
    return this.#capabilities.filter(
      ({ at, capability }) => offset + width > at && offset < at + capability.bytes.length,
    );
  }

  /** The BAR that decodes all of an access at a bus address, and where in it. */
  decode(space: "io" | "memory", address: bigint, length: number): { bar: number; offset: number } | undefined {
    if (!(this.#command & (space === "io" ? pci.PCI_COMMAND_IO : pci.PCI_COMMAND_MEMORY))) return undefined;
    for (const { index, kind, size } of this.#decoders) {
      if ((kind === "io") !== (space === "io")) continue;
      const base = this.#base(index, kind);
      // A BAR at 0 has been given no address yet.
      const offset = base === 0n ? -1n : address - base;
      if (offset >= 0n && offset + BigInt(length) <= BigInt(size)) return { bar: index, offset: Number(offset) };
    }
    return undefined;
  }

  /** Reads inside a BAR, little-endian. */
  read(bar: number, offset: number, length: number): bigint {
    const value = this.msix?.read(bar, offset, length) ?? this.device.read(bar, offset, length);
    return BigInt.asUintN(8 * length, value);
  }

  write(bar: number, offset: number, length: number, value: bigint): void {
    if (this.msix?.write(bar, offset, length, value)) {
      this.routeMessages();
      return;
    }
    this.device.write(bar, offset, length, value);
  }

  /** As after power-on. */
  reset(): void {
    this.#pin = false;
    this.#config.reset();
    this.msix?.reset();
    this.#update();
    this.device.reset();
  }

  /** Pulls the device out. */
  disconnect(): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#pin = false;
    this.#drivePin();
    this.#placeDoorbells();
    this.device.disconnect?.();
  }

  get #command(): number {
    return this.#config.get(pci.PCI_COMMAND, 2);
  }

  get #isMaster(): boolean {
    return this.#connected && (this.#command & pci.PCI_COMMAND_MASTER) !== 0;
  }

  #base(index: number, kind: PciBar["kind"]): bigint {
    const at = pci.PCI_BASE_ADDRESS_0 + 4 * index;
    const low = BigInt(this.#config.get(at, 4) & (kind === "io" ? ~3 : ~15)) & 0xffff_ffffn;
    return kind === "memory64" ? (BigInt(this.#config.get(at + 4, 4)) << 32n) | low : low;
  }

  /** After software changed configuration space. */
  #update(): void {
    const mode = this.msix?.enabled ? "msix" : this.msi?.enabled ? "msi" : "intx";
    const changed = mode !== this.#mode;
    this.#mode = mode;
    this.#drivePin();
    if (this.#isMaster) {
      this.msi?.update();
      this.msix?.update();
    }
    if (changed) {
      this.#routes = [];
      this.device.modeChanged?.(mode);
    }
    if (this.#command !== this.#lastCommand) {
      this.#lastCommand = this.#command;
      this.device.commandChanged?.(this.#command);
    }
    this.#placeSoon();
    this.routeMessages();
  }

  /** Once for all that an exit changes: one of a string instruction can move them 4096 times. */
  #placeSoon(): void {
    if (this.#placing) return;
    this.#placing = true;
    this.#soon(() => {
      this.#placing = false;
      this.#placeDoorbells();
    });
  }

  #soon(work: () => void): void {
    if (this.#upstream.soon) this.#upstream.soon(work);
    else work();
  }

  #placeDoorbells(): void {
    for (const [index, { bar, offset, length }] of (this.device.doorbells ?? []).entries()) {
      const address = this.#addressOf(bar, offset);
      if (address === this.#doorbells[index]) continue;
      this.#doorbells[index] = address;
      const ring = (): void => {
        if (this.#connected) this.device.write(bar, offset, length, 0n);
      };
      this.#upstream.doorbell?.(index, address === undefined ? undefined : { address, length }, ring);
    }
  }

  /** The bus address of a place in a memory BAR while the device decodes it. */
  #addressOf(bar: number, offset: number): bigint | undefined {
    const decoder = this.#decoders.find(({ index }) => index === bar);
    if (!decoder || decoder.kind === "io" || !this.#connected || !(this.#command & pci.PCI_COMMAND_MEMORY))
      return undefined;
    const base = this.#base(bar, decoder.kind);
    return base === 0n ? undefined : base + BigInt(offset);
  }

  /** After messages were masked or unmasked, or the bridge changed what they are. */
  routeMessages(): void {
    if (!this.device.messageRouted || this.#mode === "intx") return;
    const { msi = 0, msix } = this.device.interrupts ?? {};
    const [source, count] = this.#mode === "msix" ? [this.msix, msix?.vectors ?? 0] : [this.msi, msi];
    for (let vector = 0; vector < count; vector++) {
      const message = this.#isMaster ? source?.unmasked(vector) : undefined;
      const gsi = message && this.#upstream.gsiOf?.(message);
      if (gsi === this.#routes[vector]) continue;
      this.#routes[vector] = gsi;
      this.device.messageRouted(vector, gsi);
    }
  }

  #drivePin(): void {
    this.#setPinStatus(this.#pin);
    const level = this.#pin && this.#mode === "intx" && !(this.#command & pci.PCI_COMMAND_INTX_DISABLE);
    if (level === this.#asserted) return;
    this.#asserted = level;
    this.#upstream.setIntx(level);
  }

  #setPinStatus(up: boolean): void {
    const status = this.#config.get(pci.PCI_STATUS, 2) & ~pci.PCI_STATUS_INTERRUPT;
    this.#config.set(pci.PCI_STATUS, 2, status | (up ? pci.PCI_STATUS_INTERRUPT : 0));
  }

  #dma(done: boolean): boolean {
    if (!done)
      this.#config.set(pci.PCI_STATUS, 2, this.#config.get(pci.PCI_STATUS, 2) | pci.PCI_STATUS_REC_MASTER_ABORT);
    return done;
  }

  #bus(): PciBus {
    const own = (): InterruptMode => this.#mode;
    const dma: Dma = (...access) => this.#isMaster && this.#dma(this.#upstream.dma(...access));
    return {
      dma,
      read: (address, bytes) => dmaRead(dma, address, bytes),
      write: (address, bytes) => dmaWrite(dma, address, bytes),
      setIntx: (level) => {
        if (!this.#connected || !this.#intx) return;
        this.#pin = level;
        this.#drivePin();
      },
      message: (vector) => {
        if (!this.#isMaster) return false;
        return (
          (this.#mode === "msix" ? this.msix : this.#mode === "msi" ? this.msi : undefined)?.raise(vector) ?? false
        );
      },
      soon: (work) => this.#soon(work),
      get mode() {
        return own();
      },
      memory: this.#upstream.memory,
      intx: this.#upstream.intx,
    };
  }
}

function isConfigAccess(offset: number, width: number): width is ConfigWidth {
  return (
    (width === 1 || width === 2 || width === 4) &&
    Number.isInteger(offset) &&
    offset % width === 0 &&
    offset >= 0 &&
    offset + width <= pci.PCI_CFG_SPACE_SIZE
  );
}
