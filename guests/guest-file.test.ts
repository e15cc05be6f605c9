import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, test } from "node:test";
import { buildModule } from "../src/modules/elf/elf-builder.test-support.js";
import { anyPlatform } from "../src/vmm/snapshot/platform.js";
import { importsOf } from "../tools/import-rules.js";
import { guestFolder } from "./cache.js";
import { bootParts } from "./debian-parts.js";
import { drivers } from "./drivers.js";
import { importGuest } from "./exchange.js";
import { GuestFile, type GuestFileSource, writeGuestFile } from "./guest-file.js";
import { exportGuest } from "./index.js";
import { GuestUnavailable } from "./unavailable.js";

const about = {
  ...{ name: "debian", architecture: "ppc64le", description: "a toy", drivers: drivers.power, by: "a test" },
  packages: { "linux-image-6.1.0": "6.1.0-1", "busybox-static": "1:1.35" },
};
const tree = "modules/6.1.0";
/** The first is of three blocks, of which the last is short. */
const contents = new Map<string, Uint8Array>([
  ["vmlinux", Uint8Array.from({ length: (2 << 20) + 5 }, (_, i) => (i >> 7) * 31)],
  ["busybox", new TextEncoder().encode("a shell")],
  [`${tree}/empty`, new Uint8Array()],
  [`${tree}/kernel/bus.ko`, buildModule({ exports: [{ name: "bus" }] })],
  [`${tree}/kernel/card.ko`, buildModule({ imports: [{ name: "bus" }], info: ["alias=pci:v1*"] })],
  [`${tree}/modules.alias`, new TextEncoder().encode("alias pci:v1* card\n")],
  [`${tree}/modules.dep`, new TextEncoder().encode("kernel/card.ko: kernel/bus.ko\nkernel/bus.ko:\n")],
]);

async function written(files = contents, what: object = {}): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await writeGuestFile({ ...about, ...what }, files, anyPlatform, async (bytes) => void parts.push(bytes));
  return new Uint8Array(Buffer.concat(parts));
}

const source = (bytes: Uint8Array): GuestFileSource => ({
  name: "the file",
  size: bytes.length,
  read: async (offset, length) => {
    assert.ok(offset + length <= bytes.length, "beyond the end");
    return bytes.slice(offset, offset + length);
  },
});

/** All of it, by path. */
async function read(bytes: Uint8Array): Promise<Map<string, Uint8Array>> {
  const file = await GuestFile.open(source(bytes), anyPlatform);
  const all = new Map<string, Uint8Array>();
  for (const path of file.paths) all.set(path, await file.read(path));
  return all;
}

const small = new Map([...contents].map(([path, bytes]) => [path, bytes.subarray(0, 40)] as const));

test("what is written is read again, and the same guest gives the same bytes", async () => {
  const bytes = await written();
  assert.deepEqual(await read(bytes), contents);
  assert.deepEqual(await written(), bytes);
  const file = await GuestFile.open(source(bytes), anyPlatform);
  assert.deepEqual(file.about.packages, about.packages);
  await assert.rejects(file.read("gone"), /has no gone; export the guest again/);
});

test("each byte flipped and each length cut is refused with a sentence", async () => {
  const bytes = await written(small);
  for (let at = 0; at < bytes.length; at++) {
    const wrong = bytes.slice();
    wrong[at] = (bytes[at] as number) ^ (1 << (at % 8));
    await assert.rejects(read(wrong), GuestUnavailable, `byte ${at}`);
    await assert.rejects(read(bytes.subarray(0, at)), GuestUnavailable, `${at} bytes`);
  }
  await assert.rejects(read(new Uint8Array([...bytes, 0])), /has \d+ bytes, and its head speaks of \d+/);
});

/** A file with a head that says of itself what it likes: its digest is right. */
async function withHead(change: (head: Record<string, unknown>) => unknown): Promise<Uint8Array> {
  const bytes = await written(small);
  const length = new DataView(bytes.buffer).getUint32(12, true);
  const head = change(JSON.parse(new TextDecoder().decode(bytes.subarray(48, 48 + length))));
  const text = new TextEncoder().encode(typeof head === "string" ? head : JSON.stringify(head));
  const front = bytes.slice(0, 48);
  new DataView(front.buffer).setUint32(12, text.length, true);
  front.set(await anyPlatform.digest(text), 16);
  return new Uint8Array(Buffer.concat([front, text, bytes.subarray(48 + length)]));
}

