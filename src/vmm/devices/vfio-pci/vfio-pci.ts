/**
 * A device of the host, as VFIO gives it, in a slot of the guest's PCI bus: what QEMU calls vfio-pci. Registers are read and
 * written through VFIO's regions; interrupts go from VFIO's eventfds straight to KVM's irqfd while the guest lets them;
 * DMA does not come by here at all: it goes through the IOMMU of the device's container.
 */
import type { EventFd, Vm } from "../../../kvm/uapi.js";
import { KVM_IRQFD_FLAG_DEASSIGN, KVM_IRQFD_FLAG_RESAMPLE, KvmError } from "../../../kvm/uapi.js";
import * as vfio from "../../../vfio/index.js";
import type { InterruptMode, PciBar, PciBus, PciCapability, PciDevice, PciInterrupts } from "../pci/device.js";
import * as pci from "../pci/registers.js";
import { capabilities } from "./capabilities.js";

/** What it needs of the VM. */
export interface VfioPciVm extends Pick<Vm, "createEventFd" | "irqfd"> {
  /** An interrupt may have become pending. */
  readonly wake: () => void;
}

const bars = 6;
const irqIndex = {
  intx: vfio.VFIO_PCI_INTX_IRQ_INDEX,
  msi: vfio.VFIO_PCI_MSI_IRQ_INDEX,
  msix: vfio.VFIO_PCI_MSIX_IRQ_INDEX,
} as const;
/** Bytes of the capabilities that are passed on, by identifier: what follows identifier and link. Others stay hidden. */
const vendorLength = (config: Config, at: number): number => Math.max(config.readConfig(at + 2, 1) - 2, 1);

class Config {
  readonly #device: vfio.VfioDevice;
  readonly #base: bigint;

  constructor(device: vfio.VfioDevice) {
    this.#device = device;
    this.#base = device.getRegionInfo(vfio.VFIO_PCI_CONFIG_REGION_INDEX).offset;
  }

  readConfig(offset: number, width: number): number {
    const bytes = new Uint8Array(width);
    this.#device.read(this.#base + BigInt(offset), bytes);
    return Number(number(bytes));
  }

  writeConfig(offset: number, width: number, value: number): void {
    this.write(offset, bytesOf(BigInt(value), width));
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#device.write(this.#base + BigInt(offset), bytes);
  }
}

/** One vector's eventfd, and where a signal goes now. */
interface Vector {
  readonly fd: EventFd;
  /** Bound to this interrupt of KVM's; undefined: this file hears it. */
  gsi: number | undefined;
  stop: (() => void) | undefined;
}

export class VfioPciDevice implements PciDevice {
  readonly identity: PciDevice["identity"];
  readonly bars: readonly (PciBar | undefined)[];
  readonly interrupts: PciInterrupts;
  readonly capabilities: readonly PciCapability[];
  readonly #device: vfio.VfioDevice;
  readonly #vm: VfioPciVm;
  readonly #config: Config;
  #bus: PciBus | undefined;
  #mode: InterruptMode | undefined;
  #vectors: Vector[] = [];
  /** Signalled by KVM when the guest has ended the pin's interrupt. */
  #resample: EventFd | undefined;
  #command = 0;
  #pulled = false;

  /** EINVAL: not a PCI device. */
  constructor(device: vfio.VfioDevice, vm: VfioPciVm) {
    if (!(device.getInfo().flags & vfio.VFIO_DEVICE_FLAGS_PCI)) {
      throw new KvmError("EINVAL", `${device.name} is not a PCI device`);
    }
    this.#device = device;
    this.#vm = vm;
    const config = new Config(device);
    this.#config = config;
    const classRevision = config.readConfig(pci.PCI_CLASS_REVISION, 4);
    this.identity = {
      vendorId: config.readConfig(pci.PCI_VENDOR_ID, 2),
      deviceId: config.readConfig(pci.PCI_DEVICE_ID, 2),
      classCode: classRevision >>> 8,
      revision: classRevision & 0xff,
      subsystemVendorId: config.readConfig(pci.PCI_SUBSYSTEM_VENDOR_ID, 2),
      subsystemId: config.readConfig(pci.PCI_SUBSYSTEM_ID, 2),
    };
    this.bars = readBars(device, config);
    this.interrupts = readInterrupts(device, config);
    this.capabilities = this.#readCapabilities();
  }

  connect(bus: PciBus): void {
    this.#bus = bus;
    this.#setMode(bus.mode);
  }

