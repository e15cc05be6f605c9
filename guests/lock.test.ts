import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { withLock } from "./lock.mjs";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "unikvm-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const lockModule = new URL("./lock.mjs", import.meta.url).href;

test("the lock is gone after the work, also if it fails", async () => {
  const path = join(folder, "lock");
  assert.equal(await withLock(path, () => existsSync(path)), true);
  assert.equal(existsSync(path), false);
  await assert.rejects(
    withLock(path, () => {
      throw new Error("no");
    }),
    /no/,
  );
  assert.equal(existsSync(path), false);
});

test("a disk that is full leaves no empty file behind", async () => {
  const path = join(folder, "lock");
  const program = `
    import { withLock } from ${JSON.stringify(lockModule)};
    await withLock(${JSON.stringify(path)}, () => {}).then(() => process.exit(5), ({ code }) => console.log(code));`;
  const quoted = [process.execPath, "--input-type=module", "-e", program].map((word) => `'${word}'`).join(" ");
  const { stdout } = spawnSync("sh", ["-c", `ulimit -f 0; ${quoted} | cat`], { encoding: "utf8" });
  assert.equal(stdout, "EFBIG\n");
  assert.deepEqual(readdirSync(folder), []);
});

test("who waits can be told to give up", async () => {
  const path = join(folder, "lock");
  await withLock(path, async () => {
    const why = new Error("enough");
    const waiting = withLock(path, () => "mine", undefined, AbortSignal.abort(why));
    await assert.rejects(waiting, why);
  });
});

test("folders are made for it; where none can be made, that is an error and not an endless loop", async () => {
  assert.equal(await withLock(join(folder, "a/b/lock"), () => "mine"), "mine");
  writeFileSync(join(folder, "file"), "");
  await assert.rejects(
    withLock(join(folder, "file/lock"), () => {}),
    /EEXIST/,
  );
  if (existsSync("/proc/self")) {
    await assert.rejects(
      withLock("/proc/unikvm/a/lock", () => {}),
      /ENOENT/,
    );
  }
});

test("processes take turns", async () => {
  const path = join(folder, "lock");
  const counter = join(folder, "counter");
  writeFileSync(counter, "0");
  // Reads, waits, writes: without a lock, counts are lost.
  const program = `
    import { readFileSync, writeFileSync } from "node:fs";
    import { withLock } from ${JSON.stringify(lockModule)};
    for (let i = 0; i < 5; i++) await withLock(${JSON.stringify(path)}, async () => {
      const n = Number(readFileSync(${JSON.stringify(counter)}, "utf8"));
      await new Promise((resolve) => setTimeout(resolve, 5));
      writeFileSync(${JSON.stringify(counter)}, String(n + 1));
    });`;
  const children = [1, 2, 3].map(() =>
    spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "inherit" }),
  );
  await Promise.all(children.map((child) => once(child, "exit")));
  assert.equal(readFileSync(counter, "utf8"), "15");
});

test("a holder that was killed is taken over from", async () => {
  const path = join(folder, "lock");
  const program = `
    import { withLock } from ${JSON.stringify(lockModule)};
    await withLock(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"));`;
  const { signal } = spawnSync(process.execPath, ["--input-type=module", "-e", program]);
  assert.equal(signal, "SIGKILL");
  assert.equal(existsSync(path), true);
  assert.equal(await withLock(path, () => "mine"), "mine");
});

test("a process id that now belongs to another process is no holder", {
  skip: !existsSync("/proc/self/stat") && "no /proc here",
}, async () => {
  const path = join(folder, "lock");
  writeFileSync(path, `${process.pid}\n1\n${hostname()}\n`);
  assert.equal(await withLock(path, () => "mine"), "mine");
});

test("who waits is told for whom, once", async () => {
  const path = join(folder, "lock");
  const told: number[] = [];
  await withLock(path, async () => {
    const second = withLock(
      path,
      () => "second",
      (pid) => told.push(pid),
    );
    await new Promise((resolve) => setTimeout(resolve, 250));
    assert.deepEqual(told, [process.pid]);
    // Let go first: the second gets it afterwards.
    void second.then((value) => told.push(value.length));
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(told, [process.pid, 6]);
});