test("a hostile head is refused: paths that lead elsewhere, sizes, texts that a terminal would obey", async () => {
  const sha256 = "0".repeat(64);
  const file = (path: string, size = 0, blocks: unknown = []) => ({ path, size, blocks });
  const files = (...list: unknown[]) => withHead((head) => ({ ...head, files: list }));
  for (const path of ["../x", "/etc/passwd", "a/../b", "a//b", "a/", "", ".hidden", "a/.b", "a\\b", "a\0b", "C:x"]) {
    await assert.rejects(read(await files(file(path))), /is not used: it has a file/, path);
  }
  const cases: readonly (readonly [Promise<Uint8Array>, RegExp])[] = [
    [files(file("a"), file("a")), /two files "a"/],
    [files(file("a"), file("a/b")), /"a" is a file and a folder/],
    [files(file("a", 2 ** 40, [{ length: 1, sha256 }])), /more than \d+ bytes/],
    [files(file("a", 1)), /0 blocks for 1 bytes/],
    [files(file("a", 1 << 20, [{ length: 9, sha256 }])), /a block of 9 bytes that is to give 1048576/],
    [files(file("a", 9, [{ length: 4000, sha256 }])), /a block of 4000 bytes/],
    [files(file("a", 9, [{ length: 9, sha256: "ZZ" }])), /a digest "ZZ"/],
    [files(file("a", -1)), /head is not as it is written/],
    [files(null), /head is not as it is written/],
    [withHead((head) => ({ ...head, description: "\x1b[2Jhello" })), /not as it is written/],
    [withHead((head) => ({ ...head, packages: { "linux-image-/../../x": "1" } })), /names a package/],
    [withHead((head) => ({ ...head, packages: { a: "1\n2" } })), /not as it is written/],
    [withHead(() => "{"), /not as it is written/],
    [withHead(() => "[]"), /not as it is written/],
  ];
  for (const [bytes, expected] of cases) {
    await assert.rejects(read(await bytes), (error: Error) => {
      assert.ok(error instanceof GuestUnavailable, String(error));
      assert.match(error.message, expected);
      return true;
    });
  }
});

test("a block that inflates to more than it says is not inflated to its end", async () => {
  const bomb = await anyPlatform.deflate(new Uint8Array(64 << 20));
  const front = await withHead((head) => {
    const [first] = head["files"] as { blocks: { length: number }[] }[];
    (first?.blocks[0] as { length: number }).length = 900;
    return head;
  });
  assert.ok(bomb.length > 900);
  await assert.rejects(read(front), GuestUnavailable);
});

test("it gives what a machine boots, with the modules that are asked for and what they need", async () => {
  const file = await GuestFile.open(source(await written()), anyPlatform);
  const { kernel, initrd, append } = await bootParts(file, ["pci:v1d2"]);
  assert.deepEqual(kernel, contents.get("vmlinux"));
  assert.match(append, /^console=/);
  const text = new TextDecoder("latin1").decode(initrd);
  for (const part of ["a shell", "unikvm.modules=", "lib/modules/6.1.0/kernel/bus.ko", "kernel/card.ko: kernel/bus.ko"])
    assert.ok(text.includes(part), part);
  await assert.rejects(bootParts(file, ["lost"]), /has no module lost/);
  const other = await GuestFile.open(source(await written(small, { name: "windows" })), anyPlatform);
  const amd64 = { name: "debian-amd64", architecture: "x86_64" };
  const x86 = await bootParts(await GuestFile.open(source(await written(contents, amd64)), anyPlatform), []);
  assert.deepEqual([x86.architecture, x86.append.split(" ")[0]], ["x86_64", "console=ttyS0"]);
  const mixed = await GuestFile.open(source(await written(contents, { ...amd64, architecture: "i386" })), anyPlatform);
  await assert.rejects(bootParts(mixed, []), /the guest "debian-amd64" for "i386", which this unikvm does not know/);
  await assert.rejects(bootParts(other, []), /the guest "windows" for "ppc64le", which this unikvm does not know/);
});

test("no page needs Node.js for it", () => {
  const root = join(import.meta.dirname, "../..");
  const seen = new Set<string>();
  const look = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const name of importsOf(readFileSync(path, "utf8"))) {
      assert.ok(name.startsWith("."), `${path} imports ${name}`);
      look(join(path, "..", name.replace(/\.js$/, ".ts")));
    }
  };
  look(join(root, "guests/debian-parts.ts"));
  assert.ok(seen.size > 10, `${seen.size} files`);
});

const saved = process.env["XDG_CACHE_HOME"];
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "unikvm-exchange-"));
  process.env["XDG_CACHE_HOME"] = join(folder, "cache");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
