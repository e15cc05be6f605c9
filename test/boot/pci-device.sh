#!/bin/sh
# What a guest sees of PCI device "edu" (src/vmm/devices/pci/edu.ts), and its pin's interrupt through Linux's uio_pci_generic.
# The modules lie in /modules; without them the interrupt is left out.
device=/sys/bus/pci/devices/0000:00:00.0
cd $device || exit 1
echo "edu $(cat vendor) $(cat device) $(cat class) $(cat revision) $(cat subsystem_vendor) $(cat subsystem_device)"
head -n 3 resource
capabilities=$((0x$(hexdump -s 52 -n 1 -e '1/1 "%x"' config)))
while [ $capabilities != 0 ]; do
  hexdump -s $capabilities -n 4 -e '"capability" 4/1 " %02x" "\n"' config
  capabilities=$((0x$(hexdump -s $((capabilities + 1)) -n 1 -e '1/1 "%x"' config)))
done
[ -d iommu_group ] && echo "in an IOMMU group"

[ -d /modules ] || exit 0
insmod /modules/uio.ko && insmod /modules/uio_pci_generic.ko
echo 1234 756b >/sys/bus/pci/drivers/uio_pci_generic/new_id
base=$(head -n 1 resource | cut -d ' ' -f 1)
register() { devmem $((base + $1)) 32 $2; }
register 0x4 0x12345678
echo "identification $(register 0), liveness $(register 4)"
# The driver counts interrupts from when its file is opened, and disables the pin in the command register at
# each: enabled again from here.
exec 3<>/dev/uio0
for i in 1 2 3; do
  register 0x10 $i
  timeout 20 dd bs=4 count=1 <&3 2>/dev/null | hexdump -e '"interrupt " 1/4 "%d" "\n"'
  echo "asserted $(register 8), status $(hexdump -s 6 -n 1 -e '1/1 "%02x"' config)"
  register 0xc 0xf
  printf '\000' | dd of=config bs=1 seek=5 conv=notrunc 2>/dev/null
done
grep -c 'Level *uio_pci_generic' /proc/interrupts
