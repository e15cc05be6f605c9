/** `vm.fs.upload` and `download`, in a VM that runs already. */
import assert from "node:assert/strict";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { archive, hostileArchives, streamOf } from "../../src/api/tar/archives.test-support.js";
import { type LinuxVm, VmError } from "../../src/index-node.js";
import { unpackTree } from "../../src/node/unpack-tree.js";

const code =
  (wanted: string, message = /./) =>
  (error: unknown) =>
    error instanceof VmError && error.code === wanted && message.test(error.message);

export function treeTests(vm: () => Promise<LinuxVm>): void {
  test("a tree goes in and comes out as it was", async () => {
    const { fs, exec } = withExec(await vm());
    const folder = mkdtempSync(join(tmpdir(), "unikvm-trees-"));
    try {
      const tree = join(folder, "tree");
      const long = join("a".repeat(100), "b".repeat(100), "c".repeat(100));
      mkdirSync(join(tree, long), { recursive: true });
      writeFileSync(join(tree, long, "deep"), "deep");
      writeFileSync(join(tree, "large"), Buffer.alloc(700_001, "large"));
      for (let i = 0; i < 20; i++) writeFileSync(join(tree, `small-${i}`), `${i}`);
      symlinkSync("/etc/passwd", join(tree, "link"));
      chmodSync(join(tree, "small-1"), 0o6755);
      utimesSync(join(tree, "small-2"), 981173106.25, 981173106.25);
      utimesSync(tree, 981173106, 981173106);
      await fs.upload(tree, "/tmp/up/tree");
      const list =
        "cd /tmp/up/tree; stat -c '%n %a %u:%g %y' small-1 small-2 . ; readlink link; find . | wc -l; cat */*/*/deep";
      const lines = (await exec(list)).stdout.split("\n");
      assert.match(lines[0] ?? "", /^small-1 6755 0:0 /);
      assert.equal(lines[1], "small-2 644 0:0 2001-02-03 04:05:06.250000000 +0000");
      assert.match(lines[2] ?? "", /^\. 755 0:0 2001-02-03 04:05:06/);
      assert.deepEqual(lines.slice(3), ["/etc/passwd", "27", "deep"]);
      const back = join(folder, "back");
      await exec("mkfifo pipe; mkdir made-up; mount -t proc proc made-up", { cwd: "/tmp/up/tree" });
      const left: string[] = [];
      const tar = fs.download("/tmp/up/tree", { exclude: ["small-1?", `${"a".repeat(100)}/b*`] });
      await unpackTree(tar, back, { leftOut: (path) => left.push(path) });
      await exec("umount /tmp/up/tree/made-up");
      assert.deepEqual(left, ["pipe"]);
      assert.equal(readdirSync(back).length, 14);
      assert.deepEqual(readdirSync(join(back, "made-up")), []);
      assert.deepEqual(readdirSync(join(back, "a".repeat(100))), []);
      assert.deepEqual(readFileSync(join(back, "large")), readFileSync(join(tree, "large")));
      assert.equal(readlinkSync(join(back, "link")), "/etc/passwd");
      assert.equal(lstatSync(join(back, "small-2")).mtimeMs, 981173106250);
      // Both are tars as others have them.
      const { stdout } = await exec(["tar", "-tf", "-"], { stdin: fs.download("/tmp/up/tree/large") });
      assert.equal(stdout, "large\n");
      const packed = (await exec(["tar", "-cf", "-", "large", "link"], { cwd: "/tmp/up/tree" })).bytes.stdout;
      await fs.upload(streamOf(packed, 10_000), "/tmp/up/second");
      assert.equal(
        (await exec("cmp /tmp/up/tree/large /tmp/up/second/large && ls /tmp/up/second")).stdout,
        "large\nlink\n",
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("an archive writes nothing outside of its folder", async () => {
    const { fs, exec } = withExec(await vm());
    for (const [what, bytes] of Object.entries(hostileArchives("/tmp/outside"))) {
      await exec("rm -rf /tmp/outside; mkdir -m 700 /tmp/outside; echo -n good > /tmp/outside/victim");
      await assert.rejects(
        fs.upload(streamOf(bytes), "/tmp/outside/target"),
        (error: unknown) => error instanceof VmError,
        what,
      );
      const { stdout } = await exec("cat victim; ls -A; stat -c %a .; stat -c %h victim", { cwd: "/tmp/outside" });
      assert.equal(stdout, "goodtarget\nvictim\n700\n1\n", what);
    }
    const refused = (path: string, message: RegExp, more: object = {}) =>
      assert.rejects(fs.upload(streamOf(archive({ path, ...more })), "/tmp/outside/target"), code("EPERM", message));
    await refused("a/../../x", /upload '\/tmp\/outside\/target': a\/\.\.\/\.\.\/x: it leads out of the folder/);
    await refused("disk", /a device is not made/, { kind: "block" });
    // What a guest's bytes do to a terminal is taken out of sentences.
    await refused("..\u001b[2J/x", /: \.\.\[2J\/x: a device/, { kind: "character" });
  });

  test("a tree that cannot be had or put says why, and an abort ends it", async () => {
    const { fs, exec } = withExec(await vm());
    const whole = async (path: string, options = {}) => new Response(fs.download(path, options)).arrayBuffer();
    await assert.rejects(whole("/nowhere"), code("ENOENT", /download '\/nowhere'/));
    await assert.rejects(fs.upload("/nowhere/on/the/host", "/tmp/x"), code("ENOENT"));
    await assert.rejects(fs.upload(streamOf(archive()), "/etc/passwd"), code("EEXIST"));
    await exec("mkdir -p /tmp/small && mount -t tmpfs -o size=256k tmpfs /tmp/small");
    const large = streamOf(archive({ path: "large", content: "x".repeat(1_000_000) }));
    await assert.rejects(fs.upload(large, "/tmp/small/tree"), code("ENOSPC", /large/));
    // A file that was there is still whole.
    await exec("echo old > /tmp/small/tree/large");
    await assert.rejects(
      fs.upload(streamOf(archive({ path: "large", content: "y".repeat(1_000_000) })), "/tmp/small/tree"),
      code("ENOSPC"),
    );
    assert.equal(
      (await exec("cat /tmp/small/tree/large; ls -A /tmp/small/tree; umount /tmp/small")).stdout,
      "old\nlarge\n",
    );
    const controller = new AbortController();
    const reason = new Error("enough");
    const endless = new ReadableStream<Uint8Array>({
      pull: (stream) => {
        stream.enqueue(archive({ path: "x", content: "x" }).subarray(0, 1024));
        if (!controller.signal.aborted) setTimeout(() => controller.abort(reason), 10);
      },
    });
    await assert.rejects(fs.upload(endless, "/tmp/endless", { signal: controller.signal }), reason);
    const reader = fs.download("/bin").getReader();
    await reader.read();
    await reader.cancel();
    await assert.rejects(whole("/bin", { signal: AbortSignal.abort(reason) }), reason);
    await assert.rejects(whole("/bin", { exclude: [5] }), code("EINVAL"));
  });
}

const withExec = (vm: LinuxVm) => ({ fs: vm.fs, exec: vm.exec.bind(vm) });
