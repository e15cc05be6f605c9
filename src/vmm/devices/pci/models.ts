/** PCI devices that can be named, as the command line does: one row each. */
import { VmmError } from "../../errors.js";
import { VirtioBalloon, type VirtioBalloonState } from "../virtio/balloon.js";
import { VirtioRng } from "../virtio/rng.js";
import { VirtioPciDevice, type VirtioPciState } from "../virtio/virtio-pci.js";
import type { PciDevice } from "./device.js";
import { EduDevice, type EduState } from "./edu.js";

interface PciModel {
  readonly name: string;
  /** `state`: what an earlier one's `save` gave; the constructors check it. */
  readonly create: (state?: unknown) => PciDevice;
}

const models: readonly PciModel[] = [
  { name: "edu", create: (state) => new EduDevice(state as EduState | undefined) },
  {
    name: "virtio-balloon",
    create: (state) => {
      const saved = state as VirtioPciState | undefined;
      return new VirtioPciDevice(new VirtioBalloon(saved?.device as VirtioBalloonState | undefined), saved);
    },
  },
  { name: "virtio-rng", create: (state) => new VirtioPciDevice(new VirtioRng(), state as VirtioPciState | undefined) },
];

export const pciModelNames: readonly string[] = models.map((model) => model.name);

/**
 * A new device, or one that goes on where an earlier one's `save` left it. Throws VmmError listing the names there are;
 * KvmError, EINVAL: the state is not of such a device.
 */
export function createPciDevice(name: string, state?: unknown): PciDevice {
  const model = models.find((one) => one.name === name);
  if (!model) throw new VmmError(`there is no device "${name}"; there is ${pciModelNames.join(", ")}`);
  return model.create(state);
}
