#!/bin/sh
# Writes to /dev/vda and /dev/vdb, finds /dev/vdc to be read only, and says what it saw.
for disk in vda vdb vdc; do
  echo "$disk $(cat /sys/block/$disk/size) $(cat /sys/block/$disk/serial) ro $(cat /sys/block/$disk/ro)"
done
echo "queues $(ls /sys/block/vda/mq | wc -l)"
grep -q 'virtio[0-9]*-req' /proc/interrupts && echo "requests interrupt"
# A pattern that says where it is: 16 bytes each.
pattern() {
  i=$1
  while [ "$i" -lt "$2" ]; do printf 'sector %08d\n' "$i"; i=$((i + 1)); done
}
pattern 0 4096 >/tmp/pattern
dd if=/tmp/pattern of=/dev/vda bs=4k seek=3 conv=notrunc,fsync 2>/dev/null && echo "written vda"
mke2fs -q /dev/vdb >/dev/null && mkdir /mnt && mount -t ext4 /dev/vdb /mnt && echo "mounted vdb"
cp /tmp/pattern /mnt/pattern
mkdir /mnt/folder && echo hello >/mnt/folder/hello
dd if=/dev/zero of=/mnt/large bs=64k count=40 2>/dev/null
rm /mnt/large
fstrim /mnt 2>/dev/null && echo "trimmed vdb"
umount /mnt && echo "unmounted vdb"
echo 3 >/proc/sys/vm/drop_caches
dd if=/dev/vda bs=4k skip=3 count=16 2>/dev/null | cmp - /tmp/pattern && echo "read vda"
dd if=/tmp/pattern of=/dev/vdc bs=4k count=1 conv=fsync 2>/dev/null || echo "not written vdc"
dd if=/dev/vdc bs=512 count=1 2>/dev/null | head -n 1
