import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { missing } from "../test/oracles/oracles.js";
import { type CpioEntry, cpio } from "./cpio.js";

const entries: CpioEntry[] = [
  { path: "bin", type: "directory" },
  { path: "bin/hello", type: "file", mode: 0o755, data: "#!/bin/sh\necho hello\n" },
  { path: "bin/sh", type: "link", target: "hello" },
  { path: "dev", type: "directory" },
  { path: "dev/console", type: "character", mode: 0o600, major: 5, minor: 1 },
  { path: "empty", type: "file", data: new Uint8Array() },
];

test("a record is as the kernel's documentation of the format says", () => {
  const text = new TextDecoder("latin1").decode(cpio([{ path: "ab", type: "file", data: "xyz" }]));
  const [ino, mode, links, size, names] = ["00000001", "000081a4", "00000001", "00000003", "00000003"];
  const zero = "00000000";
  const header = `070701${ino}${mode}${zero}${zero}${links}${zero}${size}${zero.repeat(4)}${names}${zero}`;
  assert.equal(header.length, 110);
  assert.equal(text.slice(0, 120), `${header}ab\0\0\0\0xyz\0`);
  assert.equal(text.slice(120, 126), "070701");
  assert.match(text, /TRAILER!!!\0+$/);
  assert.equal(text.length % 512, 0);
});

test("the same entries give the same bytes", () => assert.deepEqual(cpio(entries), cpio(entries)));

test("GNU cpio reads it", {
  skip: missing("cpio"),
}, () => {
  const { stdout, status } = spawnSync("cpio", ["--list", "--verbose", "--quiet", "--numeric-uid-gid"], {
    input: cpio(entries),
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
  });
  assert.equal(status, 0);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => line.replace(/\s+/g, " ").replace("Jan 1 1970 ", ""));
  assert.deepEqual(lines, [
    "drwxr-xr-x 2 0 0 0 bin",
    "-rwxr-xr-x 1 0 0 21 bin/hello",
    "lrwxrwxrwx 1 0 0 5 bin/sh -> hello",
    "drwxr-xr-x 2 0 0 0 dev",
    "crw------- 1 0 0 5, 1 dev/console",
    "-rw-r--r-- 1 0 0 0 empty",
  ]);
});
