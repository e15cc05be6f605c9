/** `unikvm disk`: what it makes, says and refuses. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openDisk } from "../../src/vmm/storage/node/open-disk.js";
import { main } from "../boot/booting.test-support.js";
import { missing } from "../oracles/oracles.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-disk-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const disk = (...args: readonly string[]) =>
  spawnSync(process.execPath, [main, "disk", ...args], { encoding: "utf8", cwd: folder });
const file = (name: string): string => join(folder, name);

test("disks are made, and said what they are", () => {
  const raw = disk("create", "a.img", "3M");
  assert.deepEqual([raw.status, raw.stderr], [0, ""]);
  assert.equal(raw.stdout, "a.img: raw; a disk of 3 MiB, 0 bytes of it on the host's disk\n");
  assert.equal(statSync(file("a.img")).size, 3 << 20);
  assert.match(
    disk("create", "b.qcow2", "1.5G").stdout,
    /^b.qcow2: qcow2, version 3, clusters of 64 KiB; a disk of 1.5 GiB, /,
  );
  mkdirSync(file("folder"));
  const over = disk("create", "folder/c", "--format", "qcow2", "--backing", "b.qcow2");
  assert.match(over.stdout, /a disk of 1.5 GiB.*\nan overlay of "..\/b.qcow2"\n$/, over.stderr);
  const info = JSON.parse(disk("info", "--json", "--format", "qcow2", "folder/c").stdout) as Record<string, unknown>;
  assert.deepEqual([info["file"], info["format"], info["size"]], ["folder/c", "qcow2", 1.5 * 2 ** 30]);
  assert.deepEqual([info["version"], info["clusterSize"], info["backing"]], [3, 65536, "../b.qcow2"]);
  const opened = openDisk({ path: file("folder/c"), format: "qcow2", backing: [file("b.qcow2")] });
  opened.write(0, new Uint8Array(512).fill(1));
  opened.close();
  if (missing("qemuImg") === false) {
    const { status, stdout } = spawnSync("qemu-img", ["check", file("folder/c")], { encoding: "utf8" });
    assert.equal(status, 0, stdout);
  }
});

test("what cannot be is one sentence, and leaves nothing behind", () => {
  writeFileSync(file("there"), "kept");
  writeFileSync(file("guise"), "QFI\xfb and more", "latin1");
  const before = readdirSync(folder).sort();
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["create", "there", "1M"], /there cannot be made: there is such a file already/],
    [["create", "new", "0"], /new is to have 0 bytes/],
    [["create", "new"], /new needs a size, as 10G, or a backing file to take it from/],
    [["create", "new", "--backing", "there"], /new is to be a raw image, and only a qcow2 image can be an overlay/],
    [["create", "new.qcow2", "--backing", "absent"], /absent cannot be opened: there is no such file/],
    [
      ["create", "new.qcow2", "--backing", "guise"],
      /guise begins as a qcow2 image: give it a name that ends with .qcow2$/m,
    ],
    [["create", "new.qcow2", "8000T"], /new.qcow2: no qcow2 image has \d+ bytes/],
    [["create", "absent/new", "1M"], /absent\/new cannot be made: there is no folder absent/],
    [["info", "absent"], /absent cannot be opened: there is no such file/],
    [["info", "guise"], /guise begins as a qcow2 image: say --format qcow2, or --format raw if it is none$/m],
    [["info", "--format", "qcow2", "there"], /there is no qcow2 image/],
    [["info", "."], /is no regular file/],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = disk(...args);
    assert.deepEqual([status, stdout], [3, ""], `${args}: ${stderr}`);
    assert.match(stderr, message);
    assert.match(stderr, /^unikvm: [^\n]+\n$/);
  }
  assert.deepEqual(readdirSync(folder).sort(), before);
  assert.equal(readFileSync(file("there"), "utf8"), "kept");
});
