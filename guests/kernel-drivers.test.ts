import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { buildModule } from "../src/modules/elf/elf-builder.test-support.js";
import { type CpioEntry, cpio } from "./cpio.js";
import { isInitramfs, readInitramfs } from "./cpio-reader.js";
import { driversFor, kernelVersion, type OwnKernel } from "./kernel-drivers.js";
import { GuestUnavailable } from "./unavailable.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-own-kernel-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const version = "6.9.0-toy+1";
const place = `lib/modules/${version}`;
const kernel = (...builtin: readonly string[]): Uint8Array =>
  new TextEncoder().encode(`\0Linux version %s (%s)\0Linux version ${version} (me@here)\0${builtin.join("\0")}\0`);
/** Of a console and a disk. */
const aliases = ["pci:v00001AF4d00001043sv0sd0bc07sc80i00", "virtio:d00000003v00001AF4", "virtio:d00000002v00001AF4"];

const files: Readonly<Record<string, Uint8Array>> = {
  "kernel/ring.ko": buildModule({ exports: [{ name: "ring" }] }),
  "kernel/pci.ko.gz": new Uint8Array(
    gzipSync(buildModule({ imports: [{ name: "ring" }], info: ["alias=pci:v00001AF4d*"] })),
  ),
  "kernel/console.ko": buildModule({ info: ["alias=virtio:d00000003v*"] }),
  "kernel/blk.ko": buildModule({ info: ["alias=virtio:d00000002v*"] }),
  "modules.dep": new TextEncoder().encode(
    "kernel/ring.ko:\nkernel/pci.ko.gz: kernel/ring.ko\nkernel/console.ko:\nkernel/blk.ko:\n",
  ),
  "modules.alias": new TextEncoder().encode(
    "alias pci:v00001AF4d* pci\nalias virtio:d00000003v* console\nalias virtio:d00000002v* blk\n",
  ),
};
const entries = Object.entries(files).map(
  ([path, data]): CpioEntry => ({ path: `${place}/${path}`, type: "file", data }),
);
/** As initramfs-tools makes it: one archive as it is, padding, and one that is compressed. */
const initrd = new Uint8Array(
  Buffer.concat([cpio([{ path: "early", type: "file", data: "x" }]), new Uint8Array(512), gzipSync(cpio(entries))]),
);
const loaded = ["ring", "pci", "console", "blk"].map((name) => `/${place}/kernel/${name}.ko`);

const own = (image: Uint8Array, rest: Partial<OwnKernel> = {}): OwnKernel => ({
  path: join(folder, "boot/vmlinux"),
  image,
  folders: [],
  ...rest,
});

test("a kernel's version, as it says it itself", () => {
  assert.equal(kernelVersion(kernel()), version);
  assert.equal(kernelVersion(new TextEncoder().encode("Linux version  and Linux version 6 ")), undefined);
});

test("drivers come from the initrd, from beside the kernel or from a folder; what is built in is not looked for", async () => {
  const fromInitrd = await driversFor(own(kernel(), { initrd: { path: "initrd", bytes: initrd } }), aliases);
  assert.deepEqual(fromInitrd.modules, loaded);
  const unpacked = (await readInitramfs(fromInitrd.archive, () => true)).files;
  assert.equal(unpacked.get(`${place}/kernel/pci.ko`)?.[1], 0x45, "unpacked");
  const builtIn = await driversFor(own(kernel("virtio-pci", "virtio-ports", "virtio_blk")), aliases);
  assert.deepEqual(builtIn, { archive: new Uint8Array(), modules: [] });
  const some = own(kernel("virtio-pci", "virtio_blk"), { initrd: { path: "initrd", bytes: initrd } });
  assert.deepEqual((await driversFor(some, aliases)).modules, [`/${place}/kernel/console.ko`]);
  for (const root of ["", "elsewhere/usr"]) {
    for (const [path, data] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, root, place, path)), { recursive: true });
      writeFileSync(join(folder, root, place, path), data);
    }
    const folders = root === "" ? [] : [join(folder, root)];
    assert.deepEqual((await driversFor(own(kernel(), { folders }), aliases)).modules, loaded);
    rmSync(join(folder, root === "" ? "lib" : root), { recursive: true });
  }
  // As packages install kernels today: usr/lib/modules/VERSION/vmlinuz. In a folder of another name modules are another kernel's.
  for (const [name, found] of [
    [version, true],
    ["6.9.0-other", false],
  ] as const) {
    const inside = join(folder, "usr/lib/modules", name);
    for (const [path, data] of Object.entries(files)) {
      mkdirSync(dirname(join(inside, path)), { recursive: true });
      writeFileSync(join(inside, path), data);
    }
    const drivers = driversFor({ ...own(kernel()), path: join(inside, "vmlinuz") }, aliases);
    if (found) assert.deepEqual((await drivers).modules, loaded);
    else await assert.rejects(drivers, /has no virtio_pci/);
    rmSync(join(folder, "usr"), { recursive: true });
  }
  // A file system that is no module of it is none that is needed.
  assert.deepEqual((await driversFor(some, aliases, ["ext4"])).modules, [`/${place}/kernel/console.ko`]);
});

test("a driver that is nowhere is named, with where it was looked for", async () => {
  const few = cpio(entries.filter(({ path }) => !path.includes("modules.alias")));
  const kernels: readonly (readonly [OwnKernel, RegExp])[] = [
    [
      own(kernel()),
      /has no virtio_pci, virtio_console, virtio_blk built in, .* in .*boot\/lib\/modules\/6\.9\.0-toy\+1\. Build/,
    ],
    [
      own(kernel("virtio-pci"), { initrd: { path: "my.initrd", bytes: few } }),
      /no virtio_console, virtio_blk .* in my\.initrd, in /,
    ],
    [own(kernel(), { initrd: { path: "x", bytes: new TextEncoder().encode("BZh9") } }), /in x \(it is neither a cpio/],
    [own(kernel(), { initrd: { path: "x", bytes: initrd.subarray(0, -9) } }), /in x \(gzip: .*\)/],
  ];
  for (const [given, expected] of kernels) {
    await assert.rejects(driversFor(given, aliases), (error: Error) => {
      assert.ok(error instanceof GuestUnavailable, String(error));
      assert.match(error.message, expected);
      return true;
    });
  }
  assert.deepEqual((await driversFor(own(new Uint8Array(100)), aliases)).modules, [], "one that says no version");
});

test("an initrd of whatever bytes is read or said to be none: each byte of a header changed, each length cut", async () => {
  const archive = cpio([
    { path: "a", type: "directory" },
    { path: "a/b", type: "file", data: "hello" },
    { path: "c", type: "file", data: "x" },
  ]);
  const all = (bytes: Uint8Array) => readInitramfs(bytes, () => true);
  assert.deepEqual([...(await all(archive)).files.keys()], ["a/b", "c"]);
  for (let at = 0; at < archive.length; at++) {
    for (const value of [0, 0x30, 0x46, 0xff]) {
      const wrong = archive.slice();
      wrong[at] = value;
      const { files: found } = await all(wrong);
      assert.ok([...found.values()].every(({ length }) => length <= archive.length));
    }
    await all(archive.subarray(0, at));
  }
  assert.match((await all(archive.subarray(0, 300))).unread ?? "", /damaged or cut off/);
  assert.match((await all(new Uint8Array(gzipSync(gzipSync(archive))))).unread ?? "", /compressed twice/);
  assert.ok(isInitramfs(archive) && isInitramfs(initrd) && !isInitramfs(new TextEncoder().encode("hello")));
});
