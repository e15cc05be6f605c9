/** How a guest's life begins and ends: the shell on the console, power off, reboot, crash, several CPUs, time limits. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import {
  boot,
  bootArguments,
  implementations,
  main,
  noGuest,
  root,
  unikvm,
  withInitrd,
} from "./booting.test-support.js";

const prompt = "/root # ";

test("the documentation's example boots Linux through the public names", { skip: noGuest }, () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "docs/examples/run-linux.mjs"), "echo $((6 * 7)); uname -m"],
    { encoding: "utf8", timeout: 120_000 },
  );
  assert.match(stdout.replaceAll("\r", ""), /^42\nppc64le\n[\s\S]*the guest's end: powerOff\n$/m, stderr);
  assert.equal(status, 0);
});

test("a reader of stdout that stalls delays neither the time limit nor the end", { skip: noGuest }, async () => {
  await withInitrd([], async (guest) => {
    const args = bootArguments(guest, { type: "hv", append: "quiet unikvm.run=yes", timeout: 8 });
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "ignore"] });
    const kill = setTimeout(() => child.kill("SIGKILL"), 60_000);
    const [status, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    clearTimeout(kill);
    assert.deepEqual([status, signal], [124, null]);
    child.stdout?.destroy();
  });
});

for (const type of implementations) {
  test(`${type}: a shell on the console takes input, a reboot starts the guest again, poweroff ends with status 0`, {
    skip: noGuest,
  }, async () => {
    const { status, stdout } = await withInitrd([], async (guest) => {
      const running = unikvm(bootArguments(guest, { type, append: "quiet" }), { interactive: true });
      await running.see(prompt);
      running.type("echo $((6 * 7)) is the answer; tty; sleep 50 & jobs\n");
      await running.see("42 is the answer\n/dev/hvc0\n");
      await running.see(/\[1\]\+ +Running +sleep 50/);
      // Job control: the interrupt character ends the foreground program and not the shell.
      running.type("sleep 1000; echo never\n");
      await new Promise((resolve) => setTimeout(resolve, 1500));
      running.type("\x03");
      await running.see(/echo never\n\^C\n[\s\S]*# /);
      running.type("echo still $((40 + 3))\n");
      await running.see("still 43");
      running.type("reboot\n");
      await running.see(/Restarting system[\s\S]*Welcome to Linux[\s\S]*\/root # /);
      running.type("poweroff\n");
      return running.finished;
    });
    assert.equal(status, 0);
    assert.doesNotMatch(stdout, /^never$/m);
  });

  test(`${type}: a reboot ends with --no-reboot`, { skip: noGuest }, async () => {
    const { status, stdout } = await boot({
      type,
      append: "quiet unikvm.run=reboot",
      args: ["--reboot", "--no-reboot"],
    });
    assert.match(stdout, /Restarting system/);
    assert.equal(status, 0);
  });

  test(`${type}: two CPUs come up, and a panic ends with status 1`, { skip: noGuest }, async () => {
    const work = "nproc; taskset 2 cat /proc/self/stat | cut -d ' ' -f 39; echo c > /proc/sysrq-trigger";
    const append = `quiet panic=1 "unikvm.run=${work}"`;
    const { status, stdout, stderr } = await boot({ type, append, args: ["--no-reboot", "--cpus", "2"] });
    assert.match(stdout, /^2\n1\n[\s\S]*Kernel panic/m, stderr);
    assert.equal(status, 1);
  });

  test(`${type}: --timeout ends a guest that loops for ever with status 124`, { skip: noGuest }, async () => {
    // A quiet machine has booted it by then; on a busy one it is the kernel that is ended.
    const append = 'quiet unikvm.run="while :; do :; done"';
    const { status } = await boot({ type, append, timeout: type === "hv" ? 5 : 8 });
    assert.equal(status, 124);
  });
}

test("Ctrl-A X leaves", { skip: noGuest }, async () => {
  await withInitrd([], async (guest) => {
    const running = unikvm(bootArguments(guest, { type: "hv" }), { interactive: true });
    await running.see("Linux version");
    running.type("\x01x");
    assert.equal((await running.finished).signal, null);
  });
});
