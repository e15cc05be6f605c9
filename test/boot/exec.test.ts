/** `createVm` and what a program does with it, on Debian's kernel, under both engines: one boot for all tests of one. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { createVm, type ExecError, type LinuxVm, VmError } from "../../src/index-node.js";
import { implementations, noGuest } from "./booting.test-support.js";

const isVmError = (code: string, message?: RegExp) => (error: unknown) =>
  error instanceof VmError && error.code === code && (message?.test(error.message) ?? true);

for (const type of implementations) {
  describe(`a VM under ${type}`, { skip: noGuest }, () => {
    let booted: Promise<LinuxVm> | undefined;
    const vm = (): Promise<LinuxVm> => (booted ??= createVm({ type, env: { FROM_VM: "1" } }));
    after(async () => {
      const end = await (await booted)?.close();
      assert.equal(end?.kind, "closed");
    });

    test("runs a command and has its output and its status", async () => {
      const result = await (await vm()).exec("uname -m; cat; echo wrong >&2; exit 3", { stdin: "hello\n" });
      assert.deepEqual(
        { ...result, bytes: undefined },
        {
          ...{ exitCode: 3, signal: null, timedOut: false, truncated: false, bytes: undefined },
          ...{ stdout: "ppc64le\nhello\n", stderr: "wrong\n" },
        },
      );
      assert.deepEqual(result.bytes.stderr, new TextEncoder().encode("wrong\n"));
    });

    test("gives environment, folder and user", async () => {
      const { stdout } = await (await vm()).exec("echo $FROM_VM $OWN $HOME; pwd; id -u; id -g", {
        env: { OWN: "a b" },
        cwd: "/tmp",
        user: "7:9",
      });
      assert.equal(stdout, "1 a b /\n/tmp\n7\n9\n");
    });

    test("writes a file, reads it, and says what is wrong with others", async () => {
      const { fs, exec } = await vm();
      await fs.writeFile("/tmp/a.sh", "echo from a file", { mode: 0o755 });
      assert.equal(await fs.readFile("/tmp/a.sh", "utf8"), "echo from a file");
      assert.equal((await fs.stat("/tmp/a.sh")).mode & 0o777, 0o755);
      await assert.rejects(fs.stat("/nowhere"), isVmError("ENOENT", /no such file or directory, stat '\/nowhere'/));
      assert.equal(typeof exec, "function");
    });

    test("says why a program does not begin", async () => {
      const one = await vm();
      await assert.rejects(one.exec(["no-such-program"]), isVmError("EXEC_FAILED", /no such program/));
      await assert.rejects(one.exec(["/etc/passwd"]), isVmError("EXEC_FAILED", /permission denied/));
      await assert.rejects(one.exec(["true"], { cwd: "/nowhere" }), isVmError("NO_FOLDER"));
      await assert.rejects(one.exec(["true"], { user: "nobody-here" }), isVmError("NO_USER"));
    });

    test("with check, a status that is not 0 is an error that has the result", async () => {
      await assert.rejects((await vm()).exec("echo why >&2; exit 4", { check: true }), (error: ExecError) => {
        assert.match(error.message, /ended with status 4: why/);
        return error.code === "EXEC_STATUS" && error.result.exitCode === 4;
      });
    });
  });
}
