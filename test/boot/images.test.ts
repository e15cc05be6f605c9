/** What is booted instead of the default guest: a root on a disk, and a kernel with its initial RAM disk. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { cpio } from "../../guests/cpio.js";
import { guestDrivers } from "../../guests/index.js";
import { createVm, VmError } from "../../src/index-node.js";
import { missing } from "../oracles/oracles.js";
import { defaultGuest, noGuest } from "./booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-images-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const place = (name: string): string => join(folder, name);

/** A disk with busybox and little else. */
function makeRoot(image: string): void {
  const root = place("root");
  for (const name of ["bin", "etc", "dev", "root"]) mkdirSync(join(root, name), { recursive: true });
  cpSync(join(defaultGuest?.folder ?? "", "busybox"), join(root, "bin/busybox"));
  for (const name of ["sh", "cat", "ls", "touch", "grep"]) symlinkSync("busybox", join(root, "bin", name));
  writeFileSync(join(root, "etc/passwd"), "root::0:0:root:/root:/bin/sh\n");
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-d", root, place("root.img"), "16M"]);
  execFileSync("qemu-img", ["convert", "-c", "-O", "qcow2", place("root.img"), image]);
}

test("a qcow2 with a root is booted under the default kernel, and stays as it is", {
  skip: noGuest || missing("qemuImg", "mke2fs"),
}, async () => {
  const image = place("root.qcow2");
  makeRoot(image);
  const before = readFileSync(image);
  writeFileSync(place("data.raw"), "of the second disk".padEnd(1 << 20));
  const vm = await createVm({ image, disks: [{ source: place("data.raw") }] });
  try {
    const { stdout } = await vm.exec(
      "grep ' / ' /proc/mounts; touch /written && ls /; cat /dev/vdb | { read -r l; echo $l; }",
    );
    assert.match(stdout, /^\/dev\/vda \/ ext4 rw/);
    assert.match(stdout, /^written$/m);
    assert.match(stdout, /of the second disk/);
    assert.doesNotMatch(stdout, /unikvm/, "nothing of ours is left in sight");
    assert.equal(await vm.fs.readFile("/proc/1/comm", "utf8"), "unikvm-agent\n");
  } finally {
    await vm.close();
  }
  assert.deepEqual(readFileSync(image), before);
});

test("a kernel gets its drivers out of its own initrd, compressed and of an odd length, and the agent", {
  skip: noGuest,
}, async () => {
  assert.ok(defaultGuest);
  mkdirSync(place("boot"));
  const names = ["virtio_pci", "virtio_console"];
  const drivers = await guestDrivers(defaultGuest, names, { report: () => undefined });
  const hello = cpio([{ path: "hello", type: "file", data: "from the initrd" }]);
  const packed = gzipSync(Buffer.concat([readFileSync(defaultGuest.initrd), drivers, hello]), { level: 1 });
  const initrd = place("boot/initrd.img");
  // The kernel passes zeros over; only an archive behind them has to begin at a multiple of four.
  writeFileSync(initrd, Buffer.concat([packed, new Uint8Array(1 + ((-packed.length & 3) % 4))]));
  const vm = await createVm({ kernel: defaultGuest.kernel, initrd, append: "unikvm.test=1" });
  try {
    assert.equal(await vm.fs.readFile("/hello", "utf8"), "from the initrd");
    const { stdout } = await vm.exec(["/bin/busybox", "cat", "/proc/cmdline", "/proc/modules"]);
    assert.match(stdout, /unikvm\.test=1\n/);
    assert.match(stdout, /^virtio_console /m);
  } finally {
    await vm.close();
  }
});

test("what cannot be booted is told before anything is", { skip: noGuest }, async () => {
  assert.ok(defaultGuest);
  const kernel = defaultGuest.kernel;
  writeFileSync(place("text"), "hello, this is no kernel at all\n".repeat(9));
  const x86 = new Uint8Array(4096);
  x86.set([0x4d, 0x5a]);
  x86.set([0x55, 0xaa], 0x1fe);
  x86.set(new TextEncoder().encode("HdrS"), 0x202);
  writeFileSync(place("bzImage"), x86);
  writeFileSync(place("cut.qcow2"), new Uint8Array([0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3]));
  writeFileSync(place("short.img"), "");
  truncateSync(place("short.img"), 5);
  const wrong: readonly [object, RegExp][] = [
    [{ kernel: place("text") }, /text cannot be loaded: it is a text file, not a kernel/],
    [
      { kernel: place("bzImage") },
      /bzImage cannot be unpacked: its boot protocol 0\.00 does not say where the kernel is/,
    ],
    [{ kernel: folder }, /the kernel .* cannot be read: it is a folder/],
    [{ kernel, initrd: place("text") }, /the initrd .*text is neither a cpio archive nor one that is compressed/],
    [{ kernel, initrd: gzipSync("text\n".repeat(9)) }, /the initrd is neither a cpio archive/],
    [{ kernel, initrd: place("gone") }, /the initrd .*gone cannot be read: there is no such file/],
    [{ image: place("cut.qcow2") }, /cut\.qcow2/],
    [{ image: place("gone.qcow2") }, /gone\.qcow2 cannot be opened: there is no such file/],
    [
      { image: "debian:bookworm" },
      /image "debian:bookworm" is of no kind that is known: there is "debian-busybox"; .* a disk/,
    ],
    [{ image: pathToFileURL(place("text")) }, /text is no guest's file; unikvm guest export makes one/],
    [{ image: new Uint8Array(9) }, /the image is no guest's file: it is too short/],
    [{ image: place("cut.qcow2"), kernel }, /image and kernel exclude each other/],
  ];
  for (const [options, expected] of wrong) {
    await assert.rejects(createVm(options as never), (error) => {
      assert.ok(error instanceof VmError, String(error));
      assert.match(error.message, expected);
      assert.deepEqual(error.console, []);
      return true;
    });
  }
});
