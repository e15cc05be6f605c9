/** The project's own commands (`npm run ...`), given what they do not take: one sentence, how they are used, status 2, nothing is begun. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../boot/booting.test-support.js";

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly scripts: Readonly<Record<string, string>>;
};
/** Their files, by name. */
const programs = new Map(
  Object.entries(scripts).flatMap(([name, script]) => {
    const [, file] = /^node setup\.mjs && node (dist\/(?:test|bench)\/\S+\.js)$/.exec(script) ?? [];
    return file === undefined ? [] : [[name, join(root, file)] as const];
  }),
);

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(name: string, ...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [programs.get(name) ?? "", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, stdout, stderr })));
}

async function refuses(name: string, args: readonly string[], sentence: RegExp): Promise<void> {
  const { status, stdout, stderr } = await run(name, ...args);
  const [first = "", second = ""] = stderr.split("\n");
  assert.match(first, sentence, `${name} ${args.join(" ")}: ${stderr}`);
  assert.ok(second.startsWith(`usage: npm run ${name} -- `), stderr);
  assert.doesNotMatch(stderr, /^\s+at /m);
  assert.deepEqual([status, stdout], [2, ""]);
}

test("the commands are found", () => {
  for (const name of ["soak", "forks", "kills", "litmus", "differential", "kvm-unit-tests", "bench", "bench:exits"])
    assert.ok(programs.has(name), name);
});

for (const name of programs.keys()) {
  test(`${name}: an option that there is not, and --help`, async () => {
    const [, help] = await Promise.all([
      refuses(name, ["--frobnicate"], /^[\w:-]+: Unknown option '--frobnicate'/),
      run(name, "--help"),
    ]);
    assert.ok(help.stdout.startsWith(`usage: npm run ${name} -- `), help.stdout);
    assert.deepEqual([help.status, help.stderr], [0, ""]);
  });
}

/** What each refuses besides, and what it says; what bench's refuse: bench/misuse.test.ts. */
const refused: Readonly<Record<string, readonly (readonly [args: readonly string[], says: string])[]>> = {
  soak: [
    [["--cpus", "0"], `--cpus is a whole number from 1 to 32, not "0"`],
    [["--seconds", "soon"], `--seconds is a whole number from 1, not "soon"`],
    [["--type", "tcg"], `--type is hv or pr, not "tcg"`],
    [["--guest", "vax"], `--guest is ppc64el or amd64 or i386, not "vax"`],
  ],
  forks: [
    [["--count", "1.5"], `--count is a whole number from 1, not "1.5"`],
    [["--pause", "-1"], "Option '--pause' argument is ambiguous."],
    [["--pause=-1"], `--pause is a number of seconds, not "-1"`],
    [["--type", ""], `--type is hv or pr, not ""`],
  ],
  kills: [
    [["--rounds", ""], `--rounds is a whole number from 1, not ""`],
    [["--only", "vmdk"], `--only is raw or qcow2 or save or cache, not "vmdk"`],
  ],
  litmus: [
    [["--tries", "1e7"], `--tries is a whole number from 1, not "1e7"`],
    [["--only", "["], "--only: Invalid regular expression"],
    [["--guest", "vax"], `--guest is powerpc or x86, not "vax"`],
  ],
  differential: [
    [["--seed", "x"], `--seed is a whole number from 0, not "x"`],
    [["--engine", "tcg"], `--engine is hv or pr, not "tcg"`],
  ],
  "kvm-unit-tests": [
    [[], "which folder of kvm-unit-tests?"],
    [["/nowhere"], "/nowhere/x86/unittests.cfg is not there"],
    [["/nowhere", "--arch", "riscv"], `--arch is x86_64 or i386, not "riscv"`],
  ],
  "test:package": [[["--node", "latest"], `--node is a whole number from 1, not "latest"`]],
  "bench:exits": [[["--rounds", "0"], `--rounds is a whole number from 1, not "0"`]],
  "bench:memory": [[["--mebibytes", "4096"], `--mebibytes is a whole number from 1 to 3072, not "4096"`]],
  "bench:move": [[["--rounds", "many"], `--rounds is a whole number from 1, not "many"`]],
  "bench:storm": [[["--only", "calm"], `--only: no storm's name has "calm" in it`]],
  "bench:tlbie": [[["--skip", "kvm"], `--skip is hv or pr or qemu, not "kvm"`]],
};

for (const [name, rows] of Object.entries(refused)) {
  test(`${name}: what it does not take`, async () => {
    const sentence = (says: string) => new RegExp(`^[\\w:-]+: ${says.replace(/[.?[\]()^$*+|\\]/g, "\\$&")}`);
    await Promise.all(rows.map(([args, says]) => refuses(name, args, sentence(says))));
  });
}
