import type { ModuleReference } from "../modules/define-module.js";
import type { HostDevice } from "./host-device.js";
import type { AddressSpace, Container, Group } from "./uapi.js";

/** What the module offers once it is live. */
export interface Vfio {
  /** Opens /dev/vfio/vfio; `mm` is what `vaddr` means to it. ENODEV: the module is going away. */
  openContainer(mm: AddressSpace): Container;
  /** Opens /dev/vfio/N. ENODEV: no such group. EBUSY: it is open. */
  openGroup(group: number): Group;
  /** Groups that have devices, and the devices' names. */
  groups(): readonly {
    /** The group's number. */
    readonly group: number;
    /** Its devices' names. */
    readonly devices: readonly string[];
  }[];
  /**
   * Offers a device of the host in an IOMMU group. `owner` is the context of the module whose code it is, which is held
   * while the device is open (null: code that no module brings); before that module is live nobody opens it. EEXIST: the
   * name is taken. EINVAL: no device, no group's number, or no owner.
   *
   * Returns what takes it back: nobody opens it from then on. If it is open, that throws EBUSY and asks whoever has it to
   * let go (VFIO_PCI_REQ_IRQ_INDEX); the device goes when the last descriptor is closed. With a group's last device the
   * group goes too: what has it open gets ENODEV.
   */
  registerDevice(device: HostDevice, group: number, owner: ModuleReference | null): () => void;
}
