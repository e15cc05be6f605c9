/**
 * What kills.ts kills: goes on from a snapshot, says on stdout what is done, a line each, and never ends by itself. Its argument
 * is a `Task` as JSON.
 */
import { readFileSync, statSync } from "node:fs";
import { vmFromCache } from "../../src/cli/vm-cache.js";
import { createVm, type LinuxVm, type VmOptions } from "../../src/index-node.js";
import { forgedSnapshot } from "./forged-snapshot.test-support.js";
import type { Task } from "./kills.js";

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/**
 * The snapshot was made with an overlay to which nothing was written; so its guest knows nothing of the disk but its size, and
 * takes any other of that size. A machine with a disk that is written in place could not have been saved.
 */
async function withWrittenDisk(snapshot: string, image: string, type: "hv" | "pr"): Promise<LinuxVm> {
  const { size, mtimeMs } = statSync(image);
  const blob = await forgedSnapshot(new Uint8Array(readFileSync(snapshot)), ({ hardware }) => {
    hardware.disks = [{ overlay: false, files: [{ path: image, size, modified: mtimeMs, digest: "" }] }];
  });
  return createVm({ type, snapshot: blob, disks: [{ source: image, mode: "write" }] });
}

/**
 * Each writer writes records of 4096 bytes into 16 places by turns, and says so once fsync has returned. `rename` replaces a file
 * as an editor does; `churn` has the file system give and take room meanwhile.
 */
const writers = (task: Extract<Task, { kind: "disk" }>): string => `
  record() { yes "$1 $2" | head -c 4096; }
  writer() {
    i=${task.first}
    while :; do
      i=$((i+1))
      record $1 $i | dd of=$2 bs=4096 seek=$(($3 + i % 16)) conv=notrunc,fsync 2>/dev/null && echo "synced $1 $i"
    done
  }
  rename() {
    i=${task.first}
    while :; do
      i=$((i+1))
      record r $i | dd of=/mnt/r.new bs=4096 conv=fsync 2>/dev/null && mv /mnt/r.new /mnt/r && sync && echo "synced r $i"
    done
  }
  churn() {
    while :; do
      for n in 1 2 3; do head -c $((n * 150000)) /dev/urandom >/mnt/junk.$n; done
      rm /mnt/junk.*
      fstrim /mnt
    done
  }
  echo writing
  writer a /mnt/a 0 & writer b /mnt/b 0 & rename & churn &
  wait`;

async function disk(task: Extract<Task, { kind: "disk" }>): Promise<void> {
  const vm = await withWrittenDisk(task.snapshot, task.image, task.type);
  const { exitCode, stderr } = await vm.exec("mkdir -p /mnt && mount -t ext4 -o discard /dev/vda /mnt");
  if (exitCode !== 0) throw new Error(`mount: ${stderr}`);
  for (const name of ["a", "b", "r"]) {
    const { bytes } = await vm.exec(`cat /mnt/${name}`);
    say(`found ${name} ${Buffer.from(bytes.stdout).toString("base64")}`);
  }
  const program = await vm.spawn(writers(task), { stdin: "ignore" });
  const reader = program.stdout.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the writers have ended");
    process.stdout.write(value);
  }
}

/** Saves it again and again, always another. */
async function save({ snapshot, disks, target, packing }: Extract<Task, { kind: "save" }>): Promise<void> {
  const vm = await createVm({ snapshot, disks });
  for (let round = 0; ; round++) {
    await vm.exec(`head -c ${100_000 * (round + 1)} /dev/urandom >/tmp/other`, { check: true });
    say("saving");
    say(`saved ${(await vm.snapshot({ name: target, packing })).digest}`);
  }
}

/** As `unikvm exec` does, but that the VM that is kept is not booted. */
async function cache({ guest, snapshot, disks }: Extract<Task, { kind: "cache" }>): Promise<void> {
  const create = (options: VmOptions): Promise<LinuxVm> => {
    if (options.snapshot !== undefined) return createVm({ ...options, disks });
    return createVm({ snapshot, disks }).finally(() => say("saving"));
  };
  const vm = await vmFromCache(create, { guest, memory: "256M" }, (sentence) => say(`said ${sentence}`));
  say(`up ${(await vm.exec("echo works")).stdout}`);
}

const task = JSON.parse(process.argv[2] ?? "") as Task;
if (task.kind === "disk") await disk(task);
else if (task.kind === "save") await save(task);
else await cache(task);
// Until it is killed.
setInterval(() => undefined, 1 << 30);
