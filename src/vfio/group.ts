/** /dev/vfio/N: the devices that an IOMMU cannot tell apart. Source: drivers/vfio/group.c. */
import { KvmError } from "../base/errors.js";
import { fileTable, OpenFile } from "../base/files.js";
import { guard } from "../base/takes.js";
import type { KvmReference, SpaprTceTable, VfioFile } from "../base/vfio.js";
import { type ContainerFile, containerOf } from "./container.js";
import type { RegisteredDevice } from "./device.js";
import type { DmaBus } from "./host-device.js";
import { type AccessPart, mayRead, mayWrite } from "./iommu.js";
import { groupSignatures } from "./signatures.js";
import { type Group, VFIO_GROUP_FLAGS_CONTAINER_SET, VFIO_GROUP_FLAGS_VIABLE, type VfioDevice } from "./uapi.js";

/** A group, as long as it has devices. */
export class IommuGroup implements VfioFile {
  readonly vfio = true;
  readonly number: number;
  readonly devices = new Map<string, RegisteredDevice>();
  #file: OpenFile<IommuGroup> | undefined;
  #container: OpenFile<ContainerFile> | undefined;
  #kvm: KvmReference | undefined;
  /** Its last device has gone: an open file is good for nothing but being closed. */
  #revoked = false;
  /** Descriptors of its devices. */
  #users = 0;
  readonly #dma: DmaBus;

  constructor(number: number) {
    this.number = number;
    this.#dma = {
      read: (address, bytes) => this.#access(address, bytes.length, mayRead, (part, at) => bytes.set(part, at)),
      write: (address, bytes) =>
        this.#access(address, bytes.length, mayWrite, (part, at) => part.set(bytes.subarray(at, at + part.length))),
    };
  }

  setKvm(kvm: KvmReference | undefined): void {
    this.#kvm = kvm;
  }

  attachSpaprTce(table: SpaprTceTable): () => void {
    const iommu = this.#container?.subject.iommu;
    if (!iommu) {
      throw new KvmError("EINVAL", `KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE: group ${this.number} has no IOMMU yet`);
    }
    return iommu.follow(table);
  }

  /** EBUSY: it is open. */
  open(released: () => void): Group {
    if (this.#file) throw new KvmError("EBUSY", `/dev/vfio/${this.number} is open already; a group has one owner`);
    const file = new OpenFile<IommuGroup>(this, () => {
      if (this.#container) this.#detach();
      this.#file = undefined;
      released();
    });
    this.#file = file;
    const fd = fileTable().install(file);
    let open = true;
    const own = (): void => {
      if (!open) throw new KvmError("EBADF", `the descriptor of /dev/vfio/${this.number} is closed`);
      if (this.#revoked) throw new KvmError("ENODEV", `the devices of group ${this.number} have gone; close it`);
    };
    const handle: Group = {
      fd,
      getStatus: () => {
        own();
        return VFIO_GROUP_FLAGS_VIABLE | (this.#container ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0);
      },
      setContainer: (container) => {
        own();
        this.#setContainer(container);
      },
      unsetContainer: () => {
        own();
        if (!this.#container) throw new KvmError("EINVAL", "VFIO_GROUP_UNSET_CONTAINER: no container is set");
        if (this.#users > 0) {
          throw new KvmError("EBUSY", `VFIO_GROUP_UNSET_CONTAINER: ${this.#users} descriptors of devices are open`);
        }
        this.#detach();
      },
      getDeviceFd: (name) => {
        own();
        return this.#getDeviceFd(name, file);
      },
      close: () => {
        if (!open) return;
        open = false;
        fileTable().close(fd);
      },
    };
    return guard(handle, "group", groupSignatures);
  }

  /** Its last device has gone: it leaves its container, whoever has it open. */
  revoke(): void {
    this.#revoked = true;
    if (this.#container) this.#detach();
  }

  #setContainer(fd: number): void {
    if (this.#container) throw new KvmError("EINVAL", "VFIO_GROUP_SET_CONTAINER: a container is set already");
    const container = containerOf(fd);
    container.subject.attachGroup();
    this.#container = container.get();
  }

  #detach(): void {
    const container = this.#container;
    this.#container = undefined;
    container?.subject.detachGroup();
    container?.put();
  }

  #getDeviceFd(name: string, file: OpenFile<IommuGroup>): VfioDevice {
    if (!this.#container?.subject.iommu) {
      throw new KvmError("EINVAL", "VFIO_GROUP_GET_DEVICE_FD: set a container, and its IOMMU, first");
    }
    const device = this.devices.get(name);
    if (!device) {
      const names = [...this.devices.keys()].join(", ");
      throw new KvmError(
        "ENODEV",
        `VFIO_GROUP_GET_DEVICE_FD: group ${this.number} has no device ${name}, but ${names}`,
      );
    }
    device.open(this.#kvm, this.#dma);
    this.#users++;
    // The group stays open, and in its container, under its devices.
    file.get();
    return device.descriptor(() => {
      this.#users--;
      try {
        device.close();
      } finally {
        file.put();
      }
    });
  }

  #access(address: bigint, length: number, permission: number, each: AccessPart): boolean {
    return this.#container?.subject.iommu?.access(address, length, permission, each) ?? false;
  }
}