  disconnect(): void {
    this.#setMode(undefined);
    this.#bus = undefined;
  }

  /** Gives the device back. */
  close(): void {
    this.disconnect();
    this.#device.close();
  }

  reset(): void {
    this.#device.reset();
    this.commandChanged(0);
  }

  read(bar: number, offset: number, length: number): bigint {
    this.#endPin();
    const bytes = new Uint8Array(length);
    this.#device.read(this.#device.getRegionInfo(bar).offset + BigInt(offset), bytes);
    return number(bytes);
  }

  write(bar: number, offset: number, length: number, value: bigint): void {
    this.#endPin();
    this.#device.write(this.#device.getRegionInfo(bar).offset + BigInt(offset), bytesOf(value, length));
  }

  modeChanged(mode: InterruptMode): void {
    this.#setMode(mode);
  }

  pinAsserted(): boolean {
    return (this.#config.readConfig(pci.PCI_STATUS, 2) & pci.PCI_STATUS_INTERRUPT) !== 0;
  }

  commandChanged(command: number): void {
    this.#command = command;
    this.#config.writeConfig(pci.PCI_COMMAND, 2, command | pci.PCI_COMMAND_MEMORY | pci.PCI_COMMAND_IO);
    this.#routeIntx();
  }

  messageRouted(vector: number, gsi: number | undefined): void {
    const it = this.#mode === "intx" ? undefined : this.#vectors[vector];
    if (!it) return;
    this.#bind(it, gsi);
    if (gsi === undefined) it.stop ??= it.fd.onSignal(() => this.#bus?.message(vector));
  }

  #readCapabilities(): PciCapability[] {
    const config = this.#config;
    return capabilities(config)
      .filter(({ id }) => id === pci.PCI_CAP_ID_VNDR)
      .map(({ id, at }) => {
        const start = at + 2;
        const bytes = Uint8Array.from({ length: vendorLength(config, at) }, (_, i) => config.readConfig(start + i, 1));
        return {
          id,
          bytes,
          // Which bits can be written is the device's to know.
          writable: bytes.map(() => 0xff),
          read: (now, offset) => {
            // No more than the guest may have asked for: reading may mean something to the device.
            const word = (start + offset) & ~3;
            const value = config.readConfig(word, 4);
            for (let i = 0; i < 4; i++) if (word + i >= start) now[word + i - start] = (value >>> (8 * i)) & 0xff;
            return now;
          },
          written: (now, end) => {
            const from = Math.max((start + end - 1) & ~3, start) - start;
            const part = now.subarray(from, Math.min(((start + from) & ~3) + 4 - start, now.length));
            config.write(start + from, part);
          },
        };
      });
  }

  #setMode(mode: InterruptMode | undefined): void {
    if (mode === this.#mode) return;
    this.#disableIrqs();
    this.#mode = mode;
    if (!mode) return;
    if (mode === "intx") {
      this.#routeIntx();
      return;
    }
    const index = irqIndex[mode];
    const { count } = this.#device.getIrqInfo(index);
    this.#vectors = Array.from({ length: count }, () => this.#newVector());
    // The host's device sends all its messages; what the guest masks is kept pending here.
    for (let vector = 0; vector < count; vector++) this.messageRouted(vector, undefined);
    this.#trigger(
      index,
      this.#vectors.map(({ fd }) => fd),
    );
  }

  /** The pin raises an interrupt of KVM's and stays up until the guest ends it; then VFIO looks at the line again. */
  #routeIntx(): void {
    const gsi = this.#bus?.intx;
    if (this.#mode !== "intx" || !this.interrupts.intx || !this.#bus) return;
    const on = (this.#command & pci.PCI_COMMAND_INTX_DISABLE) === 0;
    if (on === this.#vectors.length > 0) return;
    if (!on) {
      this.#disableIrqs();
      return;
    }
    const vector = this.#newVector();
    this.#vectors = [vector];
    if (gsi === undefined) {
      vector.stop = vector.fd.onSignal(() => this.#pullPin());
      this.#trigger(irqIndex.intx, [vector.fd]);
      return;
    }
    const resample = this.#vm.createEventFd();
    this.#resample = resample;
    this.#vm.irqfd({ fd: vector.fd, gsi, flags: KVM_IRQFD_FLAG_RESAMPLE, resamplefd: resample });
    vector.gsi = gsi;
    this.#trigger(irqIndex.intx, [vector.fd]);
    this.#device.setIrqs({
      index: irqIndex.intx,
      start: 0,
      count: 1,
      flags: vfio.VFIO_IRQ_SET_DATA_EVENTFD | vfio.VFIO_IRQ_SET_ACTION_UNMASK,
      eventfds: [resample],
    });
  }

  /** Where the pin's interrupt is shared, KVM cannot hold it: it is up until the guest next looks at the device. */
  #pullPin(): void {
    this.#pulled = true;
    this.#bus?.setIntx(true);
  }

