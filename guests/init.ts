/** The first program of the default guest: a busybox shell script, and the initramfs around it. */
import { cpio } from "./cpio.js";

/**
 * `/init`. With `unikvm.modules=A,B` on the kernel's command line it first loads these. A virtio network card gets the
 * address that it is offered. With `unikvm.agent` the agent is started beside all else. With `unikvm.run=COMMAND` (or `unikvm.run="COMMAND WITH SPACES"`) it runs that,
 * prints `unikvm.run: exit status N` and powers off; otherwise it gives a shell on the console and powers off when the
 * shell ends. `halt`, `poweroff` and `reboot` of busybox signal process 1: SIGUSR1, SIGUSR2, SIGTERM. The shell only
 * acts on a signal between foreground commands, so everything long runs in the background and is waited for.
 */
export const initScript = `#!/bin/busybox sh
/bin/busybox --install -s
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts -o nosuid,noexec,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
ln -sf /proc/self/fd /dev/fd
hostname unikvm
ip link set lo up
exec </dev/console >/dev/console 2>&1

trap 'sync; halt -f' USR1
trap 'sync; poweroff -f' USR2
trap 'sync; reboot -f' TERM

finish() {
  sync
  poweroff -f
  # Powering off takes effect on another CPU's time; process 1 must not end before.
  while :; do sleep 1; done
}

command=
line=$(cat /proc/cmdline)
case " $line" in
*" unikvm.run="*)
  command=\${line#*unikvm.run=}
  case "$command" in
  \\"*) command=\${command#\\"}; command=\${command%%\\"*} ;;
  *) command=\${command%% *} ;;
  esac
  ;;
*' "unikvm.run='*)
  command=\${line#*\\"unikvm.run=}; command=\${command%%\\"*}
  ;;
esac

case " $line" in
*" unikvm.modules="*)
  modules=\${line#*unikvm.modules=}
  for module in $(echo "\${modules%% *}" | tr , ' '); do
    modprobe "$module" || echo "unikvm.modules: $module was not loaded"
  done
  ;;
esac

for card in /sys/class/net/*; do
  case "$(readlink "$card/device/driver")" in
  */virtio_net)
    card=\${card##*/}
    ip link set "$card" up
    udhcpc -i "$card" -n -q -t 5 -T 1 >/dev/null 2>&1 || echo "network: $card was offered no address"
    ;;
  esac
done

case " $line " in
*" unikvm.agent "*)
  # Through it cp and exec --pid reach the guest, once it is there: nobody waits for that.
  setsid sh -c 'modprobe virtio_pci; modprobe virtio_console; exec /unikvm-agent' </dev/null >/dev/null 2>&1 &
  ;;
esac

cd /root
if [ -n "$command" ]; then
  # What the firmware's display last showed of the kernel's version ends without a new line.
  echo
  sh -c "$command" &
  wait $!
  echo "unikvm.run: exit status $?"
  finish
fi

cpus=$(grep -c '^processor' /proc/cpuinfo)
cpu=$(sed -nE 's/^(cpu|model name)[[:space:]]*: *//p' /proc/cpuinfo | head -n 1)
memory=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
cat <<EOF

Welcome to Linux $(uname -r) on unikvm: $cpus x $cpu, $memory MB of memory.
This is a busybox shell in the initial RAM disk; nothing is kept. "poweroff" leaves.

EOF
# A job behind & ignores the interrupt character, and so would all that the shell starts; a daemon does not.
mkfifo /tmp/.ended
start-stop-daemon -S -b -x /bin/sh -- -c 'setsid cttyhack sh -l <>/dev/console >&0 2>&0; echo >/tmp/.ended'
cat /tmp/.ended >/dev/null &
wait $!
finish
`;

/** What udhcpc calls when it has been given an address. */
const addressScript = `#!/bin/sh
case "$1" in
bound | renew)
  ip addr flush dev "$interface"
  ip addr add "$ip/\${mask:-24}" broadcast + dev "$interface"
  for one in $router; do
    ip route add default via "$one" dev "$interface"
    break
  done
  for one in $dns; do echo "nameserver $one"; done >/etc/resolv.conf
  ;;
esac
`;

const profile = `export PS1='\\w \\$ '
alias ll='ls -l'
`;

/** The initramfs: busybox, `/init` and the folders it needs. Other archives may be appended to it. */
export function initramfs(busybox: Uint8Array): Uint8Array {
  const directories = [
    "bin",
    "dev",
    "etc",
    "etc/udhcpc",
    "proc",
    "root",
    "sbin",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "usr/sbin",
    "var",
  ];
  return cpio([
    ...directories.map((path) => ({ path, type: "directory" as const, mode: path === "tmp" ? 0o1777 : 0o755 })),
    // The kernel opens this before /init can mount anything.
    { path: "dev/console", type: "character", mode: 0o600, major: 5, minor: 1 },
    { path: "dev/null", type: "character", mode: 0o666, major: 1, minor: 3 },
    { path: "etc/passwd", type: "file", data: "root::0:0:root:/root:/bin/sh\n" },
    { path: "etc/group", type: "file", data: "root:x:0:\n" },
    { path: "etc/hosts", type: "file", data: "127.0.0.1 localhost unikvm\n" },
    { path: "etc/udhcpc/default.script", type: "file", mode: 0o755, data: addressScript },
    { path: "etc/profile", type: "file", data: profile },
    { path: "bin/busybox", type: "file", mode: 0o755, data: busybox },
    { path: "init", type: "file", mode: 0o755, data: initScript },
  ]);
}
