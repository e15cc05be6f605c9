/** Images of qemu-img read by us, and ours by it: contents, and what `qemu-img check` says. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { random as randomOf } from "../../src/vfio/random.test-support.js";
import { StorageError } from "../../src/vmm/storage/disk.js";
import { MemoryStore } from "../../src/vmm/storage/memory-store.js";
import { decompressors } from "../../src/vmm/storage/node/decompressors.js";
import { FileStore } from "../../src/vmm/storage/node/file-store.js";
import { openDisk } from "../../src/vmm/storage/node/open-disk.js";
import { anyDecompressors } from "../../src/vmm/storage/qcow2/decompressors.js";
import { formatQcow2 } from "../../src/vmm/storage/qcow2/header.js";
import { Qcow2Disk } from "../../src/vmm/storage/qcow2/qcow2.js";
import { missing } from "../oracles/oracles.js";

const skip = missing("qemuImg");
const folder = mkdtempSync(join(tmpdir(), "unikvm-storage-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string): string => join(folder, name);
const mebibyte = 1048576;

const img = (...args: readonly string[]): string => execFileSync("qemu-img", args, { encoding: "utf8", cwd: folder });
const io = (image: string, ...commands: readonly string[]): string =>
  execFileSync("qemu-io", ["-f", "qcow2", ...commands.flatMap((command) => ["-c", command]), image], {
    encoding: "utf8",
  });

/** What qemu-img says of an image's tables: nothing wrong, nothing leaked. */
function check(image: string): void {
  const { status, stdout, stderr } = spawnSync("qemu-img", ["check", "-f", "qcow2", image], { encoding: "utf8" });
  assert.equal(status, 0, `${stdout}${stderr}`);
}

/** What qemu-img reads of it. */
function converted(image: string): Buffer {
  img("convert", "-f", "qcow2", "-O", "raw", image, file("converted"));
  return readFileSync(file("converted"));
}

/** What we read of it. */
function read(path: string, backing: readonly string[] = []): Buffer {
  const disk = openDisk({ path, format: "qcow2", readOnly: true, backing });
  const bytes = Buffer.alloc(disk.size);
  disk.read(0, bytes);
  disk.close();
  return bytes;
}

/** Bytes that neither compress to nothing nor not at all. */
function pattern(length: number, seed: number): Buffer {
  let state = seed;
  return Buffer.from(
    Uint8Array.from({ length }, (_, i) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return i % 3 === 0 ? state >>> 24 : seed;
    }),
  );
}

const same = (one: Buffer, other: Buffer, what: string): void => assert.ok(one.equals(other), what);

for (const options of ["compat=0.10", "compat=1.1", "compat=1.1,cluster_size=512,refcount_bits=1", "cluster_size=2M"]) {
  test(`random work by turns with qemu-io on an image with ${options}`, { skip }, () => {
    const image = file("turns.qcow2");
    const size = 3 * mebibyte + 512;
    img("create", "-q", "-f", "qcow2", "-o", options, image, String(size));
    const model = Buffer.alloc(size);
    let state = options.length;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 6; round++) {
      const ours = round % 2 === 0;
      const commands: string[] = [];
      const disk = ours ? openDisk({ path: image, format: "qcow2" }) : undefined;
      for (let step = 0; step < 40; step++) {
        const offset = 512 * random(size / 512);
        const length = Math.min(size - offset, 512 * (1 + random(random(3) === 0 ? 600 : 20)));
        const byte = 1 + random(255);
        const kind = random(5);
        if (kind === 0) {
          if (disk) disk.writeZeroes(offset, length, random(2) === 0);
          else commands.push(`write -q -z ${random(2) ? "-u" : ""} ${offset} ${length}`);
          model.fill(0, offset, offset + length);
        } else if (kind === 1 && disk) {
          disk.discard(offset, length);
          disk.read(offset, model.subarray(offset, offset + length));
        } else {
          if (disk) disk.write(offset, new Uint8Array(length).fill(byte));
          else commands.push(`write -q -P ${byte} ${offset} ${length}`);
          model.fill(byte, offset, offset + length);
        }
      }
      if (disk) {
        disk.flush();
        disk.close();
      } else io(image, ...commands);
      check(image);
      same(converted(image), model, `round ${round}: what qemu-img reads`);
      same(read(image), model, `round ${round}: what we read`);
    }
  });
}

