#!/bin/sh
# Talks through the ports of a virtio console: says a word to each, and prints what comes back.
# The driver learns of them after it is loaded.
for try in $(seq 100); do
  [ -e /sys/class/virtio-ports/vport0p0/name ] && [ -e /sys/class/virtio-ports/vport0p1/name ] && break
  sleep 0.1
done
for port in /sys/class/virtio-ports/vport*; do echo "${port##*/} $(cat "$port/name")"; done
talk() {
  exec 3<>"/dev/$1"
  echo "$2" >&3
  read -r answer <&3
  echo "$1: $answer"
  exec 3>&-
}
talk vport0p0 hello
talk vport0p1 "a second port"
talk vport0p0 again
# More than all buffers hold, both ways: the host answers with the sum.
exec 3<>/dev/vport0p1
echo bulk >&3
dd if=/dev/zero bs=64k count=64 2>/dev/null >&3
read -r answer <&3
echo "sum: $answer"
head -c 3000000 <&3 | md5sum
exec 3>&-
exit
