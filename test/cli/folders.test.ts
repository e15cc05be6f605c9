/** Folders of the user's that cannot be made, or that are named by half: a sentence, and never a wait. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir, hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { snapshotPath } from "../../src/node/snapshot-folder.js";
import { main } from "../boot/booting.test-support.js";
import { loopKernel } from "../loop-kernel.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-folders-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const [file, disk] = [join(folder, "file"), join(folder, "disk.img")];
for (const path of [file, disk]) writeFileSync(path, "x".repeat(512));
const kernel = loopKernel(folder);

function unikvm(args: readonly string[], env: Readonly<Record<string, string>>) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: folder,
    encoding: "utf8",
    // mkdirSync with `recursive` goes on for ever in /proc, and does not hear a SIGTERM.
    timeout: 30_000,
    killSignal: "SIGKILL",
    env: { ...process.env, XDG_RUNTIME_DIR: folder, ...env },
  });
  return { status, stdout, stderr };
}

for (const place of existsSync("/proc/self") ? ["/proc/unikvm", file] : [file]) {
  test(`nothing can be made in ${place === file ? "a file" : place}`, () => {
    const data = unikvm(["snapshot", "save", "x"], { XDG_DATA_HOME: place });
    assert.match(data.stderr, /^unikvm: the folder .*snapshots cannot be made \(E\w+\); set XDG_DATA_HOME to a folder/);
    assert.equal(data.status, 3);
    const header = { status: 0, stdout: "Module                  Size  Used by\n", stderr: "" };
    assert.deepEqual(unikvm(["lsmod"], { XDG_RUNTIME_DIR: place }), header);
    const built = unikvm(["build", "--output", join(place, "build")], {});
    assert.match(built.stderr, /^unikvm: the output's folder .*build cannot be made: (no such file|not a directory)/);
    assert.equal(built.status, 3);
    const run = unikvm(["run", ...kernel, "--disk", disk, "--timeout", "5"], { XDG_CACHE_HOME: place });
    assert.match(
      run.stderr,
      /nobody else writes to the disk .*disk.img cannot be made sure: .*\nSet XDG_CACHE_HOME to a/,
    );
    assert.equal(run.status, 3);
  });
}

test("a build waits for another one that fills the same folder", async () => {
  const output = join(folder, "build");
  mkdirSync(output);
  const lock = join(output, ".building");
  writeFileSync(lock, `${process.pid}\n\n${hostname()}\n`);
  const args = ["build", "--platform", "browser", "--output", output];
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "exit");
  const [said] = (await once(child.stderr, "data")) as [Buffer];
  assert.equal(String(said), `unikvm: waiting for process ${process.pid}, which builds in ${output}\n`);
  assert.ok(!existsSync(join(output, "browser")));
  rmSync(lock);
  assert.deepEqual(await ended, [0, null]);
  assert.deepEqual(readdirSync(output).sort(), [".config", "browser", "browser.metafile.json"]);
});

test("a build that was killed leaves nothing that looks whole, and the next goes on", async () => {
  const output = join(folder, "killed");
  const args = ["build", "--command", "--output", output];
  const build = (): ReturnType<typeof unikvm> => unikvm(args, {});
  const killed = async (): Promise<void> => {
    const child = spawn(process.execPath, [main, ...args], { stdio: "ignore" });
    const ended = once(child, "exit");
    const unfinished = join(output, ".node-unfinished");
    while (!existsSync(unfinished) && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
    child.kill("SIGKILL");
    assert.deepEqual(await ended, [null, "SIGKILL"]);
    assert.ok(existsSync(unfinished));
  };
  await killed();
  assert.ok(!existsSync(join(output, "node")));
  assert.equal(build().status, 0);
  const files = (): readonly string[] =>
    readdirSync(join(output, "node"), { recursive: true, encoding: "utf8" }).sort();
  const whole = files();
  await killed();
  assert.deepEqual(files(), whole);
  assert.equal(build().status, 0);
  assert.deepEqual(readdirSync(output).sort(), [".config", "node", "node.metafile.json"]);
});

test("the current folder is gone", () => {
  for (const [words, status] of [
    [["exec", "--", "true"], 125],
    [["cp", "a", ":b"], 3],
    [["build"], 3],
    [["--version"], 0],
  ] as const) {
    mkdirSync(join(folder, "gone"));
    const script = 'cd gone && rmdir ../gone && exec "$@"';
    const ended = spawnSync("sh", ["-c", script, "sh", process.execPath, main, ...words], {
      cwd: folder,
      encoding: "utf8",
    });
    const said = "unikvm: the current folder is not there any more; go to one that is (cd)\n";
    assert.deepEqual([ended.status, ended.stderr], [status, status === 0 ? "" : said], words.join(" "));
  }
});

test("a relative name of a folder is ignored, as the XDG Base Directory Specification has it", () => {
  const before = process.env["XDG_DATA_HOME"];
  try {
    process.env["XDG_DATA_HOME"] = "relative";
    assert.equal(snapshotPath("x"), join(homedir(), ".local/share/unikvm/snapshots/x.snapshot"));
  } finally {
    if (before === undefined) delete process.env["XDG_DATA_HOME"];
    else process.env["XDG_DATA_HOME"] = before;
  }
  mkdirSync(join(folder, "relative"));
  unikvm(["lsmod"], { XDG_RUNTIME_DIR: "relative" });
  assert.ok(!existsSync(join(folder, "relative", "unikvm")));
});
