/** A big-endian program without a kernel, compiled here, runs on both engines and prints what QEMU prints. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { missing } from "../oracles/oracles.js";
import { implementations, root, threadModes, unikvm } from "./booting.test-support.js";

const compiler = "powerpc64-linux-gnu-gcc";

const computed = `\
first byte 0000000000000001
unaligned bfd2c20e613ef691
integers 76c3d745662ba0c8
doubles 1b006c909c9b773d
vector a520dab7a301daa9
atomics 00000000079f2c58
`;
const bare = `${computed}rewritten 0000000000004dbc\npowering off\n`;

const folder = mkdtempSync(join(tmpdir(), "unikvm-big-endian-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function compile(name: string, args: readonly string[]): string {
  const output = join(folder, name);
  const { status, stderr } = spawnSync(compiler, ["-O2", "-mcpu=power8", "-static", "-o", output, ...args], {
    cwd: join(root, "test/boot"),
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return output;
}

test("QEMU's user mode computes what the engines are held to", {
  skip: missing("bigEndianLibrary", "qemuBigEndian"),
}, () => {
  const { stdout } = spawnSync("qemu-ppc64", ["-cpu", "power9", compile("user", ["-DUSER", "big-endian.c"])], {
    encoding: "utf8",
  });
  assert.equal(stdout, computed);
});

for (const type of implementations) {
  for (const threads of threadModes) {
    test(`a big-endian program under ${type}, threads: ${threads}`, {
      skip: missing("bigEndianCompiler"),
    }, async () => {
      const kernel = compile(`${type}-${threads}`, [
        ...["-mabi=elfv2", "-ffreestanding", "-nostdlib", "-no-pie", "-fno-stack-protector"],
        ...["-Wl,-N", "-Wl,--no-warn-rwx-segments", "-Wl,-Ttext=0x100000", "-Wl,--build-id=none"],
        ...["big-endian-start.S", "big-endian.c"],
      ]);
      const args = ["run", "--type", type, "--threads", threads, "--memory", "64M", "--timeout", "60"];
      const { status, stdout, stderr } = await unikvm([...args, "--kernel", kernel]).finished;
      assert.equal(stdout, bare, stderr);
      assert.equal(status, 0, stderr);
    });
  }
}
