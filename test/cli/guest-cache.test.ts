/** Fetching and finding the default guest, on the command line: where things are scarce, ended by signals and by time. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { guestFolder } from "../../guests/index.js";
import { main, noGuest } from "../boot/booting.test-support.js";

test("where memory is scarce a cached guest is whole all the same", {
  skip: noGuest || (process.platform !== "linux" && "no limit on address space here"),
}, () => {
  const script = `ulimit -v 1000000; '${process.execPath}' '${main}' guest list`;
  const { status, stdout, stderr } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
  assert.match(stdout, /^ppc64el: Debian's Linux .* MB in /, stderr);
  assert.equal(status, 0);
});

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "unikvm-guest cache-"));
  // An apt-get without end, that has a helper: both leave their process ids.
  const script = `#!/bin/sh\nsleep 60 &\necho $! $$ >'${folder}/pids.new'\nmv '${folder}/pids.new' '${folder}/pids'\nwait\n`;
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin/apt-get"), script, { mode: 0o755 });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const cache = () => join(folder, "cache");
const start = (...args: readonly string[]): ChildProcess =>
  spawn(process.execPath, [main, ...args], {
    env: { ...process.env, XDG_CACHE_HOME: cache(), PATH: `${join(folder, "bin")}:${process.env["PATH"]}` },
    stdio: ["ignore", "ignore", "pipe"],
  });

async function soon<T>(look: () => T | undefined | false): Promise<T> {
  for (let i = 0; i < 1000; i++) {
    const found = look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("it did not come about in 20 s");
}

const aptProcesses = (): Promise<number[]> =>
  soon(() => existsSync(join(folder, "pids")) && readFileSync(join(folder, "pids"), "utf8").split(" ").map(Number));

function lives(pid: number): boolean {
  try {
    // One that has ended and that nobody has asked for yet is no process any more.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

const linux = { skip: !existsSync("/proc/self/stat") && "no /proc here" };

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGKILL"] as const) {
  test(`guest fetch ended by ${signal} leaves nothing that runs, and nothing in the cache`, linux, async () => {
    const child = start("guest", "fetch");
    const pids = await aptProcesses();
    const ended = once(child, "exit");
    child.kill(signal);
    assert.deepEqual(await ended, [null, signal]);
    await soon(() => !pids.some(lives));
    const left = readdirSync(join(cache(), "unikvm/guests"));
    // What nobody can clear away any more, the next one does.
    if (signal !== "SIGKILL") assert.deepEqual(left, []);
  });
}

test("a second fetch that waits for the first ends at a signal, too", linux, async () => {
  const first = start("guest", "fetch");
  await aptProcesses();
  const second = start("guest", "fetch");
  let stderr = "";
  second.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  await soon(() => stderr.includes("waiting for process"));
  const ended = once(second, "exit");
  second.kill("SIGTERM");
  assert.deepEqual(await ended, [null, "SIGTERM"]);
  assert.equal(first.exitCode, null);
  first.kill("SIGTERM");
  await once(first, "exit");
});

for (const args of [[], ["--guest-module", "tun"]]) {
  test(`run --timeout ${args.join(" ")} holds while something is fetched`, {
    skip: linux.skip || (args.length > 0 && noGuest),
  }, async () => {
    if (args.length > 0) {
      mkdirSync(join(cache(), "unikvm"), { recursive: true });
      symlinkSync(guestFolder(), join(cache(), "unikvm/guests"));
    }
    const child = start("run", "--timeout", "3", ...args);
    let stderr = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr += chunk;
    });
    const begin = performance.now();
    assert.deepEqual(await once(child, "close"), [124, null], stderr);
    assert.match(stderr, /^unikvm: the time limit was reached$/m);
    assert.ok(performance.now() - begin < 20_000);
    assert.ok(!(await aptProcesses()).some(lives));
    assert.deepEqual(readdirSync(join(cache(), "unikvm", args.length > 0 ? "modules" : "guests")), []);
  });
}
