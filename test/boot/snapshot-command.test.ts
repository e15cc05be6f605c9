/** `unikvm snapshot`: a guest of `unikvm run` is saved while it works, and goes on from the file under the other engine. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { defaultGuest, main, noGuest, type Running, unikvm } from "./booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-snapshots-"));
after(() => rmSync(folder, { recursive: true, force: true }));
// Of the user's own nothing is seen, and nothing is left there.
process.env["XDG_RUNTIME_DIR"] = folder;
process.env["XDG_DATA_HOME"] = join(folder, "data");

const command = (...args: readonly string[]) =>
  spawnSync(process.execPath, [main, ...args], { encoding: "utf8", cwd: folder, timeout: 120_000 });
const snapshot = (...args: readonly string[]) => command("snapshot", ...args);

/** Of `unikvm exec` in the guest of a process, once its agent answers. */
async function execThere({ child: { pid } }: Running, ...words: readonly string[]) {
  for (;;) {
    const done = command("exec", "--pid", String(pid), "--", ...words);
    if (!/has not answered yet/.test(done.stderr)) return done;
    await sleep(300);
  }
}

/** Counts, on the console and on the disk, until it is told that it is enough. */
const work =
  "i=0; while [ $i -lt 100000 ] && ! read -t 0 enough </dev/console; do i=$((i+1)); echo count $i; echo number $i | dd of=/dev/vda bs=512 seek=$i conv=notrunc,fsync 2>/dev/null; sleep 0.1; done; " +
  "dd if=/dev/vda bs=512 skip=1 count=3 2>/dev/null | grep -a number";

test("a running guest is saved, and goes on from the file", { skip: noGuest, timeout: 280_000 }, async (t) => {
  const base = join(folder, "base.img");
  writeFileSync(base, new Uint8Array(8 << 20).fill(0x41));
  const args = ["--memory", "256M", "--timeout", "240", "--disk", `${base},overlay`];
  const append = `console=hvc0 rdinit=/init cryptomgr.notests=1 quiet "unikvm.run=${work}"`;
  const run = unikvm(["run", "--type", "hv", ...args, "--append", append], { interactive: true });
  try {
    await run.see("count 3\n");
  } catch (error) {
    const { stderr } = await run.finished;
    if (/apt/.test(stderr)) return t.skip(`the drivers cannot be fetched: ${stderr}`);
    throw error;
  }
  // The agent answers when its drivers are there, beside the guest's own work.
  const pid = String(run.child.pid);
  const where = await execThere(run, "sh", "-c", "pwd; readlink /proc/1/exe; exit 7");
  assert.deepEqual([where.status, where.stdout], [7, "/root\n/bin/busybox\n"], where.stderr);
  writeFileSync(join(folder, "note"), "from outside\n");
  assert.equal(command("cp", "--pid", pid, join(folder, "note"), ":/root").stderr, "");
  assert.equal(command("cp", ":/root/note", join(folder, "back")).stderr, "");
  assert.equal(readFileSync(join(folder, "back"), "utf8"), "from outside\n");
  const saved = snapshot("save", "--json", "--pid", pid, "counting");
  assert.equal(saved.status, 0, saved.stderr);
  const { file, digest, size } = JSON.parse(saved.stdout) as { file: string; digest: string; size: number };
  assert.equal(file, join(folder, "data/unikvm/snapshots/counting.snapshot"));
  assert.deepEqual([statSync(file).mode & 0o777, statSync(file).size], [0o600, size]);
  assert.ok(size < 16 << 20, `${size} bytes`);
  // It runs on, also without the agent, of which nobody can say when it comes again.
  assert.equal((await execThere(run, "sh", "-c", "kill -9 $PPID; sleep 1000")).status, 125);
  const [copied, executed] = [command("cp", base, ":/root"), await execThere(run, "true")];
  assert.deepEqual([copied.status, executed.status], [3, 125]);
  for (const { stderr } of [copied, executed]) {
    assert.match(stderr, new RegExp(`^unikvm: process ${pid}: the agent in its guest has ended: .*closed its port\n$`));
  }
  await run.see("count 40\n");
  run.child.kill("SIGKILL");

  const [row] = JSON.parse(snapshot("list", "--json").stdout) as Record<string, unknown>[];
  assert.deepEqual([row?.["name"], row?.["digest"], row?.["machine"]], ["counting", digest, "pseries"]);
  const info = snapshot("info", "counting");
  assert.match(
    info.stdout,
    /^counting: pseries, .* of 256.0 MiB of memory used; .*\ndisk0: .*written\nmade by "unikvm .*"\ndigest [0-9a-f]{64}\n$/,
  );

  // A command goes on there, too.
  const disk = `${base},overlay`;
  const elsewhere = command("exec", "-q", "--snapshot", "counting", "--disk", disk, "--", "cat", "/root/note");
  assert.deepEqual([elsewhere.status, elsewhere.stdout], [0, "from outside\n"], elsewhere.stderr);

  // What it names is not opened by itself, nor taken for what it was.
  assert.match(
    snapshot("restore", "counting").stderr,
    /other disks \(1\) than are given \(0\); name their files again: ".*base.img"/,
  );
  assert.match(snapshot("restore", "counting", "--disk", base).stderr, /base.img is an overlay in the snapshot/);
  assert.match(
    snapshot("restore", "counting", "--network", "user", "--disk", `${base},overlay`).stderr,
    /has no network card/,
  );
  const other = join(folder, "other.img");
  writeFileSync(other, new Uint8Array(8 << 20).fill(0x42));
  assert.match(snapshot("restore", "counting", "--disk", `${other},overlay`).stderr, /other.img is not what it was/);
  // One of the same contents is the same.
  writeFileSync(other, readFileSync(base));

  const again = unikvm(
    ["snapshot", "restore", "counting", "--type", "pr", "--timeout", "200", "--disk", `${other},overlay`],
    {
      interactive: true,
    },
  );
  await again.see(/count (\d+)\ncount \d+\ncount \d+\n/);
  // What was copied into the first is there, and its agent has the time of now.
  const there = await execThere(again, "sh", "-c", "cat /root/note; date +%s; exit 3");
  assert.equal(there.status, 3, there.stderr);
  const [note, time] = there.stdout.split("\n");
  assert.equal(note, "from outside");
  assert.ok(Math.abs(Number(time) - Date.now() / 1000) < 60, time);
  again.type("enough\n");
  const { status, stdout, stderr } = await again.finished;
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  const counts = [...stdout.matchAll(/^count (\d+)$/gm)].map(([, count]) => Number(count));
  const first = counts[0] ?? 0;
  assert.ok(first >= 3, `it began with ${first}`);
  assert.deepEqual(
    counts,
    counts.map((_, i) => first + i),
  );
  assert.match(stdout, /^number 1\nA+number 2\nA+number 3\nunikvm.run: exit status 0$/m);
  assert.ok(readFileSync(base).every((byte) => byte === 0x41));
  assert.equal(snapshot("rm", "counting").status, 0);
  assert.equal(snapshot("list", "--json").stdout, "[]\n");
});