for (const compression of ["zlib", "zstd"]) {
  test(`an image compressed with ${compression} is read, written over, and stays whole`, { skip }, () => {
    const contents = Buffer.concat([pattern(mebibyte, 3), Buffer.alloc(mebibyte), pattern(mebibyte, 7)]);
    writeFileSync(file("plain"), contents);
    const image = file(`${compression}.qcow2`);
    img("convert", "-f", "raw", "-O", "qcow2", "-c", "-o", `compression_type=${compression}`, file("plain"), image);
    assert.ok(statSync(image).size < 1.7 * mebibyte);
    same(read(image), contents, "what we read");
    const inPage = new Qcow2Disk(new MemoryStore("image", readFileSync(image)), { decompressors: anyDecompressors });
    const bytes = Buffer.alloc(contents.length);
    inPage.read(0, bytes);
    same(bytes, contents, "what any runtime reads");
    const disk = openDisk({ path: image, format: "qcow2" });
    for (const offset of [0, 100 * 512, 65536 - 512, 5 * 65536, 2 * mebibyte + 3 * 65536]) {
      const bytes = pattern(1536, offset + 1);
      disk.write(offset, bytes);
      bytes.copy(contents, offset);
    }
    disk.discard(8 * 65536, 2 * 65536);
    contents.fill(0, 8 * 65536, 10 * 65536);
    disk.close();
    check(image);
    same(converted(image), contents, "what qemu-img reads");
    same(read(image), contents, "what we read");
  });
}

/** A long run: `UNIKVM_DRAWS=5000 UNIKVM_SEED=7 node --test dist/test/storage/qcow2.test.js`. */
const draws = Number(process.env["UNIKVM_DRAWS"] ?? 250);
const firstSeed = Number(process.env["UNIKVM_SEED"] ?? 1);

/** An image with some of its bytes changed, or its end cut off: of its head, of anything, of its tables. */
function mutated(honest: Buffer, random: (below: number) => number): Uint8Array {
  const bytes = Uint8Array.from(honest.subarray(0, random(10) === 0 ? random(honest.length) : honest.length));
  const reach = [112, honest.length, 6 * 4096][random(3)] ?? 0;
  for (let i = 0; i <= random(4); i++) {
    bytes[random(Math.min(reach, bytes.length))] = [0, 0xff, 0x80, 0x40, 1, random(256)][random(6)] ?? 0;
  }
  return bytes;
}

for (const compression of ["zlib", "zstd"]) {
  test(`${draws} images with clusters compressed by ${compression} and bytes changed are refused or used`, {
    skip,
  }, (t) => {
    writeFileSync(
      file("plain"),
      Buffer.concat([pattern(96 * 1024, 5), Buffer.alloc(32 * 1024), pattern(128 * 1024, 9)]),
    );
    const image = file("honest.qcow2");
    const shape = `cluster_size=4096,compression_type=${compression}`;
    img("convert", "-f", "raw", "-O", "qcow2", "-c", "-o", shape, file("plain"), image);
    // One that is not compressed, in the midst of them.
    io(image, "write -q -P 7 8192 4096");
    const honest = readFileSync(image);
    const counts = { read: 0, written: 0, refused: 0 };
    let slowest = 0;
    for (let seed = firstSeed; seed < firstSeed + draws; seed++) {
      const random = randomOf(seed);
      const store = new MemoryStore("image", mutated(honest, random));
      const begin = performance.now();
      try {
        const disk = new Qcow2Disk(store, {
          readOnly: random(3) === 0,
          decompressors: seed % 2 === 0 ? decompressors : anyDecompressors,
        });
        const end = Math.min(disk.size, 256 * 1024);
        for (let at = 0; at < end; at += 4096) disk.read(at, new Uint8Array(Math.min(4096, end - at)));
        counts.read++;
        if (disk.readOnly) continue;
        disk.write(512 * random(64), new Uint8Array(512 * (1 + random(40))).fill(seed));
        disk.discard(0, 8192);
        disk.writeZeroes(65536, 16_384, random(2) === 0);
        disk.flush();
        counts.written++;
      } catch (error) {
        assert.ok(error instanceof StorageError, `seed ${seed}: ${(error as Error).stack}`);
        counts.refused++;
      }
      slowest = Math.max(slowest, performance.now() - begin);
      assert.ok(store.size < mebibyte, `seed ${seed}: ${store.size} bytes`);
    }
    t.diagnostic(
      `${draws} images: ${counts.read} read whole, ${counts.written} written to, ${counts.refused} refused; ${slowest.toFixed(0)} ms at the most (seeds from ${firstSeed})`,
    );
    assert.ok(counts.refused > draws / 10 && counts.read > draws / 10, JSON.stringify(counts));
  });
}

