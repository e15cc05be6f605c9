/** The bench's commands, given what they do not take: one sentence, how they are used, status 2, and nothing is begun. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

function run(command: string, args: readonly string[]) {
  const program = fileURLToPath(new URL(`./${command}.js`, import.meta.url));
  return spawnSync(process.execPath, [program, ...args], { encoding: "utf8", timeout: 60_000 });
}

/** Of each command what it refuses, and what it says. */
const refused: Readonly<Record<string, readonly (readonly [args: readonly string[], says: string])[]>> = {
  main: [
    [["--guest", "sparc"], `--guest is ppc64el or amd64 or i386, not "sparc"`],
    [["--engines", "v86,hv"], `no engine of ppc64el is called "v86"; there are qemu, hv, pr`],
    [["--guest", "amd64", "--engines", "v86"], `no engine of amd64 is called "v86"; there are qemu, hv, pr`],
    [["--guest", "i386", "--engines", "hv,"], `no engine of i386 is called ""; there are qemu, v86, hv, pr`],
    [["--guest", "i386", "--rows", "["], "--rows: Invalid regular expression"],
    [["--guest", "i386", "--engines", "hv", "--rows", "no such"], "no row matches no such; there are boot, integer,"],
    [["--engines", "hv", "--node", "/nowhere/node"], "/nowhere/node is no Node.js that runs"],
    [["--guest", "amd64", "--runs", "0"], `--runs is a whole number from 1, not "0"`],
  ],
  boot: [
    [["--guest", "x86"], `--guest is ppc64el or amd64 or i386, not "x86"`],
    [["--guest", "amd64", "--skip", "v86"], `no engine of amd64 is called "v86"; there are qemu, hv, pr`],
    [["--memory", "256M"], `--memory is a whole number from 1, not "256M"`],
    [["--speed"], "Unknown option '--speed'"],
  ],
  smp: [
    [["--guest", ""], `--guest is ppc64el or amd64 or i386, not ""`],
    [["--guest", "i386", "--engines", "v86"], "v86 has one processor"],
    [["--cpus", "1"], `--cpus is a whole number from 2 to 32, not "1"`],
    [["--cpus", "33"], `--cpus is a whole number from 2 to 32, not "33"`],
    [["--only", "nothing"], "--only: of digest, awk, shell none matches nothing"],
  ],
  io: [
    [["--guest", "i386", "--engines", "hv,v86"], "v86 is not given a disk and a network here"],
    [["--clock", "host"], `--clock is guest or cpu, not "host"`],
    [["--rows", "tape"], "no row matches tape"],
  ],
  use: [
    [["--guest", "vax"], `--guest is ppc64el or amd64 or i386, not "vax"`],
    [["--type", "tcg"], `--type is hv or pr, not "tcg"`],
  ],
  v86: [
    [[], "--memory is missing"],
    [["--memory", "512"], `--memory is a size such as 512M, not "512"`],
    [["--memory", "512M"], "--package is missing"],
  ],
};

for (const [command, rows] of Object.entries(refused)) {
  test(`${command}: what it does not take`, () => {
    for (const [args, says] of rows) {
      const { status, stdout, stderr } = run(command, args);
      assert.ok(stderr.startsWith(`bench: ${says}`), `${args.join(" ")}: ${stderr}`);
      assert.match(stderr, /^usage: /m, args.join(" "));
      assert.equal(status, 2, stderr);
      assert.equal(stdout, "");
    }
  });
}

test("v86: a kernel that is none, or a package that is not there", () => {
  const files = ["--package", "/nowhere", "--kernel", process.execPath, "--initrd", "/dev/null", "--append", "quiet"];
  const { status, stderr } = run("v86", [...files, "--memory", "64M"]);
  assert.match(stderr, /^bench: the kernel cannot be loaded: it is a 64-bit ELF file for machine \d+, not for i386/);
  assert.equal(status, 3);
  const gone = run("v86", [...files.with(3, "/nowhere/vmlinux"), "--memory", "64M"]);
  assert.match(gone.stderr, /^bench: ENOENT/);
  assert.equal(gone.status, 3);
});
