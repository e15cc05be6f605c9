#!/bin/sh
# Uses the network as programs do, and says what it saw. OPEN, SINK and SHUT are ports of the host.
ip -4 addr show eth0 | grep -o 'inet [0-9./]*'
ip route | grep -o '^default via [0-9.]*'
ping -c 2 -w 20 10.0.2.2 | grep -o '[0-9]* packets received'
# Checksums, long packets, merged buffers, several queues.
features=$(cat /sys/class/net/eth0/device/features)
for bit in 0 1 7 11 15 17 22; do
  echo "$features" | cut -c$((bit + 1)) | tr '\n' ' '
done
echo
ls /sys/class/net/eth0/queues | grep -c rx
nslookup allowed.example 10.0.2.3 2>/dev/null | sed -n 's/^Address[^:]*: *\(198[0-9.]*\)$/\1/p'
nslookup other.example 10.0.2.3 2>&1 | grep -o NXDOMAIN | head -n 1
wget -q -O - http://10.0.2.2:OPEN/ | md5sum
for i in 1 2 3 4 5 6 7 8; do wget -q -O - http://10.0.2.2:OPEN/ | md5sum >/tmp/sum.$i & done
wait
cat /tmp/sum.* | sort -u
wget -q -O /dev/null http://10.0.2.2:SHUT/ 2>/dev/null || echo "refused"
wget -q -O /dev/null http://127.0.0.2:OPEN/ 2>/dev/null || echo "refused"
# The host answers when it has seen the end.
dd if=/dev/zero bs=64k count=64 2>/dev/null | tr '\0' x | nc 10.0.2.2 SINK
mkdir /tmp/www
dd if=/dev/zero bs=64k count=16 2>/dev/null | tr '\0' y >/tmp/www/file
httpd -p 80 -h /tmp/www
echo "serving"
while [ ! -e /tmp/www/cgi-bin/done ] && ! grep -q done /tmp/end 2>/dev/null; do nc -l -p 81 >/tmp/end; done
echo "ended"