test("snapshots inside an image, and overlays of files that were named, keep what they had", { skip }, () => {
  const base = file("base.qcow2");
  img("create", "-q", "-f", "qcow2", base, "2M");
  io(base, "write -q -P 1 0 1M");
  img("snapshot", "-c", "before", base);
  const disk = openDisk({ path: base, format: "qcow2" });
  disk.write(4096, new Uint8Array(8192).fill(2));
  disk.discard(5 * 65536, 65536);
  disk.close();
  check(base);
  const now = read(base);
  assert.deepEqual([now[4095], now[4096], now[12287], now[12288], now[5 * 65536]], [1, 2, 2, 1, 0]);
  same(converted(base), now, "what qemu-img reads");

  const middle = file("middle.qcow2");
  img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", middle, "3M");
  const top = file("top.qcow2");
  const store = FileStore.create(top);
  formatQcow2(store, { size: 3 * mebibyte, backing: { name: "middle.qcow2", format: "qcow2" } });
  store.close();
  const overlay = openDisk({ path: top, backing: [middle, base] });
  overlay.write(512, new Uint8Array(512).fill(9));
  overlay.writeZeroes(65536, 65536, false);
  overlay.close();
  check(top);
  const seen = read(top, [middle, base]);
  assert.deepEqual([seen[0], seen[512], seen[1024], seen[4096], seen[65536], seen[2 * 65536]], [1, 9, 1, 2, 0, 1]);
  same(converted(top), seen, "what qemu-img reads");
  same(read(base), now, "the base");
  assert.throws(() => read(top), /is an overlay of "middle.qcow2"; name that file, too, with backing=FILE/);
  assert.throws(() => read(top, [middle]), /middle.qcow2 is an overlay of "base.qcow2"/);
  assert.throws(() => read(top, [middle, top]), /top.qcow2 cannot be an overlay of itself/);

  img("snapshot", "-a", "before", base);
  assert.ok(
    read(base)
      .subarray(0, mebibyte)
      .every((byte) => byte === 1),
  );
  check(base);
});

test("an image of ours is what qemu-img takes it for", { skip }, () => {
  const image = file("ours.qcow2");
  const store = FileStore.create(image);
  formatQcow2(store, { size: 5 * 2 ** 40 });
  store.close();
  check(image);
  const info = JSON.parse(img("info", "--output=json", "-f", "qcow2", image)) as Record<string, unknown>;
  assert.deepEqual([info["virtual-size"], info["cluster-size"]], [5 * 2 ** 40, 65536]);
  const disk = openDisk({ path: image });
  disk.write(5 * 2 ** 40 - 512, new Uint8Array(512).fill(5));
  disk.close();
  check(image);
  assert.match(io(image, `read -P 5 ${5 * 2 ** 40 - 512} 512`), /^read 512\/512 bytes/);
});

test("a file that is no such image, or may not be, is said", () => {
  writeFileSync(file("raw"), Buffer.alloc(1000, 1));
  const disk = openDisk({ path: file("raw") });
  const bytes = new Uint8Array(1024);
  disk.read(0, bytes);
  assert.deepEqual([disk.size, bytes[999], bytes[1000]], [1024, 1, 0]);
  disk.write(512, new Uint8Array(512).fill(2));
  disk.flush();
  disk.close();
  assert.equal(statSync(file("raw")).size, 1024);
  writeFileSync(file("guise"), Buffer.from("QFI\xfb and whatever a guest wrote", "latin1"));
  assert.throws(
    () => openDisk({ path: file("guise") }),
    /guise begins as a qcow2 image: say format=qcow2, or format=raw/,
  );
  openDisk({ path: file("guise"), format: "raw" }).close();
  assert.throws(() => openDisk({ path: file("guise"), format: "qcow2" }), /guise is a qcow2 image of version/);
  assert.throws(() => openDisk({ path: file("nothing") }), /nothing cannot be opened: there is no such file/);
  assert.throws(() => openDisk({ path: folder }), /is no regular file, and so no image of a disk/);
  assert.throws(() => openDisk({ path: "/dev/zero" }), /is no regular file/);
  assert.throws(() => openDisk({ path: file("raw"), backing: [file("guise")] }), /begins as a qcow2 image/);
  assert.throws(() => FileStore.create(file("raw")), /raw cannot be made: there is such a file already/);
});
