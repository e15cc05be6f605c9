/** `--device`: models of unikvm's own, and devices of the host through VFIO. */
import { hostPciName } from "../host/names.js";
import type { ModuleLoader } from "../modules/loader.js";
import type { Vfio } from "../vfio/index.js";
import type { PciDevice } from "../vmm/devices/pci/device.js";
import { createPciDevice, pciModelNames } from "../vmm/devices/pci/models.js";
import { type Assignment, type AssignmentHost, assignVfio } from "../vmm/devices/vfio-pci/assignment.js";
import { VmmError } from "../vmm/errors.js";

export interface DeviceChoices {
  readonly models: readonly PciDevice[];
  /** Of each of these. */
  readonly names: readonly string[];
  /** Of the host: models, which module host_pci is to offer, and names of devices that modules of `--module` offer. */
  readonly host: readonly string[];
}

export const noDevices: DeviceChoices = { models: [], names: [], host: [] };
const vfioPci = "vfio-pci";

/** For the help. */
export const deviceNames = `${pciModelNames.join(", ")}; ${vfioPci},host=${pciModelNames.join("|")} through VFIO`;

/** Adds one option's value. Throws VmmError. */
export function parseDevice(text: string, before: DeviceChoices = noDevices): DeviceChoices {
  const [name = "", ...properties] = text.split(",");
  if (name === vfioPci) return { ...before, host: [...before.host, hostDevice(properties)] };
  if (properties.length > 0) throw new VmmError(`device "${name}" has no property "${properties[0]}"`);
  if (!pciModelNames.includes(name)) {
    throw new VmmError(`there is no device "${name}"; there is ${pciModelNames.join(", ")} and ${vfioPci},host=NAME`);
  }
  return { ...before, models: [...before.models, createPciDevice(name)], names: [...before.names, name] };
}

function hostDevice(properties: readonly string[]): string {
  let host: string | undefined;
  for (const property of properties) {
    if (!property.startsWith("host=")) throw new VmmError(`${vfioPci} has the property host, not "${property}"`);
    if (host !== undefined) throw new VmmError(`${vfioPci}: host is given twice`);
    host = property.slice("host=".length);
  }
  if (!host) throw new VmmError(`${vfioPci} needs host=NAME, the device of the host that the guest is to have`);
  return host;
}

/** The devices of the host that a run uses. */
export interface HostDevices {
  readonly assign: ((host: AssignmentHost) => Assignment) | undefined;
  /** Removes the modules that were loaded for them. */
  close(): void;
}

/** Loads vfio, and host_pci for models. Throws VmmError or KvmError. */
export async function openHostDevices(loader: ModuleLoader, wanted: readonly string[]): Promise<HostDevices> {
  if (wanted.length === 0) return { assign: undefined, close: () => {} };
  const models = wanted.filter((name) => pciModelNames.includes(name));
  const before = new Set(loader.lsmod().map(({ name }) => name));
  const close = (): void => {
    // The last one first, so that users go before what they use.
    for (const { name } of loader.lsmod())
      if (["host_pci", "vfio"].includes(name) && !before.has(name)) loader.rmmod(name);
  };
  try {
    await loader.modprobe("vfio");
    if (models.length > 0) await loader.modprobe("host_pci", { devices: models.join(",") });
    let next = 0;
    const names = wanted.map((name) => (pciModelNames.includes(name) ? hostPciName(next++) : name));
    const vfio = loader.offer<Vfio>("vfio");
    const offered = vfio.groups().flatMap(({ devices }) => devices);
    const missing = names.find((name) => !offered.includes(name));
    if (missing !== undefined) {
      const there = [...pciModelNames, ...offered.filter((name) => !names.includes(name))].join(", ");
      throw new VmmError(`the host has no device "${missing}"; there is ${there}, and what modules of --module offer`);
    }
    return { assign: assignVfio(vfio, names), close };
  } catch (error) {
    close();
    throw error;
  }
}
