/** What `image` of createVm may be. */
import { VmError } from "./error.js";

/** Debian's kernel with busybox in memory. */
export const debianBusybox = "debian-busybox";

/** A disk with a root file system, by its name's end. */
export const isDiskImage = (image: string): boolean => /\.(?:qcow2|img|raw|ext4|squashfs)$/i.test(image);

/** What `unikvm guest export` wrote, by its name's end. */
export const isGuestFile = (image: string): boolean => /\.guest$/i.test(image);

/** Throws VmError, NOT_SUPPORTED: an image of another kind. */
export function requireImage(image: string): void {
  if (image === debianBusybox || isDiskImage(image) || isGuestFile(image)) return;
  throw new VmError(
    "NOT_SUPPORTED",
    `createVm: the image "${image}" is of no kind that is known: there is "${debianBusybox}"; a file whose name ends with .guest, ` +
      "or with .qcow2, .img, .raw, .ext4 or .squashfs, a disk with a root; or kernel and initrd",
  );
}
