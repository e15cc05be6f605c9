import assert from "node:assert/strict";
import { linkSync, mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileIdentity } from "./file-identity.js";

test("a file that was written or replaced is another, though size and time are what they were", () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-identity-"));
  try {
    const path = join(folder, "kernel");
    const time = new Date("2020-01-02T03:04:05Z");
    const write = (to: string, text: string): void => {
      writeFileSync(to, text);
      utimesSync(to, time, time);
    };
    write(path, "one");
    const first = fileIdentity(path);
    assert.deepEqual(fileIdentity(path), first);
    // The system's clock ticks every few milliseconds.
    const before = statSync(path, { bigint: true }).ctimeNs;
    do write(path, "two");
    while (statSync(path, { bigint: true }).ctimeNs === before);
    const second = fileIdentity(path);
    assert.notDeepEqual(second, first);
    const { size, mtimeMs } = statSync(path);
    assert.deepEqual([size, mtimeMs], [3, time.getTime()]);
    // Another file in its place, of the same size and time.
    write(join(folder, "other"), "two");
    linkSync(join(folder, "other"), join(folder, "kept"));
    renameSync(join(folder, "other"), path);
    assert.notDeepEqual(fileIdentity(path), second);
    assert.throws(() => fileIdentity(join(folder, "none")), { code: "ENOENT" });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
