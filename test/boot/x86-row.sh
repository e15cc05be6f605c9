#!/bin/sh
# What a guest of x86 finds of what x86-rows.ts chose for it, and work whose output is known.
has() { grep -q "^flags.* $1\( \|$\)" /proc/cpuinfo; }
level=v1
has sse4_2 && level=v2
has avx2 && level=v3
vendor=$(sed -n 's/^vendor_id[^:]*: *//p' /proc/cpuinfo | head -n 1)
acpi=off
[ -e /sys/firmware/acpi ] && acpi=on
memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) >> 21))
echo "row $(uname -m) $(uname -r | sed 's/^[0-9.]*-[0-9]*-//') $(grep -c ^processor /proc/cpuinfo) $vendor $acpi $level $memory"
echo "sum $(seq 1 8000 | gzip | gunzip | sha256sum | cut -c 1-16) $(seq 1 1000 | awk '{ s += 1 / $1 } END { printf "%.12f", s }')"
[ -e /work.sh ] && sh /work.sh
/vector-states
