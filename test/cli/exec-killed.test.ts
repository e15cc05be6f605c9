/** `unikvm exec` that is ended while it boots leaves no process, no lock and no half of a VM; the next one works. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { noGuest, type Running, unikvm } from "../boot/booting.test-support.js";
import { ownCache } from "../boot/own-cache.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-exec-killed-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const kept = ownCache(folder);
process.env["XDG_CACHE_HOME"] = folder;

const left = (): readonly string[] => (existsSync(kept) ? readdirSync(kept) : []);
const exec = () => unikvm(["exec", "--memory", "128M", "--", "sh", "-c", "echo said; exit 3"]);

/** Until it says that it boots. */
const boots = ({ child }: Running): Promise<unknown> =>
  new Promise((resolve) => {
    child.stderr?.on("data", (text: string) => text.includes("booting") && resolve(text));
    child.on("close", resolve);
  });

test("exec that is ended while it boots leaves nothing, and the next one works", {
  skip: noGuest,
  timeout: 200_000,
}, async () => {
  for (const [signal, wait] of [
    ["SIGTERM", 0],
    ["SIGINT", 1200],
  ] as const) {
    const running = exec();
    await boots(running);
    await sleep(wait);
    running.child.kill(signal);
    const { status, signal: by, stdout, stderr } = await running.finished;
    const what = `${signal} after ${wait} ms: ${stderr}`;
    if (left().length > 0) {
      // It was quicker than that.
      assert.match(left().join(), /^\w+\.snapshot$/, what);
      rmSync(kept, { recursive: true });
      continue;
    }
    assert.deepEqual([by ?? status, stdout], [by ? signal : 128 + constants.signals[signal], ""], what);
    assert.doesNotMatch(stderr, /^\s+at /m);
  }
  // Who is killed cannot clear away; nobody waits for it, and its lock goes.
  const killed = exec();
  await boots(killed);
  killed.child.kill("SIGKILL");
  await killed.finished;
  const { status, stdout, stderr } = await exec().finished;
  assert.deepEqual([status, stdout], [3, "said\n"], stderr);
  assert.match(left().join(), /^\w+\.snapshot$/);
});