  #endPin(): void {
    if (!this.#pulled) return;
    this.#pulled = false;
    this.#bus?.setIntx(false);
    if (this.#mode !== "intx" || this.#vectors.length === 0) return;
    const flags = vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_ACTION_UNMASK;
    this.#device.setIrqs({ index: irqIndex.intx, start: 0, count: 1, flags });
  }

  #newVector(): Vector {
    return { fd: this.#vm.createEventFd(), gsi: undefined, stop: undefined };
  }

  /** Undefined: to nothing. */
  #bind(vector: Vector, gsi: number | undefined): void {
    if (vector.gsi === gsi) return;
    if (vector.gsi !== undefined) this.#vm.irqfd({ fd: vector.fd, gsi: vector.gsi, flags: KVM_IRQFD_FLAG_DEASSIGN });
    vector.gsi = gsi;
    if (gsi === undefined) return;
    vector.stop?.();
    vector.stop = undefined;
    this.#vm.irqfd({ fd: vector.fd, gsi });
  }

  #trigger(index: number, eventfds: readonly EventFd[]): void {
    const flags = vfio.VFIO_IRQ_SET_DATA_EVENTFD | vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
    const waking = eventfds.map((fd) => ({
      id: fd.id,
      read: () => fd.read(),
      onSignal: (listener: (count: bigint) => void) => fd.onSignal(listener),
      close: () => fd.close(),
      signal: (value?: bigint) => {
        fd.signal(value);
        this.#vm.wake();
      },
    }));
    this.#device.setIrqs({ index, start: 0, count: eventfds.length, flags, eventfds: waking });
  }

  #disableIrqs(): void {
    if (this.#mode && this.#vectors.length > 0) {
      const flags = vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
      this.#device.setIrqs({ index: irqIndex[this.#mode], start: 0, count: 0, flags });
    }
    for (const vector of this.#vectors.splice(0)) {
      this.#bind(vector, undefined);
      vector.stop?.();
      vector.fd.close();
    }
    this.#resample?.close();
    this.#resample = undefined;
    if (this.#pulled) this.#bus?.setIntx(false);
    this.#pulled = false;
  }
}

function readBars(device: vfio.VfioDevice, config: Config): (PciBar | undefined)[] {
  return Array.from({ length: bars }, (_, index): PciBar | undefined => {
    const { size } = device.getRegionInfo(index);
    if (size === 0) return undefined;
    const flags = config.readConfig(pci.PCI_BASE_ADDRESS_0 + 4 * index, 4);
    if (flags & pci.PCI_BASE_ADDRESS_SPACE_IO) return { kind: "io", size };
    return {
      kind: flags & pci.PCI_BASE_ADDRESS_MEM_TYPE_64 ? "memory64" : "memory32",
      size,
      prefetchable: (flags & pci.PCI_BASE_ADDRESS_MEM_PREFETCH) !== 0,
    };
  });
}

function readInterrupts(device: vfio.VfioDevice, config: Config): PciInterrupts {
  const count = (index: number): number => device.getIrqInfo(index).count;
  const msi = count(irqIndex.msi);
  const vectors = count(irqIndex.msix);
  const at = capabilities(config).find(({ id }) => id === pci.PCI_CAP_ID_MSIX)?.at;
  const place = (offset: number) => {
    const word = at === undefined ? 0 : config.readConfig(at + offset, 4);
    return { bar: word & 7, offset: word & ~7 };
  };
  return {
    intx: count(irqIndex.intx) > 0,
    ...(msi > 0 ? { msi } : {}),
    ...(vectors > 0 && at !== undefined
      ? { msix: { vectors, table: place(pci.PCI_MSIX_TABLE), pba: place(pci.PCI_MSIX_PBA) } }
      : {}),
  };
}

const number = (bytes: Uint8Array): bigint => bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
const bytesOf = (value: bigint, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
