/** The list of capabilities in a configuration space. Source: PCI Local Bus Specification 3.0, "Capabilities List". */
import * as pci from "../pci/registers.js";

interface Readable {
  readConfig(offset: number, width: number): number;
}

export interface FoundCapability {
  /** PCI_CAP_ID_*. */
  readonly id: number;
  readonly at: number;
}

/** In the order of the list; a list that loops ends. */
export function capabilities(config: Readable): FoundCapability[] {
  if (!(config.readConfig(pci.PCI_STATUS, 2) & pci.PCI_STATUS_CAP_LIST)) return [];
  const found: FoundCapability[] = [];
  let at = config.readConfig(pci.PCI_CAPABILITY_LIST, 1) & ~3;
  while (at >= pci.PCI_STD_HEADER_SIZEOF && !found.some((known) => known.at === at)) {
    found.push({ id: config.readConfig(at, 1), at });
    at = config.readConfig(at + 1, 1) & ~3;
  }
  return found;
}

/** Where the first of that kind is; 0 if there is none. */
export const capabilityOf = (config: Readable, id: number): number =>
  capabilities(config).find((known) => known.id === id)?.at ?? 0;
