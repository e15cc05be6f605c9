/** PCI devices that can be named, as the command line does: one row each. */
import { VmmError } from "../../errors.js";
import { VirtioRng } from "../virtio/rng.js";
import { VirtioPciDevice } from "../virtio/virtio-pci.js";
import type { PciDevice } from "./device.js";
import { EduDevice } from "./edu.js";

interface PciModel {
  readonly name: string;
  readonly create: () => PciDevice;
}

const models: readonly PciModel[] = [
  { name: "edu", create: () => new EduDevice() },
  { name: "virtio-rng", create: () => new VirtioPciDevice(new VirtioRng()) },
];

export const pciModelNames: readonly string[] = models.map((model) => model.name);

/** A new device. Throws VmmError listing the names there are. */
export function createPciDevice(name: string): PciDevice {
  const model = models.find((one) => one.name === name);
  if (!model) throw new VmmError(`there is no device "${name}"; there is ${pciModelNames.join(", ")}`);
  return model.create();
}
