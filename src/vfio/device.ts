/** A device that user space has opened. Source: drivers/vfio/vfio_main.c, drivers/vfio/pci/vfio_pci_core.c. */
import { KvmError } from "../base/errors.js";
import { fileTable, OpenFile } from "../base/files.js";
import { guard } from "../base/takes.js";
import type { KvmReference } from "../base/vfio.js";
import type { ModuleReference } from "../modules/define-module.js";
import type { DmaBus, HostDevice } from "./host-device.js";
import { DeviceIrqs } from "./irqs.js";
import { regionShift as placeShift, vfioDeviceSignatures } from "./signatures.js";
import {
  type RegionInfo,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_PCI_REQ_IRQ_INDEX,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
  type VfioDevice,
} from "./uapi.js";

/** A region lies in the device's file at its index times this. */
const regionShift = BigInt(placeShift);

/** A registered device: opened once by the first descriptor, closed by the last. */
export class RegisteredDevice {
  readonly host: HostDevice;
  /** The module whose code the device is; null: code that is always there. */
  readonly #owner: ModuleReference | null;
  readonly #irqs: DeviceIrqs;
  #opens = 0;
  /** The VM that is held while the device is open. */
  #kvm: KvmReference | undefined;

  /** Set once the device is being taken back: what is to be done when nobody has it open. */
  #whenClosed: (() => void) | undefined;

  constructor(host: HostDevice, owner: ModuleReference | null) {
    this.host = host;
    this.#owner = owner;
    this.#irqs = new DeviceIrqs(host.irqs, (index) => host.irqsEnabled?.(index));
  }

  /**
   * `kvm`: the group's VM; the device does without if it is dying. ENODEV: the device is being taken back, or its module is
   * leaving.
   */
  open(kvm: KvmReference | undefined, dma: DmaBus): void {
    const { name } = this.host;
    if (this.#whenClosed) throw new KvmError("ENODEV", `${name} is being taken back; whoever has it is to close it`);
    if (this.#opens > 0) {
      this.#opens++;
      return;
    }
    // Its driver's code is what every access runs.
    if (this.#owner?.tryGet() === false) throw new KvmError("ENODEV", `the module of ${name} is not up, or leaving`);
    const held = kvm?.get() ? kvm : undefined;
    try {
      this.host.open({
        read: (address, bytes) => dma.read(address, bytes),
        write: (address, bytes) => dma.write(address, bytes),
        interrupt: (index, subindex, level) => this.#irqs.interrupt(index, subindex, level),
      });
    } catch (error) {
      held?.put();
      this.#owner?.put();
      throw error;
    }
    this.#kvm = held;
    this.#opens = 1;
  }

  close(): void {
    if (--this.#opens > 0) return;
    const kvm = this.#kvm;
    this.#kvm = undefined;
    try {
      this.#irqs.disable();
      this.host.close();
    } finally {
      kvm?.put();
      this.#owner?.put();
      this.#whenClosed?.();
    }
  }

  /**
   * Nobody opens it any more, and once nobody has it open `closed` is called. False: somebody has, and is asked to let go
   * (VFIO_PCI_REQ_IRQ_INDEX).
   */
  takeBack(closed: () => void): boolean {
    this.#whenClosed = closed;
    if (this.#opens === 0) closed();
    else this.#irqs.interrupt(VFIO_PCI_REQ_IRQ_INDEX, 0, true);
    return this.#opens === 0;
  }

  regionInfo(index: number): RegionInfo {
    const region = this.host.regions[index];
    if (!region) throw new KvmError("EINVAL", `VFIO_DEVICE_GET_REGION_INFO: ${this.host.name} has no region ${index}`);
    const { size, flags } = region;
    return { index, size, flags: size === 0 ? 0 : flags, offset: BigInt(index) << regionShift };
  }

  /** A descriptor of this device, which holds `released` back until it is closed. */
  descriptor(released: () => void): VfioDevice {
    const { host } = this;
    const file = new OpenFile<RegisteredDevice>(this, released);
    const fd = fileTable().install(file);
    let open = true;
    const own = (): this => {
      if (!open) throw new KvmError("EBADF", `the descriptor of ${host.name} is closed`);
      return this;
    };
    const handle: VfioDevice = {
      fd,
      name: host.name,
      getInfo: () => ({
        flags: host.flags | (own().host.reset ? VFIO_DEVICE_FLAGS_RESET : 0),
        numRegions: host.regions.length,
        numIrqs: host.irqs.length,
      }),
      getRegionInfo: (index) => own().regionInfo(index),
      getIrqInfo: (index) => {
        const irq = own().host.irqs[index];
        if (!irq)
          throw new KvmError("EINVAL", `VFIO_DEVICE_GET_IRQ_INFO: ${host.name} has no interrupts of kind ${index}`);
        return { index, count: irq.count, flags: irq.flags };
      },
      setIrqs: (set) => own().#irqs.set(set),
      reset: () => own().#reset(),
      read: (offset, bytes) => own().#access(offset, bytes, "read"),
      write: (offset, bytes) => own().#access(offset, bytes, "write"),
      close: () => {
        if (!open) return;
        open = false;
        fileTable().close(fd);
      },
    };
    return guard(handle, "device", vfioDeviceSignatures);
  }

  #reset(): void {
    if (!this.host.reset) throw new KvmError("EINVAL", `VFIO_DEVICE_RESET: ${this.host.name} cannot be reset`);
    this.host.reset();
  }

  #access(offset: bigint, bytes: Uint8Array, direction: "read" | "write"): number {
    const index = Number(offset >> regionShift);
    const at = Number(offset & ((1n << regionShift) - 1n));
    const region = this.host.regions[index];
    const refuse = (why: string) => new KvmError("EINVAL", `${direction} of ${this.host.name}: ${why}`);
    if (!region || region.size === 0) throw refuse(`offset 0x${offset.toString(16)} lies in no region`);
    const needed = direction === "read" ? VFIO_REGION_INFO_FLAG_READ : VFIO_REGION_INFO_FLAG_WRITE;
    if (!(region.flags & needed)) throw refuse(`region ${index} is not for that`);
    if (at >= region.size)
      throw refuse(`offset 0x${at.toString(16)} is beyond region ${index}, of ${region.size} bytes`);
    const part = bytes.subarray(0, Math.min(bytes.length, region.size - at));
    this.host[direction](index, at, part);
    return part.length;
  }
}
