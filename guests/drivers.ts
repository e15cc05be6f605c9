/** Which modules of the default guests' kernels are kept for them. */

const virtio = [
  "virtio_pci",
  "virtio_blk",
  "virtio_net",
  "virtio_console",
  "virtio_balloon",
  "virtio_rng",
  "virtio_scsi",
  "9pnet_virtio",
  "virtiofs",
];
const files = ["9p", "ext4", "squashfs", "overlay", "loop", "tun"];
/** Finds no card of its own here, but first asks for 64-bit DMA: so a test has all memory mapped for the bus. */
const large = "myri10ge";

/**
 * With all they need: drivers of devices that a virtual machine may have or be handed, what hands them on to
 * a program in the guest, and file systems. The package has twenty times as much.
 */
export const drivers = {
  power: [
    ...virtio,
    ...["vfio-pci", "vfio_iommu_spapr_tce", "uio_pci_generic", "nvme", "e1000e", "ibmveth", "ibmvscsi", large],
    ...files,
  ],
  x86: [...virtio, ...["vfio-pci", "vfio_iommu_type1", "uio_pci_generic", "nvme", "e1000e", large], ...files],
} as const satisfies Readonly<Record<string, readonly string[]>>;
