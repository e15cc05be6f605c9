import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { devNull, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { NotReadable, openRegular, readRegular, readRegularText } from "./regular-file.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-regular-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const refuses = (path: string, why: RegExp, limit?: number) =>
  assert.throws(
    () => readRegular(path, limit),
    (error) => error instanceof NotReadable && why.test(error.message),
  );

test("a regular file is read whole, also through a link, and one that says it is empty and is not", () => {
  const file = join(folder, "file");
  writeFileSync(file, "text é");
  symlinkSync(file, join(folder, "link"));
  assert.equal(readRegularText(join(folder, "link")), "text é");
  writeFileSync(file, "x".repeat(300_000));
  assert.equal(readRegularText(file).length, 300_000);
  if (process.platform === "linux") assert.match(readRegularText("/proc/self/status"), /^Name:/);
});

test("what is none is refused in words, without waiting", async () => {
  const fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  refuses(fifo, /fifo is a FIFO, and only regular files are read/);
  refuses("/dev/zero", /\/dev\/zero is a device/);
  const socket = join(folder, "socket");
  const server = createServer().listen(socket);
  await new Promise((resolve) => server.once("listening", resolve));
  refuses(socket, /is a socket/);
  server.close();
  assert.throws(() => readRegular(folder), { code: "EISDIR" });
  assert.throws(() => readRegular(join(folder, "none")), { code: "ENOENT" });
  assert.throws(() => openRegular(devNull), NotReadable);
});

test("the device that is nothing is an empty file", () => {
  assert.equal(readRegularText(devNull), "");
});

test("no more is read than the limit says", () => {
  const large = join(folder, "large");
  writeFileSync(large, "");
  truncateSync(large, 2 ** 40);
  refuses(large, /has more than 134217728 bytes/);
  writeFileSync(large, "12345");
  assert.equal(readRegularText(large, 5), "12345");
  refuses(large, /more than 4 bytes/, 4);
  if (process.platform === "linux") refuses("/proc/self/status", /more than 10 bytes/, 10);
});
