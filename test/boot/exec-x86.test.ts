/**
 * `createVm` and `unikvm exec` with a guest of x86-64. Two boots of 15 s of processor time each: too long for `npm test`, so only
 * with UNIKVM_X86_EXEC=1.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { listGuest } from "../../guests/index.js";
import { createVm, type VmError } from "../../src/index-node.js";
import { main } from "./booting.test-support.js";

const { guest } = listGuest("amd64");
const missing = "missing" in guest && `SKIPPED: the guest amd64 is ${guest.missing}: unikvm guest fetch amd64`;
const skip =
  process.env["UNIKVM_X86_EXEC"] === undefined ? "SKIPPED: it takes long; UNIKVM_X86_EXEC=1 runs it" : missing;

test("an x86-64 VM runs commands, has files, and goes on from a snapshot and as a twin", { skip }, async () => {
  const vm = await createVm({ guest: "x86_64", type: "hv", env: { FROM_VM: "1" } });
  try {
    const result = await vm.exec("uname -m; echo $FROM_VM; cat; echo wrong >&2; exit 3", { stdin: "hello\n" });
    const { stdout, stderr, exitCode } = result;
    assert.deepEqual({ stdout, stderr, exitCode }, { stdout: "x86_64\n1\nhello\n", stderr: "wrong\n", exitCode: 3 });
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) ^ (i >> 8));
    await vm.fs.writeFile("/tmp/bytes", bytes);
    assert.deepEqual(new Uint8Array(await vm.fs.readFile("/tmp/bytes")), bytes);
    await assert.rejects(vm.fs.readFile("/no/such/file"), (error: VmError) => error.code === "ENOENT");
    const again = await createVm({ snapshot: await vm.snapshot() });
    const [twin] = await vm.fork(1);
    for (const copy of [again, twin]) {
      assert.equal((await copy?.exec(["uname", "-m"]))?.stdout, "x86_64\n");
      await copy?.close();
    }
    const folder = mkdtempSync(join(tmpdir(), "unikvm-x86-"));
    try {
      const file = join(folder, "kept.snapshot");
      await vm.snapshot({ name: file, packing: "stored" });
      const command = [main, "exec", "--quiet", "--snapshot", file, "--", "uname", "-m"];
      const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
      assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "x86_64\n", stderr: "" });
    } finally {
      rmSync(folder, { recursive: true });
    }
    // It runs on.
    assert.equal((await vm.exec("cat /tmp/bytes | wc -c")).stdout, "300000\n");
  } finally {
    assert.equal((await vm.close()).kind, "closed");
  }
});

test("unikvm exec --guest amd64 has the command's output and status", { skip }, () => {
  const command = [main, "exec", "--quiet", "--guest", "amd64", "--", "sh", "-c", "uname -m; cat; exit 5"];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { input: "in\n", encoding: "utf8" });
  assert.deepEqual({ status, stdout, stderr }, { status: 5, stdout: "x86_64\nin\n", stderr: "" });
});
