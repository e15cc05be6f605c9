/** A file that others change meanwhile, and what is said of one that cannot be had. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { StorageError } from "../disk.js";
import { FileStore } from "./file-store.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-file-store-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("what another program has cut off is an error, and no zeros; behind the end there are zeros", () => {
  const path = join(folder, "cut");
  writeFileSync(path, new Uint8Array(8192).fill(0x41));
  const store = FileStore.open(path);
  const bytes = new Uint8Array(4096);
  store.read(6144, bytes);
  assert.deepEqual([bytes[0], bytes[2047], bytes[2048], bytes[4095]], [0x41, 0x41, 0, 0]);
  truncateSync(path, 4096);
  store.read(0, bytes);
  assert.ok(bytes.every((byte) => byte === 0x41));
  for (const at of [2048, 4096]) {
    assert.throws(() => store.read(at, bytes), { name: "StorageError", message: /cut has become shorter than it was/ });
  }
  // What is written there is there.
  store.write(4096, new Uint8Array(4096).fill(0x42));
  store.read(4096, bytes);
  assert.ok(bytes.every((byte) => byte === 0x42));
  store.close();
});

test("a file system's refusal is a sentence, whose cause is the system's error", () => {
  const complaint = (work: () => unknown): StorageError => {
    try {
      work();
    } catch (error) {
      assert.ok(error instanceof StorageError, String(error));
      return error;
    }
    return assert.fail("nothing was thrown");
  };
  const absent = complaint(() => FileStore.open(join(folder, "absent")));
  assert.match(absent.message, /absent cannot be opened: there is no such file$/);
  assert.equal((absent.cause as NodeJS.ErrnoException).code, "ENOENT");
  const there = complaint(() => FileStore.create(join(folder, "cut")));
  assert.match(there.message, /cut cannot be made: there is such a file already$/);
});
