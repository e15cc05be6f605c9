import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { VmmError } from "../src/vmm/errors.js";
import { unpackedKernel } from "./kept-kernel.js";
import { bzImageOf, damaged } from "./kernels.test-support.js";

const saved = process.env["XDG_CACHE_HOME"];
let cache = "";
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "unikvm-kernels-"));
  process.env["XDG_CACHE_HOME"] = cache;
});
afterEach(() => {
  if (saved === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = saved;
  rmSync(cache, { recursive: true, force: true });
});

const folder = () => join(cache, "unikvm/kernels");
const kept = () => readdirSync(folder()).filter((name) => !name.startsWith("."));
const reports: string[] = [];
const unpacked = async (file: Uint8Array): Promise<string> =>
  Buffer.from(await unpackedKernel(file, 1000, "bzImage", (line) => reports.push(line))).toString();

test("a kernel is unpacked once, and what is kept is held against its digest", async () => {
  const file = bzImageOf("one");
  assert.equal(await unpacked(file), "one");
  const [name = ""] = kept();
  const [inside = ""] = readdirSync(join(folder(), name));
  // From here on the words come from the cache, as long as they are what was written.
  writeFileSync(join(folder(), name, inside), "two");
  assert.equal(await unpacked(file), "one");
  truncateSync(join(folder(), name, inside), 1);
  assert.equal(await unpacked(file), "one");
  rmSync(join(folder(), name, inside));
  assert.equal(await unpacked(file), "one");
  assert.deepEqual(reports, []);
});

test("only the few that were used last stay", async () => {
  for (let i = 0; i < 7; i++) {
    await unpacked(bzImageOf(`kernel ${i}`));
    // Times that differ, on any file system.
    for (const [age, name] of kept().entries()) {
      if (i === 0) utimesSync(join(folder(), name), 1000 + age, 1000 + age);
    }
  }
  assert.equal(kept().length, 4);
});

test("what is no bzImage passes, what is damaged is refused and not kept, and without a cache it goes on", async () => {
  const plain = Uint8Array.of(1, 2, 3);
  assert.equal(await unpackedKernel(plain, 10, "a file", assert.fail), plain);
  await assert.rejects(unpacked(damaged(bzImageOf("one"))), (error) => error instanceof VmmError);
  await assert.rejects(unpackedKernel(bzImageOf("a".repeat(2000)), 1000, "bzImage", assert.fail), /more than 1000/);
  const file = join(cache, "file");
  writeFileSync(file, "");
  process.env["XDG_CACHE_HOME"] = file;
  assert.equal(await unpacked(bzImageOf("one")), "one");
  assert.match(reports.splice(0).join(), /the unpacked kernel is not kept/);
});
