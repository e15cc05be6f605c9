/**
 * A PCI device model as a device of the host, for VFIO to give away: what the kernel's vfio-pci driver makes of a device in
 * a slot. Whoever has it sees its configuration space, with the parts that the host must keep for itself (BARs, messages)
 * replaced by ones of his own. Source: drivers/vfio/pci/vfio_pci_config.c, vfio_pci_rdwr.c, vfio_pci_intrs.c.
 */
import { taking, text, thing } from "../../../base/takes.js";
import type { HostBus, HostDevice, HostIrq, HostRegion } from "../../../vfio/index.js";
import * as vfio from "../../../vfio/index.js";
import type { Dma, PciDevice } from "../pci/device.js";
import { PciFunction, type PciUpstream } from "../pci/function.js";
import * as pci from "../pci/registers.js";
import { capabilities, capabilityOf } from "./capabilities.js";

const readWrite = vfio.VFIO_REGION_INFO_FLAG_READ | vfio.VFIO_REGION_INFO_FLAG_WRITE;
const messageIrq = vfio.VFIO_IRQ_INFO_EVENTFD | vfio.VFIO_IRQ_INFO_NORESIZE;
/** What a user decides for the device itself; memory and I/O decoding are the host's. */
const passedCommand = pci.PCI_COMMAND_MASTER | pci.PCI_COMMAND_PARITY | pci.PCI_COMMAND_SERR;

const nowhere: PciUpstream = { dma: () => false, setIntx: () => {}, message: () => {} };

/** The host's bus copies: a device sees the memory through a piece of this size. */
const pieceSize = 65536;

const copying =
  (bus: HostBus): Dma =>
  (address, length, way, visit) => {
    const piece = new Uint8Array(Math.min(pieceSize, length));
    for (let done = 0; done < length; done += piece.length) {
      const part = piece.subarray(0, length - done);
      const at = address + BigInt(done);
      if (way === "read" && !bus.read(at, part)) return false;
      visit(part, done);
      if (way === "write" && !bus.write(at, part)) return false;
    }
    return true;
  };

/** `name` is a PCI address by custom, e.g. "0000:00:01.0". */
export const hostPciDevice = taking(
  "hostPciDevice",
  { name: text, device: thing("a PCI device", ["connect", "read", "write"]) },
  offered,
);

function offered(name: string, device: PciDevice): HostDevice {
  let slot: Slot | undefined;
  const used = (): Slot => {
    if (!slot) throw new Error(`${name} is not open`);
    return slot;
  };
  return {
    name,
    flags: vfio.VFIO_DEVICE_FLAGS_PCI,
    regions: regions(device),
    irqs: irqs(device),
    open: (bus) => {
      slot = new Slot(device, bus);
    },
    close: () => {
      slot?.remove();
      slot = undefined;
    },
    read: (region, offset, bytes) => used().read(region, offset, bytes),
    write: (region, offset, bytes) => used().write(region, offset, bytes),
    irqsEnabled: (index) => slot?.enableIrqs(index),
    reset: () => used().reset(),
  };
}

function regions(device: PciDevice): HostRegion[] {
  const bars = Array.from({ length: 6 }, (_, i) => device.bars[i]?.size ?? 0);
  const sizes = [...bars, 0, pci.PCI_CFG_SPACE_SIZE, 0];
  return sizes.map((size) => ({ size, flags: size === 0 ? 0 : readWrite }));
}

function irqs({ interrupts: { intx = false, msi = 0, msix } = {} }: PciDevice): HostIrq[] {
  const maskable = vfio.VFIO_IRQ_INFO_EVENTFD | vfio.VFIO_IRQ_INFO_MASKABLE | vfio.VFIO_IRQ_INFO_AUTOMASKED;
  return [
    { count: intx ? 1 : 0, flags: maskable },
    { count: msi, flags: messageIrq },
    { count: msix?.vectors ?? 0, flags: messageIrq },
    { count: 0, flags: 0 },
    { count: 1, flags: messageIrq },
  ];
}

/** The device while it is in use: the function itself, and the configuration space that its user sees. */
class Slot {
  readonly #device: PciDevice;
  readonly #physical: PciFunction;
  readonly #virtual: PciFunction;
  #enabled: number | undefined;

