/** The public names of the package's root in Node.js: those of every platform, and virtual machines that run Linux. */
import { createVmOn } from "./api/create-vm.js";
import type { Platform } from "./api/platform.js";
import { openSnapshotOn } from "./api/snapshot.js";
import { openKvm } from "./kernel.js";

export type { Stats, VmOptions } from "./api/index.js";
export * from "./api/index.js";
export * from "./index.js";

const platform = async (): Promise<Platform> => {
  const { nodePlatform } = await import("./node/platform.js");
  return nodePlatform((guest) => openKvm({ guest }));
};

/** Boots a virtual machine with Linux; as docs/exec.md tells. The machine is loaded when it is first called. */
export const createVm = createVmOn(platform);
/** What a snapshot says of itself; as docs/snapshots.md tells. */
export const openSnapshot = openSnapshotOn(platform);
