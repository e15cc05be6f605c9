import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { VmmError } from "../vmm/errors.js";
import { TraceFile } from "./trace-file.js";

test("what is written is there", () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-trace-"));
  const path = join(folder, "trace");
  const file = new TraceFile(path);
  file.write("one\n");
  file.write("zwölf\n");
  file.close();
  assert.equal(readFileSync(path, "utf8"), "one\nzwölf\n");
  rmSync(folder, { recursive: true });
});

test("a place where nothing can be is told in a sentence", () => {
  assert.throws(() => new TraceFile("/absent-folder/trace"), {
    name: "VmmError",
    message: "the trace cannot go to /absent-folder/trace: no such file or directory",
  });
});

test("a full disk is told in a sentence", { skip: !existsSync("/dev/full") && "there is no /dev/full" }, () => {
  const file = new TraceFile("/dev/full");
  assert.throws(() => file.write("one\n"), VmmError);
  assert.throws(() => file.write("one\n"), /cannot be written: no space left on device/);
  file.close();
});