  constructor(device: PciDevice, bus: HostBus) {
    this.#device = device;
    const { VFIO_PCI_INTX_IRQ_INDEX: intx, VFIO_PCI_MSI_IRQ_INDEX: msi, VFIO_PCI_MSIX_IRQ_INDEX: msix } = vfio;
    const physical = new PciFunction(device, {
      dma: copying(bus),
      setIntx: (level) => bus.interrupt(intx, 0, level),
      message: ({ vector }) => bus.interrupt(physical.mode === "msix" ? msix : msi, vector, true),
    });
    this.#physical = physical;
    const { identity, bars, interrupts, capabilities: own = [] } = device;
    this.#virtual = new PciFunction(
      {
        identity,
        bars,
        ...(interrupts ? { interrupts } : {}),
        capabilities: own.map(({ id, bytes, writable }) => ({ id, bytes, ...(writable ? { writable } : {}) })),
        connect: () => {},
        reset: () => {},
        read: () => 0n,
        write: () => {},
      },
      nowhere,
    );
  }

  remove(): void {
    this.#physical.disconnect();
  }

  /** Its configuration is saved and restored, as the kernel does around the reset of a function. */
  reset(): void {
    this.#physical.reset();
    this.#passCommand();
    this.enableIrqs(this.#enabled);
  }

  /** With the messages' addresses of the host: what matters is that they are sent. */
  enableIrqs(index: number | undefined): void {
    this.#enabled = index;
    const { msi = 0, msix } = this.#device.interrupts ?? {};
    const physical = this.#physical;
    const msiFlags = capabilityOf(physical, pci.PCI_CAP_ID_MSI) + pci.PCI_MSI_FLAGS;
    const msixFlags = capabilityOf(physical, pci.PCI_CAP_ID_MSIX) + pci.PCI_MSIX_FLAGS;
    const all = Math.log2(msi) << 4;
    if (msi > 0) {
      const on = index === vfio.VFIO_PCI_MSI_IRQ_INDEX;
      physical.writeConfig(msiFlags, 2, on ? all | pci.PCI_MSI_FLAGS_ENABLE : 0);
    }
    if (!msix) return;
    const on = index === vfio.VFIO_PCI_MSIX_IRQ_INDEX;
    for (let vector = 0; vector < msix.vectors; vector++) {
      const entry = msix.table.offset + vector * pci.PCI_MSIX_ENTRY_SIZE;
      const masked = on ? 0n : BigInt(pci.PCI_MSIX_ENTRY_CTRL_MASKBIT);
      physical.write(msix.table.bar, entry + pci.PCI_MSIX_ENTRY_VECTOR_CTRL, 4, masked);
    }
    physical.writeConfig(msixFlags, 2, on ? pci.PCI_MSIX_FLAGS_ENABLE : 0);
  }

  read(region: number, offset: number, bytes: Uint8Array): void {
    if (region !== vfio.VFIO_PCI_CONFIG_REGION_INDEX) {
      for (const { at, length } of parts(offset, bytes.length)) {
        const value = this.#isMsixTable(region, offset + at, length)
          ? -1n
          : this.#physical.read(region, offset + at, length);
        for (let i = 0; i < length; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
      }
      return;
    }
    for (const { at, length } of parts(offset, bytes.length, 4)) {
      const value = this.#readConfig(offset + at, length);
      for (let i = 0; i < length; i++) bytes[at + i] = (value >>> (8 * i)) & 0xff;
    }
  }

  write(region: number, offset: number, bytes: Uint8Array): void {
    const most = region === vfio.VFIO_PCI_CONFIG_REGION_INDEX ? 4 : 8;
    for (const { at, length } of parts(offset, bytes.length, most)) {
      const value = bytes.subarray(at, at + length).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
      if (region === vfio.VFIO_PCI_CONFIG_REGION_INDEX) this.#writeConfig(offset + at, length, Number(value));
      else if (!this.#isMsixTable(region, offset + at, length)) {
        this.#physical.write(region, offset + at, length, value);
      }
    }
  }

  #readConfig(offset: number, width: number): number {
    let value = this.#virtual.readConfig(offset, width);
    const own = this.#ownedByUser();
    if (own(offset) && own(offset + width - 1)) return this.#physical.readConfig(offset, width);
    for (let i = 0; i < width; i++) {
      const at = offset + i;
      if (!own(at)) continue;
      value = (value & ~(0xff << (8 * i))) | (this.#physical.readConfig(at, 1) << (8 * i));
    }
    return value >>> 0;
  }

  #writeConfig(offset: number, width: number, value: number): void {
    this.#virtual.writeConfig(offset, width, value);
    const own = this.#ownedByUser();
    // As one access where it can be: it may mean something to the device.
    if (own(offset) && own(offset + width - 1)) this.#physical.writeConfig(offset, width, value);
    else {
      for (let i = 0; i < width; i++) {
        if (own(offset + i)) this.#physical.writeConfig(offset + i, 1, (value >>> (8 * i)) & 0xff);
      }
    }
    this.#passCommand();
  }

  #passCommand(): void {
    const command = this.#virtual.readConfig(pci.PCI_COMMAND, 2) & passedCommand;
    this.#physical.writeConfig(pci.PCI_COMMAND, 2, command | pci.PCI_COMMAND_MEMORY | pci.PCI_COMMAND_IO);
  }

  /** Which bytes of configuration space are the device's as they are: the status, and capabilities that mean no messages. */
  #ownedByUser(): (at: number) => boolean {
    // They follow those of the messages, in their order.
    const { interrupts, capabilities: own = [] } = this.#device;
    const places = capabilities(this.#physical).slice((interrupts?.msi ? 1 : 0) + (interrupts?.msix ? 1 : 0));
    const ranges = own.map(({ bytes }, i) => {
      const from = (places[i]?.at ?? 0) + 2;
      return { from, to: from + bytes.length };
    });
    return (at) =>
      at === pci.PCI_STATUS || at === pci.PCI_STATUS + 1 || ranges.some(({ from, to }) => at >= from && at < to);
  }

  /** Linux keeps the table from its user too: its entries are the host's. */
  #isMsixTable(bar: number, offset: number, length: number): boolean {
    const { msix } = this.#device.interrupts ?? {};
    if (msix?.table.bar !== bar) return false;
    const end = msix.table.offset + msix.vectors * pci.PCI_MSIX_ENTRY_SIZE;
    return offset < end && offset + length > msix.table.offset;
  }
}

/** An access of any length as ones that a bus can do: aligned, of 1, 2, 4 or 8 bytes. */
function* parts(offset: number, length: number, most = 8): Generator<{ readonly at: number; readonly length: number }> {
  for (let at = 0; at < length; ) {
    let size = most;
    while (size > length - at || (offset + at) % size !== 0) size /= 2;
    yield { at, length: size };
    at += size;
  }
}
