#!/bin/sh
# Work for a guest's shell whose output is known: whole programs, floating point, pipes, processes, signals. Runs in the
# default guest under every engine, and under QEMU, which judges the expected output (shell-work.test.ts).
export LC_ALL=C
cd /tmp || exit 1

seq 1 8000 >numbers
echo "sha256 $(sha256sum <numbers | cut -c 1-64)"
echo "md5 $(md5sum <numbers | cut -c 1-32)"

gzip -c numbers >numbers.gz && gunzip -c numbers.gz | cmp - numbers && echo "gzip and back: same"
tar cf - numbers | bzip2 -c | bunzip2 -c | tar xOf - | sha256sum | cut -c 1-16

# This awk has no mathematics library: square roots by Newton's method.
head -n 1000 numbers | awk '{ x = $1; for (i = 0; i < 12; i++) x = (x + $1 / x) / 2; s += $1; r += x } END { printf "awk %d %.9f\n", s, r }'
awk 'BEGIN { x = 1; for (i = 1; i < 40; i++) x *= i; printf "%.17g %e %g\n", x, 1 / 3, 2 / 7 * 1e9 }'

sort -rn numbers | head -n 3 | tr '\n' ' '
sort numbers | sha256sum | cut -c 1-16
seq 1 3000 | grep 7 | sed 's/7/seven/g' | tr a-z A-Z | sort -u | wc

i=0
while [ $i -lt 150 ]; do
  (exit $((i % 7)))
  sum=$((sum + $?))
  i=$((i + 1))
done
echo "150 subshells $sum"

for i in $(seq 1 60); do
  (echo "$i squared is $((i * i))" >out.$i) &
done
wait
cat out.* | sort -n | sha256sum | cut -c 1-16

for i in $(seq 1 20); do /bin/busybox true || echo "exec failed"; done
echo "20 programs"

trap 'echo caught' USR1
kill -USR1 $$
sleep 0.1
(sh -c 'kill -KILL $$' 2>/dev/null; echo "killed: $?") 2>/dev/null

echo $((0x7fffffffffffffff + 1)) $((-17 / 5)) $((-17 % 5)) $((1 << 62))
printf '%d %x %o\n' 123456789012 3735928559 511
dd if=/dev/zero bs=64k count=32 2>/dev/null | sha1sum | cut -c 1-40
echo "work done"
