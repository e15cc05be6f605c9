/** The public names of the package's root in a page: those of every platform, and virtual machines that run Linux. */
import { createVmOn } from "./api/create-vm.js";
import type { Platform } from "./api/platform.js";
import type { Abort, Snapshot } from "./api/types.js";

export type { Stats, VmOptions } from "./api/index.js";
export * from "./api/index.js";
export * from "./index.js";

const platform = async (): Promise<Platform> => (await import("./web/platform.js")).webPlatform;

/** Boots a virtual machine with Linux, in a worker; as docs/pages.md tells. The machine is loaded when it is first called. */
export const createVm = createVmOn(platform);
/**
 * Makes a file of the page's origin for `disks`, or replaces one; a number of bytes: of zeros. As docs/pages.md tells. Rejects
 * with StorageError.
 */
export const writeOriginFile = async (path: string, contents: Blob | number): Promise<void> =>
  (await import("./web/origin-files.js")).writeOriginFile(path, contents);
/** What such a file has now. Rejects with StorageError: there is none. */
export const readOriginFile = async (path: string): Promise<Blob> =>
  (await import("./web/origin-files.js")).readOriginFile(path);
/** What a snapshot says of itself; as docs/snapshots.md tells. */
export const openSnapshot = async (from: string | URL | Blob, options?: Abort): Promise<Snapshot> =>
  (await import("./api/snapshot.js")).openSnapshotOn(platform)(from, options);
