/** What `image` of createVm may be. */
import { notSupported } from "./error.js";

/** Debian's kernel with busybox in memory. */
export const debianBusybox = "debian-busybox";

/** A disk with a root file system, by its name's end. */
export const isDiskImage = (image: string): boolean => /\.(?:qcow2|img|raw|ext4|squashfs)$/i.test(image);

/** What `unikvm guest export` wrote, by its name's end. */
export const isGuestFile = (image: string): boolean => /\.guest$/i.test(image);

/** Throws VmError, NOT_SUPPORTED: an image of another kind. */
export function requireImage(image: string): void {
  if (image === debianBusybox || isDiskImage(image) || isGuestFile(image)) return;
  throw notSupported(
    `createVm: the option image with "${image}"`,
    `there is "${debianBusybox}", a guest's file as "debian.guest", a disk with a root as "root.qcow2" or "root.img", or kernel and initrd`,
  );
}
