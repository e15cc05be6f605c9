/** `--device`: models of unikvm's own, and devices of the host through VFIO. */
import { resolve } from "node:path";
import { hostPciName } from "../host/names.js";
import type { ModuleLoader } from "../modules/loader.js";
import type { Vfio } from "../vfio/index.js";
import type { PciDevice } from "../vmm/devices/pci/device.js";
import { createPciDevice, pciModelNames } from "../vmm/devices/pci/models.js";
import { type Assignment, type AssignmentHost, assignVfio } from "../vmm/devices/vfio-pci/assignment.js";
import { VmmError } from "../vmm/errors.js";
import { importModule } from "./import-module.js";

/** What `--device vfio-pci,…` asked for. */
export interface HostDeviceChoice {
  /** A model, which module host_pci is to offer; or with `module`, the name of the device that the module offers. */
  readonly host: string;
  /** A module's file. */
  readonly module?: string;
}

export interface DeviceChoices {
  readonly models: readonly PciDevice[];
  readonly host: readonly HostDeviceChoice[];
}

export const noDevices: DeviceChoices = { models: [], host: [] };
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
  return { ...before, models: [...before.models, createPciDevice(name)] };
}

function hostDevice(properties: readonly string[]): HostDeviceChoice {
  const known = new Map<string, string>();
  for (const property of properties) {
    const at = property.indexOf("=");
    const key = property.slice(0, Math.max(at, 0));
    if (!["host", "module"].includes(key))
      throw new VmmError(`${vfioPci} has the properties host and module, not "${property}"`);
    if (known.has(key)) throw new VmmError(`${vfioPci}: ${key} is given twice`);
    known.set(key, property.slice(at + 1));
  }
  const host = known.get("host");
  if (!host) throw new VmmError(`${vfioPci} needs host=NAME, the device of the host that the guest is to have`);
  const module = known.get("module");
  if (module === undefined && !pciModelNames.includes(host)) {
    throw new VmmError(`the host has no device "${host}"; it has ${pciModelNames.join(", ")}, or those of module=FILE`);
  }
  return { host, ...(module === undefined ? {} : { module }) };
}

/** The devices of the host that a run uses. */
export interface HostDevices {
  readonly assign: ((host: AssignmentHost) => Assignment) | undefined;
  /** Removes the modules that were loaded for them. */
  close(): void;
}

/** Loads vfio and the modules that offer the devices. Throws VmmError or KvmError. */
export async function openHostDevices(
  loader: ModuleLoader,
  choices: readonly HostDeviceChoice[],
): Promise<HostDevices> {
  if (choices.length === 0) return { assign: undefined, close: () => {} };
  const models = choices.filter(({ module }) => module === undefined);
  const files = new Set(choices.flatMap(({ module }) => module ?? []));
  const before = new Set(loader.lsmod().map(({ name }) => name));
  const close = (): void => {
    // The last one first, so that users go before what they use.
    for (const { name } of loader.lsmod()) {
      if (before.has(name) || name === "vfio") continue;
      loader.rmmod(name);
    }
    if (!before.has("vfio")) loader.rmmod("vfio");
  };
  try {
    await loader.modprobe("vfio");
    if (models.length > 0) await loader.modprobe("host_pci", { devices: models.map(({ host }) => host).join(",") });
    for (const file of files) await loader.insmod(await importModule(resolve(file)));
    const vfio = loader.offer<Vfio>("vfio");
    const names = choices.map((choice) => (choice.module ? choice.host : hostPciName(models.indexOf(choice))));
    return { assign: assignVfio(vfio, names), close };
  } catch (error) {
    close();
    throw error;
  }
}
