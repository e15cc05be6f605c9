/** What a container needs of its IOMMU, of whatever type. */
import type { SpaprTceTable } from "../base/vfio.js";
import type { DmaMap, DmaUnmap } from "./uapi.js";

/** What a device may do with a page. */
export const mayRead = 1;
export const mayWrite = 2;

/** What a device's access does with the parts of memory, in order: how far into the access each begins. */
export type AccessPart = (bytes: Uint8Array, at: number) => void;

export interface ContainerIommu {
  /** EBUSY: it takes no further group. */
  attachGroup(): void;
  detachGroup(): void;
  map(map: DmaMap): void;
  /** How many bytes were. */
  unmap(map: DmaUnmap): bigint;
  /** False: not all of it is mapped for that, and what comes behind has not happened. */
  access(address: bigint, length: number, permission: number, each: AccessPart): boolean;
  /** KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE's part here: what it gives ends it. */
  follow(table: SpaprTceTable): () => void;
}
