/** `unikvm exec`: a command's streams, status and signals are the program's own. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { missing } from "../oracles/oracles.js";
import { noGuest, unikvm } from "./booting.test-support.js";

test("stdin, stdout, stderr and the status are the command's", { skip: noGuest }, async () => {
  const script = 'cat; echo "$FROM_HERE" >&2; pwd; exit 7';
  const running = unikvm(["exec", "-q", "--env", "FROM_HERE=a b", "--cwd", "/tmp", "--", "sh", "-c", script], {
    interactive: true,
  });
  running.child.stdin?.end("all of it\n");
  const { status, stdout, stderr } = await running.finished;
  assert.deepEqual({ status, stdout, stderr }, { status: 7, stdout: "all of it\n/tmp\n", stderr: "a b\n" });
});

test("a signal is the command's, and so is its end", { skip: noGuest }, async () => {
  // Under the interpreter, for once.
  const running = unikvm(["exec", "-q", "--type", "pr", "--", "sh", "-c", "echo ready; exec sleep 1000"]);
  await running.see("ready");
  running.child.kill("SIGTERM");
  const { status, stderr } = await running.finished;
  assert.equal(status, 128 + 15, stderr);
});

test("a signal ends the wait for who has the output of a command that has ended", { skip: noGuest }, async () => {
  const running = unikvm(["exec", "-q", "--", "sh", "-c", "sleep 1000 & echo begun"]);
  await running.see("begun");
  // Until the shell's end has come, the signal is the shell's, which has none by then.
  const again = setInterval(() => running.child.kill("SIGINT"), 200);
  const { status, stdout, stderr } = await running.finished;
  clearInterval(again);
  assert.deepEqual([status, stdout, stderr], [128 + 2, "begun\n", ""]);
});

test("at the time limit the status is 124, wherever it is met", { skip: noGuest }, async () => {
  const { status, stderr } = await unikvm(["exec", "--timeout", "3", "--", "sleep", "1000"]).finished;
  assert.equal(status, 124, stderr);
});

test("what is on a disk is mounted, as the help's example does it", {
  skip: noGuest || missing("mke2fs"),
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-exec-disk-"));
  try {
    const disk = join(folder, "data.img");
    execFileSync("mke2fs", ["-q", "-t", "ext4", disk, "16M"]);
    const script = "mkdir /mnt && mount /dev/vda /mnt && ls /mnt && echo kept >/mnt/kept";
    for (const seen of [/^lost\+found\n$/, /^kept\nlost\+found\n$/]) {
      const { status, stdout, stderr } = await unikvm(["exec", "-q", "--disk", disk, "--", "sh", "-c", script])
        .finished;
      assert.match(stdout, seen, stderr);
      assert.equal(status, 0, stderr);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a command that there is not ends with 127", { skip: noGuest }, async () => {
  const { status, stderr } = await unikvm(["exec", "-q", "no-such-program"]).finished;
  assert.equal(status, 127);
  assert.equal(stderr, "unikvm: no-such-program cannot be run: the guest has no such program\n");
});

test("what unikvm itself cannot do ends with 125", async () => {
  for (const args of [["--disk", "/no/such/disk", "--", "true"], ["--kernel", "/no/such/kernel", "true"], []]) {
    const { status, stdout, stderr } = await unikvm(["exec", ...args]).finished;
    assert.equal(status, 125, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /no such|missing required argument/i);
  }
});
