/** What tests say where an oracle is missing, or half of it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { kernelConf, type OracleName, oracles } from "./oracles.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-oracles-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What `missing` says of each oracle in a process that finds programs only in `path`. */
function answersIn(path: string): Record<OracleName, string | false> {
  const code = `import { missing, oracles } from ${JSON.stringify(new URL("oracles.js", import.meta.url).href)};
    console.log(JSON.stringify(Object.fromEntries(Object.keys(oracles).map((name) => [name, missing(name)]))));`;
  const args = ["--input-type=module", "--eval", code];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env: { PATH: path } });
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

test("without any program in PATH each oracle says that it is not installed, and which package brings it", () => {
  const { conf: _, ...answers } = answersIn(join(folder, "nothing"));
  for (const [name, answer] of Object.entries(answers)) {
    assert.match(String(answer), / is installed| is not installed/, name);
    assert.ok(String(answer).endsWith(` (Debian: ${oracles[name as OracleName].debian})`), `${name}: ${answer}`);
  }
  assert.equal(kernelConf(join(folder, "nothing")), undefined);
});

test("half an oracle is none: it says what is missing of it", () => {
  const half = join(folder, "half");
  mkdirSync(half);
  const program = (name: string, script: string) => {
    writeFileSync(join(half, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(half, name), 0o755);
  };
  // They answer --version, as half an installation does, and fail at work.
  const fails = (complaint: string) => `[ "$1" = --version ] && exit 0; echo "${complaint}" >&2; exit 1`;
  program("powerpc64-linux-gnu-gcc", fails("cannot find -lc"));
  program("powerpc64le-linux-gnu-gcc", fails("stdio.h: No such file or directory"));
  program("qemu-system-ppc64", fails("Could not find LPAR firmware"));
  program("depmod", "exit 0");
  program("qemu-ppc64", "kill -ILL $$");
  const answers = answersIn(half);
  const expected: Partial<Record<OracleName, RegExp>> = {
    bigEndianLibrary: /^powerpc64-linux-gnu-gcc does not work: cannot find -lc \(Debian: .*libc6-dev-ppc64-cross\)$/,
    littleEndianLibrary: /stdio\.h: No such file or directory \(Debian: .*libc6-dev-ppc64el-cross\)$/,
    qemuSystem: /does not work: Could not find LPAR firmware \(Debian: .*qemu-system-data\)$/,
    kmod: /^modprobe is not installed \(Debian: kmod\)$/,
    qemuBigEndian: /^qemu-ppc64 does not work: it ended with SIGILL \(Debian: qemu-user\)$/,
  };
  for (const [name, message] of Object.entries(expected)) assert.match(String(answers[name as OracleName]), message);
});

test("CI installs every package that an oracle needs", () => {
  const ci = readFileSync(new URL("../../../.ci/run", import.meta.url), "utf8");
  for (const [name, { debian }] of Object.entries(oracles)) {
    for (const one of debian.split(", ")) assert.match(ci, new RegExp(`\\s${one}[\\s;]`), name);
  }
});
