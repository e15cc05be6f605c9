/** Which modules of the default guest's kernel are kept for it. */

/**
 * With all they need: drivers of devices that a virtual machine may have or be handed, what hands them on to
 * a program in the guest, and file systems. The package has twenty times as much.
 */
export const drivers: readonly string[] = [
  ...[
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio_balloon",
    "virtio_rng",
    "virtio_scsi",
    "9pnet_virtio",
    "virtiofs",
  ],
  ...["vfio-pci", "vfio_iommu_spapr_tce", "uio_pci_generic", "nvme", "e1000e", "ibmveth", "ibmvscsi"],
  // Finds no card of its own here, but first asks for 64-bit DMA: so a test has all memory mapped for the bus.
  "myri10ge",
  ...["9p", "ext4", "squashfs", "overlay", "loop", "tun"],
];
