/** `createVm` and what a program does with it, on Debian's kernel, under both engines: one boot for all tests of one. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { createVm, type ExecError, type LinuxVm, VmError } from "../../src/index-node.js";
import { implementations, noGuest } from "./booting.test-support.js";
import { treeTests } from "./trees.test-support.js";

const isVmError = (code: string, message?: RegExp) => (error: unknown) =>
  error instanceof VmError && error.code === code && (message?.test(error.message) ?? true);

/** What a stream says until it ends, or until there are so many characters; then it is cancelled. */
async function textOf(stream: ReadableStream<Uint8Array>, most = Number.POSITIVE_INFINITY): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (text.length < most) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text;
}

async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, wanted: string): Promise<string> {
  let text = "";
  while (!text.includes(wanted)) {
    const { done, value } = await reader.read();
    assert.ok(!done, `it ended after ${JSON.stringify(text)}`);
    text += new TextDecoder().decode(value);
  }
  return text;
}

/** Begins to read, so that nobody waits. */
async function readNothing(stream: ReadableStream<Uint8Array>): Promise<void> {
  void textOf(stream).catch(() => undefined);
}

async function* pieces(count: number, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield new Uint8Array(size);
}

async function* failing(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(10);
  throw new Error("the source broke");
}

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

    test("who a program runs as is as the databases have it, however soon they change", async () => {
      const one = await vm();
      await one.exec("cp -a /etc /tmp/etc", { check: true });
      const identity = async (user: string) => (await one.exec("id -u; id -G", { user })).stdout.trim().split("\n");
      const write = async (id: number, groups: string) => {
        // The same size, and so the same in all but time.
        await one.fs.writeFile("/etc/passwd", `root:x:0:0::/root:/bin/sh\nalice:x:${id}:${id}::/:/bin/sh\n`);
        await one.fs.writeFile("/etc/group", groups);
      };
      await write(1000, "wheel:x:10:alice\n");
      assert.deepEqual(await identity("alice"), ["1000", "1000 10"]);
      await write(2000, "staff:x:20:alice\n");
      assert.deepEqual(await identity("alice"), ["2000", "2000 20"]);
      // What was changed long ago is kept.
      await one.exec("date -s @$(($(date +%s) + 60))", { check: true });
      for (let time = 0; time < 2; time++) assert.deepEqual(await identity("alice"), ["2000", "2000 20"]);
      await write(3000, "adm:x:30:root\n");
      assert.deepEqual(await identity("alice"), ["3000", "3000"]);
      assert.deepEqual(await identity("root"), ["0", "0 30"]);
      await one.fs.rm("/etc/group");
      assert.deepEqual(await identity("root"), ["0", "0"]);
      await one.fs.rm("/etc/passwd");
      await assert.rejects(identity("alice"), isVmError("NO_USER"));
      assert.deepEqual(await identity("0"), ["0", "0"]);
      await one.exec("cp -a /tmp/etc /", { check: true });
    });

    test("no security module of the kernel's is asked that does nothing without a policy", async () => {
      const { stdout } = await (await vm()).exec(
        "mount -t securityfs s /sys/kernel/security; cat /sys/kernel/security/lsm",
      );
      assert.deepEqual(stdout.split(",").sort(), ["capability", "landlock", "lockdown", "yama"]);
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

    test("looks for a program in each folder of PATH, and says of one that may not run that it may not", async () => {
      const one = await vm();
      await one.exec("mkdir /tmp/path && echo text > /tmp/path/true", { check: true });
      const run = (PATH: string, program = "true") => one.exec([program], { env: { PATH }, check: true });
      await run("/etc/passwd:/nowhere:/tmp/path:/bin");
      await assert.rejects(run("/etc/passwd:/tmp/path:/nowhere"), isVmError("EXEC_FAILED", /permission denied/));
      await assert.rejects(run("/etc/passwd:/nowhere"), isVmError("EXEC_FAILED", /no such program/));
    });

    test("where memory is short the kernel ends programs, and not the agent", async () => {
      const scores = "cat /proc/self/oom_score_adj /proc/$(pidof unikvm-agent)/oom_score_adj";
      assert.equal((await (await vm()).exec(scores, { check: true })).stdout, "0\n-1000\n");
    });

    test("kills the whole group at the time limit, which is a value", async () => {
      const one = await vm();
      const result = await one.exec("echo begun; sleep 1000 & sleep 1000; echo not here", { timeout: 1000 });
      assert.deepEqual([result.exitCode, result.signal, result.timedOut], [null, "SIGKILL", true]);
      // A machine that is very busy has not begun by then.
      assert.ok("begun\n".startsWith(result.stdout), result.stdout);
      assert.equal((await one.exec("pidof sleep")).stdout, "");
      // What has left the group holds its pipes, and holds up nobody.
      const left = await one.exec("setsid sleep 1000 & exec sleep 1000", { timeout: 1000 });
      assert.equal(left.timedOut, true);
      await one.exec("killall sleep");
    });

    test("an abort kills the group and rejects with the signal's reason", async () => {
      const one = await vm();
      const controller = new AbortController();
      const program = await one.spawn("echo begun; sleep 1000", { signal: controller.signal });
      assert.equal(await textOf(program.stdout, 6), "begun\n");
      const reason = new Error("enough");
      controller.abort(reason);
      await assert.rejects(program.exited, reason);
      await assert.rejects(one.exec("sleep 1000", { signal: AbortSignal.abort(reason) }), reason);
      assert.equal((await one.exec("pidof sleep")).stdout, "");
    });

    test("drops output beyond a bound, and the command goes on", async () => {
      const one = await vm();
      const result = await one.exec("head -c 3000000 /dev/zero; echo end >&2", { maxOutput: "1M" });
      assert.deepEqual(
        [result.bytes.stdout.length, result.truncated, result.stderr, result.exitCode],
        [1 << 20, true, "end\n", 0],
      );
    });

    test("a stream that nobody reads stops its writer and nothing else; cancelled, it closes the pipe", async () => {
      const one = await vm();
      const unread = await one.spawn(["dd", "if=/dev/zero", "bs=64k", "count=200"]);
      const program = await one.spawn("cat /dev/zero; echo $? >&2");
      assert.equal((await one.exec("echo others go on")).stdout, "others go on\n");
      // More than all that can be under way: the writer waits, until somebody reads.
      assert.equal((await one.exec("sleep 0.5; pidof dd")).stdout, `${unread.pid}\n`);
      assert.equal((await textOf(unread.stdout)).length, 200 * 65536);
      await program.stdout.cancel();
      assert.deepEqual(await program.exited, { exitCode: 0, signal: null, timedOut: false });
      // 128 + SIGPIPE.
      assert.equal(await textOf(program.stderr), "141\n");
    });

    test("input ends by itself, or by the program", async () => {
      const one = await vm();
      const program = await one.spawn(["sh", "-c", "cat; echo after"]);
      const writer = program.stdin.getWriter();
      await writer.write(new TextEncoder().encode("one "));
      await writer.write(new TextEncoder().encode("two\n"));
      await writer.close();
      assert.equal(await textOf(program.stdout), "one two\nafter\n");
      assert.equal((await program.exited).exitCode, 0);
      const early = await one.exec("head -c 3", { stdin: new Uint8Array(3_000_000).fill(65) });
      assert.deepEqual([early.stdout, early.exitCode], ["AAA", 0]);
      const counted = await one.exec("wc -c", { stdin: pieces(100, 50_000) });
      assert.equal(counted.stdout.trim(), "5000000");
      await assert.rejects(one.exec("cat", { stdin: failing() }), /the source broke/);
      // A stream that has nothing to give just now is let go of when nobody wants more.
      const left: string[] = [];
      const silent = (name: string) =>
        new ReadableStream<Uint8Array>({
          pull: () => new Promise(() => undefined),
          cancel: () => void left.push(name),
        });
      await one.exec("true", { stdin: silent("ended") });
      await assert.rejects(one.exec("cat", { stdin: silent("aborted"), signal: AbortSignal.timeout(50) }));
      await assert.rejects(one.fs.writeFile("/none/x", silent("failed")), { code: "ENOENT" });
      assert.deepEqual(left, ["ended", "aborted", "failed"]);
    });

    test("a terminal: its size, its signals, its end", async () => {
      const one = await vm();
      const program = await one.spawn("stty size; sleep 1000; stty size; cat; echo over", {
        pty: { rows: 30, columns: 100 },
      });
      const reader = program.stdout.getReader();
      const seen = await readUntil(reader, "\n");
      await program.resize({ rows: 11, columns: 22 });
      const writer = program.stdin.getWriter();
      // The interrupt character is for whoever is in the foreground: a shell in a script ends, too.
      await writer.write(Uint8Array.of(3));
      const end = await program.exited;
      assert.ok(end.exitCode === 130 || end.signal === "SIGINT", JSON.stringify(end));
      assert.match(seen, /30 100\r\n/);
      const other = await one.spawn("trap : WINCH; stty size; read x; stty size; cat; echo over", { pty: true });
      const [input, output] = [other.stdin.getWriter(), other.stdout.getReader()];
      await readUntil(output, "24 80");
      await other.resize({ rows: 11, columns: 22 });
      await input.write(new TextEncoder().encode("x\n"));
      await readUntil(output, "11 22");
      await input.close();
      await readUntil(output, "over");
      assert.deepEqual(await other.exited, { exitCode: 0, signal: null, timedOut: false });
    });

    test("a signal goes to the whole group", async () => {
      const one = await vm();
      const program = await one.spawn("sleep 1000 | sleep 1000 | cat; echo $?");
      await readNothing(program.stderr);
      await one.exec(`while [ $(pidof sleep | wc -w) -lt 2 ]; do sleep 0.1; done`);
      await program.kill("SIGTERM");
      assert.deepEqual(await program.exited, { exitCode: null, signal: "SIGTERM", timedOut: false });
      assert.equal((await one.exec("pidof sleep")).stdout, "");
    });

    test("two hundred at once, each with its own output", async () => {
      const one = await vm();
      const count = 200;
      const all = await Promise.all(
        Array.from({ length: count }, (_, i) => one.exec(["cat"], { stdin: `number ${i}` })),
      );
      for (const [i, { stdout, exitCode }] of all.entries()) assert.deepEqual([stdout, exitCode], [`number ${i}`, 0]);
      // Nothing is left of them in the agent: its own descriptors are all that is open.
      const open = await one.exec("ls /proc/$(pidof unikvm-agent)/fd | wc -l");
      assert.ok(Number(open.stdout) < 20, open.stdout);
    });

    test("files, with node:fs's names and errors", async () => {
      const { fs } = await vm();
      await fs.mkdir("/tmp/a/b/c", { recursive: true });
      await fs.mkdir("/tmp/a/b/c", { recursive: true });
      await assert.rejects(fs.mkdir("/tmp/a"), isVmError("EEXIST", /file already exists, mkdir/));
      await assert.rejects(fs.mkdir("/tmp/x/y"), isVmError("ENOENT"));
      await fs.writeFile("/tmp/a/b/file", "12345");
      await fs.writeFile("/tmp/a/b/file", "678", { flag: "a" });
      await assert.rejects(fs.writeFile("/tmp/a/b/file", "", { flag: "wx" }), isVmError("EEXIST"));
      await assert.rejects(fs.mkdir("/tmp/a/b/file/d", { recursive: true }), isVmError("ENOTDIR"));
      await fs.symlink("b/file", "/tmp/a/link");
      assert.equal(await fs.readlink("/tmp/a/link"), "b/file");
      assert.equal(await fs.readFile("/tmp/a/link", "utf8"), "12345678");
      const [state, link] = [await fs.stat("/tmp/a/link"), await fs.lstat("/tmp/a/link")];
      assert.deepEqual([state.isFile(), state.size, link.isSymbolicLink()], [true, 8, true]);
      assert.ok(Math.abs(state.mtimeMs - Date.now()) < 3_600_000, String(state.mtime));
      await fs.chmod("/tmp/a/b/file", 0o4600);
      assert.equal((await fs.stat("/tmp/a/b/file")).mode & 0o7777, 0o4600);
      await fs.rename("/tmp/a/b/file", "/tmp/a/b/other");
      assert.deepEqual(await fs.readdir("/tmp/a"), ["b", "link"]);
      const all = await fs.readdir("/tmp/a", { withFileTypes: true, recursive: true });
      assert.deepEqual(
        all.map((one) => `${one.parentPath}/${one.name} ${one.isDirectory()}`),
        ["/tmp/a/b true", "/tmp/a/link false", "/tmp/a/b/c true", "/tmp/a/b/other false"],
      );
      assert.deepEqual(await fs.readdir("/tmp/a/", { recursive: true }), ["b", "link", "b/c", "b/other"]);
      await assert.rejects(fs.writeFile("/dev/full", "x"), isVmError("ENOSPC", /open '\/dev\/full'/));
      assert.equal(await textOf(fs.createReadStream("/tmp/a/b/other", { start: 2, end: 4 })), "345");
      await assert.rejects(textOf(fs.createReadStream("/tmp/none")), isVmError("ENOENT", /open '\/tmp\/none'/));
      await assert.rejects(fs.rm("/tmp/a"), isVmError("EISDIR"));
      await fs.rm("/tmp/a", { recursive: true });
      await assert.rejects(fs.rm("/tmp/a"), isVmError("ENOENT"));
      await fs.rm("/tmp/a", { force: true });
      await assert.rejects(fs.readFile("/tmp"), isVmError("EISDIR"));
      await assert.rejects(fs.stat("/etc/passwd/x"), isVmError("ENOTDIR"));
    });

    test("a file that never ends is let go of, and one that never begins can be given up", async () => {
      const one = await vm();
      const stream = one.fs.createReadStream("/dev/zero");
      assert.equal((await textOf(stream, 5)).length > 0, true);
      await one.exec("mkfifo /tmp/fifo");
      const controller = new AbortController();
      const waiting = one.fs.readFile("/tmp/fifo", { signal: controller.signal });
      assert.equal((await one.exec("echo others go on")).stdout, "others go on\n");
      controller.abort();
      await assert.rejects(waiting, { name: "AbortError" });
    });

    test("many bytes, both ways", async () => {
      const { fs } = await vm();
      const bytes = Uint8Array.from({ length: 8_000_000 }, (_, i) => (i * 7) & 0xff);
      await fs.writeFile("/tmp/many", bytes);
      assert.deepEqual(Buffer.compare(await fs.readFile("/tmp/many"), bytes), 0);
    });

    treeTests(vm);

    test("programs that run, events, statistics, and a guest that stands still", async () => {
      const one = await vm();
      const controller = new AbortController();
      const events = one.events({ signal: controller.signal });
      const program = await one.spawn("read line; echo got $line; exit 3");
      // Programs of other tests may run, too.
      const running = async () => (await one.processes()).some(({ pid }) => pid === program.pid);
      assert.equal(await running(), true);
      const before = await one.stats();
      assert.equal(before.memory, 512 << 20);
      assert.ok(before.guest && before.guest.memory > 400 << 20 && before.guest.memory < 512 << 20);
      assert.ok(before.guest.available > 0 && before.guest.cpu > 0 && before.guest.processes > 10);
      assert.equal(before.paused, false);
      await Promise.all([one.pause(), one.pause()]);
      const pending = one.exec("echo afterwards");
      const { paused, guest, programs } = await one.stats();
      assert.deepEqual([paused, guest, programs >= 1], [true, undefined, true]);
      const clock = one.exec(["cat", "/proc/uptime"]);
      const early = await Promise.race([pending, new Promise((resolve) => setTimeout(resolve, 200, "nothing yet"))]);
      assert.equal(early, "nothing yet");
      await one.resume();
      await one.resume();
      assert.equal((await pending).stdout, "afterwards\n");
      await clock;
      const writer = program.stdin.getWriter();
      await writer.write(new TextEncoder().encode("it\n"));
      assert.equal(await textOf(program.stdout), "got it\n");
      await program.exited;
      assert.equal(await running(), false);
      const said: string[] = [];
      for await (const event of events) {
        said.push(event.type);
        if (event.type === "exited" && event.pid === program.pid) {
          assert.deepEqual(event, { type: "exited", pid: program.pid, exitCode: 3, signal: null });
          break;
        }
      }
      assert.equal(said[0], "spawned");
      assert.deepEqual(
        said.filter((type) => type === "paused" || type === "resumed"),
        ["paused", "resumed"],
      );
      const waiting = one.events({ signal: controller.signal }).next();
      controller.abort(new Error("enough"));
      await assert.rejects(waiting, /enough/);
    });

    test("with check, a status that is not 0 is an error that has the result", async () => {
      await assert.rejects((await vm()).exec("echo why >&2; exit 4", { check: true }), (error: ExecError) => {
        assert.match(error.message, /ended with status 4: why/);
        return error.code === "EXEC_STATUS" && error.result.exitCode === 4;
      });
    });
  });
}
