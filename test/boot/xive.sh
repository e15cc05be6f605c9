#!/bin/sh
# What a guest says of its XIVE, and interrupts through it: messages of virtio-rng and those between CPUs. Modules lie in /modules.
dmesg | sed -n 's/^.*\] xive: //p'
cpus=$(grep -c '^processor' /proc/cpuinfo)
echo "CPUs $cpus"

sh /virtio-rng.sh | tail -n 3

# CPUs that wake each other's processes.
for i in 1 2 3 4 5 6 7 8; do
  (for j in 1 2 3 4 5 6 7 8 9 10; do echo $j | cat >/dev/null; done) &
done
wait
awk -v cpus=$cpus '
  { for (i = 2; i < 2 + cpus; i++) count[$(2 + cpus)] += $i }
  END {
    print "XIVE-IRQ" in count && !("XICS" in count) ? "the console by XIVE" : "another controller"
    if (cpus > 1) print (count["XIVE-IPI"] > 20 ? "many" : "few") " between CPUs"
  }' /proc/interrupts
