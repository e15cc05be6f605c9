#!/bin/sh
# Readies the device for vfio-guest.c. Two drivers that know nothing of it are told to take it: myri10ge, whose first deed is
# to ask for 64-bit DMA, which makes the kernel map all memory for the bus, and which then finds no network card; and
# uio_pci_generic, which counts the interrupts of its pin.
insmod /modules/myri10ge.ko && insmod /modules/uio.ko && insmod /modules/uio_pci_generic.ko || exit 1
echo 1234 756b >/sys/bus/pci/drivers/myri10ge/new_id
echo 1234 756b >/sys/bus/pci/drivers/uio_pci_generic/new_id
echo "vfio-guest begins"
/vfio-guest /sys/bus/pci/devices/0000:00:00.0 /dev/uio0 \
  /sys/firmware/devicetree/base/pci@800000020000000/linux,direct64-ddr-window-info
