/** What a command prints gets to stdout, or it fails: `unikvm ... >FILE` may be all that somebody looks at. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { makeElf } from "../../src/vmm/loaders/elf.test-support.js";
import { main, root } from "../boot/booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-output-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const env = { ...process.env, XDG_RUNTIME_DIR: folder, XDG_CACHE_HOME: folder };

const fullDisk = existsSync("/dev/full") ? {} : { skip: "there is no /dev/full" };
const lossy = /^unikvm: stdout cannot be written: no space left on device; some of the output is lost$/m;

/** A guest that prints `count` times 16 bytes with H_PUT_TERM_CHAR, and powers off with RTAS's power-off. */
function chatter(count: number): string {
  const { bytes } = assemble(
    `
    lis 20, ${count >> 16}
    ori 20, 20, ${count & 0xffff}
    mtctr 20
    lis 21, 0x6162
    ori 21, 21, 0x630a
    sldi 22, 21, 32
    or 21, 21, 22
  say:
    li 3, 0x58
    li 4, 0
    li 5, 16
    mr 6, 21
    mr 7, 21
    sc 1
    cmpdi 3, 0
    bne say
    bdnz say
    lis 4, 0x2
    li 5, 0x2003
    stw 5, 0(4)
    li 5, 2
    stw 5, 4(4)
    li 5, 1
    stw 5, 8(4)
    li 5, -1
    stw 5, 12(4)
    stw 5, 16(4)
    li 3, 0
    ori 3, 3, 0xf000
    sc 1
    b .
  `,
    { origin: 0x10000n, littleEndian: false },
  );
  const path = join(folder, `chatter${count}`);
  writeFileSync(path, makeElf({ segments: [{ physical: 0x10000n, data: bytes }], entry: 0x10000n }));
  return path;
}

const commands: readonly string[][] = [
  [],
  ["--help"],
  ["--version"],
  ["run", "--help"],
  ["exec", "--help"],
  ["shell", "--help"],
  ["lsmod"],
  ["doctor"],
  ["guest", "list"],
  ["modinfo", "kvm"],
  ["modprobe", "--show-depends", "kvm"],
  ["modprobe", "--resolve-alias", "kvm-hv"],
  ["modprobe", "-C", "/dev/null", "-c"],
  ["selftest", "--type", "pr", "--test", "^fixed"],
  ["run", "--timeout", "30", "--kernel", chatter(1)],
];
for (const args of commands) {
  test(`a full disk: ${args.join(" ") || "nothing"}`, fullDisk, () => {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], {
      env,
      encoding: "utf8",
      stdio: ["ignore", full, "pipe"],
    });
    closeSync(full);
    assert.match(stderr, args.includes("--kernel") ? /cannot be written to stdout: no space left on device$/m : lossy);
    assert.doesNotMatch(stderr, /^\s+at /m);
    // Below 125 it is the status of the command that exec runs.
    assert.equal(status, ["exec", "shell"].includes(args[0] ?? "") ? 125 : 3);
  });
}

// Of the package's own command Node.js has made /dev/null of it, which may be what the caller wants.
for (const args of [["--version"], ["doctor", "--json"], ["exec", "--help"], ["run", "--kernel", chatter(1)]]) {
  test(`a stdout that is closed, by a checkout's own command: ${args.slice(0, 2).join(" ")}`, () => {
    const words = [join(root, "unikvm"), ...args, "--timeout", "30"].slice(0, args[0] === "run" ? undefined : -2);
    const { status, stderr } = spawnSync("sh", ["-c", '"$@" >&-', "sh", ...words], {
      env: { ...env, UNIKVM_SETUP: "0" },
      encoding: "utf8",
    });
    assert.match(stderr, /^unikvm: .*cannot be written.*: bad file descriptor/);
    assert.equal(status, args[0] === "exec" ? 125 : 3);
  });
}

test("a status that says more stays", fullDisk, () => {
  const full = openSync("/dev/full", "w");
  const { status } = spawnSync(process.execPath, [main, "modinfo", "kvm", "absent"], { env, stdio: ["ignore", full] });
  closeSync(full);
  assert.equal(status, 1);
});

for (const args of [
  ["run", "--help"],
  ["run", "--timeout", "30", "--kernel", chatter(1000)],
]) {
  test(`what was written in part is not done: ${args.slice(0, 2).join(" ")}`, () => {
    const path = join(folder, "part");
    const quoted = [process.execPath, main, ...args].map((word) => `'${word}'`).join(" ");
    const { status, stderr } = spawnSync("sh", ["-c", `ulimit -f 1; ${quoted} >'${path}'`], { env, encoding: "utf8" });
    assert.ok(statSync(path).size > 0 && statSync(path).size <= 1024, "the limit had no effect");
    assert.match(stderr, /cannot be written.*file too large/);
    assert.equal(status, 3);
  });
}

test("all of a guest's output is there when it powers off, in a file and through a slow pipe", async () => {
  const path = join(folder, "whole");
  const file = openSync(path, "w");
  const kernel = chatter(20_000);
  const { status } = spawnSync(process.execPath, [main, "run", "--timeout", "60", "--kernel", kernel], {
    stdio: ["ignore", file, "inherit"],
  });
  closeSync(file);
  assert.equal(status, 0);
  assert.equal(statSync(path).size, 20_000 * 16);
  const child = spawn(process.execPath, [main, "run", "--timeout", "60", "--kernel", chatter(20_000)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  let size = 0;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  child.stdout.on("data", (chunk: Buffer) => {
    size += chunk.length;
  });
  assert.deepEqual(await ended, [0, null]);
  assert.equal(size, 20_000 * 16);
});

test("a reader that takes nothing loses the last of the output, which is a failure", () => {
  // What a pipe holds, and somewhat more.
  const quoted = [process.execPath, main, "run", "--timeout", "60", "--kernel", chatter(4500)].join("' '");
  const script = `mkfifo end; { '${quoted}'; echo "status $?" >end; } | cat end`;
  const { stdout, stderr } = spawnSync("sh", ["-c", script], { cwd: folder, encoding: "utf8" });
  assert.match(stderr, /the reader of stdout took too long/);
  assert.equal(stdout, "status 3\n");
});

test("a reader that has gone away ends a command quietly", async () => {
  const child = spawn(process.execPath, [main, "run", "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  await once(child, "close");
  assert.equal(stderr, "");
});
