#!/bin/sh
# Parallel work on all of a guest's processors for $SECONDS_OF_WORK, while they are unplugged and plugged again, and what the
# kernel has to say of it at the end. Runs in the default guest (soak.ts).
export LC_ALL=C
cd /tmp || exit 1
mkdir -p /proc /sys
[ -e /proc/uptime ] || mount -t proc proc /proc
[ -e /sys/devices ] || mount -t sysfs sysfs /sys
now() { cut -d . -f 1 /proc/uptime; }
end=$(($(now) + ${SECONDS_OF_WORK:-10}))

echo "processors $(grep -c ^processor /proc/cpuinfo)"
seq 1 8000 >numbers
right=9b1354225d822f59e4ee81f1168644f20157bedd9a4ca8dc775600bcd88b57a5

# Pipes, processes, memory that is mapped and unmapped: each round's answer is known.
worker() {
  rounds=0
  wrong=0
  while [ $rounds = 0 ] || [ "$(now)" -lt $end ]; do
    [ "$(gzip -c numbers | gunzip -c | sha256sum | cut -c 1-64)" = $right ] || wrong=$((wrong + 1))
    [ "$(sort -n numbers | tail -n 1)" = 8000 ] || wrong=$((wrong + 1))
    i=0
    sum=0
    while [ $i -lt 20 ]; do
      (exit $((i % 7)))
      sum=$((sum + $?))
      i=$((i + 1))
    done
    [ $sum = 57 ] || wrong=$((wrong + 1))
    rounds=$((rounds + 1))
  done
  echo "$rounds $wrong" >worker.$1
}

for n in 1 2 3 4 5 6; do worker $n & done

# Every processor but the first goes and comes back.
plugged=0
failed=0
while [ $plugged = 0 ] || [ "$(now)" -lt $end ]; do
  for online in /sys/devices/system/cpu/cpu[1-9]*/online; do
    for to in 0 1; do
      echo $to >"$online" && [ "$(cat "$online")" = $to ] || failed=$((failed + 1))
    done
    plugged=$((plugged + 1))
    [ "$(now)" -lt $end ] || break
    sleep 0.1
  done
done
wait

cat worker.* | awk '{ r += $1; w += $2 } END { print "workers " NR " rounds " (r > 0 ? "some" : "none") " (" r ") wrong " w }'
echo "plugged $([ $plugged -gt 0 ] && echo some || echo none) ($plugged) failed $failed"
echo "processors $(grep -c ^processor /proc/cpuinfo)"
dmesg | grep -iE 'stall|lockup|hung|BUG|Oops|WARNING|not responding|starved' |
  grep -vE '[Cc]ommand line|timeout set to|report a bug|not a bug' | sed 's/^/complaint: /'
echo "complaints end"
