/** Debian's kernel uses disks through its own driver: what it wrote is in the host's files, under both engines. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { FileStore } from "../../src/vmm/storage/node/file-store.js";
import { openDisk } from "../../src/vmm/storage/node/open-disk.js";
import { formatQcow2 } from "../../src/vmm/storage/qcow2/header.js";
import { missing } from "../oracles/oracles.js";
import { implementations, main, noGuest, root, textBetween, unikvm } from "./booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-disk-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const mebibyte = 1048576;

const pattern = Array.from({ length: 4096 }, (_, i) => `sector ${String(i).padStart(8, "0")}\n`).join("");

const seen = `\
vda 8193 disk0 ro 0
vdb 65536 disk1 ro 0
vdc 8 disk2 ro 1
queues 2
requests interrupt
written vda
mounted vdb
trimmed vdb
unmounted vdb
read vda
not written vdc
#!/bin/sh`;

/** A program that looks at a file system, if it is there: what it prints. */
function look(program: string, args: readonly string[]): string | undefined {
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (error) return undefined;
  assert.equal(status, 0, `${program}: ${stdout}${stderr}`);
  return stdout;
}

const guest = "console=hvc0 rdinit=/init cryptomgr.notests=1 quiet";
/** With the default guest, which gets the drivers that its disks need. */
const run = (...args: readonly string[]) => unikvm(["run", "--memory", "512M", "--timeout", "300", ...args]).finished;

for (const type of implementations) {
  test(`disks that a guest writes and reads under ${type}`, { skip: noGuest }, async (t) => {
    const [raw, qcow2, script] = ["raw", "disk.qcow2", "script"].map((name) => join(folder, `${type}-${name}`));
    assert.ok(raw && qcow2 && script);
    writeFileSync(raw, new Uint8Array(4 * mebibyte + 100));
    const store = FileStore.create(qcow2);
    formatQcow2(store, { size: 32 * mebibyte });
    store.close();
    writeFileSync(script, `${readFileSync(join(root, "test/boot/disk.sh"), "utf8")}exit\n${" ".repeat(2048)}`);
    const disks = ["--disk", raw, "--disk", qcow2, "--disk", `${script},readonly`];
    const before = readFileSync(script);
    const { status, stdout, stderr } = await run(
      ...["--type", type, "--cpus", "2", "--guest-module", "ext4", "--append", `${guest} "unikvm.run=sh /dev/vdc"`],
      ...disks,
    );
    if (/apt/.test(stderr)) return t.skip(`the drivers cannot be fetched: ${stderr}`);
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    const sectors = Math.ceil(before.length / 512);
    const expected = `${seen.replace("vdc 8", `vdc ${sectors}`)}\nunikvm.run: exit status 0`;
    assert.equal(textBetween(stdout, "vda 8193", "unikvm.run:"), expected, `${stdout}\n${stderr}`);

    const bytes = readFileSync(raw);
    assert.equal(bytes.toString("latin1", 3 * 4096, 3 * 4096 + pattern.length), pattern);
    assert.ok(bytes.subarray(0, 3 * 4096).every((byte) => byte === 0));
    assert.deepEqual(readFileSync(script), before);
    const disk = openDisk({ path: qcow2, readOnly: true });
    const plain = new Uint8Array(disk.size);
    disk.read(0, plain);
    disk.close();
    assert.ok(Buffer.from(plain).includes(pattern.slice(0, 1024)));
    if (missing("qemuImg") === false) look("qemu-img", ["check", "-f", "qcow2", qcow2]);
    const fileSystem = join(folder, `${type}-plain`);
    writeFileSync(fileSystem, plain);
    const found = look("debugfs", ["-R", "cat /folder/hello", fileSystem]);
    if (found === undefined)
      t.diagnostic("SKIPPED a look into the file system: debugfs is not installed (Debian: e2fsprogs)");
    else {
      assert.equal(found, "hello\n");
      assert.equal(look("debugfs", ["-R", "cat /pattern", fileSystem]), pattern);
      look("e2fsck", ["-f", "-n", fileSystem]);
    }
  });
}

test("where the host lets the image grow no more, the guest gets an I/O error and lives", {
  skip: noGuest,
}, async (t) => {
  const image = join(folder, "full.qcow2");
  const store = FileStore.create(image);
  formatQcow2(store, { size: 32 * mebibyte });
  store.close();
  const work =
    "dd if=/dev/zero of=/dev/vda bs=64k count=64 conv=fsync || echo refused; dd if=/dev/vda of=/dev/null bs=64k count=4";
  const args = [
    "run",
    "--memory",
    "512M",
    "--timeout",
    "300",
    "--disk",
    image,
    "--append",
    `${guest} "unikvm.run=${work}"`,
  ];
  const { status, stdout, stderr } = spawnSync(
    "sh",
    // Two MiB, in blocks of 512 bytes; the signal is what ignoring it makes an error of.
    ["-c", 'trap "" XFSZ; ulimit -f 4096; exec "$@"', "sh", process.execPath, main, ...args],
    { encoding: "utf8", timeout: 300_000 },
  );
  if (/apt/.test(stderr)) return t.skip(`the drivers cannot be fetched: ${stderr}`);
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout.replaceAll("\r", ""), /^refused$[\s\S]*^4\+0 records out$[\s\S]*^unikvm.run: exit status 0$/m);
  assert.match(stderr, /^unikvm: .*full.qcow2 cannot be (written|resized): the file would become larger than/m);
  if (missing("qemuImg") === false) look("qemu-img", ["check", "-f", "qcow2", image]);
});
