/** `unikvm snapshot`: what it refuses, and that a file is whole whenever its writer is killed. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { snapshotPath } from "../../src/node/snapshot-folder.js";
import { loadSnapshot, saveSnapshot, snapshotInfo } from "../../src/vmm/snapshot/node/snapshot-file.js";
import type { Snapshot } from "../../src/vmm/snapshot/snapshot.js";
import { main } from "../boot/booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-snapshots-"));
after(() => rmSync(folder, { recursive: true, force: true }));
process.env["XDG_RUNTIME_DIR"] = folder;
process.env["XDG_DATA_HOME"] = join(folder, "data");
const snapshot = (...args: readonly string[]) =>
  spawnSync(process.execPath, [main, "snapshot", ...args], { encoding: "utf8", cwd: folder });
const file = (name: string): string => join(folder, name);

/** Its memory says which it is. */
function numbered(number: number): Snapshot {
  const bytes = new Uint8Array(3 << 20).map((_, i) => (i * 7 + number) >> 3);
  const ram = { size: 16 << 20, runs: [{ offset: 4096, bytes }] };
  return { state: { machine: "pseries" }, hardware: { number }, created: number, images: { ram } };
}

test("what is no snapshot, or cannot be restored, is refused in a sentence", async () => {
  writeFileSync(file("text.snapshot"), "not one at all, and longer than a head's front is at the least");
  mkdirSync(file("folder.snapshot"));
  assert.equal(spawnSync("mkfifo", [file("fifo.snapshot")]).status, 0);
  await saveSnapshot(file("foreign.snapshot"), numbered(1), { by: "a test" });
  const hardware = { made: "unikvm", cpus: 1, own: 0, models: [], disks: [], network: false };
  await saveSnapshot(file("empty.snapshot"), { ...numbered(1), hardware }, { by: "a test" });
  const cut = readFileSync(file("empty.snapshot"));
  writeFileSync(file("cut.snapshot"), cut.subarray(0, cut.length - 1));
  const refused: readonly (readonly [readonly string[], RegExp, number?])[] = [
    [["save", "x"], /^unikvm: no unikvm runs; start one with unikvm run, or unikvm shell$/m],
    [["save", "--pid", "1", "x"], /no unikvm runs as process 1/],
    [["save", ".x"], /".x" is no name of a snapshot/],
    [["save", "a\nb"], /"a\\nb" is no name of a snapshot: it has control characters/],
    [["info", "nosuch"], /nosuch.snapshot cannot be read: there is no such file/],
    [["info", "text.snapshot"], /text.snapshot is no snapshot/],
    [["info", "folder.snapshot"], /folder.snapshot (is no regular file|cannot be read: it is a folder)/],
    [["info", "fifo.snapshot"], /fifo.snapshot is no regular file/],
    [["restore", "text.snapshot"], /is no snapshot/],
    [["restore", "cut.snapshot"], /is damaged or cut off/],
    [["restore", "foreign.snapshot"], /is of a machine that a program made/],
    [["restore", "empty.snapshot"], /plan is missing/],
    [["rm", "text.snapshot"], /is no snapshot/],
    [["restore"], /missing required argument/, 2],
    [["restore", "--type", "tcg", "x"], /Allowed choices are hv, pr/, 2],
    [["restore", "--disk", "a,readonly,overlay", "x"], /not both/, 2],
  ];
  for (const [args, sentence, status = 3] of refused) {
    const { stderr, ...end } = snapshot(...args);
    assert.match(stderr, sentence, args.join(" "));
    assert.doesNotMatch(stderr, /\n {4}at /, args.join(" "));
    assert.equal(end.status, status, args.join(" "));
  }
  assert.ok(statSync(file("text.snapshot")).isFile());
  // What is damaged can be removed.
  assert.equal(snapshot("rm", "cut.snapshot").status, 0);
});

