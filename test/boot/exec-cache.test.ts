/** `unikvm exec` boots once, and goes on from what it kept the next time; what is damaged there is made again. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import module from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { main, noGuest, root, unikvm } from "./booting.test-support.js";
import { ownCache } from "./own-cache.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-exec-cache-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const kept = ownCache(folder);
process.env["XDG_CACHE_HOME"] = folder;
process.env["XDG_DATA_HOME"] = join(folder, "data");

const files = () => readdirSync(kept).filter((name) => name.endsWith(".snapshot"));
const run = () => unikvm(["exec", "--memory", "128M", "--", "sh", "-c", "hostname; exit 3"]).finished;

test("the bundled command keeps a VM of its own, and goes on from it", { skip: noGuest, timeout: 280_000 }, () => {
  const command = join(root, "dist/command/node/unikvm.js");
  const script = "hostname; cat /sys/fs/cgroup/unikvm/pids.max; exit 3";
  const exec = (...limit: readonly string[]) =>
    spawnSync(process.execPath, [command, "exec", "--memory", "128M", ...limit, "--", "sh", "-c", script], {
      encoding: "utf8",
    });
  // What one was limited to is nothing to the next.
  for (const [limit, said] of [
    [["--limit-processes", "9"], /^unikvm\n9\n$/],
    [[], /^twin-\w+\n$/],
    [["--limit-processes", "8"], /^twin-\w+\n8\n$/],
  ] as const) {
    const { status, stdout, stderr } = exec(...limit);
    assert.equal(status, 3, stderr);
    assert.match(stdout, said);
  }
  // From Node.js 22 on, what V8 has compiled of the command line is there, too.
  if ("enableCompileCache" in module) assert.ok(readdirSync(join(folder, "unikvm/compiled")).length > 0);
  rmSync(kept, { recursive: true });
});

test("two that are first share one boot, and what is kept is used until it is damaged", {
  skip: noGuest,
  timeout: 280_000,
}, async () => {
  const both = await Promise.all([run(), run()]);
  for (const { status, stderr } of both) assert.equal(status, 3, stderr);
  // One of them has booted, the other goes on from there.
  assert.deepEqual(both.map(({ stdout }) => stdout.replace(/-\w+/, "")).sort(), ["twin\n", "unikvm\n"]);
  const [name, ...more] = files();
  assert.ok(name);
  assert.deepEqual(more, []);
  const file = join(kept, name);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const again = await run();
  assert.deepEqual([again.status, again.stderr], [3, ""]);
  assert.match(again.stdout, /^twin-/);
  // Here no VM can run, which is no fault of the one that is kept.
  const unable = spawnSync(process.execPath, ["--jitless", main, "exec", "--memory", "128M", "--", "true"], {
    encoding: "utf8",
  });
  assert.equal(unable.status, 125, unable.stderr);
  assert.deepEqual(files(), [name], unable.stderr);
  // A byte of its memory is another.
  const bytes = readFileSync(file);
  bytes[bytes.length - 9] = (bytes.at(-9) ?? 0) ^ 1;
  writeFileSync(file, bytes);
  const damaged = await run();
  assert.deepEqual([damaged.status, damaged.stdout], [3, "unikvm\n"]);
  assert.match(damaged.stderr, /^unikvm: a cached VM cannot be used, and is made again: .*another digest/m);
  const snapshot = (...args: readonly string[]) =>
    spawnSync(process.execPath, [main, "snapshot", ...args], { encoding: "utf8" });
  assert.match(snapshot("list").stdout, /^and 1 in exec's cache, /);
  assert.equal(snapshot("rm", "--cache").status, 0);
  assert.deepEqual(files(), []);
});