after(() => {
  if (saved === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = saved;
});

const quiet = () => {};
const place = (name: string): string => join(folder, name);

test("a file is taken into the cache, and what is there is exported again, with what modprobe reads", async () => {
  writeFileSync(place("in"), await written());
  const guest = await importGuest(place("in"), quiet);
  assert.equal(guest.description, "a toy");
  assert.deepEqual(new Uint8Array(readFileSync(guest.kernel)), contents.get("vmlinux"));
  assert.ok(readFileSync(guest.initrd).includes("a shell"));
  // No apt is asked: all is there.
  const path = process.env["PATH"];
  process.env["PATH"] = folder;
  try {
    symlinkSync("out", place("link"));
    writeFileSync(place("out"), "older");
    const { digest } = await exportGuest(place("link"), quiet);
    const file = await GuestFile.open(source(new Uint8Array(readFileSync(place("out")))), anyPlatform);
    assert.equal(file.digest, digest);
    for (const name of file.paths) assert.deepEqual(await file.read(name), contents.get(name), name);
    assert.equal(file.paths.length, contents.size);
    assert.ok(lstatSync(place("link")).isSymbolicLink());
  } finally {
    process.env["PATH"] = path;
  }
});

test("an export that is interrupted while it packs ends at once, and leaves no file", async () => {
  // What cannot be packed takes the longest.
  const kernel = new Uint8Array(randomBytes(24 << 20));
  writeFileSync(place("in"), await written(new Map([...contents, ["vmlinux", kernel]])));
  await importGuest(place("in"), quiet);
  const [controller, stop] = [new AbortController(), new Error("stop")];
  const exported = exportGuest(place("out"), () => setTimeout(() => controller.abort(stop), 50), controller.signal);
  const begin = performance.now();
  await assert.rejects(exported, stop);
  const interrupted = performance.now() - begin;
  assert.deepEqual(readdirSync(folder).sort(), ["cache", "in"]);
  await exportGuest(place("out"), quiet);
  assert.ok(interrupted < (performance.now() - begin - interrupted) / 2, `${interrupted} ms`);
});

test("what is no whole guest of this version changes nothing in the cache", async () => {
  writeFileSync(place("good"), await written());
  await importGuest(place("good"), quiet);
  const before = readdirSync(guestFolder(), { recursive: true }).sort();
  const bytes = await written(contents, { description: "another" });
  writeFileSync(place("damaged"), bytes.fill(0, -10));
  writeFileSync(place("cut"), bytes);
  truncateSync(place("cut"), bytes.length - 1);
  writeFileSync(place("text"), "hello".repeat(20));
  writeFileSync(place("old"), await written(small, { drivers: ["virtio_net"] }));
  writeFileSync(place("other"), await written(small, { architecture: "riscv64" }));
  writeFileSync(place("empty"), await written(new Map()));
  const cases: readonly (readonly [string, RegExp])[] = [
    ["damaged", /damaged is damaged: block 0 of its .* has another digest/],
    ["cut", /cut is damaged or cut off/],
    ["text", /text is no guest's file; unikvm guest export makes one/],
    ["old", /made by another version of unikvm, and has no virtio_pci, .*; export it again with this one/],
    ["other", /for "riscv64", which this unikvm does not know/],
    ["empty", /empty has no vmlinux/],
    ["gone", /cannot be read: there is no such file/],
    [".", /cannot be read: it is a folder/],
  ];
  for (const [name, expected] of cases) {
    await assert.rejects(importGuest(place(name), quiet), (error: Error) => {
      assert.ok(error instanceof GuestUnavailable, String(error));
      assert.match(error.message, expected);
      return true;
    });
    assert.deepEqual(readdirSync(guestFolder(), { recursive: true }).sort(), before, name);
    assert.match(readFileSync(join(guestFolder(), "debian/guest.json"), "utf8"), /a toy/);
  }
});

test("a device is not replaced by a file, and a folder that is not there is said", {
  skip: !existsSync("/proc") && "no FIFO here",
}, async () => {
  writeFileSync(place("good"), await written(small));
  await importGuest(place("good"), quiet);
  assert.equal(spawnSync("mkfifo", [place("fifo")]).status, 0);
  await assert.rejects(
    exportGuest(place("fifo"), quiet),
    /cannot be written: it is no regular file, and is not replaced/,
  );
  assert.ok(lstatSync(place("fifo")).isFIFO());
  await assert.rejects(exportGuest(place("no/such"), quiet), /cannot be written: its folder is not there$/);
  await assert.rejects(importGuest(place("fifo"), quiet), /is a FIFO, and only regular files are read/);
  assert.deepEqual(readdirSync(folder).sort(), ["cache", "fifo", "good"]);
});
