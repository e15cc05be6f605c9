/** The name under which VFIO has the nth device: a PCI address, slots from 1 on. */
export const hostPciName = (index: number): string => `0000:00:${(index + 1).toString(16).padStart(2, "0")}.0`;
