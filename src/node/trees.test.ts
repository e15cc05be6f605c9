/** Trees of the host as tars and back, and tars that want to write elsewhere. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { VmError } from "../api/error.js";
import { archive, hostileArchives, streamOf } from "../api/tar/archives.test-support.js";
import { packTree } from "./pack-tree.js";
import { unpackTree } from "./unpack-tree.js";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-trees-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** What a folder holds, each thing as a line. */
function listOf(folder: string, path = ""): string[] {
  return readdirSync(join(folder, path))
    .sort()
    .flatMap((name) => {
      const own = join(path, name);
      const state = lstatSync(join(folder, own));
      const mode = (state.mode & 0o777).toString(8);
      const time = Math.floor(state.mtimeMs);
      if (state.isSymbolicLink()) return [`${own} -> ${readlinkSync(join(folder, own))}`];
      if (state.isDirectory()) return [`${own}/ ${mode} ${time}`, ...listOf(folder, own)];
      return [`${own} ${mode} ${time} ${readFileSync(join(folder, own)).length}`];
    });
}

function makeTree(folder: string): string {
  const tree = join(folder, "tree");
  const deep = join(tree, ...Array<string>(12).fill("a folder with a long name"));
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, `${"ö".repeat(60)}.txt`), "deep");
  writeFileSync(join(tree, "large"), Buffer.alloc(1_000_001, 7));
  writeFileSync(join(tree, "empty"), "", { mode: 0o600 });
  writeFileSync(join(tree, "block"), "x".repeat(512), { mode: 0o755 });
  symlinkSync("/nowhere/else", join(tree, "link"));
  symlinkSync("x".repeat(300), join(tree, "long link"));
  utimesSync(join(tree, "empty"), 981173106.5, 981173106.25);
  mkdirSync(join(tree, "closed"));
  writeFileSync(join(tree, "closed", "in"), "it");
  chmodSync(join(tree, "closed"), 0o555);
  utimesSync(join(tree, "closed"), 981173106, 981173106);
  return tree;
}

test("a tree comes back as it was, in pieces of any size", async () => {
  await inFolder(async (folder) => {
    const tree = makeTree(folder);
    const bytes = await bytesOf(packTree(tree));
    for (const size of [7, 512, 10_000, bytes.length]) {
      const copy = join(folder, `copy-${size}`);
      await unpackTree(streamOf(bytes, size), copy);
      assert.deepEqual(listOf(copy), listOf(tree));
      assert.deepEqual(readFileSync(join(copy, "large")), readFileSync(join(tree, "large")));
    }
    chmodSync(join(tree, "closed"), 0o755);
  });
});

test("a file with several names is packed once, and what is no file is told of", async (t) => {
  if (spawnSync("mkfifo", ["--version"]).status !== 0) return t.skip("there is no mkfifo here");
  await inFolder(async (folder) => {
    const tree = join(folder, "tree");
    mkdirSync(join(tree, "in"), { recursive: true });
    writeFileSync(join(tree, "large"), Buffer.alloc(1_000_000, 7));
    for (const name of ["again", "in/once more"]) linkSync(join(tree, "large"), join(tree, name));
    // Whose other name is elsewhere.
    writeFileSync(join(folder, "outside"), "there");
    linkSync(join(folder, "outside"), join(tree, "alone"));
    spawnSync("mkfifo", [join(tree, "in", "pipe")]);
    const left: string[] = [];
    const bytes = await bytesOf(packTree(tree, { leftOut: (path) => left.push(path) }));
    assert.deepEqual(left, ["in/pipe"]);
    assert.ok(bytes.length < 1_100_000, `${bytes.length} bytes`);
    const copy = join(folder, "copy");
    await unpackTree(streamOf(bytes), copy);
    const { ino, nlink, size } = lstatSync(join(copy, "large"));
    assert.deepEqual({ nlink, size }, { nlink: 3, size: 1_000_000 });
    for (const name of ["again", "in/once more"]) assert.equal(lstatSync(join(copy, name)).ino, ino);
    assert.equal(readFileSync(join(copy, "alone"), "utf8"), "there");
    assert.ok(!existsSync(join(copy, "in", "pipe")));
  });
});