test("a disk that is written in place keeps a guest from being saved", {
  skip: noGuest,
  timeout: 280_000,
}, async (t) => {
  const disk = join(folder, "written.img");
  writeFileSync(disk, new Uint8Array(1 << 20));
  const append = 'console=hvc0 rdinit=/init cryptomgr.notests=1 quiet "unikvm.run=echo up; sleep 1000"';
  const run = unikvm(["run", "--memory", "256M", "--timeout", "240", "--disk", disk, "--append", append]);
  try {
    await run.see("up\n");
  } catch (error) {
    const { stderr } = await run.finished;
    if (/apt/.test(stderr)) return t.skip(`the drivers cannot be fetched: ${stderr}`);
    throw error;
  }
  const { status, stderr } = snapshot("save", "--pid", String(run.child.pid), "./refused.snapshot");
  assert.equal(status, 3);
  assert.match(stderr, /written.img is written in place.*as an overlay or readonly/);
  assert.equal(statSync(join(folder, "refused.snapshot"), { throwIfNoEntry: false }), undefined);
  run.child.kill("SIGKILL");
});

test("an initial RAM disk of the user's own brings no agent, and commands say what does", {
  skip: noGuest,
}, async () => {
  const own = join(folder, "initrd");
  writeFileSync(own, readFileSync(defaultGuest?.initrd ?? ""));
  const run = unikvm(["run", "--memory", "256M", "--timeout", "200", "--initrd", own]);
  try {
    await run.see("Linux version");
    const pid = String(run.child.pid);
    for (const { status, stderr } of [command("cp", "--pid", pid, own, ":/root"), await execThere(run, "true")]) {
      assert.match(stderr, new RegExp(`^unikvm: process ${pid}: .* brings no agent.*unikvm shell --kernel`));
      assert.ok(status === 3 || status === 125, String(status));
    }
  } finally {
    run.child.kill("SIGKILL");
  }
});
