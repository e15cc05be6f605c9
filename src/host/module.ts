/**
 * The host_pci module: device models as PCI devices of the host, which VFIO can give to guests. A package that brings a
 * device of another kind is a module like this one: it imports vfio_register_group_dev, and nothing else of VFIO.
 */
import { KvmError, messageOf } from "../base/errors.js";
import { thisPackage } from "../base/package.js";
import { defineModule } from "../modules/define-module.js";
import { vfioRegisterGroupDev } from "../vfio/index.js";
import type { PciDevice } from "../vmm/devices/pci/device.js";
import { createPciDevice, pciModelNames } from "../vmm/devices/pci/models.js";
import { hostPciDevice } from "../vmm/devices/vfio-pci/host-pci-device.js";
import { hostPciName } from "./names.js";

const slots = 31;

export const hostPci = defineModule({
  name: "host_pci",
  description: "PCI devices of the host, for VFIO",
  license: "MIT",
  version: thisPackage.version,
  inTree: true,
  params: {
    devices: {
      type: "charp",
      default: "",
      description: `models, separated by commas: ${pciModelNames.join(", ")}`,
    },
  },
  imports: { register: vfioRegisterGroupDev },
  init: async (context) => {
    const { parameters, imports, step } = context;
    const names = parameters.devices.split(",").filter((name) => name !== "");
    if (names.length > slots) throw new KvmError("EINVAL", `the host's bus has ${slots} slots, not ${names.length}`);
    for (const [index, name] of names.entries()) {
      const device = hostPciDevice(hostPciName(index), create(name));
      // Each is alone in its group: our IOMMU tells them apart.
      await step(
        `host_pci: ${device.name} ${name}`,
        () => imports.register(device, index + 1, context),
        (unregister) => unregister(),
      );
    }
  },
});

export default hostPci;

function create(name: string): PciDevice {
  try {
    return createPciDevice(name);
  } catch (error) {
    throw new KvmError("EINVAL", `host_pci: ${messageOf(error)}`, { cause: error });
  }
}
