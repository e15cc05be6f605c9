import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { main, root, unikvm } from "../boot/booting.test-support.js";

/** Each process of Node's that ends says how many milliseconds of CPU it took, in a line on stderr. */
const telling = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from "node:fs";
  process.on("exit", () => {
    const { user, system } = process.cpuUsage();
    writeSync(2, "\\ncpu " + (user + system) / 1000 + " ms\\n");
  });
`)}`;

/** The least CPU time of some runs, milliseconds: what the work takes itself, however many others want the processor. */
function leastCpu(args: readonly string[], check: (stdout: string) => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 6; i++) {
    const env = { ...process.env, NODE_OPTIONS: `--import=${telling}` };
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env });
    assert.equal(status, 0, stderr);
    check(stdout);
    const taken = [...stderr.matchAll(/^cpu ([\d.]+) ms$/gm)].map(([, milliseconds]) => Number(milliseconds));
    assert.ok(taken.length > 0, stderr);
    least = Math.min(
      least,
      taken.reduce((sum, milliseconds) => sum + milliseconds),
    );
  }
  return least;
}

test("--help names every command, quickly", (t) => {
  const node = leastCpu(["-e", "0"], () => {});
  const help = leastCpu([join(root, "launch.mjs"), "--help"], (stdout) => {
    for (const name of ["run", "guest", "doctor", "selftest"]) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
  });
  t.diagnostic(`${help.toFixed(0)} ms of CPU, of which Node's start ${node.toFixed(0)} ms`);
  // It takes some twice as much as Node alone; with what `run` or `selftest` load it would be 3.5 times as much and more.
  assert.ok(help < 3 * node, `${help.toFixed(0)} ms, of which Node's start ${node.toFixed(0)} ms`);
});

test("--version is the package's", async () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  const { status, stdout } = await unikvm(["--version"]).finished;
  assert.equal(stdout, `${version}\n`);
  assert.equal(status, 0);
});

test("usage errors end with status 2 and a hint", async () => {
  for (const args of [["frobnicate"], ["--frobnicate"], ["guest", "frobnicate"], ["guest", "list", "more"]]) {
    const { status, stdout, stderr } = await unikvm(args).finished;
    assert.equal(status, 2, args.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, /error: /);
  }
});

test("a guest that nobody knows is a usage error with the names that are known", async () => {
  const { status, stderr } = await unikvm(["guest", "fetch", "plan9"]).finished;
  assert.equal(status, 2);
  assert.match(
    stderr,
    /^error: command-argument value 'plan9' is invalid for argument 'name'. There is ppc64el, amd64, i386.\n/,
  );
});

test("doctor says what the platform allows", async () => {
  const { status, stdout } = await unikvm(["doctor"]).finished;
  assert.equal(status, 0);
  for (const line of ["Node.js", "shared memory", "code generation", "tail calls", "SIMD", "fused relaxed madd"]) {
    assert.match(stdout, new RegExp(`^${line} `, "m"));
  }
  for (const line of [
    ...["hv of kvm", "pr of kvm", "hv of kvm_intel", "pr of kvm_amd"].map((one) => `implementation ${one}`),
    ...["ppc64el", "amd64", "i386"].map((one) => `guest ${one}`),
  ])
    assert.match(stdout, new RegExp(`^${line} +(?:yes|no) `, "m"), stdout);
  // Only an old engine has a newer one to hear of.
  const old = Number.parseInt(process.versions.node, 10) < 24;
  assert.equal(/^newer engine +faster +\(hv takes 0\.\d+ of /m.test(stdout), old, stdout);
});

/** What is wrong with how it ends, or undefined: a sentence and status 3. */
function refusal({ status, stdout, stderr }: SpawnSyncReturns<string>): string | undefined {
  const sound = status === 3 && stdout === "" && /^unikvm: ./m.test(stderr) && !/^\s+at |^node:/m.test(stderr);
  return sound ? undefined : `${status} ${stdout} ${stderr}`;
}

test("too few descriptors are a sentence, as long as Node itself starts", {
  skip: process.platform !== "linux" && "how many Node needs is known for Linux",
}, () => {
  for (const program of [join(root, "launch.mjs"), main]) {
    for (const limit of [20, 21, 22, 24, 28]) {
      const script = `ulimit -n ${limit}; exec '${process.execPath}' '${program}' doctor`;
      const ended = spawnSync("sh", ["-c", script], { encoding: "utf8", env: { ...process.env, UNIKVM_SETUP: "0" } });
      assert.equal(refusal(ended), undefined, `${limit} ${program}`);
      assert.match(ended.stderr, /too many open files/);
    }
  }
});

test("an installation of which a part is missing is a sentence", () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-part-"));
  const run = (program: string) =>
    spawnSync(process.execPath, [program, "doctor"], { encoding: "utf8", env: { ...process.env, UNIKVM_SETUP: "0" } });
  try {
    const launch = join(folder, "launch.mjs");
    copyFileSync(join(root, "launch.mjs"), launch);
    const withoutSetup = run(launch);
    assert.equal(refusal(withoutSetup), undefined);
    assert.match(withoutSetup.stderr, /setup\.mjs/);
    mkdirSync(join(folder, "guests"));
    for (const file of ["setup.mjs", "guests/lock.mjs", "guests/child.mjs"]) {
      copyFileSync(join(root, file), join(folder, file));
    }
    const withoutBuild = run(launch);
    assert.equal(refusal(withoutBuild), undefined);
    assert.match(withoutBuild.stderr, /main\.js is missing: run `node setup\.mjs --force`/);
    mkdirSync(join(folder, "dist/src/cli"), { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    copyFileSync(main, join(folder, "dist/src/cli/main.js"));
    const withoutTheRest = run(launch);
    assert.equal(refusal(withoutTheRest), undefined);
    assert.match(withoutTheRest.stderr, /early\.js.*\nunikvm is not all there/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("without WebAssembly, no hint that cannot help", () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ["--jitless", main, ...args], { encoding: "utf8", env: process.env });
  const doctor = run("doctor");
  assert.equal(doctor.status, 3);
  assert.match(doctor.stdout, /^WebAssembly +no /m);
  assert.match(
    doctor.stdout,
    /^implementation pr of kvm .* EPERM: this JavaScript engine has no WebAssembly;.*--jitless/m,
  );
  assert.doesNotMatch(doctor.stdout, /compiled module/);
});

test("build replaces no folder that is not its own", async () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-build-"));
  try {
    mkdirSync(join(folder, "browser"));
    writeFileSync(join(folder, "browser/precious"), "");
    const { status, stderr } = await unikvm(["build", "--output", folder]).finished;
    assert.equal(status, 3);
    assert.match(stderr, /^unikvm: .*browser holds something else/);
    assert.deepEqual(readdirSync(folder, { recursive: true }).sort(), ["browser", "browser/precious"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
