#!/bin/sh
# Linux's virtio drivers take random bytes from device "virtio-rng". The modules lie in /modules.
for module in virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio-rng; do
  insmod /modules/$module.ko || exit 1
done
echo "device $(cat /sys/bus/virtio/devices/virtio0/device), features $(cut -c 33-34 /sys/bus/virtio/devices/virtio0/features)"
echo "hw_random: $(cat /sys/class/misc/hw_random/rng_current)"
dd if=/dev/hwrng of=/tmp/a bs=4096 count=8 iflag=fullblock 2>/dev/null
dd if=/dev/hwrng of=/tmp/b bs=4096 count=8 iflag=fullblock 2>/dev/null
ls -l /tmp/a /tmp/b | awk '{ print $5 " bytes" }'
cmp -s /tmp/a /tmp/b || echo "not the same"
# Random bytes do not get smaller.
[ $(gzip -c /tmp/a | wc -c) -gt 32768 ] && echo "not compressible"
awk '/virtio0-input/ { print ($2 + $3 > 100 ? "many" : "few") " interrupts by message" }' /proc/interrupts
rmmod virtio_rng && insmod /modules/virtio-rng.ko
echo "again: $(cat /sys/class/misc/hw_random/rng_current) $(dd if=/dev/hwrng bs=512 count=1 iflag=fullblock 2>/dev/null | wc -c)"
