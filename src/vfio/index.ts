/** The public names of VFIO. */
export type { DmaBus, HostBus, HostDevice, HostIrq, HostRegion } from "./host-device.js";
export { type Vfio, vfio, vfioRegisterGroupDev } from "./module.js";
export * from "./uapi.js";
