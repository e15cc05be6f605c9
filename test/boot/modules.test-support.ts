/** Drivers for the default guest, as files of its initramfs. */

import type { CpioEntry } from "../../guests/cpio.js";
import { ensureKernelModules, readKernelModule } from "../../guests/debian-modules.js";
import { GuestUnavailable } from "../../guests/unavailable.js";
import { defaultGuest } from "./booting.test-support.js";

/** What virtio-rng.sh loads. */
export const virtioRngModules = [
  "virtio",
  "virtio_ring",
  "virtio_pci_modern_dev",
  "virtio_pci_legacy_dev",
  "virtio_pci",
  "virtio-rng",
] as const;

/** Modules by name, in the order of loading, or why there are none. */
export async function guestModules(names: readonly string[]): Promise<readonly CpioEntry[] | string> {
  if (!defaultGuest) return "no guest";
  try {
    const folder = await ensureKernelModules(defaultGuest, () => undefined);
    const files = names.map((name) => readKernelModule(folder, name));
    return [
      { path: "modules", type: "directory" },
      ...files.map(({ file, data }) => ({ path: `modules/${file}`, type: "file" as const, data })),
    ];
  } catch (error) {
    if (error instanceof GuestUnavailable) return error.message;
    throw error;
  }
}
