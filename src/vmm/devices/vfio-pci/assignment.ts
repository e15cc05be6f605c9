/**
 * Devices of the host that a machine is given: VFIO's container with the machine's memory, and its DMA windows if it has an IOMMU, the KVM-VFIO
 * device between it and the VM, and a guest's device for each. What QEMU's hw/vfio does around its devices.
 */
import {
  type Device,
  KVM_DEV_TYPE_VFIO,
  KVM_DEV_VFIO_FILE,
  KVM_DEV_VFIO_FILE_ADD,
  KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE,
  KvmError,
  kvmVfioSpaprTce,
  type Vm,
} from "../../../kvm/uapi.js";
import {
  type Container,
  type Group,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_SPAPR_TCE_v2_IOMMU,
  VFIO_TYPE1v2_IOMMU,
  type Vfio,
} from "../../../vfio/index.js";
import { VmmError } from "../../errors.js";
import { VfioPciDevice } from "./vfio-pci.js";

/** A DMA window of the machine's bridge, and the guest's table behind it. */
export interface GuestWindow {
  /** Bus address, and bytes. */
  readonly start: bigint;
  readonly size: bigint;
  readonly pageShift: number;
  /** The table's number. */
  readonly fd: number;
}

/** What hears of the bridge's windows. */
export interface WindowListener {
  windowCreated(created: GuestWindow): void;
  windowRemoved(start: bigint): void;
}

/** What an assignment needs of the machine. */
export interface AssignmentHost {
  readonly vm: Vm;
  /** The guest's memory in the VM's; it begins at the guest's address 0. */
  readonly ram: { readonly address: number; readonly size: number };
  /**
   * What is between devices and memory: the guest's own tables, by `WindowListener`, or nothing that the guest knows of, so
   * that addresses on the bus are the guest's and all of its memory is there for them.
   */
  readonly iommu: "spapr-tce" | "none";
  /** An interrupt may have become pending. */
  readonly wake: () => void;
}

export interface Assignment extends WindowListener {
  readonly devices: readonly VfioPciDevice[];
  close(): void;
}

/** Where a window begins that keeps the first place. */
const firstStart = 0n;
const smallest = { pageShift: 12, windowSize: 4096n, levels: 1 };

/** Takes VFIO's devices of these names, when a machine is made. Throws VmmError: there is none, or it cannot be had. */
export function assignVfio(vfio: Vfio, names: readonly string[]): (host: AssignmentHost) => Assignment {
  return (host) => {
    let assignment: VfioAssignment | undefined;
    try {
      assignment = new VfioAssignment(vfio, host);
      for (const name of names) assignment.add(name);
      return assignment;
    } catch (error) {
      assignment?.close();
      if (error instanceof KvmError) throw new VmmError(`vfio-pci: ${error.message}`, { cause: error });
      throw error;
    }
  };
}

class VfioAssignment implements Assignment {
  readonly devices: VfioPciDevice[] = [];
  readonly #vfio: Vfio;
  readonly #host: AssignmentHost;
  readonly #container: Container;
  readonly #groups = new Map<number, Group>();
  readonly #kvmVfio: Device;
  #placeholder = false;

  constructor(vfio: Vfio, host: AssignmentHost) {
    this.#vfio = vfio;
    this.#host = host;
    this.#container = vfio.openContainer(host.vm);
    try {
      // Only with KVM_CREATE_DEVICE_TEST it gives none.
      this.#kvmVfio = host.vm.createDevice(KVM_DEV_TYPE_VFIO) as Device;
    } catch (error) {
      this.#container.close();
      throw error;
    }
  }

  add(name: string): void {
    const found = this.#vfio.groups().find(({ devices }) => devices.includes(name));
    if (!found) {
      const names = this.#vfio.groups().flatMap(({ devices }) => devices);
      const others = names.length === 0 ? "it has none" : `there is ${names.join(", ")}`;
      throw new VmmError(`VFIO has no device "${name}" of the host; ${others}`);
    }
    const group = this.#groups.get(found.group) ?? this.#addGroup(found.group);
    const { vm, wake } = this.#host;
    const descriptor = group.getDeviceFd(name);
    try {
      const services = {
        createEventFd: () => vm.createEventFd(),
        irqfd: (irqfd: Parameters<Vm["irqfd"]>[0]) => vm.irqfd(irqfd),
        wake,
      };
      this.devices.push(new VfioPciDevice(descriptor, services));
    } catch (error) {
      descriptor.close();
      throw error;
    }
  }

  windowCreated({ start, size, pageShift, fd }: GuestWindow): void {
    if (start === firstStart && this.#placeholder) this.#container.spaprTceRemove({ startAddr: firstStart });
    if (start === firstStart) this.#placeholder = false;
    const at = this.#container.spaprTceCreate({ pageShift, windowSize: size, levels: 1 });
    if (at !== start) {
      throw new VmmError(`the host's IOMMU puts a DMA window at 0x${at.toString(16)}, not at 0x${start.toString(16)}`);
    }
    for (const group of this.#groups.values()) {
      this.#kvmVfio.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE, kvmVfioSpaprTce(group.fd, fd));
    }
  }

  windowRemoved(start: bigint): void {
    this.#container.spaprTceRemove({ startAddr: start });
    if (start !== firstStart) return;
    // The IOMMU gives the next window the first free place, which is not where the guest's next one is to be.
    this.#container.spaprTceCreate(smallest);
    this.#placeholder = true;
  }

  close(): void {
    for (const device of this.devices.splice(0)) device.close();
    this.#kvmVfio.close();
    for (const group of this.#groups.values()) group.close();
    this.#groups.clear();
    this.#container.close();
  }

  #reachMemory(): void {
    const { ram, iommu } = this.#host;
    if (iommu === "none") {
      this.#container.setIommu(VFIO_TYPE1v2_IOMMU);
      const flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
      this.#container.mapDma({ flags, vaddr: ram.address, iova: 0n, size: BigInt(ram.size) });
      return;
    }
    this.#container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
    this.#container.spaprRegisterMemory({ vaddr: ram.address, size: ram.size });
    // The guest's own windows take its place.
    this.#container.spaprTceRemove({ startAddr: firstStart });
  }

  #addGroup(number: number): Group {
    const group = this.#vfio.openGroup(number);
    this.#groups.set(number, group);
    group.setContainer(this.#container.fd);
    if (this.#groups.size === 1) {
      this.#reachMemory();
    }
    // Before a device is opened: that is when VFIO takes the VM.
    this.#kvmVfio.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, BigInt(group.fd));
    return group;
  }
}