test("tar reads what is packed, and what tar packs is read", async (t) => {
  if (spawnSync("tar", ["--version"]).status !== 0) return t.skip("there is no tar here");
  await inFolder(async (folder) => {
    const tree = makeTree(folder);
    const own = join(folder, "own");
    mkdirSync(own);
    const unpacked = spawnSync("tar", ["-xpf", "-", "-C", own], { input: await bytesOf(packTree(tree)) });
    assert.equal(unpacked.status, 0, String(unpacked.stderr));
    assert.deepEqual(listOf(own), listOf(tree));
    for (const format of ["gnu", "pax", "ustar"]) {
      // ustar has no room for such names.
      if (format === "ustar")
        for (const name of ["a folder with a long name", "long link"]) rmSync(join(tree, name), { recursive: true });
      linkSync(join(tree, "block"), join(tree, `twice ${format}`));
      const { status, stdout, stderr } = spawnSync("tar", [`--format=${format}`, "-cf", "-", "-C", tree, "."], {
        maxBuffer: 1 << 24,
      });
      assert.equal(status, 0, String(stderr));
      await unpackTree(streamOf(stdout, 5000), join(folder, format));
      // Of times only pax has more than seconds.
      const inSeconds = (lines: readonly string[]) =>
        lines.map((line) => line.replace(/(\d{9,})\d{3}( \d+)?$/, format === "pax" ? "$&" : "$1$2"));
      assert.deepEqual(inSeconds(listOf(join(folder, format))), inSeconds(listOf(tree)));
    }
    chmodSync(join(tree, "closed"), 0o755);
  });
});

test("nothing is written outside, whatever an archive says, and nothing is left of one that is refused", async () => {
  await inFolder(async (folder) => {
    for (const [what, bytes] of Object.entries(hostileArchives(folder))) {
      for (const there of [true, false]) {
        const [victim, target] = [join(folder, "victim"), join(folder, "target")];
        if (there) writeFileSync(victim, "good");
        else rmSync(victim, { force: true });
        const error = await unpackTree(streamOf(bytes), target).then(
          () => undefined,
          (one: unknown) => one,
        );
        assert.ok(error instanceof VmError, `${what}: ${error}`);
        assert.equal(existsSync(target), false, what);
        if (there) assert.equal(readFileSync(victim, "utf8"), "good", what);
        else assert.equal(existsSync(victim), false, what);
        assert.equal(lstatSync(folder).mode & 0o777, 0o700, what);
      }
    }
  });
});

test("devices and pipes are left out and told of, bits for other users are not kept, and paths begin inside", async () => {
  await inFolder(async (folder) => {
    const left: string[] = [];
    const bytes = archive(
      { path: "disk", kind: "block" },
      { path: "a/tty", kind: "character" },
      { path: "pipe", kind: "fifo" },
      { path: "/etc/run", content: "x", mode: 0o6755 },
      { path: "again", kind: "hardLink", target: "/etc/run" },
      { path: "etc/run", kind: "hardLink", target: "etc/run" },
    );
    const target = join(folder, "target");
    await unpackTree(streamOf(bytes), target, { leftOut: (path) => left.push(path) });
    assert.deepEqual(left, ["disk", "a/tty", "pipe"]);
    assert.equal(lstatSync(join(target, "etc/run")).mode & 0o7777, 0o755);
    assert.deepEqual(readdirSync(target), ["a", "again", "etc"]);
    await assert.rejects(unpackTree(streamOf(bytes), target), { code: "EEXIST" });
    assert.equal(readFileSync(join(target, "again"), "utf8"), "x");
  });
});

test("an archive with any byte changed is refused or unpacked inside", async () => {
  await inFolder(async (folder) => {
    const bytes = archive(
      { path: "a/b", content: "content" },
      { path: "a/l", kind: "symlink", target: "/etc" },
      { path: `${"n".repeat(120)}`, content: "x", time: 1_500_000_000n },
    );
    let refused = 0;
    for (let at = 0; at < bytes.length; at += 7) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      const target = join(folder, "inner", "target");
      mkdirSync(join(folder, "inner"), { recursive: true });
      await unpackTree(streamOf(changed), target).catch((error: unknown) => {
        assert.ok(error instanceof VmError, `byte ${at}: ${error}`);
        refused++;
      });
      assert.deepEqual(readdirSync(folder), ["inner"]);
      rmSync(target, { recursive: true, force: true });
      assert.deepEqual(readdirSync(join(folder, "inner")), []);
    }
    assert.ok(refused > 100, `${refused}`);
  });
});

test("what cannot be packed is said, and a reader that leaves ends it", async () => {
  await assert.rejects(bytesOf(packTree("/nowhere/at all")), { code: "ENOENT" });
  await inFolder(async (folder) => {
    const tree = makeTree(folder);
    const reader = packTree(tree).getReader();
    await reader.read();
    await reader.cancel();
    chmodSync(join(tree, "closed"), 0o755);
  });
});