test("snapshots with a name are listed, one that is damaged too", async () => {
  const kept = file("data/unikvm/snapshots");
  mkdirSync(kept, { recursive: true });
  await saveSnapshot(join(kept, "good.snapshot"), numbered(1), { by: "a test" });
  writeFileSync(join(kept, "bad.snapshot"), "bad");
  const rows = JSON.parse(snapshot("list", "--json").stdout) as Record<string, unknown>[];
  assert.deepEqual(
    rows.map(({ name }) => name),
    ["bad", "good"],
  );
  assert.match(String(rows[0]?.["error"]), /is no snapshot/);
  assert.match(
    snapshot("list").stdout,
    /^bad: .*is no snapshot: it is too short\ngood: pseries, 3.0 MiB of 16.0 MiB of memory used; /,
  );
  rmSync(kept, { recursive: true });
});

const writer = `
  const { saveSnapshot } = await import(process.argv[1]);
  const bytes = (number) => new Uint8Array(3 << 20).map((_, i) => (i * 7 + number) >> 3);
  for (let number = 1; ; number++) {
    const ram = { size: 16 << 20, runs: [{ offset: 4096, bytes: bytes(number) }] };
    const snapshot = { state: { machine: "pseries" }, hardware: { number }, created: number, images: { ram } };
    await saveSnapshot(process.argv[2], snapshot, { by: "a test", packing: number % 2 ? "deflate" : "stored" });
    process.stdout.write(".");
  }`;
const saving = fileURLToPath(new URL("../../src/vmm/snapshot/node/snapshot-file.js", import.meta.url));

test("a writer that is killed at any moment leaves the old file or the new one, whole", async () => {
  const path = file("killed.snapshot");
  let random = 7;
  let last = 0;
  for (let kills = 0; kills < 12; kills++) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", writer, saving, path]);
    // Some time after it has begun.
    await new Promise((resolve) => child.stdout.once("data", resolve));
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    await new Promise((resolve) => setTimeout(resolve, (random / 2 ** 32) * 150));
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
    const { hardware, images } = await loadSnapshot(path);
    const { number } = hardware as { number: number };
    assert.deepEqual(images["ram"]?.runs.at(-1)?.bytes.at(-1), numbered(number).images["ram"]?.runs[0]?.bytes.at(-1));
    last = number;
  }
  assert.ok(last > 0);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const partial = () => readdirSync(folder).filter((name) => name.endsWith(".partial"));
  const before = partial().length;
  await saveSnapshot(path, numbered(99), { by: "a test" });
  assert.deepEqual(partial(), [], `of ${before}`);
  assert.equal((await snapshotInfo(path)).created, 99);
});

test("a folder for names that cannot be made is told of", () => {
  const kept = process.env["XDG_DATA_HOME"];
  process.env["XDG_DATA_HOME"] = file("no-folder");
  try {
    writeFileSync(file("no-folder"), "");
    assert.throws(
      () => snapshotPath("one", { make: true }),
      /no-folder.* cannot be made \(ENOTDIR\); set XDG_DATA_HOME/,
    );
  } finally {
    if (kept === undefined) delete process.env["XDG_DATA_HOME"];
    else process.env["XDG_DATA_HOME"] = kept;
    rmSync(file("no-folder"));
  }
});

test("a snapshot that is given up halfway leaves what was there", async () => {
  const path = file("given-up.snapshot");
  writeFileSync(path, "before");
  const stop = new AbortController();
  const saved = saveSnapshot(path, numbered(1), { by: "a test", signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(saved, /enough/);
  assert.equal(readFileSync(path, "utf8"), "before");
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes("given-up.snapshot.")),
    [],
  );
  rmSync(path);
});

test("where a file cannot be written, what was there stays", async () => {
  const path = file("kept.snapshot");
  await saveSnapshot(path, numbered(1), { by: "a test" });
  const broken = { ...numbered(2), hardware: () => 0 };
  await assert.rejects(
    saveSnapshot(path, broken, { by: "a test" }),
    /kept.snapshot cannot be written: a function is no plain value/,
  );
  await assert.rejects(saveSnapshot(join(path, "x"), numbered(2), { by: "a test" }), /a part of its path is no folder/);
  assert.equal((await snapshotInfo(path)).created, 1);
});
