/**
 * `createVm` and `unikvm exec` with guests of x86-64 and i386. Four boots of 15 s of processor time and more each: too long for
 * `npm test`, so only with UNIKVM_X86_EXEC=1.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createVm, type VmError } from "../../src/index-node.js";
import { main, noLongRunOf } from "./booting.test-support.js";

const rows = [
  { guest: "x86_64", port: "amd64", machine: "x86_64" },
  { guest: "i386", port: "i386", machine: "i686" },
] as const;

for (const { guest, port, machine } of rows) {
  test(`a VM of ${guest} runs commands, has files, and goes on from a snapshot and as a twin`, {
    skip: noLongRunOf(port),
  }, async () => {
    const vm = await createVm({ guest, type: "hv", env: { FROM_VM: "1" } });
    try {
      const result = await vm.exec("uname -m; echo $FROM_VM; cat; echo wrong >&2; exit 3", { stdin: "hello\n" });
      const { stdout, stderr, exitCode } = result;
      assert.deepEqual(
        { stdout, stderr, exitCode },
        { stdout: `${machine}\n1\nhello\n`, stderr: "wrong\n", exitCode: 3 },
      );
      const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) ^ (i >> 8));
      await vm.fs.writeFile("/tmp/bytes", bytes);
      assert.deepEqual(new Uint8Array(await vm.fs.readFile("/tmp/bytes")), bytes);
      // Where a number of 32 bits does not reach, and who a program of 32 bits can be.
      const far = 3 * 2 ** 30;
      await vm.exec(`truncate -s ${far} /tmp/far; printf end >>/tmp/far`, { check: true });
      assert.equal(await new Response(vm.fs.createReadStream("/tmp/far", { start: far }) as BodyInit).text(), "end");
      assert.equal((await vm.fs.stat("/tmp/far")).size, far + 3);
      assert.equal((await vm.exec("id -u; id -g", { user: "100000:200000" })).stdout, "100000\n200000\n");
      const year = (await vm.exec("date +%Y")).stdout.trim();
      assert.ok(Math.abs(Number(year) - new Date().getUTCFullYear()) <= 1, year);
      await assert.rejects(vm.fs.readFile("/no/such/file"), (error: VmError) => error.code === "ENOENT");
      const again = await createVm({ snapshot: await vm.snapshot() });
      const [twin] = await vm.fork(1);
      for (const copy of [again, twin]) {
        assert.equal((await copy?.exec(["uname", "-m"]))?.stdout, `${machine}\n`);
        await copy?.close();
      }
      const folder = mkdtempSync(join(tmpdir(), "unikvm-x86-"));
      try {
        const file = join(folder, "kept.snapshot");
        await vm.snapshot({ name: file, packing: "stored" });
        const command = [main, "exec", "--quiet", "--snapshot", file, "--", "uname", "-m"];
        const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
        assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: `${machine}\n`, stderr: "" });
      } finally {
        rmSync(folder, { recursive: true });
      }
      // It runs on.
      assert.equal((await vm.exec("cat /tmp/bytes | wc -c")).stdout, "300000\n");
    } finally {
      assert.equal((await vm.close()).kind, "closed");
    }
  });

  test(`a VM of ${guest} without ACPI runs commands, with interrupts by message and by line`, {
    skip: noLongRunOf(port),
  }, async () => {
    for (const [append, seen] of [
      ["acpi=off", /MSI.*virtio0/],
      ["acpi=off pci=nomsi", /IO-APIC.*virtio0/],
    ] as const) {
      const vm = await createVm({ guest, append });
      try {
        const { stdout } = await vm.exec("test ! -e /sys/firmware/acpi && cat /proc/interrupts");
        assert.match(stdout, seen);
      } finally {
        await vm.close();
      }
    }
  });

  test(`a VM of ${guest} that dies rejects all that waits`, { skip: noLongRunOf(port) }, async () => {
    // A panic, memory that nothing gives back, and a boot that fails. Its machine hears of none of them by itself.
    for (const [last, panic] of [
      ["echo c >/proc/sysrq-trigger", "sysrq triggered crash"],
      ["mkdir -p /m; mount -t ramfs none /m; cat /dev/zero >>/m/file", "System is deadlocked on memory"],
      [undefined, "VFS: Unable to mount root fs"],
    ] as const) {
      const failed = (async () => {
        if (last === undefined) return void (await createVm({ guest, memory: "128M", append: "rdinit=/none" }));
        const vm = await createVm({ guest, memory: "128M", limits: { processes: 100 } });
        // The kernel may kill any of them before it gives up: again, until it does.
        for (;;) await vm.exec(last);
      })();
      await assert.rejects(failed, ({ code, message, console }: VmError) => {
        assert.equal(code, "CRASHED", message);
        assert.match(message, new RegExp(`Kernel panic: ${panic}`));
        assert.ok(console.length > 0 && console.length <= 40);
        return true;
      });
    }
  });

  test(`unikvm exec --guest ${port} has the command's output and status`, { skip: noLongRunOf(port) }, () => {
    const command = [main, "exec", "--quiet", "--guest", port, "--", "sh", "-c", "uname -m; cat; exit 5"];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { input: "in\n", encoding: "utf8" });
    assert.deepEqual({ status, stdout, stderr }, { status: 5, stdout: `${machine}\nin\n`, stderr: "" });
  });
}
