/** RAM that stays in a snapshot's file: it is what was written, damage is refused before anything goes on, and the file is let go. */
import assert from "node:assert/strict";
import { fstatSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fillLatent, latentRam } from "../../core/latent-ram.js";
import { sparseImage } from "../../core/sparse-image.js";
import { logPage } from "../../core/written-pages.js";
import { readSnapshot } from "../format.js";
import { ramImage, type Snapshot } from "../snapshot.js";
import { nodePlatform } from "./platform.js";
import { saveSnapshot, withSnapshotFile } from "./snapshot-file.js";
import { readFile } from "./stored-file.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-stored-"));
after(() => rmSync(folder, { recursive: true }));

/** Pieces that begin, end and have holes anywhere, over three blocks of the file. */
function ram(): Uint8Array {
  const bytes = new Uint8Array(64 * logPage);
  for (let at = 4096; at < bytes.length; at += 4096) {
    if ((at >> 12) % 7 < 5) bytes.fill(1 + ((at >> 12) % 250), at, at + 4000);
  }
  return bytes;
}

async function saved(name: string, packing: "stored" | "deflate"): Promise<string> {
  const path = join(folder, name);
  const images = { disk0: sparseImage(new Uint8Array(8192).fill(7)), [ramImage]: sparseImage(ram()) };
  const snapshot: Snapshot = { state: { machine: "none" }, images, hardware: undefined, created: 1 };
  await saveSnapshot(path, snapshot, { packing, by: "a test" });
  return path;
}

const kept = (path: string): Promise<Snapshot> =>
  withSnapshotFile(path, (source) => readSnapshot(source, nodePlatform, { kept: ramImage }));

/** Waits until no file with this number is this one any more: closing goes on beside, and the number may be given anew. */
async function closed(file: number, ino: number): Promise<void> {
  const isOpen = (): boolean => {
    try {
      return fstatSync(file).ino === ino;
    } catch {
      return false;
    }
  };
  for (const end = performance.now() + 60_000; isOpen(); await new Promise((resolve) => setTimeout(resolve, 5))) {
    assert.ok(performance.now() < end, "the file is still open");
  }
}

test("what is read of the file page by page, in any order, is what was written", async () => {
  const { images } = await kept(await saved("whole.snapshot", "stored"));
  const image = images[ramImage];
  assert.ok(image?.stored);
  const latent = latentRam(image, true);
  assert.ok(latent);
  // Its name does not matter any more.
  rmSync(join(folder, "whole.snapshot"));
  const found = new Uint8Array(image.size);
  for (let page = image.size / logPage - 1; page >= 0; page--) {
    fillLatent(latent, page * logPage, found.subarray(page * logPage, (page + 1) * logPage), readFile);
  }
  assert.deepEqual(Buffer.compare(found, ram()), 0);
  // Parts of a page, too.
  const part = new Uint8Array(5000);
  fillLatent(latent, 3 * logPage + 100, part, readFile);
  assert.deepEqual(part, ram().subarray(3 * logPage + 100, 3 * logPage + 5100));
  const { file } = image.stored;
  const { ino } = fstatSync(file);
  image.stored.close();
  await closed(file, ino);
});

test("damage anywhere in it is refused beforehand, and the file is closed", async () => {
  const path = await saved("damaged.snapshot", "stored");
  const bytes = readFileSync(path);
  for (const at of [bytes.length - 1, bytes.length - (1 << 20) - 5, bytes.length >> 1]) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ 1;
    writeFileSync(path, changed);
    await assert.rejects(kept(path), /is damaged: block \d+ of its image "ram" has another digest/);
  }
});

test("a file that becomes shorter while a VM goes on from it is an error for who reads on", async () => {
  const path = await saved("cut.snapshot", "stored");
  const { images } = await kept(path);
  const stored = images[ramImage]?.stored;
  assert.ok(stored);
  truncateSync(path, 5000);
  const [, length, position] = stored.places.at(-1) as readonly [number, number, number];
  assert.throws(() => stored.read(position, new Uint8Array(length)), /became shorter/);
  stored.close();
});

test("what is deflated is read at once", async () => {
  const { images } = await kept(await saved("deflated.snapshot", "deflate"));
  assert.equal(images[ramImage]?.stored, undefined);
  assert.ok(images[ramImage]?.runs.length);
});
